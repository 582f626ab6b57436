//! Results in one file, packed by its name, and packed files read by how they begin.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use crate::support::{ok, refused, run, says};

const PROMPT: &str = "The capital of France is";

fn gunzip(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn a_file_takes_what_stdout_would_packed_by_its_name_and_is_rendered() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join("new").join(name).to_str().unwrap().to_owned();
    let plain = ok(&["run", PROMPT, "--format", "json"]);
    for name in ["a.json", "a.json.gz", "a.json.zst"] {
        let outcome = run(&["run", PROMPT, "-o", &at(name)]);
        assert_eq!((outcome.code, &*outcome.stdout), (0, ""), "{}", outcome.stderr);
        says(&outcome.stderr, &["results in", name]);
    }
    assert_eq!(fs::read(at("a.json")).unwrap(), plain.as_bytes());
    assert_eq!(gunzip(Path::new(&at("a.json.gz"))), plain.as_bytes());
    assert_eq!(zstd::decode_all(fs::File::open(at("a.json.zst")).unwrap()).unwrap(), plain.as_bytes());
    let shown = ok(&["render", &at("a.json")]);
    for name in ["a.json.gz", "a.json.zst"] {
        assert!(fs::metadata(at(name)).unwrap().len() * 2 < plain.len() as u64);
        assert_eq!(ok(&["render", &at(name)]), shown);
    }
    // How it begins decides, not its name.
    fs::rename(at("a.json.gz"), at("b.json")).unwrap();
    assert_eq!(ok(&["render", &at("b.json")]), shown);

    ok(&["run", PROMPT, "-n", "2", "-o", &at("a.jsonl.gz")]);
    let lines = ok(&["run", PROMPT, "-n", "2", "--format", "jsonl"]);
    assert_eq!(gunzip(Path::new(&at("a.jsonl.gz"))), lines.as_bytes());
    // A folder of such a name is a folder.
    fs::create_dir(at("c.json")).unwrap();
    ok(&["run", PROMPT, "-o", &at("c.json")]);
    assert!(Path::new(&at("c.json")).join("trace.json").is_file());
}

#[test]
fn prompts_are_read_from_packed_files_and_traces_written_into_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let prompts = "{\"text\": \"one\", \"id\": \"a\"}\n{\"text\": \"two\"}\n";
    fs::write(at("p.jsonl"), prompts).unwrap();
    fs::write(at("p.jsonl.gz"), gzip(prompts.as_bytes())).unwrap();
    fs::write(at("p.jsonl.zst"), zstd::encode_all(prompts.as_bytes(), 0).unwrap()).unwrap();
    let expected = ok(&["run", "--prompts", &at("p.jsonl"), "--format", "json"]);
    assert_eq!(expected.lines().count(), 2);
    for name in ["p.jsonl.gz", "p.jsonl.zst"] {
        assert_eq!(ok(&["run", "--prompts", &at(name), "--format", "json"]), expected);
    }
    ok(&["run", "--prompts", &at("p.jsonl.gz"), "--format", "json", "-o", &at("out.jsonl.gz")]);
    assert_eq!(gunzip(Path::new(&at("out.jsonl.gz"))), expected.as_bytes());
}

#[test]
fn a_packed_file_that_is_none_and_a_name_that_says_another_form_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut bytes = gzip(ok(&["run", PROMPT, "--format", "json"]).as_bytes());
    bytes.truncate(bytes.len() / 2);
    fs::write(at("cut.json.gz"), &bytes).unwrap();
    says(&refused(&["render", &at("cut.json.gz")], 1), &["cut.json.gz", "gzip", "cannot be unpacked"]);
    fs::write(at("text.json.gz"), gzip(b"no trace")).unwrap();
    says(&refused(&["render", &at("text.json.gz")], 1), &["text.json.gz", "`{`"]);
    for args in [["--format", "csv"], ["--format", "jsonl"]] {
        let stderr = refused(&[&["run", PROMPT, "-o", "x.json.gz"], args.as_slice()].concat(), 2);
        says(&stderr, &["x.json.gz", "--format"]);
    }
    says(&refused(&["run", PROMPT, "-o", "x.json", "--grid"], 2), &["--grid", "--out"]);
    // What cannot be written leaves nothing, under any name.
    fs::write(at("file"), "").unwrap();
    says(&refused(&["run", PROMPT, "-o", &at("file/x.json.gz")], 1), &["file"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}
