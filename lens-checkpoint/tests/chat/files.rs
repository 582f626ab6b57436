//! Where a checkpoint keeps its template, its special tokens and the ends of its texts.

use std::path::Path;

use lens_checkpoint::{
    ChatError, Checkpoint, CheckpointError, demo,
    source::{Silent, SourceOptions, locate},
};
use lens_core::TokenId;
use tempfile::TempDir;

use crate::{fixtures, say};

/// A small checkpoint with `files` beside it.
pub(crate) fn folder_with(files: &[(&str, Vec<u8>)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let base = fixtures().join("checkpoints/llama_f32");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(base.join(file), dir.path().join(file)).unwrap();
    }
    for (file, bytes) in files {
        std::fs::write(dir.path().join(file), bytes).unwrap();
    }
    dir
}

pub(crate) fn open(dir: &Path) -> Checkpoint {
    let files = locate(dir.to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent).unwrap();
    Checkpoint::open(&files).unwrap()
}

fn text_of(files: &[(&str, &str)]) -> Result<String, ChatError> {
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(file, text)| (*file, text.as_bytes().to_vec())).collect();
    let dir = folder_with(&files);
    let template = open(dir.path()).chat_template()?;
    template.render(&say(&[("user", "hi")]), true).map(|rendered| rendered.text)
}

#[test]
fn newer_places_win_as_in_transformers() {
    let jinja = ("chat_template.jinja", "jinja");
    let config = ("tokenizer_config.json", r#"{"chat_template": "config"}"#);
    let json = ("chat_template.json", r#"{"chat_template": "json"}"#);
    assert_eq!(text_of(&[jinja, config, json]).unwrap(), "jinja");
    assert_eq!(text_of(&[config, json]).unwrap(), "config");
    assert_eq!(text_of(&[json]).unwrap(), "json");
    assert_eq!(text_of(&[("tokenizer_config.json", r#"{"chat_template": null}"#), json]).unwrap(), "json");
}

#[test]
fn of_a_list_the_default_template_is_taken() {
    let list = |json: &str| text_of(&[("tokenizer_config.json", &format!(r#"{{"chat_template": {json}}}"#))]);
    let two = r#"[{"name": "tool_use", "template": "a"}, {"name": "default", "template": "b"}]"#;
    assert_eq!(list(two).unwrap(), "b");
    let error =
        list(r#"[{"name": "rag", "template": "a"}, {"name": "tool_use", "template": "b"}]"#).unwrap_err();
    assert!(error.to_string().contains("(rag, tool_use)"), "{error}");
    for broken in ["[]", "3", r#"["a"]"#, r#"[{"template": "a"}]"#] {
        let error = list(broken).unwrap_err();
        assert!(error.to_string().contains("tokenizer_config.json"), "{error}");
    }
}

#[test]
fn special_tokens_come_from_the_file_that_transformers_believes() {
    let template = ("chat_template.jinja", "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}");
    let map = ("special_tokens_map.json", r#"{"bos_token": {"content": "<map>"}, "eos_token": "</map>"}"#);
    let listing = (
        "tokenizer_config.json",
        r#"{"added_tokens_decoder": {}, "bos_token": "<config>", "unk_token": null}"#,
    );
    let legacy = ("tokenizer_config.json", r#"{"bos_token": "<config>", "unk_token": {"content": "<unk>"}}"#);
    assert_eq!(text_of(&[template, map, listing]).unwrap(), "<config>|</s>|");
    assert_eq!(text_of(&[template, map, legacy]).unwrap(), "<map>|</map>|<unk>");
    assert_eq!(text_of(&[template]).unwrap(), "||");
    // Where tokenizer_config.json names none, the tokens of the model's tokenizer class.
    assert_eq!(text_of(&[template, ("tokenizer_config.json", "{}")]).unwrap(), "<s>|</s>|<unk>");
}

#[test]
fn a_base_model_says_that_it_has_no_template_and_what_to_do() {
    let error = demo::checkpoint().unwrap().chat_template().unwrap_err();
    assert_eq!(error, ChatError::NoTemplate { id: "demo".to_owned() });
    let message = error.to_string();
    assert!(message.starts_with("demo has no chat template: it is a base model"), "{message}");
    assert!(message.contains("plain text") && message.contains("instruction-tuned"), "{message}");
}

#[test]
fn broken_files_are_errors_that_name_them() {
    let cases = [
        ("tokenizer_config.json", "{"),
        ("tokenizer_config.json", "[]"),
        ("chat_template.json", "\"x\""),
        ("chat_template.json", r#"{"chat_template": {}}"#),
    ];
    for (file, content) in cases {
        let error = text_of(&[(file, content)]).unwrap_err();
        assert!(error.to_string().contains(file), "{error}");
    }
    let dir = folder_with(&[("chat_template.jinja", b"\xff".to_vec())]);
    let error = open(dir.path()).chat_template().unwrap_err();
    assert_eq!(error.to_string(), "chat_template.jinja cannot be used: it is not valid UTF-8");
}

#[test]
fn ends_of_text_are_those_of_both_configs() {
    let ends = |config: &str, generation: Option<&str>| {
        let dir = folder_with(&[]);
        let path = dir.path().join("config.json");
        let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        json["eos_token_id"] = serde_json::from_str(config).unwrap();
        std::fs::write(&path, json.to_string()).unwrap();
        if let Some(generation) = generation {
            std::fs::write(dir.path().join("generation_config.json"), generation).unwrap();
        }
        open(dir.path()).end_of_text()
    };
    let ids = |ids: &[u32]| ids.iter().copied().map(TokenId).collect::<Vec<_>>();
    assert_eq!(ends("7", None).unwrap(), ids(&[7]));
    assert_eq!(ends("[9, 7]", Some(r#"{"eos_token_id": [8, 7]}"#)).unwrap(), ids(&[7, 8, 9]));
    assert_eq!(ends("null", Some(r#"{"eos_token_id": 3}"#)).unwrap(), ids(&[3]));
    assert_eq!(ends("null", Some("{}")).unwrap(), ids(&[]));
    for broken in [r#"{"eos_token_id": "x"}"#, r#"{"eos_token_id": [-1]}"#, "[]", "{"] {
        let error = ends("1", Some(broken)).unwrap_err();
        assert!(
            matches!(error, CheckpointError::BrokenFile { file: "generation_config.json", .. }),
            "{error}"
        );
    }
    assert_eq!(demo::checkpoint().unwrap().end_of_text().unwrap(), ids(&[1]));
}
