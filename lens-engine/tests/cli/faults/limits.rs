//! Limits of the shell: on the length of files, on memory, on open files.

use std::fs;

use lens_core::toy::Random;

use super::{
    after, ended_in_words, stderr, times,
    writers::{WAYS, Writer, files, inputs},
};
use crate::{killed::is_whole, support::says};

/// What a limit on the length of files makes of a command.
fn too_long(writer: &Writer, blocks: u64) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join(writer.target);
    let before: &[u8] = b"what was there before\n";
    if writer.is_file() {
        fs::write(&target, before).expect("a file");
    }
    let output =
        after(&format!("ulimit -f {blocks}"), folder.path(), &writer.args()).output().expect("sh runs");
    let what = format!("{} with ulimit -f {blocks}", writer.line);
    let ended = ended_in_words(&output, &what);
    if !ended {
        says(&stderr(&output), &["File too large", "ulimit -f", writer.target]);
        if writer.is_file() {
            assert_eq!(fs::read(&target).expect("what was there"), before, "{what}");
        }
    }
    for path in files(folder.path()).into_iter().filter(|path| ended || *path != target) {
        let name = path.display().to_string();
        assert!(is_whole(&name, &fs::read(&path).expect("a file")), "{what}: {name} is half there");
    }
    ended
}

#[test]
fn files_that_may_not_be_long() {
    inputs();
    let mut noise = Random::new(u64::from(std::process::id()));
    for writer in WAYS {
        // A block has 512 bytes: less than each of them writes.
        assert!(!too_long(writer, 1), "{}: nothing failed", writer.line);
        for _ in 0..times().div_ceil(5) {
            too_long(writer, noise.below(2000) as u64);
        }
    }
}

/// From far too little for libtorch to enough: an error in words, or the results.
#[test]
fn memory_from_starved_to_enough() {
    let inputs = inputs();
    let mut noise = Random::new(u64::from(std::process::id()));
    // MiB; the last one has room for the threads and pools of large machines.
    let mut sizes = vec![600, 640, 700, 820, 870, 940, 100_000];
    sizes.extend((0..times()).map(|_| 120 + noise.below(1500) as u64));
    let mut ended = 0;
    for (n, mib) in sizes.iter().enumerate() {
        let lines = [
            "run hi --format json -o x.json",
            "run --prompts IN/many.txt -o x.jsonl",
            "corpus run --input IN/text.jsonl --resamplings 20 -o out",
            "diff demo demo --corpus IN/text.jsonl -o x.json",
        ];
        let line = lines[if *mib == 100_000 { 0 } else { n % lines.len() }];
        let args: Vec<String> = super::words(line)
            .into_iter()
            .map(|word| word.replace("IN/", &format!("{}/", inputs.display())))
            .collect();
        let folder = tempfile::tempdir().expect("a folder");
        let limit = format!("ulimit -v {}", mib << 10);
        let output = after(&limit, folder.path(), &args).output().expect("sh runs");
        let what = format!("{line} with {mib} MiB");
        if ended_in_words(&output, &what) {
            ended += 1;
        } else {
            let said = stderr(&output);
            let names_it = ["ulimit -v", "memory", "Cannot allocate", "can't allocate"];
            assert!(
                names_it.iter().any(|name| said.contains(name)),
                "{what} does not say what lacked: {said}"
            );
            assert!(*mib < 100_000, "{what}: {said}");
        }
        for path in files(folder.path()) {
            let name = path.display().to_string();
            assert!(is_whole(&name, &fs::read(&path).expect("a file")), "{what}: {name} is half there");
        }
    }
    println!("{ended} of {} ended well", sizes.len());
    assert!(ended > 0);
}

#[test]
fn a_limit_below_libtorch_is_said_before_it_is_loaded() {
    let output = after("ulimit -v 307200", inputs(), &super::words("run hi")).output().expect("sh runs");
    assert_eq!(output.status.code(), Some(1));
    says(&stderr(&output), &["ulimit -v", "315 MB", "libtorch alone needs", "raise the limit"]);
}

#[test]
fn few_open_files() {
    let inputs = inputs();
    for handles in [4, 6, 7, 9] {
        for line in
            ["render trace.json -o x.html", "corpus merge corpus -o x.json", "run --prompts many.txt -o out"]
        {
            let folder = tempfile::tempdir().expect("a folder");
            let args = super::words(&line.replace("-o ", &format!("-o {}/", folder.path().display())));
            let limit = format!("ulimit -n {handles}");
            let output = after(&limit, inputs, &args).output().expect("sh runs");
            let what = format!("{line} with {handles} handles");
            if !ended_in_words(&output, &what) {
                says(&stderr(&output), &["Too many open files", "ulimit -n"]);
            }
            for path in files(folder.path()) {
                let name = path.display().to_string();
                assert!(is_whole(&name, &fs::read(&path).expect("a file")), "{what}: {name} is half there");
            }
        }
    }
}
