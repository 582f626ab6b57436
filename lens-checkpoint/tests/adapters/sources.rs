//! Where adapters come from: folders, folders of models, and in the place of a model.

use lens_checkpoint::{
    Checkpoint, Outline,
    source::{Silent, SourceError, headers, locate, locate_adapter},
};
use serde_json::{Value, json};

use crate::{assert_says, fixtures, options, said, values, written::Written};

const Q: &str = "model.layers.0.self_attn.q_proj";

fn written() -> Written {
    Written::of(&[(Q, 24, 24)])
}

/// A copy of a model, for files beside it.
fn model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixtures().join("checkpoints/llama2").join(file), folder.path().join(file)).unwrap();
    }
    folder
}

fn opened(folder: &std::path::Path) -> (Checkpoint, String) {
    let files = locate(folder.to_str().unwrap(), &options(), &mut Silent).unwrap();
    let checkpoint = Checkpoint::open(&files).unwrap();
    let headers = headers(folder.to_str().unwrap(), &options(), &mut Silent).unwrap();
    let outline = Outline::of_headers(&headers).unwrap();
    assert_eq!(outline.adapters, checkpoint.outline().adapters);
    let notes = checkpoint.outline().notes.join("\n");
    (checkpoint, notes)
}

fn q(checkpoint: &Checkpoint) -> Vec<f32> {
    values(checkpoint, &format!("{Q}.weight"))
}

#[test]
fn an_adapter_beside_its_model_is_merged() {
    let folder = model();
    let plain = q(&opened(folder.path()).0);
    for base in [Value::Null, json!(""), json!(folder.path().to_str().unwrap())] {
        written().with("base_model_name_or_path", base).write_to(folder.path());
        let (checkpoint, notes) = opened(folder.path());
        assert_ne!(q(&checkpoint), plain);
        assert_says(&notes, &["an adapter lies beside the model, and is merged", "is added to 1 matrix"]);
    }
}

#[test]
fn an_adapter_beside_another_model_is_not_merged_and_said() {
    let folder = model();
    let plain = q(&opened(folder.path()).0);
    written().with("base_model_name_or_path", json!("owner/other")).write_to(folder.path());
    let (checkpoint, notes) = opened(folder.path());
    assert_eq!(q(&checkpoint), plain);
    assert_says(&notes, &["beside the model and is not merged", "owner/other"]);
    // Another that is asked for stands in its place.
    written().write_to(folder.path());
    let files = locate(folder.path().to_str().unwrap(), &options(), &mut Silent).unwrap();
    let other = written().with("lora_alpha", json!(9));
    let given = locate_adapter(other.path().to_str().unwrap(), &options(), &mut Silent).unwrap();
    let checkpoint = Checkpoint::open(&files.with_adapters(vec![given])).unwrap();
    assert_eq!(checkpoint.outline().adapters.len(), 1);
    assert_eq!(checkpoint.outline().adapters[0].scales, [4.5]);
    let notes = checkpoint.outline().notes.join("\n");
    assert_says(&notes, &["beside the model and is not merged: another was asked for"]);
}

#[test]
fn an_adapter_in_the_place_of_a_model_brings_its_model() {
    let base = model();
    let alone = written().with("base_model_name_or_path", json!(base.path().to_str().unwrap()));
    let expected = locate_adapter(alone.path().to_str().unwrap(), &options(), &mut Silent).unwrap();
    let files = locate(base.path().to_str().unwrap(), &options(), &mut Silent).unwrap();
    let expected = q(&Checkpoint::open(&files.with_adapters(vec![expected])).unwrap());
    std::fs::write(alone.folder.path().join("tokenizer.json"), "{}").unwrap();
    let (checkpoint, notes) = opened(alone.path());
    assert_eq!(q(&checkpoint), expected);
    assert_eq!(checkpoint.outline().id, base.path().to_str().unwrap());
    assert_says(
        &notes,
        &["is an adapter, and is merged into the model that its config names", "tokenizer is the one"],
    );
    let files = locate(alone.path().to_str().unwrap(), &options(), &mut Silent).unwrap();
    assert_eq!(files.tokenizer.unwrap(), alone.folder.path().join("tokenizer.json"));
}

#[test]
fn a_model_that_cannot_be_had_is_named() {
    let fail = |base: Value| {
        let alone = written().with("base_model_name_or_path", base);
        let error = locate(alone.path().to_str().unwrap(), &options(), &mut Silent).unwrap_err();
        (said(&error), error)
    };
    let (message, error) = fail(Value::Null);
    assert!(matches!(error, SourceError::NoBase { .. }), "{error:?}");
    assert_says(&message, &["names no model", "give the model"]);
    for base in ["../../etc", "/no/such/folder", "a b", "~/nothing", "../../../../../../etc/passwd"] {
        let (message, error) = fail(json!(base));
        assert!(matches!(error, SourceError::Base { .. }), "{error:?}");
        assert_says(&message, &[base, "cannot be had"]);
    }
    assert_says(&fail(json!(7)).0, &["base_model_name_or_path = 7"]);
    // An adapter of an adapter.
    let (inner, base) = (written(), model());
    let inner = inner.with("base_model_name_or_path", json!(base.path().to_str().unwrap()));
    assert_says(
        &fail(json!(inner.path().to_str().unwrap())).0,
        &["cannot be had", "is an adapter without a model"],
    );
}

#[test]
fn what_is_no_adapter_is_said() {
    let folder = model();
    let at = |name: &str| locate_adapter(name, &options(), &mut Silent).unwrap_err().to_string();
    assert_says(&at(folder.path().to_str().unwrap()), &["holds no adapter", "adapter_config.json"]);
    assert_says(&at(folder.path().join("config.json").to_str().unwrap()), &["it is a file"]);
    assert_says(&at("./no/such"), &["there is no folder ./no/such"]);
}
