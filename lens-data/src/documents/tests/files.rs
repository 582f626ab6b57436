//! Files and folders of this machine.

use std::{fs, io::Write as _};

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn files_of_every_form_are_one_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let inputs = [
        write("lines.txt", b"one\n\ntwo\n"),
        write("a.jsonl", b"{\"text\": \"three\", \"id\": \"x\"}\nbroken\n{\"token_ids\": [1]}\n"),
        write("b.csv.gz", &gzip(b"id,text\n7,four\n")),
        write("c.ndjson.zst", &zstd::encode_all(&b"{\"prompt\": \"five\"}"[..], 1).unwrap()),
        write("d.parquet", &parquet(2)),
        // The bytes tell that it is Parquet, whatever it is called.
        write("e.bin", &parquet(1)),
    ];
    let mut documents = Documents::open(&inputs, None, None).unwrap();
    assert_eq!(
        documents.total_bytes(),
        inputs.iter().map(|path| Some(fs::metadata(path).unwrap().len())).sum()
    );
    assert_eq!((documents.bytes_read(), documents.files_left()), (0, 6));
    let first = documents.next().unwrap().unwrap();
    assert_eq!((&*first.source, first.id.as_deref(), text(first.clone())), (&*inputs[0], None, "one".into()));
    let rest: Vec<_> = documents.by_ref().collect();
    assert_eq!(rest.len(), 9);
    let of = |at: usize| rest[at].as_ref().unwrap();
    assert_eq!((of(1).index, of(1).id.as_deref(), &*of(1).source), (2, Some("x"), &*inputs[1]));
    let error = rest[2].as_ref().unwrap_err();
    assert!(error.is_passing(), "{error}");
    assert!(
        error.to_string().starts_with(&format!("{}, line 2: it is not a JSON object", inputs[1])),
        "{error}"
    );
    assert!(matches!(of(3).input, PromptInput::Tokens(_)));
    assert_eq!((of(4).index, of(4).id.as_deref()), (5, Some("7")));
    assert_eq!(of(8).index, 9);
    assert_eq!(Some(documents.bytes_read()), documents.total_bytes());
    assert!(documents.next().is_none() && documents.notes().is_empty());
}

#[test]
fn a_folder_is_its_files_in_the_order_of_their_paths_and_a_text_file_is_one_document() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("b/x.txt", &b"\xef\xbb\xbfwhole\nfile\n"[..]),
        ("b/empty.jsonl", b""),
        ("b-c.jsonl", b"{\"text\": \"before the folder b\"}"),
        ("b.txt", b"after b-c"),
        ("A.csv", b"text\ncapital\n"),
        ("z.txt.gz", &gzip(b"packed")),
        ("README.md", b"no"),
        ("b/_SUCCESS", b""),
        ("b/a.json", b"{}"),
        ("b/b.json", b"{}"),
        (".hidden/a.txt", b"no"),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let place = shown_path(folder.path());
    let mut documents = open(&[place]).unwrap();
    assert_eq!(
        texts(&mut documents),
        ["capital", "before the folder b", "after b-c", "whole\nfile\n", "packed"]
    );
    let notes = documents.notes().concat();
    assert!(notes.contains(".hidden/a.txt, README.md, b/_SUCCESS and 2 more"), "{notes}");
    let sources: Vec<_> = open(&[&format!("{place}/")]).unwrap().map(|it| it.unwrap().source).collect();
    assert_eq!(&*sources[3], format!("{place}/b/x.txt"));
    // With a form that is named, a text file is read in it, too.
    let lines = Documents::open(&[place.to_owned()], None, Some(PromptFormat::Lines)).unwrap();
    assert!(lines.filter_map(Result::ok).map(text).any(|text| text == "whole"));
}

#[test]
fn what_is_not_there_is_said_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let place = shown_path(folder.path());
    let refused = |inputs: &[&str]| whole_message(&open(inputs).err().unwrap());
    assert!(refused(&[]).contains("no file or folder"));
    assert!(
        refused(&[place]).contains("has no file of documents") && refused(&[place]).contains("it is empty")
    );
    fs::write(folder.path().join("a.json"), "{}").unwrap();
    assert!(refused(&[place]).contains("1 others are there"));
    assert!(refused(&[&format!("{place}/a.json"), "/nowhere/x.txt"]).contains("/nowhere/x.txt"));
    assert!(refused(&["-", "-"]).contains("twice"));
    assert!(refused(&["ftp://x/y"]).contains("known are"));
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_is_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let packed = gzip(&b"line\n".repeat(100_000));
    fs::write(folder.path().join("a.jsonl"), "{\"text\": \"a\"}").unwrap();
    fs::write(folder.path().join("b.ndjson.gz"), &packed[..packed.len() / 2]).unwrap();
    fs::write(folder.path().join("c.jsonl"), "{\"text\": \"c\"}").unwrap();
    let mut documents = open(&[shown_path(folder.path())]).unwrap();
    let read: Vec<_> = documents.by_ref().collect();
    assert_eq!(text(read[0].as_ref().unwrap().clone()), "a");
    let error = read.last().unwrap().as_ref().unwrap_err();
    assert!(!error.is_passing());
    let message = whole_message(error);
    assert!(message.contains("b.ndjson.gz") && message.contains("packed with gzip"), "{message}");
    // A table without the column, and a file that went away.
    for (name, content, says) in
        [("t.csv", Some("a,b\n1,2\n"), "no column"), ("gone.csv", None, "No such file")]
    {
        let path = folder.path().join(name);
        fs::write(&path, content.unwrap_or("text\n")).unwrap();
        let mut documents = open(&[shown_path(&path)]).unwrap();
        if content.is_none() {
            fs::remove_file(&path).unwrap();
        }
        let message = whole_message(&documents.next().unwrap().unwrap_err());
        assert!(message.contains(says) && documents.next().is_none(), "{message}");
    }
}

#[test]
fn memory_does_not_grow_with_a_file() {
    // As a stream without end would be: records are taken one by one.
    let folder = tempfile::tempdir().unwrap();
    let bomb = gzip(&b"{\"text\": \"x\"}\n".repeat(1 << 20));
    let path = folder.path().join("a.jsonl.gz");
    fs::write(&path, &bomb).unwrap();
    let mut documents = open(&[shown_path(&path)]).unwrap();
    assert_eq!(documents.by_ref().take(10).count(), 10);
    assert!(documents.bytes_read() <= documents.total_bytes().unwrap());
    assert_eq!(documents.count(), (1 << 20) - 10);
}
