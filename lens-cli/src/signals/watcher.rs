//! The thread that waits for signals.

use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    sync::{atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
    low_level,
};

use super::{HELD, LAST, SEEN, WORDS, leftovers};

/// How long the last words may take: whoever reads stderr may have stopped reading.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What is said where nobody said what fits better.
const NOTHING_YET: &str = "interrupted: there was nothing to write yet";

pub(super) fn start() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if !is_hangup_ignored() {
        signals.add_signal(SIGHUP)?;
    }
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            let first = SEEN.compare_exchange(0, signal as usize, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            match (first, HELD.load(Ordering::SeqCst)) {
                (true, true) => {}
                (true, false) => leave(signal, WORDS.get().unwrap_or(&NOTHING_YET)),
                (false, true) => leave(signal, "interrupted again: what was not yet written is lost"),
                (false, false) => leave(signal, "interrupted"),
            }
        }
    })?;
    Ok(())
}

/// Whether whoever started the program has it go on after its terminal is closed, as `nohup` does. Where that cannot be told, it is
/// taken for so: the system's own way of ending the program stays as it was.
fn is_hangup_ignored() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask & (1 << (SIGHUP - 1)) != 0)
}

/// Ends the program at once, without unfinished files. No destructor runs: other threads are still computing.
fn leave(signal: i32, why: &'static str) {
    leftovers::remove();
    LAST.get().inspect(|last| last());
    let (said, heard) = mpsc::channel();
    // Past std's lock of stderr, which another thread may hold for ever.
    // Without a thread for it, it ends without last words.
    let _ = thread::Builder::new().spawn(move || {
        if let Ok(stderr) = io::stderr().as_fd().try_clone_to_owned() {
            let clear = if io::stderr().is_terminal() { "\r\x1b[2K" } else { "" };
            let _ = std::fs::File::from(stderr).write_all(format!("{clear}note: {why}\n").as_bytes());
        }
        let _ = said.send(());
    });
    let _ = heard.recv_timeout(LAST_WORDS);
    low_level::exit(128 + signal);
}
