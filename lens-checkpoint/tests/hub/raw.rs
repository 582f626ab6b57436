//! A server that says the same bytes to everybody, whether they are HTTP or not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Serves any number of clients, one after the other.
pub(crate) struct Raw {
    pub(crate) url: String,
    served: Arc<AtomicUsize>,
}

impl Raw {
    pub(crate) fn start(says: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let (says, served) = (says.into(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&served);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = stream.read(&mut [0; 4096]);
                // Whoever has heard enough may go away.
                let _ = stream.write_all(&says);
                let _ = stream.shutdown(Shutdown::Write);
            }
        });
        Self { url, served }
    }

    /// How often it was asked.
    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }
}
