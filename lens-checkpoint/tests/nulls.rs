//! What null and silence say in config.json: of a flag null is false, of a number with a default it is a mistake, and
//! a family with names of its own for a number has only those.

// The helpers of the tests are tests, too.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use lens_checkpoint::{
    config::{ConfigError, parse},
    families::{Reading, TensorNames, understand},
    spec::{DecoderSpec, Rope, RopeScaling},
};
use serde_json::{Value, json};

/// The config of a published model, in a type that is not quantised.
fn published(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/configs/{name}.json"));
    let mut config = parse(&std::fs::read(path).unwrap()).unwrap();
    config.as_object_mut().unwrap().remove("quantization_config");
    config
}

fn read(config: &Value) -> Result<DecoderSpec, ConfigError> {
    let names: TensorNames = ["lm_head.weight", "embed_out.weight"].into_iter().collect();
    understand(config, &names, &Reading::default()).map(|understood| understood.spec)
}

fn with(name: &str, key: &str, value: Value) -> Value {
    let mut config = published(name);
    config[key] = value;
    config
}

fn without(name: &str, keys: &[&str]) -> Value {
    let mut config = published(name);
    keys.iter().for_each(|key| drop(config.as_object_mut().unwrap().remove(*key)));
    config
}

fn rope(spec: &DecoderSpec) -> Rope {
    spec.layers[0].mixer.rope().unwrap().as_ref().clone()
}

#[test]
fn null_is_false_for_a_flag_whose_default_is_true() {
    for (name, key) in [
        ("pythia-70m", "attention_bias"),
        ("pythia-70m", "use_parallel_residual"),
        ("starcoder2-3b", "use_bias"),
        ("falcon-7b", "parallel_attn"),
        ("falcon-7b", "multi_query"),
        ("starcoderbase", "multi_query"),
        ("starcoderbase", "scale_attn_weights"),
        ("gpt2", "scale_attn_weights"),
        ("gpt-oss-20b", "attention_bias"),
        ("qwen1.5-moe-a2.7b", "qkv_bias"),
        ("opt-125m", "enable_bias"),
        ("opt-125m", "layer_norm_elementwise_affine"),
        ("opt-125m", "do_layer_norm_before"),
    ] {
        let null = read(&with(name, key, Value::Null)).unwrap();
        assert_eq!(null, read(&with(name, key, json!(false))).unwrap(), "{name}: {key}");
        assert_ne!(null, read(&without(name, &[key])).unwrap(), "{name}: {key} is no different when absent");
    }
}

#[test]
fn null_unties_a_model_that_is_tied_in_silence() {
    let names = TensorNames::default();
    let resolve = |config: &Value| understand(config, &names, &Reading::default());
    resolve(&without("gpt2", &["tie_word_embeddings"])).unwrap();
    let error = resolve(&with("gpt2", "tie_word_embeddings", Value::Null)).unwrap_err();
    assert!(matches!(error, ConfigError::NoUnembedding { .. }), "{error}");
}

#[test]
fn null_is_refused_where_silence_is_a_default() {
    for (name, keys) in [
        ("llama-2-7b", &["rms_norm_eps", "hidden_act", "rope_theta"][..]),
        ("pythia-70m", &["layer_norm_eps", "hidden_act", "rotary_emb_base", "rotary_pct"]),
        ("starcoder2-3b", &["norm_epsilon", "hidden_act"]),
        ("falcon-7b", &["layer_norm_epsilon", "activation"]),
        ("gemma-2-2b", &["query_pre_attn_scalar", "sliding_window", "hidden_activation"]),
        ("gemma-3-1b-it", &["query_pre_attn_scalar", "sliding_window", "rope_local_base_freq"]),
        ("olmo-3-1025-7b", &["sliding_window"]),
        ("gpt-oss-20b", &["sliding_window"]),
        ("c4ai-command-r-v01", &["logit_scale", "layer_norm_eps"]),
        ("c4ai-command-r7b-12-2024", &["logit_scale", "sliding_window"]),
        (
            "granite-3.1-2b",
            &["attention_multiplier", "embedding_multiplier", "residual_multiplier", "logits_scaling"],
        ),
        ("qwen3-30b-a3b", &["decoder_sparse_step"]),
        ("gpt-neo-125m", &["window_size", "attention_types"]),
        ("gpt-j-6b", &["rotary_dim", "activation_function"]),
        ("minitron-4b", &["norm_eps", "partial_rotary_factor"]),
        ("phi-2", &["partial_rotary_factor"]),
        ("stablelm-3b-4e1t", &["partial_rotary_factor"]),
        ("glm-4-9b-0414", &["partial_rotary_factor"]),
    ] {
        for key in keys {
            let error = read(&with(name, key, Value::Null)).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{key}\" should be")), "{name}: {error}");
            assert!(error.contains("but is null"), "{name}: {error}");
        }
    }
}

