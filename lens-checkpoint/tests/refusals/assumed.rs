//! Families that the user insists on.

use lens_checkpoint::checkpoint::OpenOptions;
use serde_json::json;

use crate::{assert_says, copy::Copy};

fn assume(family: &str) -> OpenOptions {
    OpenOptions::default().with_assume_family(Some(family.to_owned()))
}

#[test]
fn an_unknown_model_with_the_tensors_of_a_family_is_refused_with_the_way_to_insist() {
    for (fixture, family) in
        [("llama2", "llama"), ("qwen2_untied", "qwen2"), ("gpt_neox", "gpt_neox"), ("olmo2", "olmo2")]
    {
        let copy = Copy::of(fixture).with_key("model_type", json!("exotic9"));
        let (tensors, flag) = (format!("tensors are those of {family}"), "it can be read as one".to_owned());
        assert_says(&copy.refusal(), &["unsupported model_type \"exotic9\"", &tensors, &flag, "by name"]);
    }
}

#[test]
fn an_unknown_model_with_other_tensors_says_how_they_differ_from_llama() {
    let copy = Copy::of("llama2").with_key("model_type", json!("exotic9")).with_tensors(
        "model.safetensors",
        |tensors| {
            let gate = tensors.remove("model.layers.0.mlp.gate_proj.weight").unwrap();
            tensors.insert("model.layers.0.mlp.memory.weight".to_owned(), gate);
        },
    );
    let words = [
        "unsupported model_type \"exotic9\"",
        "Read as llama, it has model.layers.0.mlp.memory.weight, and lacks model.layers.0.mlp.gate_proj.weight",
    ];
    assert_says(&copy.refusal(), &words);
    assert!(!copy.refusal().contains("can be read as one"));
}

#[test]
fn an_unknown_model_with_another_config_says_why_it_is_no_llama() {
    let copy = Copy::of("llama2").with_key("model_type", json!("exotic9")).with_config(|config| {
        config.as_object_mut().unwrap().remove("hidden_size");
    });
    assert_says(&copy.refusal(), &["cannot be read as llama either", "no \"hidden_size\""]);
}

#[test]
fn many_names_are_counted() {
    let copy = Copy::of("llama2").with_key("model_type", json!("exotic9")).with_tensors(
        "model.safetensors",
        |tensors| {
            let norm = tensors["model.norm.weight"].clone();
            for i in 0..9 {
                tensors.insert(format!("memory.{i}"), norm.clone());
            }
        },
    );
    assert_says(&copy.refusal(), &["Read as llama, it has memory.0", "memory.5 and 3 more"]);
}

#[test]
fn insisting_opens_it_and_is_remembered() {
    let copy = Copy::of("llama2").with_key("model_type", json!("exotic9"));
    let opened = copy.open_with(&assume("llama")).unwrap();
    assert_eq!(opened.outline().assumed_family.as_deref(), Some("llama"));
    let own = Copy::of("llama2").open().unwrap();
    assert_eq!(opened.outline().spec, own.outline().spec);
    assert_eq!((own.outline().spec.family.as_str(), &own.outline().assumed_family), ("llama", &None));
}

#[test]
fn a_config_without_a_model_type_can_be_insisted_on() {
    let copy = Copy::of("gpt2").with_config(|config| {
        config.as_object_mut().unwrap().remove("model_type");
    });
    assert_says(&copy.refusal(), &["no \"model_type\""]);
    let opened = copy.open_with(&assume("gpt2")).unwrap();
    assert_eq!(opened.outline().assumed_family.as_deref(), Some("gpt2"));
}

#[test]
fn insisting_on_what_it_is_assumes_nothing() {
    let opened = Copy::of("qwen2_tied").open_with(&assume("qwen2")).unwrap();
    assert_eq!(opened.outline().assumed_family, None);
}

#[test]
fn insisting_does_not_help_against_tensors_that_do_not_fit() {
    let refused = |fixture, family| match Copy::of(fixture).open_with(&assume(family)) {
        Ok(_) => panic!("{fixture} was accepted as {family}"),
        Err(message) => message,
    };
    assert_says(&refused("qwen2_untied", "llama"), &["tensors that llama does not use", "q_proj.bias"]);
    assert_says(&refused("llama2", "qwen3"), &["lacks tensors", "implies for qwen3", "q_norm"]);
    assert_says(&refused("llama2", "lama"), &["no family is called \"lama\"", "did you mean \"llama\"?"]);
    let copy = Copy::of("llama2").with_key("quantization_config", json!({"quant_method": "gptq"}));
    let Err(message) = copy.open_with(&assume("llama")) else { panic!("quantised weights were accepted") };
    assert_says(&message, &["quantisation", "gptq", "bits"]);
}
