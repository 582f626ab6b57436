//! Documents that a server has.

use super::*;
use crate::web::{Answer, Asked, Web};

/// As many lines as take more than one part.
fn lines() -> &'static [u8] {
    let lines: String =
        (0..200_000).map(|n| format!("{n} this is a line of a file that has many of them\n")).collect();
    assert!(lines.len() > 10_000_000);
    lines.into_bytes().leak()
}

#[test]
fn a_file_of_a_server_is_read_in_parts() {
    let web = Web::of(lines());
    let mut documents = open(&[&format!("{}/folder/a.txt", web.address)]).unwrap();
    assert_eq!(documents.total_bytes(), Some(lines().len() as u64));
    let read = documents.by_ref().enumerate();
    let n = read.filter(|(n, document)| {
        let PromptInput::Text(text) = &document.as_ref().unwrap().input else { panic!() };
        text.starts_with(&format!("{n} "))
    });
    assert_eq!(n.count(), 200_000);
    let asked = web.asked();
    assert_eq!(asked.len(), 3);
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("HEAD", "/folder/a.txt"));
    assert_eq!(asked[1].range(lines().len()), Some((0, 8 << 20)));
    assert_eq!(asked[2].range(lines().len()), Some((8 << 20, lines().len())));
    assert!(asked[1..].iter().all(|asked| asked.headers["if-match"] == "\"1\""));
}

/// What is read until it fails, and the last message.
fn failure(answer: impl Fn(usize, &Asked) -> Answer + Send + 'static) -> (usize, String) {
    let web = Web::new(answer);
    let mut documents = match open(&[&format!("{}/a.txt", web.address)]) {
        Ok(documents) => documents,
        Err(error) => return (0, whole_message(&error)),
    };
    let read = documents.by_ref().take_while(Result::is_ok).count();
    let mut documents = open(&[&format!("{}/a.txt", web.address)]).unwrap();
    let error = documents.find_map(Result::err);
    (read, error.map_or(String::new(), |error| whole_message(&error)))
}

/// What a server without tags says.
fn untagged(asked: &Asked, bytes: &[u8]) -> Answer {
    let mut answer = Answer::file(asked, bytes, "1");
    answer.headers.retain(|(name, _)| name != "ETag");
    answer
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    let lines = lines();
    // The server compares tags; it does not, but says another; there are none, but the file is a byte shorter, or much.
    let second = |asked: &Asked| asked.range(lines.len()).is_some_and(|(start, _)| start > 0);
    type Change = fn(&Asked, &'static [u8], bool) -> Answer;
    let changes: [Change; 4] = [
        |asked, lines, second| Answer::file(asked, lines, if second { "2" } else { "1" }),
        |asked, lines, second| {
            let mut asked = asked.clone();
            asked.headers.remove("if-match");
            Answer::file(&asked, lines, if second { "2" } else { "1" })
        },
        |asked, lines, second| untagged(asked, &lines[..lines.len() - usize::from(second)]),
        |asked, lines, second| untagged(asked, if second { &lines[..1000] } else { lines }),
    ];
    for change in changes {
        let (read, message) = failure(move |_, asked| change(asked, lines, second(asked)));
        assert!(read > 100_000, "{read}: {message}");
        assert!(message.contains("it was changed while it was read"), "{message}");
        assert!(message.contains("/a.txt"), "{message}");
    }
}

#[test]
fn faults_of_servers_are_told_apart() {
    let says = |answer: fn(usize, &Asked) -> Answer, expected: &str| {
        let (_, message) = failure(answer);
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(message.contains("http://127.0.0.1"), "{message}");
    };
    says(|_, _| Answer::status(403), "access is denied");
    says(|_, _| Answer::status(404), "neither an object nor a folder");
    says(|_, _| Answer::status(500), "500");
    says(
        |_, asked| {
            let mut asked = asked.clone();
            asked.headers.remove("range");
            Answer::file(&asked, b"a\nb\n", "1")
        },
        "the server does not give parts of a file",
    );
    says(
        |_, asked| {
            let answer = Answer::file(asked, b"a\nb\n", "1");
            Answer { cut: Some(1), ..answer }
        },
        "the server cannot be reached",
    );
}

#[test]
fn a_fault_that_passes_is_not_seen() {
    let web = Web::new(|n, asked| match n {
        1 => Answer::status(500),
        2 => Answer { cut: Some(3), ..Answer::file(asked, b"one\ntwo\nthree", "1") },
        _ => Answer::file(asked, b"one\ntwo\nthree", "1"),
    });
    let mut documents = open(&[&format!("{}/a.txt", web.address)]).unwrap();
    assert_eq!(texts(&mut documents), ["one", "two", "three"]);
    assert_eq!(web.asked().len(), 4);
}

#[test]
fn of_parquet_only_what_is_needed_is_asked_for() {
    let rows = 400_000;
    let bytes: &'static [u8] = parquet(rows).leak();
    let web = Web::of(bytes);
    let mut documents = open(&[&format!("{}/x.parquet", web.address)]).unwrap();
    let mut n = 0;
    for document in documents.by_ref() {
        let text = text(document.unwrap());
        assert!(text.starts_with(&format!("text {n} ")), "{text:?}");
        n += 1;
    }
    assert_eq!(n, rows);
    assert_eq!(documents.bytes_read(), bytes.len() as u64);
    let asked = web.asked();
    let asked: usize =
        asked[2..].iter().filter_map(|asked| asked.range(bytes.len())).map(|(a, b)| b - a).sum();
    assert!(asked < bytes.len() + (4 << 20), "{asked} of {}", bytes.len());
}

#[test]
fn an_empty_file_of_a_server_has_no_documents() {
    let web = Web::of(b"");
    let mut documents = open(&[&format!("{}/a.jsonl", web.address)]).unwrap();
    assert_eq!((texts(&mut documents).len(), documents.total_bytes()), (0, Some(0)));
}
