//! The ledger of config.json's keys: every key that transformers writes or that published files hold is read or known
//! to be inert, and a key that says something more is refused by name.

// The helpers of the tests are tests, too.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use lens_checkpoint::{
    config::{ConfigError, parse},
    families::{FAMILIES, Reading, TensorNames, Understood, resolve, understand},
    spec::{Mask, MlpSpec},
};
use serde_json::{Map, Value, json};

/// What both generations of transformers write for every family when nothing is chosen.
fn defaults() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for generation in ["4", "5"] {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/defaults/{generation}.json"));
        let file: Value = parse(&std::fs::read(path).unwrap()).unwrap();
        let object = |value: &Value| value.as_object().unwrap().clone();
        for (family, own) in object(&file["families"]) {
            let mut config: Map<String, Value> = object(&file["shared"]);
            config.extend(object(&own));
            all.push((format!("{family} of transformers {generation}"), Value::Object(config)));
        }
    }
    all
}

/// The names of the tensors that decide something: an unembedding of its own.
fn names() -> TensorNames {
    ["lm_head.weight", "embed_out.weight"].into_iter().collect()
}

fn default_of(family: &str, generation: char) -> Value {
    let name = format!("{family} of transformers {generation}");
    defaults().into_iter().find(|(other, _)| *other == name).expect("a family of the table").1
}

/// The section that describes the text model.
fn text_of(config: &mut Value) -> &mut Value {
    if config["text_config"].is_object() { &mut config["text_config"] } else { config }
}

fn read(config: &Value) -> Result<Understood, ConfigError> {
    understand(config, &names(), &Reading::default())
}

fn with(family: &str, key: &str, value: Value) -> Value {
    let mut config = default_of(family, '4');
    text_of(&mut config)[key] = value;
    config
}

#[test]
fn what_both_generations_write_by_default_is_understood_without_a_note() {
    let mut seen = Vec::new();
    for (name, config) in defaults() {
        let understood = read(&config).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(understood.notes, [""; 0], "{name}");
        seen.push(config["model_type"].as_str().unwrap().to_owned());
    }
    let all = FAMILIES.iter().flat_map(|family| family.model_types);
    let unseen: Vec<_> = all.filter(|model_type| !seen.iter().any(|seen| seen == *model_type)).collect();
    assert_eq!(unseen, [&""; 0]);
}

#[test]
fn an_unheard_of_key_that_says_something_is_refused_by_name_in_every_family() {
    for (name, mut config) in defaults() {
        for (key, value, shown) in [
            ("scale_width", json!(1.4), "scale_width = 1.4"),
            ("use_embedding_norm", json!(true), "use_embedding_norm = true"),
            ("layer_scales", json!([1, 0.5]), "layer_scales = [1,0.5]"),
            ("mixer_config", json!({"kind": null, "width": 3}), "mixer_config = {"),
            ("norm_kind", json!("batch"), "norm_kind = \"batch\""),
        ] {
            text_of(&mut config)[key] = value;
            let error = read(&config).unwrap_err().to_string();
            assert!(error.contains(shown) && error.contains("have it ignored"), "{name}: {error}");
            text_of(&mut config).as_object_mut().unwrap().remove(key);
        }
    }
}

#[test]
fn an_unheard_of_key_that_says_nothing_is_passed_over() {
    for (name, mut config) in defaults() {
        let usual = read(&config).unwrap();
        for value in
            [json!(null), json!(false), json!(0), json!(0.0), json!(""), json!([]), json!({"a": null})]
        {
            text_of(&mut config)["unheard_of"] = value;
            assert_eq!(read(&config), Ok(usual.clone()), "{name}");
        }
    }
}

#[test]
fn a_remark_is_a_note() {
    let understood = read(&with("llama", "dataset", json!("the pile"))).unwrap();
    assert!(understood.notes[0].contains("dataset = \"the pile\""), "{:?}", understood.notes);
}

