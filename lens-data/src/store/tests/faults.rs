//! Faults of this machine, in a process of their own: the test runs itself once more, with a variable that says what to
//! do.
#![cfg(unix)]

use std::{
    env, fs,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use super::*;

const PLACE: &str = "LENS_DATA_TEST_PLACE";

/// Both have this size; they differ in every byte.
const SIZE: usize = 3 << 20;

/// This test alone, in another process.
fn again(test: &str, place: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &format!("store::tests::faults::{test}"), "--nocapture"]).env(PLACE, place);
    command
}

#[test]
fn a_writer_that_is_killed_leaves_a_whole_blob() {
    const TEST: &str = "a_writer_that_is_killed_leaves_a_whole_blob";
    if let Some(place) = env::var_os(PLACE) {
        let store = Store::open(place.to_str().unwrap()).unwrap();
        println!("\nbegun");
        for byte in (1..=u8::MAX).cycle() {
            store.put("blob", vec![byte; SIZE]).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let mut unfinished = 0;
    for round in 0..12 {
        let mut child = again(TEST, folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        assert!(said.lines().any(|line| line.unwrap() == "begun"));
        std::thread::sleep(std::time::Duration::from_millis(5 + 7 * round));
        // On Unix, SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        if let Some(blob) = store.get("blob", SIZE as u64).unwrap() {
            assert!(blob.len() == SIZE && blob.iter().all(|byte| *byte == blob[0]), "half a blob");
        }
        assert!(store.list().unwrap().len() <= 1);
        unfinished += fs::read_dir(folder.path()).unwrap().count() - store.list().unwrap().len();
    }
    assert!(unfinished > 0, "no writer was killed while it wrote: the test shows nothing");
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    const TEST: &str = "a_full_disk_leaves_what_was_there";
    if let Some(place) = env::var_os(PLACE) {
        let store = Store::open(place.to_str().unwrap()).unwrap();
        store.put("small", b"before".to_vec()).unwrap();
        limit(64 << 10);
        for name in ["small", "large"] {
            let error = store.put(name, vec![1; 1 << 20]).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::Full), "{error}");
            assert!(error.to_string().contains("there is no space left"), "{error}");
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = again(TEST, folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(store.list().unwrap(), [Entry { name: "small".into(), size: 6 }]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the unfinished file is left");
}

/// No file may be larger from here on; the signal that says so is ignored, so that the write fails.
#[allow(unsafe_code)]
fn limit(bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: both calls read plain values, and no handler is set.
    let set = unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_FSIZE, &limit)
    };
    assert_eq!(set, 0);
}

#[test]
fn a_folder_that_may_not_be_written_to_says_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    match store.put("a", vec![1]) {
        // To root nothing is forbidden.
        Ok(()) => drop(writeln!(
            std::io::stderr(),
            "skipped: a folder that may not be written to, because this user may"
        )),
        Err(error) => assert_eq!(error.reason(), Some(Reason::Denied), "{error}"),
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}
