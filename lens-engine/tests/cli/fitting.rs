//! Lenses of one's own: fitted, killed, resumed, merged, read and evaluated.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Outcome, program, run};

/// The first documents of the fixture, as a text of its own.
fn text(folder: &Path, documents: usize) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/demo/text.jsonl");
    let all = fs::read_to_string(fixture).unwrap();
    let path = folder.join("text.jsonl");
    let some: Vec<&str> = all.lines().take(documents).collect();
    fs::write(&path, some.join("\n")).unwrap();
    path
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary folder's name is text")
}

fn successful(args: &[&str]) -> Outcome {
    let outcome = run(args);
    assert_eq!(outcome.code, 0, "{args:?}: {}", outcome.stderr);
    outcome
}

/// The arguments of a small fit on one thread.
fn small<'a>(text: &'a str, out: &'a str) -> Vec<&'a str> {
    let fixed = "--context 32 --steps 12 --tokens-per-step 64 --held-out 0.05 --keep-every 1 --evaluate-every 5 --threads 1 --format json";
    ["fit", "tuned", "--text", text, "-o", out].into_iter().chain(fixed.split(' ')).collect()
}

#[test]
fn a_fit_that_was_killed_goes_on_and_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(folder.path(), 60);
    let (whole, broken) = (folder.path().join("whole.safetensors"), folder.path().join("broken.safetensors"));
    let first = successful(&small(path(&text), path(&whole)));
    let said: serde_json::Value = serde_json::from_str(&first.stdout).unwrap();
    let curve = said["held_out"].as_array().unwrap();
    assert_eq!(
        curve.iter().map(|point| point["steps"].as_u64().unwrap()).collect::<Vec<_>>(),
        [0, 5, 10, 12]
    );
    assert!(curve.iter().all(|point| point["kl"].as_array().unwrap().len() == 8), "{curve:?}");

    let mut child = Command::new(program())
        .args(small(path(&text), path(&broken)))
        .env("HF_HUB_OFFLINE", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let state = folder.path().join("broken.safetensors.fit");
    let begun = Instant::now();
    while !state.exists() && begun.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(state.exists() && !broken.exists(), "it was killed after the first step and before the last");

    let resumed = successful(&small(path(&text), path(&broken)));
    assert!(resumed.stderr.contains("goes on after step "), "{}", resumed.stderr);
    assert_eq!(resumed.stdout, first.stdout);
    assert!(fs::read(&whole).unwrap() == fs::read(&broken).unwrap(), "the lenses differ");
    assert!(!state.exists(), "what nobody needs any more stayed");

    read_and_evaluate(&text, &whole);
}

/// The lens is used at once.
fn read_and_evaluate(text: &Path, lens: &Path) {
    let tuned = format!("logit,tuned={}", lens.display());
    let out = successful(&["run", "The capital of France is", "--lens", &tuned, "--format", "json"]).stdout;
    let trace: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(trace["readouts"].as_array().unwrap().iter().any(|readout| readout["lens"] == "tuned"));

    let evaluate = |format: &str| {
        let args = ["evaluate", "--text", path(text), "--context", "32", "--sequences", "6"];
        successful(&[&args[..], &["--lens", &tuned, "--format", format]].concat()).stdout
    };
    let report: serde_json::Value = serde_json::from_str(&evaluate("json")).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 16, "two lenses at the input of eight blocks");
    assert_eq!((&report["sequences"], &report["positions"]), (&6.into(), &192.into()));
    for row in rows {
        for name in ["kl_to_final", "cross_entropy", "bits_per_byte", "agreement"] {
            let [low, value, high] = ["low", "value", "high"].map(|end| row[name][end].as_f64().unwrap());
            assert!(0.0 <= low && low <= value && value <= high, "{name} of {row}");
        }
    }
    let csv = evaluate("csv");
    assert_eq!(csv.lines().count(), 17);
    assert!(csv.starts_with("point,layer,component,lens,kl_to_final,"), "{csv}");
    assert!(evaluate("table").contains("the model"));
    evaluations_are_drawn(text, &tuned);
}

