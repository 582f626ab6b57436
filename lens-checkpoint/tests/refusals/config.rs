//! config.json that is broken, contradicts itself, or asks for what is not there.

use lens_checkpoint::{
    config::ConfigError,
    families::{TensorNames, resolve},
};
use serde_json::{Value, json};

use crate::{assert_says, copy::Copy};

#[test]
fn a_config_that_is_no_json_object_is_refused() {
    for (content, words) in [
        ("", ["config.json is not valid JSON", "EOF"]),
        ("{\"model_type\": \"llama\"", ["config.json is not valid JSON", "line 1"]),
        ("not json", ["config.json is not valid JSON", "line 1"]),
        ("[1]", ["config.json", "is not a JSON object"]),
        ("\"llama\"", ["config.json", "is not a JSON object"]),
        ("null", ["config.json", "is not a JSON object"]),
        ("{}", ["config.json", "no \"model_type\""]),
        ("{\"model_type\": 5}", ["\"model_type\" should be a string", "is 5"]),
    ] {
        assert_says(&Copy::of("llama2").with_file("config.json", content.as_bytes()).refusal(), &words);
    }
    let deep = "[".repeat(100_000);
    let copy = Copy::of("llama2").with_file("config.json", deep.as_bytes());
    assert_says(&copy.refusal(), &["config.json is not valid JSON", "recursion limit"]);
    let copy = Copy::of("llama2").with_file("config.json", b"{\"model_type\": \"\xff\xfe\"}");
    assert_says(&copy.refusal(), &["config.json is not valid JSON"]);
    let copy = Copy::of("llama2").without_file("config.json");
    assert_says(&copy.refusal(), &["has no config.json"]);
}

#[test]
fn a_method_that_no_tensor_was_stored_with_is_refused() {
    for (section, method) in [
        (json!({"quant_method": "gptq", "bits": 4, "group_size": 128}), "gptq"),
        (json!({"quant_method": "awq", "bits": 4, "version": "gemm"}), "awq"),
        (json!({"quant_method": "bitsandbytes", "load_in_4bit": true}), "bitsandbytes"),
        (json!({"quant_method": "fp8", "weight_block_size": [128, 128]}), "fp8"),
        (json!({"quant_method": "compressed-tensors", "format": "pack-quantized"}), "compressed-tensors"),
        (json!({"quant_method": "mxfp4"}), "mxfp4"),
        (json!({"group_size": 64, "bits": 4}), "mlx"),
    ] {
        let copy = Copy::of("llama2").with_key("quantization_config", section);
        assert_says(&copy.refusal(), &["quantised", method, "none of its tensors", "remove that section"]);
    }
}

#[test]
fn methods_that_are_not_read_are_refused_by_name() {
    for (section, method) in [
        (json!({"quant_method": "aqlm"}), "aqlm"),
        (json!({"quant_method": "quip"}), "quip"),
        (json!({"bits": 4}), "unknown method"),
        (json!({"quant_method": "modelopt", "quant_algo": "NVFP4"}), "NVFP4"),
        (json!({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}), "marlin"),
        (json!({"quant_method": "awq", "bits": 4, "version": "gemv"}), "gemv"),
        (json!({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}), "nvfp4"),
        (
            json!({"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-24-bitmask"}}),
            "sparse",
        ),
        (json!({"group_size": 32, "bits": 4, "mode": "mxfp8"}), "mxfp8"),
    ] {
        let copy = Copy::of("llama2").with_key("quantization_config", section);
        let words =
            ["quantised", method, "not read", "compressed-tensors", "original checkpoint", "dequantise"];
        assert_says(&copy.refusal(), &words);
    }
    for (bits, says) in [(json!(5), "bits 5"), (json!("4"), "bits \"4\""), (Value::Null, "bits null")] {
        let section = json!({"quant_method": "gptq", "bits": bits, "group_size": 128});
        let copy = Copy::of("llama2").with_key("quantization_config", section);
        assert_says(&copy.refusal(), &["section on quantisation (gptq)", says, "[2, 3, 4, 8]"]);
    }
}

