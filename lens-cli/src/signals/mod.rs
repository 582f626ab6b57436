//! What signals do: the first SIGINT, SIGTERM or SIGHUP (a terminal that is closed, unless `nohup` stands before the command) ends
//! the program in good order, the second one at once.
//!
//! While nothing is worth keeping (loading, a download, the first step of a prompt), the first one ends the program
//! at once too. From the first readout on, the run [holds](hold) it back, looks at [`seen`] between steps, and writes
//! what it has. Files never get their final name before they are whole, so whatever ends the program leaves no broken
//! one. Before all this, while the system loads libtorch for the engine, a signal does what it does to any program: it
//! ends it, without words.

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

/// What a signal that ends the program at once says, where it is not that nothing was read yet.
static WORDS: OnceLock<&str> = OnceLock::new();

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

/// Has a signal that ends the program at once say this: for programs that go on until somebody ends them, and leave no
/// results behind that could be lacking. The first one is remembered.
pub fn say_when_left(words: &'static str) {
    let _ = WORDS.set(words);
}

/// The terminal on stdin and stdout is about to be taken over: where the program ends without another word, as it does when a
/// mapped file is cut off, `back` is written to it and its modes are set back, while `is_taken` says that it is taken. Before
/// that `is_taken` is unset and `wait` is called, to wait for who is writing there: it is called while a signal is handled,
/// so it may neither lock nor allocate.
///
/// # Errors
/// When stdin is no terminal, or there are no more handles.
pub fn give_back(back: &'static [u8], is_taken: &'static AtomicBool, wait: fn()) -> io::Result<()> {
    #[cfg(unix)]
    fault::give_back(back, is_taken, wait)?;
    #[cfg(not(unix))]
    let _ = (back, is_taken, wait);
    Ok(())
}

/// Ends the program now, with success, whatever other threads compute: they are left to the system.
pub fn end_now() -> ! {
    leftovers::remove();
    signal_hook::low_level::exit(0)
}
