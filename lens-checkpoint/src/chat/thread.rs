//! Runs work that may panic, recurse deeply or never end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use crate::limits;
use crate::tokenizer::THREAD;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// The work panicked.
    Panicked,
    /// There was no memory for its stack.
    NoThread,
    /// The work takes too long.
    Late,
}

/// Work that went on after its time, and still does.
static LATE: AtomicUsize = AtomicUsize::new(0);

/// The result of `work`, which gets a thread with a stack of so many bytes. Work that takes longer than `patience` is
/// abandoned: a thread cannot be ended, it goes on until it is done or the process ends. There are never more than a
/// few of them.
pub(super) fn run<T: Send + 'static>(
    stack: usize,
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Lost> {
    run_beside(&LATE, stack, patience, work)
}

fn run_beside<T: Send + 'static>(
    late: &'static AtomicUsize,
    stack: usize,
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Lost> {
    if late.load(Ordering::Relaxed) >= limits::chat::MOST_LATE {
        return Err(Lost::Late);
    }
    let (send, receive) = mpsc::sync_channel(1);
    // Set by whichever comes first, the end of the work or the end of patience.
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let thread = std::thread::Builder::new().name(THREAD.to_owned()).stack_size(stack);
    let started = thread.spawn(move || {
        // Nobody listens to what comes late.
        drop(send.send(work()));
        if ended.swap(true, Ordering::Relaxed) {
            late.fetch_sub(1, Ordering::Relaxed);
        }
    });
    started.map_err(|_| Lost::NoThread)?;
    receive.recv_timeout(patience).map_err(|error| match error {
        RecvTimeoutError::Timeout => {
            if !over.swap(true, Ordering::Relaxed) {
                late.fetch_add(1, Ordering::Relaxed);
            }
            Lost::Late
        }
        RecvTimeoutError::Disconnected => Lost::Panicked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_never_ends_does_not_pile_up() {
        static OWN: AtomicUsize = AtomicUsize::new(0);
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let wait = || {
            let held = Arc::clone(&held);
            run_beside(&OWN, 1 << 16, Duration::from_millis(1), move || {
                let _ = held.lock().map(|held| held.recv());
            })
        };
        assert!((0..limits::chat::MOST_LATE).all(|_| wait() == Err(Lost::Late)));
        assert_eq!(
            run_beside(&OWN, 1 << 16, Duration::from_secs(60), || 1),
            Err(Lost::Late),
            "one too many was begun"
        );
        drop(release);
        // The late work ends now, each soon after the other; then there is room again.
        let room = (0..6000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            run_beside(&OWN, 1 << 16, Duration::from_secs(60), || 1) == Ok(1)
        });
        assert!(room);
    }
}
