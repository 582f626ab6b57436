//! `--adapter` in commands that need no engine.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn path(part: &str) -> String {
    fixtures().join(part).to_str().unwrap().to_owned()
}

/// Exit code, stdout and stderr of `lens`, with an engine that does not exist.
fn lens(args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lens"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    command.env("HF_HUB_OFFLINE", "1").env("HF_HUB_CACHE", "/nonexistent/hub");
    command.env("LENS_ENGINE", "/nonexistent/lens-engine").env("COLUMNS", "200");
    let output = command.args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().expect("it was not killed"), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "no {part:?} in: {text}"));
}

#[test]
fn inspect_shows_the_adapter() {
    let (model, adapter) = (path("checkpoints/llama31"), path("adapters/llama"));
    let (code, stdout, stderr) = lens(&["inspect", &model, "--adapter", &adapter]);
    assert_eq!(code, 0, "{stderr}");
    says(
        &stdout,
        &["adapter", "LoRA of rank 1, scale 5", "14 matrices: down_proj, gate_proj, k_proj", "parameters"],
    );
    says(&stderr, &["note: ", "is merged into the model"]);
    let (_, stdout, _) = lens(&["inspect", &model, "--adapter", &adapter, "--format", "json"]);
    let facts: Value = serde_json::from_str(&stdout).unwrap();
    let shown = &facts["adapters"][0];
    assert_eq!(shown["base"], json!("owner/llama31"));
    assert_eq!(
        (&shown["ranks"], &shown["scales"], &shown["matrices"]),
        (&json!([1]), &json!([5.0]), &json!(14))
    );
    let (_, stdout, _) = lens(&["inspect", &model, "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["adapters"], json!([]));
}

#[test]
fn decode_reads_the_merged_weights() {
    let model = path("checkpoints/qwen2_tied");
    let decode = |more: &[&str]| {
        let args = ["decode", "-m", &model, "--neurons", "--layers", "1", "--format", "jsonl"];
        let (code, stdout, stderr) = lens(&[&args, more].concat());
        assert_eq!(code, 0, "{stderr}");
        (stdout, stderr)
    };
    let (plain, _) = decode(&[]);
    let (adapted, said) = decode(&["--adapter", &path("adapters/layers")]);
    assert_ne!(plain, adapted);
    says(&said, &["is merged into the model"]);
}

#[test]
fn what_cannot_be_merged_says_what_to_type() {
    let (model, adapter) = (path("checkpoints/llama31"), path("adapters/gpt2"));
    let (code, _, stderr) = lens(&["inspect", &model, "--adapter", &adapter]);
    assert_eq!(code, 1);
    says(&stderr, &["error: ", "does not have", "c_attn", "--ignore-extra"]);
    let (code, _, stderr) = lens(&["inspect", &model, "--adapter", "./none"]);
    assert_eq!(code, 1);
    says(&stderr, &["there is no folder ./none"]);
    let (code, _, stderr) = lens(&["inspect", &adapter]);
    assert_eq!(code, 1);
    says(&stderr, &["is an adapter for the model owner/gpt2", "-m MODEL --adapter"]);
    let (code, _, stderr) = lens(&["inspect", "--adapter", &adapter, "demo"]);
    assert_eq!(code, 1);
    says(&stderr, &["the demo model has no adapters"]);
}