/// A file holds what its name ends in; a folder has numbers and pictures.
fn evaluations_are_drawn(text: &Path, tuned: &str) {
    let folder = tempfile::tempdir().unwrap();
    let to = |out: &str, more: &[&str]| {
        let out = folder.path().join(out);
        let args = ["evaluate", "--text", path(text), "--context", "32", "--sequences", "3", "--lens", tuned];
        run(&[&args[..], &["-o", path(&out)], more].concat())
    };
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(to("a.svg", &[]).code, 0);
    let svg = String::from_utf8(read("a.svg")).unwrap();
    for says in ["tuned", "logit", "KL to the final readout", "3 sequences, 96 positions", "demo"] {
        assert!(svg.contains(says), "{says} is not in {svg}");
    }
    assert_eq!(to("a.csv", &[]).code, 0);
    assert!(read("a.csv").starts_with(b"point,layer"));
    assert_eq!(to("a.pdf", &[]).code, 0);
    assert!(read("a.pdf").starts_with(b"%PDF-"));
    let all = to("all", &["--pictures", "svg,png"]);
    assert!(all.code == 0 && all.stdout.contains("the model"), "{}", all.stderr);
    let json: serde_json::Value = serde_json::from_slice(&read("all/evaluation.json")).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 16);
    assert!(read("all/evaluation.csv").starts_with(b"point,layer"));
    assert!(
        read("all/evaluation.svg") == svg.as_bytes() && read("all/evaluation.png").starts_with(b"\x89PNG")
    );
    // A picture of before that is not wanted any more goes.
    assert_eq!(to("all", &["--pictures", "png"]).code, 0);
    assert!(!folder.path().join("all/evaluation.svg").exists());
    for (out, more, says) in [
        ("a.html", &[][..], "is not the name of a file of results"),
        ("a.csv", &["--format", "json"], "leave --format out"),
        ("a.svg", &["--format", "csv"], "a picture"),
        ("b.csv", &["--pictures", "svg"], "for a folder of results"),
    ] {
        let refused = to(out, more);
        assert!(refused.code == 2 && refused.stderr.contains(says), "{out}: {}", refused.stderr);
    }
}

#[test]
fn jacobian_lenses_of_two_parts_are_merged_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(folder.path(), 12);
    let part = |name: &str, skip: &str| {
        let out = folder.path().join(name);
        let fixed = "--prompts 2 --max-tokens 20 --skip-first 4 --dim-batch 64";
        let args = ["fit", "jacobian", "--text", path(&text), "-o", path(&out), "--skip-prompts", skip];
        let said = successful(&args.into_iter().chain(fixed.split(' ')).collect::<Vec<_>>());
        assert!(said.stdout.contains("the mean of 2 prompts"), "{}", said.stdout);
        out
    };
    let (one, two) = (part("one.safetensors", "0"), part("two.safetensors", "6"));
    let merged = folder.path().join("merged.safetensors");
    successful(&["fit", "merge", path(&one), path(&two), "-o", path(&merged)]);
    let facts = successful(&["lens", "inspect", path(&merged), "--format", "json"]).stdout;
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    assert_eq!((&facts["kind"], &facts["details"]["n_prompts"]), (&"jacobian".into(), &"4".into()));
    let twice = run(&["fit", "merge", path(&one), path(&one), "-o", path(&merged)]);
    assert!(twice.stderr.contains("count twice"), "{}", twice.stderr);
    let jacobian = format!("jacobian={}", merged.display());
    successful(&["run", "The capital of France is", "--lens", &jacobian]);
}

#[test]
fn what_cannot_be_fitted_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(folder.path(), 2);
    let out = folder.path().join("lens.safetensors");
    let refused = |args: &[&str]| {
        let fit = ["fit", "tuned", "--text", path(&text), "-o", path(&out)];
        let outcome = run(&[&fit[..], args].concat());
        assert_ne!(outcome.code, 0, "{args:?} was accepted");
        outcome.stderr
    };
    assert!(refused(&[]).contains("give more text, or shorter sequences"));
    assert!(refused(&["--context", "8", "--held-out", "1"]).contains("from 0 to below 1"));
    assert!(refused(&["--context", "8", "--momentum", "1"]).contains("the momentum is 1"));
    assert!(!out.exists());
    let outcome = run(&["evaluate", "--text", path(&text), "--text-column", "body"]);
    assert!(outcome.code != 0 && outcome.stderr.contains("body"), "{}", outcome.stderr);
    let none = folder.path().join("none.txt");
    let outcome = run(&["fit", "tuned", "--text", path(&none), "-o", path(&out)]);
    let says = outcome.stderr.contains("cannot read the text ") && !outcome.stderr.contains("prompt");
    assert!(outcome.code != 0 && says, "{}", outcome.stderr);
}
