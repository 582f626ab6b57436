//! What nobody writes by accident.

use std::fs;

use super::*;

#[test]
fn texts_that_are_none_are_errors_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("1.txt", &b"\xff\xfe"[..]),
        ("2.jsonl", b"\xff\n{\"text\": \"\xff\"}\n{\"text\": \"ok\"}\n\n\n{\"text\": 1}"),
        ("3.csv", b"text\n\xff\nok\n"),
        ("4.txt", b""),
        ("5.csv", b"text\n"),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let read = texts(&mut open(&[shown_path(folder.path())]).unwrap());
    let begins = ["0: it is not valid UTF-8", "1: ", "2: ", "ok", "4: \"text\" is neither", "5: ", "ok", ""];
    assert_eq!(read.len(), begins.len(), "{read:?}");
    for (read, begin) in read.iter().zip(begins) {
        assert!(read.starts_with(begin), "{read:?} {begin:?}");
    }
    // A table that does not even have names is no table.
    let path = folder.path().join("6.csv");
    fs::write(&path, "").unwrap();
    assert!(texts(&mut open(&[shown_path(&path)]).unwrap())[0].contains("no column"));
}

#[test]
fn records_have_bounds() {
    let folder = tempfile::tempdir().unwrap();
    // Sparse: it takes no room.
    let long = fs::File::create(folder.path().join("a.txt")).unwrap();
    long.set_len(LONGEST_RECORD + 1).unwrap();
    fs::write(folder.path().join("b.txt"), "after it").unwrap();
    let read = texts(&mut open(&[shown_path(folder.path())]).unwrap());
    assert_eq!(read, ["0: it is longer than 64 MiB", "after it"]);
    let lines = folder.path().join("a.txt");
    let read = texts(&mut open(&[shown_path(&lines)]).unwrap());
    assert!(read.len() == 1 && read[0].contains("line 1 is longer than 64 MiB"), "{read:?}");
}

#[cfg(unix)]
#[test]
fn links_and_pipes_in_a_folder_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("inner")).unwrap();
    fs::write(at("inner/a.txt"), "a").unwrap();
    symlink("..", at("inner/up")).unwrap();
    symlink(folder.path(), at("self")).unwrap();
    symlink("loop.txt", at("loop.txt")).unwrap();
    symlink("inner/a.txt", at("b.txt")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(at("pipe.txt")).status().unwrap().success());
    let mut documents = open(&[shown_path(folder.path())]).unwrap();
    assert_eq!(texts(&mut documents), ["a", "a"], "the file, and a link to it");
    let notes = documents.notes().join("\n");
    assert!(notes.contains("pipe.txt") && notes.contains("inner/up, loop.txt, self"), "{notes}");
}

#[cfg(unix)]
#[test]
fn names_of_files_do_not_reach_the_terminal_as_they_are() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let folder = tempfile::tempdir().unwrap();
    for name in [&b"a\n\x1b[31m.txt"[..], b"b\xff.txt", b"\xe2\x80\xaec.md"] {
        fs::write(folder.path().join(OsStr::from_bytes(name)), b"\xff").unwrap();
    }
    let mut documents = open(&[shown_path(folder.path())]).unwrap();
    assert!(documents.notes()[0].ends_with("\\u{202e}c.md"), "{:?}", documents.notes());
    let messages: Vec<String> = documents.by_ref().map(|it| it.unwrap_err().to_string()).collect();
    assert_eq!(messages.len(), 2);
    assert!(
        messages[0].contains("a\\n\\u{1b}[31m.txt") && messages[1].contains("b\u{fffd}.txt"),
        "{messages:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_that_is_named_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = pipe.clone();
    let thread = std::thread::spawn(move || fs::write(writer, "a\nb\n").unwrap());
    let mut documents = open(&[shown_path(&pipe)]).unwrap();
    assert_eq!(documents.total_bytes(), None);
    assert_eq!(texts(&mut documents), ["a", "b"]);
    assert_eq!(documents.bytes_read(), 4);
    thread.join().unwrap();
}
