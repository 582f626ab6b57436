//! A corpus: in parts, in shards, killed and resumed, put together, and what is refused.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::support::{Outcome, lens, program, run};

/// Documents of the fixture, with one that is broken and one whose token the model does not have.
fn text(folder: &Path, documents: usize) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/demo/text.jsonl");
    let all = fs::read_to_string(fixture).unwrap();
    let mut lines: Vec<&str> = all.lines().take(documents).collect();
    lines.insert(3, "this is no JSON");
    lines.insert(7, r#"{"id": "far", "token_ids": [5, 99999999]}"#);
    let path = folder.join("text.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary folder's name is text")
}

/// The arguments of a run over a few documents a part, with others in their place or besides.
fn arguments<'a>(text: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let usual = [["--context", "24"], ["--part-documents", "5"], ["--resamplings", "40"], ["--threads", "1"]];
    let usual = usual.into_iter().filter(|[name, _]| !more.contains(name)).flatten();
    let named = ["corpus", "run", "--input", path(text), "-o", path(out)];
    named.into_iter().chain(usual).chain(more.iter().copied()).collect()
}

fn read(text: &Path, out: &Path, more: &[&str]) -> Outcome {
    let outcome = run(&arguments(text, out, more));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    outcome
}

fn merged(out: &Path) -> Value {
    let outcome = run(&["corpus", "merge", path(out), "--format", "json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// What a refused command says.
fn refused(args: &[&str]) -> String {
    let outcome = run(args);
    assert_ne!(outcome.code, 0, "{args:?} was accepted");
    outcome.stderr
}

/// Of parts that are cut elsewhere windows share passes with others, so that the model itself rounds otherwise: what is
/// counted of the texts is equal, and means are close.
fn assert_close(a: &Value, b: &Value) {
    for name in ["documents", "windows", "positions", "next_tokens", "bytes", "failures"] {
        assert_eq!(a[name], b[name], "{name}");
    }
    let (rows, others) = (a["rows"].as_array().unwrap(), b["rows"].as_array().unwrap());
    assert_eq!(rows.len(), others.len());
    for (row, other) in rows.iter().zip(others) {
        for statistic in ["kl_to_final", "js_to_final", "entropy", "cross_entropy"] {
            for number in ["value", "low", "high", "sd", "min", "max"] {
                let [x, y] = [row, other].map(|row| row[statistic][number].as_f64().unwrap());
                let at = format!("{} {statistic} {number}", row["point"]);
                assert!((x - y).abs() <= 1e-3 * x.abs().max(1.0), "{at}: {x} and {y}");
            }
        }
    }
}

#[test]
fn shards_say_what_one_process_says() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(folder.path(), 21);
    let [one, three, auto, other] = ["one", "three", "auto", "other"].map(|name| folder.path().join(name));
    let said = read(&text, &one, &["--languages"]).stderr;
    assert!(said.contains("5 of 5 parts made") && said.contains("2 documents could not be read"), "{said}");
    let whole = merged(&one);
    assert_eq!(
        (&whole["format"], &whole["documents"], &whole["parts"]),
        (&"lens-corpus/1".into(), &21.into(), &5.into())
    );
    assert_eq!(whole["rows"].as_array().unwrap().len(), 8);
    let failures: Vec<(u64, &str)> = whole["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| (failure["document"].as_u64().unwrap(), failure["error"].as_str().unwrap()))
        .collect();
    assert!(failures[0].0 == 3 && failures[0].1.contains("not a JSON object"), "{failures:?}");
    assert!(failures[1].0 == 7 && failures[1].1.contains("99999999"), "{failures:?}");
    assert_eq!(whole["failures"][1]["id"], "far");
    let languages = whole["final"]["languages"].as_array().unwrap();
    assert_eq!(
        languages.iter().map(|l| l["n"].as_u64().unwrap()).sum::<u64>(),
        whole["positions"].as_u64().unwrap()
    );

    for index in [2, 0, 1] {
        read(&text, &three, &["--languages", "--shard", &format!("{index}/3")]);
    }
    assert_eq!(merged(&three), whole);

    for index in ["5", "4"] {
        let outcome: Outcome = lens(&arguments(&text, &auto, &["--languages", "--shard", "auto"]))
            .envs([
                ("SLURM_ARRAY_TASK_ID", index),
                ("SLURM_ARRAY_TASK_COUNT", "2"),
                ("SLURM_ARRAY_TASK_MIN", "4"),
            ])
            .assert()
            .into();
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    }
    assert_eq!(merged(&auto), whole);

    // Parts of another size hold the same documents.
    let exact = folder.path().join("exact");
    read(&text, &exact, &["--dtype", "f32"]);
    read(&text, &other, &["--dtype", "f32", "--part-documents", "8"]);
    assert_close(&merged(&other), &merged(&exact));
}

/// Starts the run, kills it after so many milliseconds, and says whether it had come to its end before that.
fn ended_before(arguments: &[&str], milliseconds: u64) -> bool {
    let mut child = Command::new(program())
        .args(arguments)
        .env("HF_HUB_OFFLINE", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..milliseconds.div_ceil(10) {
        thread::sleep(Duration::from_millis(10));
        if child.try_wait().unwrap().is_some() {
            break;
        }
    }
    if let Some(status) = child.try_wait().unwrap() {
        assert!(status.success());
        return true;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

#[test]
fn what_was_killed_goes_on_and_ends_with_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(folder.path(), 40);
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    read(&text, &whole, &["--part-documents", "2"]);
    // Later and later, so that it comes to its end: times that no clock of the program knows.
    let wait = |round: u64| 40 * round + (round * 7919) % 97;
    let kills = (0..200).take_while(|round| {
        !ended_before(&arguments(&text, &killed, &["--part-documents", "2"]), wait(*round))
    });
    let kills = kills.count();
    assert!((4..200).contains(&kills), "{kills} kills");
    assert_eq!(merged(&killed), merged(&whole));
    let again = read(&text, &killed, &["--part-documents", "2"]).stderr;
    assert!(again.contains("0 of 21 parts made, 21 were there"), "{again}");
}

#[test]
fn what_cannot_be_written_is_named_and_the_run_goes_on_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(folder.path(), 12);
    let [whole, out] = ["whole", "out"].map(|name| folder.path().join(name));
    read(&text, &whole, &[]);
    // Files may be as long as a manifest, and not as long as a part.
    let limited = Command::new("sh")
        .args(["-c", "ulimit -f 16; exec \"$0\" \"$@\""])
        .arg(program())
        .args(arguments(&text, &out, &[]))
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8(limited.stderr).unwrap();
    assert_eq!(limited.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write part-00000000.parquet") && said.contains("no space left"), "{said}");
    let left: Vec<_> =
        fs::read_dir(&out).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("part-")), "{left:?}");
    read(&text, &out, &[]);
    assert_eq!(merged(&out), merged(&whole));
}

#[test]
fn what_is_lost_broken_or_of_another_run_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(folder.path(), 12);
    let out = folder.path().join("out");
    read(&text, &out, &["--shard", "1/2"]);
    let merge = ["corpus", "merge", path(&out)];
    let said = refused(&merge);
    assert!(
        said.contains("2 of 3 parts are missing: 0 (documents 0 to 4), 2 (documents 10 to 13)"),
        "{said}"
    );
    let partial = run(&[&merge[..], &["--partial", "--format", "json"]].concat());
    let partial: Value = serde_json::from_str(&partial.stdout).unwrap();
    assert_eq!((&partial["parts"], &partial["parts_missing"]), (&1.into(), &serde_json::json!([0, 2])));
    read(&text, &out, &["--shard", "0/2"]);
    let whole = merged(&out);

    // A file that is lost is made again; one that was changed is refused.
    fs::remove_file(out.join("part-00000001.parquet")).unwrap();
    assert!(refused(&merge).contains("1 (documents 5 to 9)"));
    let said = read(&text, &out, &[]).stderr;
    assert!(said.contains("part-00000001.parquet is lost"), "{said}");
    assert_eq!(merged(&out), whole);
    let file = out.join("part-00000002.parquet");
    let bytes = fs::read(&file).unwrap();
    let mut other = bytes.clone();
    other[bytes.len() / 2] ^= 1;
    fs::write(&file, other).unwrap();
    let said = refused(&merge);
    assert!(
        said.contains("part-00000002.parquet is not the file that part-00000002.json describes"),
        "{said}"
    );
    fs::write(&file, bytes).unwrap();

    for (more, named) in [
        (&["--context", "20"][..], "context (24 there, 20 here)"),
        (&["--seed", "3"], "seed (0 there, 3 here)"),
        (&["--dtype", "f32"], "dtype ("),
        (&["--part-documents", "6"], "part_documents (5 there, 6 here)"),
    ] {
        let said = refused(&arguments(&text, &out, more));
        assert!(said.contains("parts of another run") && said.contains(named), "{said}");
    }
    let changed = fs::read_to_string(&text).unwrap().replacen("the", "a", 1);
    fs::write(&text, changed).unwrap();
    let said = refused(&arguments(&text, &out, &[]));
    assert!(said.contains("was made of other documents"), "{said}");
    let said = refused(&["corpus", "merge", path(folder.path())]);
    assert!(said.contains("no corpus.json"), "{said}");
    let said = refused(&arguments(&text, &out, &["--shard", "3/3"]));
    assert!(said.contains("the last is 2"), "{said}");
    let said = refused(&arguments(&text, &out, &["--shard", "auto"]));
    assert!(said.contains("no scheduler says"), "{said}");
}

#[test]
fn a_folder_has_numbers_pictures_and_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(folder.path(), 10);
    let [out, results] = ["out", "results"].map(|name| folder.path().join(name));
    read(&text, &out, &["--rows", "--components", "resid_mid,resid_post"]);
    let rows = fs::metadata(out.join("tokens-00000000.parquet")).unwrap();
    assert!(rows.len() > 1000);
    let outcome = run(&["corpus", "merge", path(&out), "-o", path(&results)]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("decided at:") && outcome.stdout.contains("the model"),
        "{}",
        outcome.stdout
    );
    let table = fs::read_to_string(results.join("corpus.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 16 + 1);
    assert!(
        table.lines().all(|line| line.split(',').count() == table.lines().next().unwrap().split(',').count())
    );
    let json: Value =
        serde_json::from_str(&fs::read_to_string(results.join("corpus.json")).unwrap()).unwrap();
    assert_eq!(json, merged(&out));
    let page = fs::read_to_string(results.join("corpus.html")).unwrap();
    assert!(page.contains("default-src 'none'") && page.matches("<figure>").count() == 4, "{page}");
    for name in ["curves.svg", "ranks.svg", "scripts.svg", "decided_at.svg"] {
        assert!(fs::read_to_string(results.join(name)).unwrap().starts_with("<svg "), "{name}");
    }
}
