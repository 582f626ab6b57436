//! What a machine may deny: room on a disk, long files, memory, handles, streams, folders. Each is an error in words that
//! says what to do, nothing half is left under a final name, and what was there stays.
//!
//! `LENS_TIMES=50 cargo test -p lens-engine --test cli faults -- --nocapture` tries more rooms and limits at random
//! (`cargo xtask battery` does).
#![cfg(target_os = "linux")]

mod disk;
mod limits;
mod streams;
mod writers;

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::program;

/// How often random things are tried; 0 in an ordinary run.
fn times() -> u64 {
    std::env::var("LENS_TIMES").map_or(0, |times| times.parse().expect("a number"))
}

/// The program as people run it, in `folder`.
fn lens(folder: &Path, args: &[String]) -> Command {
    let mut command = Command::new(program());
    surround(&mut command, folder);
    command.args(args);
    command
}

/// The program after a command of the shell, such as `ulimit -f 8`.
fn after(shell: &str, folder: &Path, args: &[String]) -> Command {
    let mut command = Command::new("sh");
    surround(&mut command, folder);
    command.args(["-c", &format!("{shell}; exec \"$0\" \"$@\"")]).arg(program()).args(args);
    command
}

fn surround(command: &mut Command, folder: &Path) {
    command.env("HF_HUB_OFFLINE", "1").env("HF_HUB_CACHE", "/nonexistent/hub").current_dir(folder);
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
}

/// Words of a command line.
fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// It ended by itself: well, or with an error in words. `what` is for the message.
fn ended_in_words(output: &Output, what: &str) -> bool {
    let said = stderr(output);
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{what}: {:?}: {said}", output.status);
    for never in ["panicked", "this is a bug", "RUST_BACKTRACE=full"] {
        assert!(!said.contains(never), "{what}: {said}");
    }
    if code == Some(1) {
        assert!(said.lines().any(|line| line.starts_with("error: ")), "{what}: no error in words: {said}");
    }
    code == Some(0)
}
