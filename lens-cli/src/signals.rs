//! Ctrl-C: the first one ends a continuation in good order, the second one ends the program.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// The user ended it. What was read is written; the exit status still says so.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

impl Interrupted {
    /// What a shell calls a program that a signal ended.
    pub(crate) fn status(&self) -> u8 {
        128 + seen().and_then(|signal| u8::try_from(signal).ok()).unwrap_or(SIGINT as u8)
    }
}

/// From now on, signals are noted.
pub(crate) fn watch() -> io::Result<()> {
    let number = Arc::clone(SIGNAL.get_or_init(Arc::default));
    let once = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds the flag that the first one has set.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&once))?;
        flag::register(signal, Arc::clone(&once))?;
        flag::register_usize(signal, Arc::clone(&number), signal as usize)?;
    }
    Ok(())
}

/// The signal that came, if one did.
pub(crate) fn seen() -> Option<usize> {
    SIGNAL.get().map(|number| number.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
}
