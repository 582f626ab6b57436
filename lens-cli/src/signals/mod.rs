//! What signals do: the first SIGINT or SIGTERM ends the program in good order, the second one at once.
//!
//! While nothing is worth keeping (loading, a download, the first step of a prompt), the first one ends the program
//! at once too. From the first readout on, the run [holds](hold) it back, looks at [`seen`] between steps, and writes
//! what it has. Files never get their final name before they are whole, so whatever ends the program leaves no broken
//! one.

#[cfg(unix)]
mod fault;
mod leftovers;
#[cfg(unix)]
mod watcher;

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use signal_hook::consts::SIGINT;

pub use leftovers::Leftover;

/// The first signal that came; 0 for none.
static SEEN: AtomicUsize = AtomicUsize::new(0);

/// Whether the run ends by itself soon after a signal.
static HELD: AtomicBool = AtomicBool::new(false);

/// What is done before the program ends at once.
static LAST: OnceLock<fn()> = OnceLock::new();

/// The user ended it. What was read is written; the exit status still says so.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupted {
    /// What a shell calls a program that a signal ended.
    pub fn status(&self) -> u8 {
        128 + seen().and_then(|signal| u8::try_from(signal).ok()).unwrap_or(SIGINT as u8)
    }
}

/// From now on, signals do what this module says.
///
/// # Errors
/// When the system lets no signal be watched, or has no thread for it.
pub fn watch() -> io::Result<()> {
    #[cfg(unix)]
    {
        fault::explain()?;
        fault::make_file_limits_errors()?;
        watcher::start()?;
    }
    Ok(())
}

/// The signal that came, if one did.
pub fn seen() -> Option<usize> {
    Some(SEEN.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
}

/// Asks the first signal to leave the program to itself: there is something worth writing. It is up to the caller to
/// look at [`seen`] often.
pub fn hold() {
    HELD.store(true, Ordering::SeqCst);
}

/// Ends what [`hold`] began: all that was worth writing is written.
pub fn release() {
    HELD.store(false, Ordering::SeqCst);
}

/// Has a signal that ends the program at once do this first, on a thread of its own kind, where locks may be taken. One
/// such thing is remembered, the first.
pub fn before_leaving(last: fn()) {
    let _ = LAST.set(last);
}

/// Ends the program now, with success, whatever other threads compute: they are left to the system.
pub fn end_now() -> ! {
    leftovers::remove();
    signal_hook::low_level::exit(0)
}
