//! What is not merged is refused, with its name.

use lens_checkpoint::checkpoint::OpenOptions;
use serde_json::json;

use crate::{assert_says, fixtures, open, open_with, said, written::Written};

const Q: &str = "model.layers.0.self_attn.q_proj";
const A: &str = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
const B: &str = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";

fn plain() -> Written {
    Written::of(&[(Q, 24, 24)])
}

#[track_caller]
fn refused(written: &Written, parts: &[&str]) {
    let error = open(&fixtures().join("checkpoints/llama2"), &[written.path()]);
    assert_says(&said(&error.expect_err("the adapter was accepted")), parts);
}

#[test]
fn other_methods_and_variants_are_named() {
    for (peft_type, what) in [
        ("IA3", "merge_and_unload"),
        ("LOHA", "merge_and_unload"),
        ("LOKR", "merge_and_unload"),
        ("OFT", "merge_and_unload"),
        ("VERA", "merge_and_unload"),
        ("ADALORA", "merge_and_unload"),
        ("PREFIX_TUNING", "before the prompt"),
        ("PROMPT_TUNING", "before the prompt"),
    ] {
        refused(&plain().with("peft_type", json!(peft_type)), &[peft_type, "only LORA", what]);
    }
    for (key, value) in [
        ("use_qalora", json!(true)),
        ("alora_invocation_tokens", json!([1, 2])),
        ("layer_replication", json!([[0, 1], [0, 1]])),
        ("arrow_config", json!({"top_k": 3})),
        ("use_bdlora", json!({"nblocks": 2})),
        ("kasa_config", json!({"beta": 1.0})),
        ("megatron_config", json!({"a": 1})),
        ("init_lora_weights", json!("pissa")),
        ("init_lora_weights", json!("pissa_niter_4")),
        ("init_lora_weights", json!("olora")),
        ("init_lora_weights", json!("loftq")),
    ] {
        refused(&plain().with(key, value), &[key, "not merged here"]);
    }
    for value in ["gaussian", "eva", "orthogonal"] {
        let written = plain().with("init_lora_weights", json!(value));
        assert!(open(&fixtures().join("checkpoints/llama2"), &[written.path()]).is_ok(), "{value}");
    }
}

#[test]
fn a_key_that_says_something_and_is_not_read_is_refused() {
    let written = plain().with("strange_scale", json!(2)).with("off", json!(false)).with("none", json!([]));
    refused(&written, &["what is not read here: strange_scale = 2"]);
    let ignoring = OpenOptions::default().with_ignore_extra(true);
    let opened = open_with(&fixtures().join("checkpoints/llama2"), &[written.path()], &ignoring).unwrap();
    assert_says(&opened.outline().notes.join("\n"), &["strange_scale = 2", "ignored, as was asked"]);
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    for (key, value, part) in [
        ("r", json!(0), "\"r\" should be a rank"),
        ("r", json!("8"), "\"r\" should be a rank"),
        ("r", json!(1u64 << 40), "\"r\" should be a rank"),
        ("lora_alpha", json!("NaN"), "\"lora_alpha\" should be a number"),
        ("use_rslora", json!(3), "\"use_rslora\" should be true or false"),
        ("target_modules", json!("("), "not understood"),
        ("target_modules", json!({"a": 1}), "a list of names"),
        ("rank_pattern", json!({"q_proj": -1}), "is not a number from 1 on"),
        ("rank_pattern", json!({"(": 2}), "not understood"),
        ("alpha_pattern", json!([1]), "alpha_pattern is not understood"),
        ("layers_to_transform", json!([-1]), "\"layers_to_transform\""),
        ("trainable_token_indices", json!(["a"]), "\"trainable_token_indices\""),
    ] {
        refused(&plain().with(key, value), &["adapter_config.json", part]);
    }
}

#[test]
fn every_tensor_is_used_or_named() {
    let extra = "base_model.model.score.weight";
    let written = plain().with_tensor(extra, &[2, 24], 1.0);
    refused(&written, &["tensors for what the model does not have", extra]);
    let ignoring = OpenOptions::default().with_ignore_extra(true);
    let opened = open_with(&fixtures().join("checkpoints/llama2"), &[written.path()], &ignoring).unwrap();
    assert_says(&opened.outline().notes.join("\n"), &[extra, "left out, as was asked"]);
    refused(
        &plain().with_tensor("base_model.model.model.layers.0.self_attn.q_proj.lora_C.weight", &[1], 1.0),
        &["lora_C"],
    );
    refused(&plain().without(B), &[A, "the other is missing"]);
    refused(&plain().with("target_modules", json!(["k_proj"])), &[A, "leave out"]);
    refused(&plain().with("exclude_modules", json!(["q_proj"])), &[A, "leave out"]);
    refused(&plain().with("layers_to_transform", json!([1])), &[A, "leave out"]);
    let other = Written::of(&[("model.layers.9.self_attn.q_proj", 24, 24)]);
    refused(&other, &["model.layers.9.self_attn.q_proj.lora_A.weight", "another model"]);
    let bias = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias";
    refused(&plain().with_tensor(bias, &[24], 1.0), &[bias, "has none"]);
    let dora = "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector";
    refused(&plain().with_tensor(dora, &[24], 1.0), &[dora, "use_dora = false"]);
    refused(&plain().with("use_dora", json!(true)), &[A, "no magnitudes"]);
    refused(&plain().with("use_dora", json!(true)).with_tensor(dora, &[7], 1.0), &[dora, "24 magnitudes"]);
    let mut named = plain();
    let (a, b) = (named.tensors.remove(A).unwrap(), named.tensors.remove(B).unwrap());
    named.tensors.insert(A.replace("lora_A", "lora_A.one"), a);
    named.tensors.insert(B.replace("lora_B", "lora_B.two"), b);
    refused(&named, &["several adapters (one, two)"]);
}

#[test]
fn shapes_that_do_not_fit_name_both_tensors() {
    refused(&plain().with("r", json!(3)), &[A, "[2, 24]", "rank 3"]);
    refused(
        &Written::of(&[(Q, 23, 24)]),
        &[A, B, "[23, 2]", "model.layers.0.self_attn.q_proj.weight is [24, 24]"],
    );
    let embedding = "base_model.model.model.embed_tokens.weight";
    refused(
        &plain().with_tensor(embedding, &[105, 24], 1.0),
        &[embedding, "[105, 24]", "model.embed_tokens.weight is [101, 24]", "another vocabulary"],
    );
    let tokens = "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta";
    let written = plain().with_tensor(tokens, &[2, 24], 1.0);
    refused(&written, &[tokens, "trainable_token_indices"]);
    refused(
        &plain().with_tensor(tokens, &[2, 24], 1.0).with("trainable_token_indices", json!([1, 500])),
        &[tokens, "[101, 24]"],
    );
}
