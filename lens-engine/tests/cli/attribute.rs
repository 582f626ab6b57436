//! `lens attribute`: the shares of a logit on stdout and in files.

use serde_json::Value;

use crate::support::{Model, ok, refused, run, says};

const PARIS: [&str; 4] = ["attribute", "The capital of France is", "--target", " Paris"];

fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&PARIS[..], args].concat()
}

fn sum(shares: &Value) -> f64 {
    shares.as_object().expect("an object").values().map(|share| share.as_f64().expect("a number")).sum()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&ok(args)).expect("JSON")
}

#[test]
fn the_shares_and_the_bias_sum_to_the_logit() {
    for args in [
        with(&["--format", "json"]),
        with(&["--format", "json", "--versus", " Rome"]),
        with(&["--format", "json", "--position", "-2", "--neurons", "3"]),
        with(&["--format", "json", "--dtype", "f32"]),
    ] {
        let found = json(&args);
        let number = |name: &str| found[name].as_f64().expect("a number");
        let off = sum(&found["contributions"]) + number("bias") - number("logit_before_cap");
        assert!(off.abs() < 1e-4 && (off - number("error")).abs() < 1e-9, "{args:?}: off by {off}");
        assert_eq!(found["schema"], "lens-attribution/1");
        assert_eq!(found["self_check"]["passed"], true, "{args:?}");
        assert!(found["contributions"]["L0.attn_out"].is_f64() && found["heads"]["L0.h0"].is_f64());
    }
    let neurons = json(&with(&["--format", "json", "--neurons", "3"]));
    assert_eq!(neurons["neurons"].as_object().map(serde_json::Map::len), Some(3));
}

#[test]
fn the_readout_with_the_final_scale_says_the_same() {
    let prompt = "The capital of France is";
    let shares = json(&with(&["--format", "json", "--dtype", "f32"]));
    let read = json(&[
        "run",
        prompt,
        "--target",
        " Paris",
        "--norm",
        "final-scale",
        "--components",
        "attn_out,heads",
        "--dtype",
        "f32",
        "--format",
        "json",
    ]);
    let bias = shares["bias"].as_f64().unwrap();
    let mut compared = 0;
    for readout in read["readouts"].as_array().unwrap() {
        let (layer, component) = (&readout["layer"], readout["component"].as_str().unwrap());
        let share = match component.strip_prefix("head.") {
            Some(head) => &shares["heads"][format!("L{layer}.h{head}")],
            None => &shares["contributions"][format!("L{layer}.{component}")],
        };
        let logit = readout["targets"][0]["logit"].as_f64().unwrap();
        let off = logit - share.as_f64().unwrap() - bias;
        assert!(off.abs() < 1e-4, "L{layer}.{component}: off by {off}");
        compared += 1;
    }
    assert!(compared > 10, "only {compared} readouts were compared");
}

#[test]
fn a_table_and_files_are_written() {
    let text = ok(&with(&["--versus", " Rome", "-k", "3"]));
    says(
        &text,
        &["logit of", "less that of", "attn_out", "h0", "largest heads", "largest neurons", "off by"],
    );
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, begins) in
        [("a.json", &b"{"[..]), ("a.svg", b"<svg"), ("a.html", b"<!DOCTYPE html>"), ("a.png", b"\x89PNG")]
    {
        assert_eq!(ok(&with(&["-o", &file(name)])), "");
        let bytes = std::fs::read(file(name)).unwrap();
        assert!(bytes.starts_with(begins), "{name}");
    }
    says(&refused(&with(&["-o", &file("a.pdf")]), 1), &["a.pdf", ".json, .html, .svg or .png"]);
    says(&refused(&with(&["-o", &file("a.svg"), "--format", "json"]), 2), &["a.svg", "--format"]);
}

#[test]
fn what_means_nothing_is_refused() {
    says(&refused(&["attribute", "a"], 2), &["--target"]);
    says(&refused(&["attribute", "--target", "1"], 2), &["PROMPT", "--token-ids"]);
    says(&refused(&with(&["--versus", " Paris"]), 1), &["the same", "difference is zero"]);
    says(&refused(&with(&["--position", "0..2"]), 1), &["0..2", "2 positions"]);
    says(&refused(&with(&["--position", "99"]), 1), &["no position 99"]);
    let model = Model::new();
    let ids = |target| ["attribute", "-m", model.path(), "--token-ids", "1,2,3", "--target", target];
    says(&refused(&ids("101"), 1), &["101", "vocabulary"]);
    let outcome = run(&[&ids("5")[..], &["--format", "json"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}