#[test]
fn null_is_the_lack_of_what_may_be_lacking() {
    for (name, key) in [
        ("llama-2-7b", "rope_scaling"),
        ("llama-2-7b", "num_key_value_heads"),
        ("llama-2-7b", "head_dim"),
        ("gpt2", "n_inner"),
        ("falcon-7b", "num_kv_heads"),
        ("falcon-7b", "ffn_hidden_size"),
        ("olmo-1b", "clip_qkv"),
        ("smollm3-3b", "no_rope_layers"),
        ("qwen3-30b-a3b", "mlp_only_layers"),
        ("qwen3-8b", "layer_types"),
    ] {
        let absent = read(&without(name, &[key])).unwrap();
        assert_eq!(read(&with(name, key, Value::Null)), Ok(absent), "{name}: {key}");
    }
}

#[test]
fn gpt_neox_has_base_and_share_under_its_own_names_alone() {
    let silent = without("pythia-70m", &["rotary_emb_base", "rotary_pct"]);
    let d_head = read(&silent).unwrap().layers[0].attention().unwrap().d_head;
    let rotation = rope(&read(&silent).unwrap());
    assert_eq!((rotation.theta, rotation.dims), (1e4, d_head / 4), "what the class has");
    for (key, other, same) in [("rope_theta", 5e5, 1e4), ("partial_rotary_factor", 0.5, 0.25)] {
        let mut config = silent.clone();
        config[key] = json!(other);
        let error = read(&config).unwrap_err().to_string();
        assert!(error.contains(&format!("{key} = ")), "{error}");
        config[key] = json!(same);
        assert_eq!(rope(&read(&config).unwrap()), rotation, "{key}");
    }
}

#[test]
fn gpt_oss_stretches_in_silence_and_not_where_it_says_null() {
    let silent = read(&without("gpt-oss-20b", &["rope_scaling", "rope_parameters"])).unwrap();
    assert_eq!(silent, read(&published("gpt-oss-20b")).unwrap());
    let null = read(&with("gpt-oss-20b", "rope_scaling", Value::Null)).unwrap();
    assert_eq!(rope(&null).scaling, RopeScaling::Default);
}

#[test]
fn gelu_in_a_file_of_gemma_1_is_its_approximation_with_a_note() {
    let notes = |act: &str| {
        let config = with("gemma-2b", "hidden_act", json!(act));
        understand(&config, &TensorNames::default(), &Reading::default()).unwrap()
    };
    let (gelu, tanh) = (notes("gelu"), notes("gelu_pytorch_tanh"));
    assert_eq!(gelu.spec, tanh.spec);
    assert_eq!(tanh.notes, [""; 0]);
    assert!(gelu.notes.iter().any(|note| note.contains("hidden_act")), "{:?}", gelu.notes);
}