#[test]
fn keys_that_belong_to_other_families_are_refused_where_they_say_something() {
    for (family, key, value) in [
        ("llama", "partial_rotary_factor", json!(0.5)),
        ("qwen2", "partial_rotary_factor", json!(0.5)),
        ("gemma2", "hidden_act", json!("silu")),
        ("gemma3_text", "hidden_act", json!("silu")),
        ("gpt2", "hidden_act", json!("relu")),
        ("gpt2", "rotary_pct", json!(0.5)),
        ("llama", "rotary_emb_base", json!(20000)),
        ("llama", "logit_scale", json!(0.5)),
        ("llama", "embedding_multiplier", json!(2.0)),
        ("llama", "final_logit_softcapping", json!(30.0)),
        ("llama", "sliding_window", json!(4096)),
        ("llama", "layer_types", json!(["sliding_attention"])),
        ("mistral", "layer_types", json!(vec!["full_attention"; 6])),
        ("stablelm", "rms_norm_eps", json!(1e-3)),
        ("opt", "layer_norm_eps", json!(1e-3)),
        ("gptj", "rope_theta", json!(500_000.0)),
        ("gptj", "rotary", json!(false)),
        ("opt", "scale_embeddings", json!(true)),
        ("mistral", "llama_4_scaling_beta", json!(0.1)),
        ("llama", "use_rope", json!(false)),
        ("llama", "pruned_heads", json!({"0": [1]})),
        ("llama", "is_encoder_decoder", json!(true)),
        ("llama", "add_cross_attention", json!(true)),
        ("mpt", "norm_type", json!("rmsnorm")),
    ] {
        let error = read(&with(family, key, value)).unwrap_err().to_string();
        assert!(error.contains(&format!("{family} does not read: {key} =")), "{family}: {error}");
    }
}

#[test]
fn odd_keys_of_published_files_are_inert() {
    for (family, keys) in [
        (
            "llama",
            json!({"_name_or_path": "x", "auto_map": {"AutoModel": "m.M"}, "pretraining_tp": 2, "use_cache": true,
                "attn_implementation": "flash_attention_2", "torch_dtype": "bfloat16", "architectures": ["A"],
                "unsloth_fixed": true, "bos_token": "<s>", "tokenizer_class": "T", "_commit_hash": "0",
                "use_flash_attn": true, "max_sequence_length": 2048, "is_llama_config": true,
                "rope_interleaved": false, "model_max_length": 4096, "neftune_noise_alpha": 5, "n_ctx": 2048,
                "partial_rotary_factor": 1.0, "transformers.js_config": {"dtype": "q4"}, "attn_pdrop": 0.1,
                "image_token_id": 5, "num_labels": 3, "id2label": {"0": "a"}}),
        ),
        ("qwen2", json!({"use_mrope": false, "sliding_window": 4096, "max_window_layers": 21})),
        (
            "phi3",
            json!({"interpolate_factor": 1, "full_attn_mod": 1, "lm_head_bias": false, "mlp_bias": false}),
        ),
        ("gptj", json!({"rotary": true, "scale_attn_weights": true, "n_ctx": 2048})),
        ("gemma2", json!({"hidden_act": "gelu_pytorch_tanh", "cache_implementation": "hybrid"})),
        ("falcon", json!({"ff_factor": 4, "apply_residual_connection_post_layernorm": false})),
        (
            "bloom",
            json!({"masked_softmax_fusion": true, "offset_alibi": 100, "n_inner": null, "seq_length": 2048}),
        ),
        (
            "cohere",
            json!({"use_parallel_block": true, "position_embedding_type": "rope_gptj", "rotary_pct": 1.0}),
        ),
        ("gpt_neox", json!({"attention_probs_dropout_prob": 0.1, "hidden_dropout_prob": 0.1})),
        ("opt", json!({"activation_dropout": 0.1, "learned_embeddings": true, "scale_embeddings": false})),
    ] {
        for generation in ['4', '5'] {
            let mut config = default_of(family, generation);
            let usual = read(&config).unwrap();
            config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            let read = read(&config).unwrap_or_else(|error| panic!("{family}: {error}"));
            assert!(read.notes.is_empty(), "{family}: {:?}", read.notes);
            assert_eq!(read.spec.layers, usual.spec.layers, "{family}");
        }
    }
}

#[test]
fn what_transformers_leaves_alone_too_is_a_note() {
    let understood =
        read(&with("qwen2", "dual_chunk_attention_config", json!({"chunk_size": 262_144}))).unwrap();
    assert!(understood.notes[0].contains("dual_chunk_attention_config"), "{:?}", understood.notes);
}

