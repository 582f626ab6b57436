//! Signals that end a program without a word unless it says one: of files that became shorter or may not become longer,
//! and of memory that ran out.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use lens_checkpoint::memory;
use lens_core::ByteSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::{
    consts::{SIGABRT, SIGBUS, SIGXFSZ},
    flag, low_level,
};

/// A second handle on stderr: its writes take no lock, which a signal may have interrupted.
static STDERR: OnceLock<File> = OnceLock::new();

/// What is said when memory ran out.
static NO_MEMORY: OnceLock<String> = OnceLock::new();

/// What a terminal is given back with.
static TAKEN: OnceLock<Taken> = OnceLock::new();

/// A terminal that shows another screen for a while, in other modes.
struct Taken {
    /// Handles of its own, as that of stderr.
    out: File,
    keys: File,
    /// The modes that it had.
    modes: Termios,
    back: &'static [u8],
    is_taken: &'static AtomicBool,
    /// Waits for who is writing to it.
    wait: fn(),
}

/// The terminal on stdin and stdout is about to be taken over. While `is_taken` says that it is, the end of the program
/// calls `wait`, writes `back` and sets the modes that it has now.
///
/// # Errors
/// When stdin is no terminal, or there are no more handles.
pub(super) fn give_back(back: &'static [u8], is_taken: &'static AtomicBool, wait: fn()) -> io::Result<()> {
    let own = |handle: io::Result<std::os::fd::OwnedFd>| handle.map(File::from);
    let out = own(io::stdout().as_fd().try_clone_to_owned())?;
    let keys = own(io::stdin().as_fd().try_clone_to_owned())?;
    let modes = tcgetattr(&keys)?;
    let _ = TAKEN.set(Taken { out, keys, modes, back, is_taken, wait });
    Ok(())
}

/// A write beyond `ulimit -f` becomes an error like that of a full disk, instead of the end of the program.
pub(super) fn make_file_limits_errors() -> io::Result<()> {
    // Any handler will do: the write itself then fails with EFBIG.
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map(drop)
}

/// Memory that maps a file has no content where the file was cut off: reading there raises SIGBUS. Where memory cannot be
/// had, Rust and C++ alike give up with SIGABRT. Instead of dying with a core, the program says what it was and fails.
pub(super) fn explain() -> io::Result<()> {
    if let Ok(stderr) = io::stderr().as_fd().try_clone_to_owned() {
        let _ = STDERR.set(File::from(stderr));
    }
    // Written now: a handler may not make a text.
    let _ = NO_MEMORY.set(no_memory(memory::most_addresses()));
    for (signal, action) in [(SIGBUS, lost as fn()), (SIGABRT, gave_up)] {
        // SAFETY: both actions call nothing but write(2), tcsetattr(3), nanosleep(2) and _exit(2), read what only ever
        // grows or was set before them, and neither allocate nor lock.
        #[expect(unsafe_code, reason = "a signal handler")]
        unsafe { low_level::register(signal, action) }.map(drop)?;
    }
    Ok(())
}

/// What is said when the program gives up under this limit on its addresses. It begins on a line of its own: another thread
/// that gets no memory either may have written half of one.
fn no_memory(limit: Option<u64>) -> String {
    let why = match limit {
        Some(limit) => format!(
            "\nerror: memory ran out: a limit (ulimit -v) leaves this program {}\n  raise it, or",
            ByteSize(limit)
        ),
        None => "\nerror: the program had to give up, most likely because memory ran out (see the line above)\n  free some, or"
            .to_owned(),
    };
    format!(
        "{why} ask for less: --dtype bf16, fewer --threads, fewer --positions, a smaller -k\n  nothing unfinished has \
         its final name\n"
    )
}

/// Whoever called abort(3), in whatever state: as after [`lost`], nothing is finished in good order.
fn gave_up() {
    leave_screen();
    if let (Some(mut stderr), Some(words)) = (STDERR.get(), NO_MEMORY.get()) {
        let _ = stderr.write_all(words.as_bytes());
    }
    low_level::exit(1);
}

/// What is left to do once weights are gone. Nothing can be computed any more, and nothing is finished in good order:
/// files without their final name stay, and the next run in that folder removes them.
fn lost() {
    leave_screen();
    if let Some(mut stderr) = STDERR.get() {
        let _ = stderr.write_all(
            b"error: a file that is mapped into memory became shorter while it was in use, most likely weights:\n",
        );
        for path in lens_checkpoint::checkpoint::shrunk() {
            let _ = stderr.write_all(b"  ");
            let _ = stderr.write_all(path);
            let _ = stderr.write_all(b"\n");
        }
        let _ = stderr.write_all(
            b"  leave weights alone while lens runs, or read them into memory first with --io read\n",
        );
    }
    low_level::exit(1);
}

/// Gives a terminal back that was taken, so that the message is seen and the shell after it can be used.
fn leave_screen() {
    let Some(taken) = TAKEN.get() else { return };
    if taken.is_taken.swap(false, Ordering::SeqCst) {
        (taken.wait)();
        let mut out = &taken.out;
        let _ = out.write_all(taken.back);
        let _ = tcsetattr(&taken.keys, OptionalActions::Now, &taken.modes);
    }
}