/// transformers rounds an odd number of rotated dimensions up where the width of its table decides, and fails elsewhere,
/// but for accidents of broadcasting.
#[test]
fn an_odd_number_of_rotated_dimensions_is_rounded_up_or_refused() {
    // 1.1 / 64 of a head of 64 dimensions is one of them, and so on.
    for (name, key) in [
        ("pythia-6.9b", "rotary_pct"),
        ("minitron-4b", "partial_rotary_factor"),
        ("glm-4-9b-0414", "partial_rotary_factor"),
        ("phi-3-mini-4k", "partial_rotary_factor"),
    ] {
        let d_head = read(&published(name)).unwrap().layers[0].attention().unwrap().d_head;
        for odd in [1, 3, 31] {
            let share = (odd as f64 + 0.1) / d_head as f64;
            let rope = rope(&read(&with(name, key, json!(share))).unwrap());
            assert_eq!((rope.dims, rope.width()), (odd, odd + 1), "{name}");
            let frequencies = rope.frequencies(1);
            assert_eq!(frequencies.len(), odd.div_ceil(2), "{name}");
            for (i, frequency) in frequencies.into_iter().enumerate() {
                assert_eq!(frequency, rope.theta.powf(-2.0 * i as f64 / odd as f64), "{name}");
            }
        }
    }
    for (name, key) in [("phi-2", "partial_rotary_factor"), ("stablelm-3b-4e1t", "partial_rotary_factor")] {
        let d_head = read(&published(name)).unwrap().layers[0].attention().unwrap().d_head;
        let error = read(&with(name, key, json!(3.1 / d_head as f64))).unwrap_err().to_string();
        assert!(error.contains("3 rotated dimensions") && error.contains("must be even"), "{name}: {error}");
    }
    let mut config = with("pythia-70m", "rotary_pct", json!(0.4));
    assert_eq!(rope(&read(&config).unwrap()).dims % 2, 1);
    for kind in ["yarn", "longrope"] {
        config["rope_scaling"] = json!({"rope_type": kind, "factor": 2.0});
        let error = read(&config).unwrap_err().to_string();
        assert!(error.contains(kind) && error.contains("must be even"), "{error}");
    }
    let error = read(&with("gpt-j-6b", "rotary_dim", json!(63))).unwrap_err().to_string();
    assert!(error.contains("rotary_dim is 63") && error.contains("transformers"), "{error}");
}

#[test]
fn layer_types_of_a_family_with_one_window_may_say_what_it_does() {
    for name in ["mistral-7b-v0.1", "mixtral-8x7b-v0.1", "phi-3-mini-4k", "starcoder2-3b"] {
        let config = |window: Value, kind: &str| {
            let mut config = with(name, "sliding_window", window);
            let layers = config["num_hidden_layers"].as_u64().unwrap() as usize;
            config["layer_types"] = json!(vec![kind; layers]);
            config
        };
        let plain = |window: Value| read(&with(name, "sliding_window", window)).unwrap();
        let context = published(name)["max_position_embeddings"].clone();
        for (window, kind) in [
            (json!(7), "sliding_attention"),
            (Value::Null, "full_attention"),
            (context.clone(), "full_attention"),
            (context, "sliding_attention"),
        ] {
            assert_eq!(read(&config(window.clone(), kind)), Ok(plain(window)), "{name}: {kind}");
        }
        for (window, kind) in [(json!(7), "full_attention"), (Value::Null, "sliding_attention")] {
            let error = read(&config(window, kind)).unwrap_err().to_string();
            assert!(error.contains("layer_types"), "{name}: {error}");
        }
    }
}

#[test]
fn a_stretch_of_nemotron_is_read_where_only_the_newer_transformers_reads_it() {
    let error = read(&with("minitron-4b", "rope_scaling", json!({"rope_type": "linear", "factor": 2.0})));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("unsupported rope_scaling") && error.contains("rope_parameters"), "{error}");
    let newer =
        json!({"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4, "partial_rotary_factor": 0.5});
    let mut config = without("minitron-4b", &["rope_scaling", "rope_theta", "partial_rotary_factor"]);
    config["rope_parameters"] = newer;
    assert_eq!(rope(&read(&config).unwrap()).scaling, RopeScaling::Linear { factor: 2.0 });
}