#[test]
fn what_is_said_of_experts_means_nothing_where_all_layers_are_dense() {
    for family in ["qwen2_moe", "qwen3_moe"] {
        let mut config = with(family, "decoder_sparse_step", json!(2));
        let n_layers = config["num_hidden_layers"].as_u64().unwrap();
        config["mlp_only_layers"] = json!((0..n_layers).collect::<Vec<_>>());
        let understood = read(&config).unwrap_or_else(|error| panic!("{family}: {error}"));
        assert!(
            understood.spec.layers.iter().all(|layer| matches!(layer.mlp, MlpSpec::Gated(_))),
            "{family}"
        );
        config["mlp_only_layers"] = json!([0]);
        config["num_local_experts"] = json!(61);
        let error = read(&config).unwrap_err().to_string();
        assert!(error.contains("num_experts = "), "{family}: {error}");
    }
}

#[test]
fn numbers_of_gpt_oss_that_transformers_4_does_not_read_are_a_note() {
    assert_eq!(read(&with("gpt_oss", "swiglu_limit", json!(7.0))).unwrap().notes, [""; 0]);
    let notes = read(&with("gpt_oss", "swiglu_limit", json!(0.5))).unwrap().notes;
    assert_eq!(
        notes,
        ["swiglu_limit is 0.5, as config.json says; transformers 4 takes 7 whatever the file says"]
    );
}

#[test]
fn insisting_ignores_keys_with_a_note() {
    let config = with("llama", "partial_rotary_factor", json!(0.5));
    let reading = Reading { ignore_extra: true, ..Reading::default() };
    let understood = understand(&config, &names(), &reading).unwrap();
    assert!(understood.notes[0].contains("partial_rotary_factor = 0.5"), "{:?}", understood.notes);
    assert_eq!(understood.spec, resolve(&default_of("llama", '4'), &names()).unwrap());
}

#[test]
fn an_absent_window_of_mistral_is_that_of_the_class_and_null_is_none() {
    let masks = |config: &Value| resolve(config, &names()).unwrap().layers[0].attention().unwrap().mask;
    let mut config = default_of("mistral", '4');
    config.as_object_mut().unwrap().remove("sliding_window");
    assert_eq!(masks(&config), Mask::Sliding { window: 4096 });
    config["sliding_window"] = Value::Null;
    assert_eq!(masks(&config), Mask::Causal);
    config["sliding_window"] = json!(7);
    assert_eq!(masks(&config), Mask::Sliding { window: 7 });
}

#[test]
fn a_rotation_without_a_type_is_refused_unless_it_says_nothing_but_its_base() {
    for (key, section) in [
        ("rope_scaling", json!({"factor": 8.0})),
        ("rope_parameters", json!({"factor": 8.0, "rope_theta": 5.0})),
    ] {
        let mut config = default_of("llama", '4');
        config[key] = section;
        let error = read(&config).unwrap_err();
        assert_eq!(error, ConfigError::Missing { key: format!("{key}.rope_type") });
    }
    let mut config = default_of("llama", '5');
    config["rope_parameters"] = json!({"rope_theta": 5.0});
    read(&config).unwrap();
    config["rope_theta"] = json!(6.0);
    let error = read(&config).unwrap_err().to_string();
    assert!(error.contains("rope_theta = 6"), "two bases in one file: {error}");
}

#[test]
fn both_generations_in_one_file_may_agree_but_not_differ() {
    let mut config = default_of("llama", '4');
    config["rope_scaling"] = json!({"rope_type": "linear", "factor": 2.0});
    config["rope_theta"] = json!(10000.0);
    config["rope_parameters"] = json!({"rope_type": "linear", "factor": 2, "rope_theta": 10000.0});
    read(&config).unwrap();
    config["rope_parameters"]["factor"] = json!(4.0);
    let error = read(&config).unwrap_err().to_string();
    assert!(error.contains("rope_parameters.factor = 4"), "{error}");
}

#[test]
fn python_numbers_that_are_not_finite_are_read_and_refused_where_used() {
    let config = parse(br#"{"model_type": "llama", "hidden_size": Infinity}"#).unwrap();
    let error = read(&config).unwrap_err().to_string();
    assert!(error.contains("hidden_size") && error.contains("Infinity"), "{error}");
    let mut config = default_of("llama", '4');
    config["temperature"] = parse(b"NaN").unwrap();
    read(&config).unwrap();
    config["rms_norm_eps"] = parse(b"NaN").unwrap();
    let error = read(&config).unwrap_err().to_string();
    assert!(error.contains("rms_norm_eps") && error.contains("NaN"), "{error}");
}
