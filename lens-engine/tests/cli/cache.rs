//! What the hub's cache stands in for is said, and stands in the results.

use crate::support::{Outcome, fixture, lens, says};

#[test]
fn what_was_assumed_of_a_cache_stands_in_the_notes_of_the_trace_and_is_said_once() {
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    let cache = tempfile::tempdir().unwrap();
    let snapshot = cache.path().join("models--owner--model/snapshots").join(COMMIT);
    std::fs::create_dir_all(&snapshot).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture("llama_f32").join(file), snapshot.join(file)).unwrap();
    }
    let run = |args: &[&str]| -> Outcome { lens(args).env("HF_HUB_CACHE", cache.path()).assert().into() };
    let model = ["-m", "owner/model", "--token-ids", "1,2", "--format", "json"];
    let outcome = run(&[&["run"], model.as_slice()].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let trace: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let notes: Vec<&str> =
        trace["notes"].as_array().unwrap().iter().filter_map(|note| note.as_str()).collect();
    says(notes.first().unwrap(), &["only snapshot", COMMIT]);
    assert_eq!(outcome.stderr.matches("only snapshot").count(), 1, "{}", outcome.stderr);
    let inspected = run(&["inspect", "owner/model"]);
    assert_eq!(inspected.stderr.matches("only snapshot").count(), 1, "{}", inspected.stderr);
    // Where the files turn out to be of no use, it is said as well: they may be the wrong ones.
    std::fs::write(snapshot.join("config.json"), "{}").unwrap();
    let refused = run(&[&["run"], model.as_slice()].concat());
    assert_eq!((refused.code, refused.stderr.matches("only snapshot").count()), (1, 1), "{}", refused.stderr);
}
