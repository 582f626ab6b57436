//! Runs work that may panic, recurse deeply or never end.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use crate::tokenizer::THREAD;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// The work panicked, or there was no memory for its stack.
    Panicked,
    /// The work takes too long.
    Late,
}

/// The result of `work`, which gets a thread with a stack of so many bytes. Work that takes longer than `patience` is
/// left behind: a thread cannot be ended, it goes on until it is done or the process ends.
pub(super) fn run<T: Send + 'static>(
    stack: usize,
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Lost> {
    let (send, receive) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(THREAD.to_owned()).stack_size(stack);
    // Nobody listens to what comes late.
    let started = thread.spawn(move || drop(send.send(work())));
    started.map_err(|_| Lost::Panicked)?;
    receive.recv_timeout(patience).map_err(|error| match error {
        RecvTimeoutError::Timeout => Lost::Late,
        RecvTimeoutError::Disconnected => Lost::Panicked,
    })
}
