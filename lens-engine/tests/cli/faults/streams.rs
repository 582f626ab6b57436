//! Streams that are closed or full, and folders of the user that are not there or cannot be written to.

use std::{
    fs::OpenOptions,
    io::Read,
    process::{Output, Stdio},
};

use super::{after, ended_in_words, lens, stderr, words, writers::inputs};
use crate::support::says;

/// Commands that print something, in the folder of inputs.
const PRINTERS: [&str; 11] = [
    "run hi",
    "run hi --format json",
    "run --prompts many.txt",
    "families",
    "render trace.json",
    "corpus merge corpus",
    "inspect --model demo",
    "completions bash",
    "attribute hi --target a",
    "patch --clean-ids 1,20 --corrupted-ids 1,30 --target 40 --versus 50",
    "--version",
];

fn output(line: &str, shell: &str) -> Output {
    after(shell, inputs(), &words(line)).output().expect("sh runs")
}

#[test]
fn a_full_stdout_is_an_error() {
    for line in PRINTERS {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = lens(inputs(), &words(line)).stdout(full).output().expect("lens runs");
        assert!(!ended_in_words(&output, line), "{line}: nobody noticed");
        says(&stderr(&output), &["cannot write to stdout", "No space left", "tip: "]);
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_success() {
    for line in PRINTERS {
        let mut command = lens(inputs(), &words(line));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("lens runs");
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_exact(&mut [0]).expect("a byte");
        drop(stdout);
        let output = child.wait_with_output().expect("its end");
        assert!(ended_in_words(&output, line), "{line}: {}", stderr(&output));
        assert!(!stderr(&output).contains("error"), "{line}: {}", stderr(&output));
    }
}

#[test]
fn closed_streams_are_no_crash() {
    for line in ["run hi", "families", "render trace.json"] {
        for closed in ["exec <&-", "exec >&-", "exec 2>&-", "exec <&- >&-", "exec <&- >&- 2>&-"] {
            let output = output(line, closed);
            assert!(ended_in_words(&output, line), "{line} after {closed}: {}", stderr(&output));
        }
    }
    // Where stdin is what is asked for, there is nothing in it.
    for line in ["run --prompts -", "render -"] {
        assert!(!ended_in_words(&output(line, "exec <&-"), line));
    }
    // An error that nobody hears is one.
    assert_eq!(output("run hi --layers 99", "exec 2>&-").status.code(), Some(1));
}

#[test]
fn a_home_that_is_not_there_or_cannot_be_written_to() {
    let away = "unset HF_HUB_CACHE HF_HOME XDG_CACHE_HOME XDG_DATA_HOME";
    for home in ["unset HOME", "HOME=", "HOME=/proc", "HOME=/dev/null TMPDIR=/proc", "TMPDIR=/nonexistent"] {
        for line in ["run hi -o x.json", "render trace.json -o x.png"] {
            let folder = tempfile::tempdir().expect("a folder");
            let args = words(&line.replace("-o ", &format!("-o {}/", folder.path().display())));
            let shell = format!("{away}; {home}; export HOME TMPDIR");
            let shell = if home.starts_with("unset") { format!("{away}; {home}") } else { shell };
            let output = after(&shell, inputs(), &args).output().expect("sh runs");
            assert!(ended_in_words(&output, line), "{line} with {home}: {}", stderr(&output));
        }
        // A model of the hub that is not there is one, wherever its cache would be.
        let shell = format!("{away}; {home}; export HOME TMPDIR");
        let output = output("run -m owner/model hi", &shell);
        assert!(!ended_in_words(&output, home));
    }
}
