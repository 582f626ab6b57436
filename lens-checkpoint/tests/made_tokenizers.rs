//! Tokenizers that are made of other files than tokenizer.json are those of transformers.

// The helpers of the tests are tests, too.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use lens_checkpoint::{
    Checkpoint, Tokenizer, TokenizerError,
    source::{Silent, SourceOptions, locate},
};
use serde_json::Value;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

/// A model with the tokenizer of a folder, read as its config says; the model itself is any.
fn with_model(folder: &Path, model_type: &str) -> tempfile::TempDir {
    let model = fixtures().join("checkpoints").join(match model_type {
        "gpt2" => "gpt2",
        "opt" => "opt",
        "phi" => "phi",
        "qwen2" => "qwen2_tied",
        "mistral" => "mistral",
        "gemma2" => "gemma2",
        _ => "llama2",
    });
    let made = tempfile::tempdir().unwrap();
    for source in [model.join("config.json"), model.join("model.safetensors")] {
        fs::copy(&source, made.path().join(source.file_name().unwrap())).unwrap();
    }
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !["config.json", "expected.json"].iter().any(|name| path.ends_with(name)) {
            fs::copy(&path, made.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    made
}

fn tokenizer(folder: &Path) -> Result<Option<Tokenizer>, TokenizerError> {
    let options = SourceOptions::from_lookup(|_| None);
    let files = locate(folder.to_str().unwrap(), &options, &mut Silent).unwrap();
    Checkpoint::open(&files).unwrap().tokenizer()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn ids_equal_those_of_transformers() {
    let mut folders = 0;
    for entry in fs::read_dir(fixtures().join("slow_tokenizers")).unwrap() {
        let folder = entry.unwrap().path();
        let model_type = json(&folder.join("config.json"))["model_type"].as_str().unwrap().to_owned();
        let made = with_model(&folder, &model_type);
        let tokenizer = tokenizer(made.path()).unwrap().unwrap();
        let notes = tokenizer.notes().join("\n");
        assert!(notes.contains("the tokenizer is made of "), "{}: {notes}", folder.display());
        for case in json(&folder.join("expected.json")).as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = tokenizer.encode(text, true).unwrap().into_iter().map(|id| id.0).collect();
            let expected: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            assert_eq!(ids, expected, "{}: {text:?}", folder.display());
        }
        folders += 1;
    }
    assert!(folders >= 13, "only {folders} tokenizers were compared");
}

#[test]
fn broken_files_are_refused_by_name() {
    for (fixture, file, content, says) in [
        ("llama", "tokenizer.model", &b"{}"[..], "tokenizer.model cannot be used"),
        ("llama", "tokenizer.model", b"", "no pieces"),
        ("gpt2", "merges.txt", b"#version: 0.2\nx\n", "merges.txt cannot be used: line 2"),
        ("gpt2", "vocab.json", b"{\"a\": 0", "vocab.json cannot be used"),
        ("gpt2", "tokenizer_config.json", b"{\"tokenizer_class\": \"XLNetTokenizer\"}", "how XLNetTokenizer reads"),
        ("tekken", "tekken.json", b"{}", "tekken.json cannot be used: missing field"),
        (
            "tekken",
            "tekken.json",
            br#"{"config": {"pattern": "a", "default_vocab_size": 9000000000, "default_num_special_tokens": 1}, "vocab": []}"#,
            "claims 9000000000 tokens",
        ),
    ] {
        let model_type = if fixture == "gpt2" { "gpt2" } else { "llama" };
        let made = with_model(&fixtures().join("slow_tokenizers").join(fixture), model_type);
        fs::write(made.path().join(file), content).unwrap();
        let error = tokenizer(made.path()).unwrap_err().to_string();
        assert!(error.contains(says), "{says:?} is not in: {error}");
    }
}

#[test]
fn tokenizer_json_comes_before_all_others() {
    let made = with_model(&fixtures().join("slow_tokenizers/llama"), "llama");
    let json = fixtures().join("tokenizer/byte_level/tokenizer.json");
    fs::copy(json, made.path().join("tokenizer.json")).unwrap();
    let tokenizer = tokenizer(made.path()).unwrap().unwrap();
    assert!(!tokenizer.notes().iter().any(|note| note.contains("is made of")), "{:?}", tokenizer.notes());
}
