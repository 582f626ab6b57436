//! A server that is never quite silent and never done.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

/// Serves any number of clients, each until it goes away.
pub(crate) struct Drip {
    pub(crate) url: String,
}

impl Drip {
    /// Answers with `start` at once, and then with a byte of a header's name now and then.
    pub(crate) fn start(start: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let _ = stream.read(&mut [0; 4096]);
                    let mut sent = stream.write_all(start.as_bytes());
                    while sent.is_ok() {
                        std::thread::sleep(Duration::from_millis(20));
                        sent = stream.write_all(b"x");
                    }
                });
            }
        });
        Self { url }
    }
}