#[test]
fn a_config_without_quantisation_says_nothing_of_it() {
    // Nothing there, nothing quantised.
    for section in [Value::Null, json!({})] {
        Copy::of("llama2").with_key("quantization_config", section).open().unwrap();
    }
    let copy = Copy::of("llama2").with_key("quantization_config", json!("int8"));
    assert_says(&copy.refusal(), &["quantization_config", "should be an object", "int8"]);
}

#[test]
fn an_unknown_rope_type_is_named_with_those_that_work() {
    let all = "default, linear, dynamic, llama3, yarn, longrope";
    for (fixture, key) in [("llama31", "rope_scaling"), ("qwen3", "rope_parameters")] {
        let copy = Copy::of(fixture).with_config(|config| {
            config[key] = json!({"rope_type": "ntk-aware", "rope_theta": 10000.0, "factor": 2.0});
        });
        assert_says(&copy.refusal(), &[&format!("unsupported {key}.rope_type \"ntk-aware\""), all]);
    }
}

#[test]
fn a_rope_without_its_numbers_is_refused() {
    for (scaling, words) in [
        (json!({"rope_type": "linear"}), ["no \"rope_scaling.factor\"", "config.json"]),
        (
            json!({"rope_type": "linear", "factor": 0}),
            ["\"rope_scaling.factor\" should be a number above zero", "0"],
        ),
        (
            json!({"rope_type": "linear", "factor": "2"}),
            ["\"rope_scaling.factor\" should be a finite number", "\"2\""],
        ),
        (json!({"rope_type": "llama3", "factor": 8.0}), ["low_freq_factor", "no "]),
        (json!({"rope_type": "longrope", "long_factor": [1.0]}), ["short_factor", "no "]),
        (
            json!({"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}),
            ["_factor needs", "has 1"],
        ),
        (
            json!({"rope_type": "yarn", "factor": 2.0, "beta_fast": -1}),
            ["\"rope_scaling.beta_fast\"", "above zero"],
        ),
        (
            json!({"rope_type": "yarn", "factor": 2.0, "attention_factor": -1}),
            ["\"rope_scaling.attention_factor\"", "above zero"],
        ),
        (json!({"rope_type": 3}), ["\"rope_scaling.rope_type\" should be a string", "3"]),
        (json!("linear"), ["\"rope_scaling\" should be an object", "linear"]),
    ] {
        assert_says(&Copy::of("llama2").with_key("rope_scaling", scaling).refusal(), &words);
    }
    for (fixture, key, value, word) in [
        ("gpt_neox", "rotary_pct", json!(0.01), "at least one pair"),
        ("gpt_neox", "rotary_pct", json!(1.5), "no more than the head has"),
        ("gptj", "rotary_dim", json!(3), "even"),
    ] {
        assert_says(&Copy::of(fixture).with_key(key, value).refusal(), &[word]);
    }
}

#[test]
fn an_unknown_activation_is_named_with_those_that_work() {
    for (fixture, key) in
        [("llama2", "hidden_act"), ("gpt2", "activation_function"), ("gemma2", "hidden_activation")]
    {
        let copy = Copy::of(fixture).with_key(key, json!("xielu"));
        let unsupported = format!("unsupported {key} \"xielu\"");
        assert_says(&copy.refusal(), &[&unsupported, "supported: silu", "relu2"]);
    }
}

#[test]
fn an_unknown_model_type_is_named_with_the_near_one() {
    let copy = Copy::of("llama2").with_key("model_type", json!("lama"));
    let words =
        ["unsupported model_type \"lama\"", "supported: llama, qwen2", "mpt", "did you mean \"llama\"?"];
    assert_says(&copy.refusal(), &words);
}

#[test]
fn a_model_without_an_unembedding_is_refused() {
    let copy = Copy::of("llama2")
        .with_tensors("model.safetensors", |tensors| drop(tensors.remove("lm_head.weight")))
        .with_key("tie_word_embeddings", json!(false));
    let words =
        ["no unembedding", "lm_head.weight is missing", "tie_word_embeddings = false", "set that to true"];
    assert_says(&copy.refusal(), &words);
    copy.with_key("tie_word_embeddings", json!(true)).open().unwrap();
}

#[test]
fn heads_that_do_not_divide_are_refused() {
    let copy = Copy::of("llama2").with_key("num_key_value_heads", json!(7));
    assert_says(&copy.refusal(), &["attention heads cannot share 7 key-value heads"]);
    let copy = Copy::of("qwen2_tied").with_config(|config| {
        config["num_attention_heads"] = json!(7);
        config["num_key_value_heads"] = json!(7);
    });
    assert_says(&copy.refusal(), &["is not a multiple of 7 heads", "head_dim is absent"]);
    for fixture in ["gpt2", "gpt_neox", "opt", "falcon_7b", "bloom"] {
        let copy = Copy::of(fixture).with_config(|config| {
            for key in ["n_head", "num_attention_heads", "num_heads"] {
                if config[key].is_number() {
                    config[key] = json!(997);
                }
            }
        });
        assert_says(&copy.refusal(), &["is not a multiple of 997 heads"]);
    }
}

#[test]
fn absurd_sizes_are_refused() {
    for (key, value, words) in [
        ("num_hidden_layers", json!(1_000_000_000), ["1000000000 layers", "1024 that are plausible"]),
        ("num_attention_heads", json!(1_000_000), ["1000000 heads in a layer", "1024 that are plausible"]),
        (
            "hidden_size",
            json!(1u64 << 40),
            ["\"hidden_size\" should be a positive integer up to 2^30", "1099511627776"],
        ),
        ("hidden_size", json!(0), ["\"hidden_size\" should be a positive integer", "0"]),
        ("hidden_size", json!(-8), ["\"hidden_size\" should be a positive integer", "-8"]),
        ("hidden_size", json!(8.5), ["\"hidden_size\" should be a positive integer", "8.5"]),
        ("hidden_size", json!("8"), ["\"hidden_size\" should be a positive integer", "\"8\""]),
        ("vocab_size", json!(1e300), ["\"vocab_size\" should be a positive integer", "1e+300"]),
        (
            "rms_norm_eps",
            json!(1e30),
            ["\"rms_norm_eps\" should be a number above zero and up to 1", "1e+30"],
        ),
        ("rope_theta", json!(1e-300), ["\"rope_theta\" should be a number from 1", "1e-300"]),
        ("rms_norm_eps", json!(0), ["\"rms_norm_eps\" should be a number above zero", "0"]),
        ("tie_word_embeddings", json!("yes"), ["\"tie_word_embeddings\" should be true or false", "yes"]),
    ] {
        assert_says(&Copy::of("llama2").with_key(key, value).refusal(), &words);
    }
    for (fixture, key) in
        [("mixtral", "num_local_experts"), ("qwen3_moe", "num_experts"), ("gpt_oss", "num_local_experts")]
    {
        let copy = Copy::of(fixture).with_key(key, json!(1_000_000));
        assert_says(&copy.refusal(), &["1000000 experts in a layer", "that are plausible"]);
        let copy = Copy::of(fixture).with_key("num_experts_per_tok", json!(1000));
        assert_says(&copy.refusal(), &["num_experts_per_tok is 1000", "experts"]);
    }
}

#[test]
fn a_long_value_is_cut_in_the_message() {
    let copy = Copy::of("llama2").with_key("hidden_size", json!("x".repeat(10_000)));
    let message = copy.refusal();
    assert!(message.len() < 300 && message.contains('…'), "{message}");
}

#[test]
fn layer_types_must_fit_the_layers() {
    let too_many = json!(vec!["full_attention"; 9]);
    let copy = Copy::of("qwen2_sliding").with_key("layer_types", too_many);
    assert_says(&copy.refusal(), &["layer_types has 9 entries for", "layers"]);
    for (entry, word) in [(json!("linear_attention"), "\"linear_attention\""), (json!(3), "3")] {
        let copy = Copy::of("gemma2").with_config(|config| {
            let n = config["num_hidden_layers"].as_u64().unwrap() as usize;
            config["layer_types"] = json!(vec![entry; n]);
        });
        assert_says(&copy.refusal(), &["unsupported layer_types", word, "full_attention, sliding_attention"]);
    }
    let copy = Copy::of("gemma2").with_config(|config| {
        let n = config["num_hidden_layers"].as_u64().unwrap() as usize;
        config["layer_types"] = json!(vec!["sliding_attention"; n]);
        config["sliding_window"] = Value::Null;
    });
    assert_says(&copy.refusal(), &["\"sliding_window\" should be a positive integer", "null"]);
    let copy = Copy::of("mistral").with_config(|config| {
        let n = config["num_hidden_layers"].as_u64().unwrap() as usize;
        config["layer_types"] = json!(vec!["full_attention"; n]);
    });
    assert_says(&copy.refusal(), &["mistral does not read: layer_types"]);
}

#[test]
fn lists_over_layers_must_fit_them() {
    let copy = Copy::of("smollm3").with_key("no_rope_layers", json!([1]));
    assert_says(&copy.refusal(), &["no_rope_layers has 1 entries for"]);
    for types in
        [json!([[["global"], 1]]), json!([[["global"], 1_000_000_000_000u64]]), json!([[[], u64::MAX]])]
    {
        let copy = Copy::of("gpt_neo").with_key("attention_types", types);
        assert_says(&copy.refusal(), &["attention_types names", "layers"]);
    }
    let copy = Copy::of("gpt_neo").with_key("attention_types", json!([["global", 2]]));
    assert_says(&copy.refusal(), &["attention_types should be a list of [[kinds], repeats]"]);
}

#[test]
fn mechanisms_that_are_not_there_are_refused_when_switched_on() {
    let copy = Copy::of("gemma3_text").with_key("use_bidirectional_attention", json!(true));
    assert_says(&copy.refusal(), &["use_bidirectional_attention", "\"true\"", "supported: false"]);
    for (key, value) in [("alibi", false), ("qk_ln", true), ("prefix_lm", true)] {
        let copy = Copy::of("mpt").with_config(|config| config["attn_config"][key] = json!(value));
        assert_says(&copy.refusal(), &[&format!("unsupported attn_config.{key} \"{value}\""), "supported:"]);
    }
}

#[test]
fn a_config_without_a_needed_key_says_which() {
    for key in ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"]
    {
        let copy = Copy::of("llama2").with_config(|config| {
            config.as_object_mut().unwrap().remove(key);
        });
        assert_says(&copy.refusal(), &[&format!("config.json has no \"{key}\"")]);
    }
    let error = resolve(&json!({"model_type": "llama"}), &TensorNames::default()).unwrap_err();
    assert_eq!(error, ConfigError::Missing { key: "hidden_size".to_owned() });
}

#[test]
fn a_decoder_of_several_streams_is_refused_for_that() {
    for model_type in ["gemma3n", "gemma3n_text"] {
        let copy = Copy::of("llama2").with_key("model_type", json!(model_type));
        assert_says(&copy.refusal(), &[model_type, "several streams", "AltUp"]);
    }
}

#[test]
fn a_known_decoder_that_is_not_read_says_why() {
    for (model_type, why) in [
        ("axk2", "an indexer of its own chooses"),
        ("kimi_linear", "Kimi delta attention"),
        ("longcat_flash", "two attentions and two MLPs"),
        ("hy_v4", "hyper-connections"),
        ("hrm_text", "recurrent depth"),
        ("doge", "branches are no summands"),
    ] {
        let copy = Copy::of("llama2").with_key("model_type", json!(model_type));
        assert_says(&copy.refusal(), &[model_type, why]);
    }
}

#[test]
fn attention_and_experts_that_cannot_be_are_refused_by_name() {
    let rotation = json!({"full_attention": {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 2.0}});
    for (fixture, key, value, words) in [
        ("laguna", "gating", json!(false), ["gating", "per-head, per-element"]),
        ("laguna", "gating", json!("per-layer"), ["gating", "per-layer"]),
        (
            "laguna",
            "num_attention_heads_per_layer",
            json!([4, 3]),
            ["num_attention_heads_per_layer", "2 key-value heads"],
        ),
        (
            "laguna",
            "num_attention_heads_per_layer",
            json!([4]),
            ["num_attention_heads_per_layer", "2 numbers"],
        ),
        (
            "laguna",
            "moe_apply_router_weight_on_input",
            json!(true),
            ["moe_apply_router_weight_on_input", "true"],
        ),
        ("laguna", "mlp_layer_types", json!(["dense"]), ["mlp_layer_types", "1 entries for 2 layers"]),
        ("laguna", "rope_parameters", rotation, ["20 rotated dimensions", "no more than the head has"]),
        ("mimo_v2_flash", "num_key_value_heads", json!(4), ["4 attention heads", "8 key-value heads"]),
        ("mimo_v2_flash", "swa_num_key_value_heads", json!(4), ["swa_num_key_value_heads", "does not read"]),
        ("mimo_v2_flash", "topk_group", json!(5), ["5 of 3 groups", "groups must be equal"]),
        ("cohere2_moe", "expert_selection_fn", json!("topk"), ["expert_selection_fn", "softmax, sigmoid"]),
        (
            "cohere2_moe",
            "shared_expert_combination_strategy",
            json!("max"),
            ["shared_expert_combination", "average, sum"],
        ),
        ("nemotron_h_moe", "mlp_bias", json!(true), ["mlp_bias", "moe_latent_size"]),
        (
            "lfm3",
            "layer_types",
            json!(["conv", "conv", "mamba"]),
            ["mamba", "full_attention, sliding_attention, conv"],
        ),
        ("flint", "layer_types", json!(["full_attention"]), ["layer_types", "1 entries for 2 layers"]),
        ("granitemoe_swa", "layer_rope_theta", json!([1.0]), ["layer_rope_theta", "2 numbers"]),
        (
            "gpt_neox_japanese",
            "intermediate_multiple_size",
            json!(1e300),
            ["intermediate_multiple_size", "no size"],
        ),
        (
            "gpt_neox_japanese",
            "intermediate_multiple_size",
            json!(1e-9),
            ["intermediate_multiple_size", "no size"],
        ),
        ("lfm2", "block_ffn_dim_multiplier", json!(1e300), ["block_ffn_dim_multiplier", "no size"]),
    ] {
        assert_says(&Copy::of(fixture).with_key(key, value).refusal(), &words);
    }
}

#[test]
fn packed_ternary_weights_are_refused_by_the_name_of_their_method() {
    let copy = Copy::of("bitnet").with_key("quantization_config", json!({"quant_method": "bitnet"}));
    assert_says(&copy.refusal(), &["bitnet", "quantis"]);
}

#[test]
fn state_spaces_that_cannot_be_are_refused_by_name() {
    for (fixture, key, value, words) in [
        ("bamba", "mamba_n_heads", json!(5), ["5 heads", "36 channels"]),
        ("bamba", "mamba_n_groups", json!(4), ["6 heads", "4 groups"]),
        ("bamba", "mamba_d_conv", json!(1 << 20), ["1048576 positions of a filter", "plausible"]),
        ("bamba", "attn_layer_indices", json!([3]), ["attn_layer_indices", "layer 3 of 3"]),
        ("bamba", "time_step_limit", json!([0.5, 0.1]), ["time_step_limit", "the smallest and the largest"]),
        ("bamba", "time_step_limit", json!("auto"), ["time_step_limit", "auto"]),
        ("granite_hybrid", "position_embedding_type", json!("alibi"), ["position_embedding_type", "alibi"]),
        ("granite_hybrid", "layer_types", json!(["mamba"]), ["layer_types", "1 entries for 3 layers"]),
        ("nemotron_h", "layers_block_type", json!(["rwkv"]), ["rwkv", "experts (moe, E)"]),
        ("falcon_h1", "ssm_multipliers", json!([1.0, 2.0]), ["ssm_multipliers", "2 factors for 5"]),
        ("mamba", "state_size", json!(1 << 24), ["16777216 values of state", "plausible"]),
    ] {
        assert_says(&Copy::of(fixture).with_key(key, value).refusal(), &words);
    }
}
