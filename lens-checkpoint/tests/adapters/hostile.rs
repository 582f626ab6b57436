//! Adapters that lie end in an error.

use serde_json::json;

use crate::{assert_says, fixtures, open, said, written::Written};

fn base() -> std::path::PathBuf {
    fixtures().join("checkpoints/llama2")
}

fn written() -> Written {
    Written::of(&[("model.layers.0.self_attn.q_proj", 24, 24)])
}

#[test]
fn a_truncated_file_is_refused_at_every_length() {
    let written = written();
    let path = written.path();
    let file = std::fs::read(path.join("adapter_model.safetensors")).unwrap();
    for length in (0..file.len()).step_by(7) {
        std::fs::write(path.join("adapter_model.safetensors"), &file[..length]).unwrap();
        let error = said(&open(&base(), &[path]).expect_err("a truncated file was accepted"));
        assert_says(&error, &["adapter_model.safetensors"]);
    }
    let config = std::fs::read(path.join("adapter_config.json")).unwrap();
    std::fs::write(path.join("adapter_model.safetensors"), &file).unwrap();
    for length in 0..config.len() {
        std::fs::write(path.join("adapter_config.json"), &config[..length]).unwrap();
        let error = said(&open(&base(), &[path]).expect_err("a truncated config was accepted"));
        assert_says(&error, &["adapter_config.json"]);
    }
}

#[test]
fn numbers_that_are_not_finite_are_found_where_they_are_merged() {
    for bad in [f32::NAN, f32::INFINITY, f32::MAX] {
        let mut written = written();
        written.tensors.values_mut().for_each(|(_, values)| values[3] = bad);
        let opened = open(&base(), &[written.path()]).unwrap();
        let tensor = opened.outline().tensors.get("model.layers.0.self_attn.q_proj.weight").unwrap();
        let error = opened.values(tensor).unwrap_err().to_string();
        assert_says(&error, &["model.layers.0.self_attn.q_proj.weight", "not finite", "once the adapter"]);
    }
    let mut saved = written().with_tensor("base_model.model.lm_head.weight", &[101, 24], f32::NAN);
    saved = saved.with("modules_to_save", json!(["lm_head"]));
    let opened = open(&base(), &[saved.path()]).unwrap();
    let tensor = opened.outline().tensors.get("lm_head.weight").unwrap();
    assert_says(&opened.values(tensor).unwrap_err().to_string(), &["lm_head.weight", "not finite"]);
}

#[test]
fn a_pickle_that_would_run_something_is_refused() {
    let written = written();
    let path = written.path();
    std::fs::remove_file(path.join("adapter_model.safetensors")).unwrap();
    std::fs::write(path.join("adapter_model.bin"), b"cos\nsystem\n(S'echo hi'\ntR.").unwrap();
    let error = said(&open(&base(), &[path]).unwrap_err());
    assert_says(&error, &["adapter_model.bin"]);
}
