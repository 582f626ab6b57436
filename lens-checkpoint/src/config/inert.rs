//! Keys of config.json that change nothing about what a trained model computes of a text. One table, in groups: what
//! stands in none of them, and was not read, is not known to be harmless.

use serde_json::Value;

/// Keys that never matter here, whatever their value.
const ALWAYS: &[&[&str]] = &[
    // Who made the file, of what, and with which software.
    &[
        "model_type",
        "architectures",
        "auto_map",
        "transformers_version",
        "transformers.js_config",
        "_name_or_path",
        "name_or_path",
        "_commit_hash",
        "_from_model_config",
        "_attn_implementation_autoset",
        "_load_in_4bit",
        "_load_in_8bit",
        "model_name",
        "model_id",
        "base_model",
        "license",
        "finetuning_task",
        "custom_pipelines",
        "unsloth_fixed",
        "unsloth_version",
        "unsloth_training_precision",
        "tokenizer_class",
        "tokenizer_name",
        "tokenizer_model",
        "is_llama_config",
        "model_max_length",
        "max_sequence_length",
        "seq_length",
        "sequence_length",
        "n_ctx",
        "initial_context_length",
        "original_context_length",
        "name",
        "version",
        "description",
        "language",
        "library_name",
        "pipeline_tag",
        "tags",
    ],
    // How it runs: memory, speed, parallelism, and types of intermediate results.
    &[
        "torch_dtype",
        "dtype",
        "use_cache",
        "cache_implementation",
        "kv_cache_dtype",
        "use_bfloat16",
        "torchscript",
        "chunk_size_feed_forward",
        "attn_implementation",
        "_attn_implementation",
        "_attn_implementation_internal",
        "_experts_implementation",
        "_flash_attn_2_enabled",
        "use_flash_attn",
        "use_flash_attention",
        "use_flash_attention_2",
        "flash_attn",
        "flash_rotary",
        "fused_dense",
        "fused_bias_fc",
        "fused_dropout_add_ln",
        "fused_mlp",
        "use_sdpa",
        "pretraining_tp",
        "tensor_parallel",
        "base_model_tp_plan",
        "base_model_pp_plan",
        "base_model_ep_plan",
        "parallel",
        "use_embedding_sharing",
        "use_parallel_embedding",
        "slow_but_exact",
        "attention_softmax_in_fp32",
        "scale_attention_softmax_in_fp32",
        "softmax_in_fp32",
        "reorder_and_upcast_attn",
        "masked_softmax_fusion",
        "bias_dropout_fusion",
        "skip_bias_add",
        "skip_bias_add_qkv",
        "offset_alibi",
        "inference_runner",
        "max_batch_size",
        "pad_key_length",
        "pre_allocate_kv_cache",
        "validate_runner_input",
        "device_map",
        "init_device",
        "verbose",
        "low_cpu_mem_usage",
        "gradient_checkpointing",
        "use_gradient_checkpointing",
        "return_dict",
        "output_attentions",
        "output_hidden_states",
        "output_router_logits",
        "output_past",
        "return_dict_in_generate",
        "output_scores",
        "keys_to_ignore_at_inference",
        "use_mamba_kernels",
        "use_kernels",
        "disable_custom_kernels",
    ],
    // Training.
    &[
        "initializer_range",
        "initializer_cutoff_factor",
        "embedding_initializer_range",
        "init_std",
        "init_config",
        "init_method",
        "initialization",
        "embedding_fraction",
        "layerdrop",
        "router_aux_loss_coef",
        "aux_loss_alpha",
        "router_z_loss_coef",
        "z_loss_coef",
        "router_jitter_noise",
        "input_jitter_noise",
        "neftune_noise_alpha",
        "rescale_prenorm_residual",
        "num_steps",
        "tf_legacy_loss",
        "ignore_index",
        "label_smoothing",
        "seed",
    ],
    // What comes after the decoder, or goes on around it: heads of other tasks, and generation.
    &[
        "id2label",
        "label2id",
        "num_labels",
        "problem_type",
        "task_specific_params",
        "prefix",
        "summary_activation",
        "summary_first_dropout",
        "summary_proj_to_labels",
        "summary_type",
        "summary_use_proj",
        "max_length",
        "min_length",
        "max_new_tokens",
        "do_sample",
        "early_stopping",
        "num_beams",
        "num_beam_groups",
        "diversity_penalty",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
        "repetition_penalty",
        "length_penalty",
        "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size",
        "bad_words_ids",
        "num_return_sequences",
        "exponential_decay_length_penalty",
        "suppress_tokens",
        "begin_suppress_tokens",
        "remove_invalid_values",
        "predict_special_tokens",
        "bos_token",
        "eos_token",
        "pad_token",
        "unk_token",
        "stop_token_ids",
        "chat_template",
        "is_decoder",
        "cross_attention_hidden_size",
        "tie_encoder_decoder",
        // Where a window begins; a family that has one of that kind reads it.
        "max_window_layers",
        // Parts for what is not text, in files that have the keys of the text model at the top.
        "vision_config",
        "audio_config",
        // A checkpoint with several tokens predicted at once has tensors for that.
        "num_nextn_predict_layers",
    ],
];

/// Ends of names that say as much: dropout works in training alone, and ids of tokens are the tokenizer's.
const ALWAYS_ENDING: &[&str] = &[
    "dropout",
    "dropout_rate",
    "dropout_prob",
    "dropout_p",
    "_pdrop",
    "_token_id",
    "_token_ids",
    "_token_index",
    "_loss_coef",
    "_loss_coeff",
    "_loss_weight",
];

/// Keys that never matter in some families.
const OF_FAMILY: &[(&[&str], &[&str])] = &[
    // Words of the published files for what the family always does.
    (&["gptj", "codegen"], &["rotary", "scale_attn_weights"]),
    (&["gpt_bigcode"], &["attention_head_type", "num_key_value_heads"]),
    (&["falcon"], &["num_kv_heads", "num_ln_in_parallel_attn", "ff_factor"]),
    (&["phi"], &["rotary_dim"]),
    (&["phi3", "phi4_multimodal"], &["original_max_position_embeddings"]),
    (&["opt"], &["learned_embeddings"]),
    (&["cohere_compass_text"], &["pooling"]),
    (
        &["hunyuan_v1_dense"],
        &[
            "use_qk_norm",
            "use_rotary_pos_emb",
            "norm_type",
            "cla_share_factor",
            "org_vocab_size",
            "pool_type",
            "num_media_embeds",
            "mask_init_id",
            "im_start_id",
            "im_end_id",
            "im_newline_id",
            "text_start_id",
            "text_end_id",
            "video_start_id",
            "video_end_id",
        ],
    ),
    (&["starcoder2"], &["activation_function", "mlp_type", "norm_type", "scale_attn_weights"]),
    (
        &["cohere", "cohere2", "cohere2_moe"],
        &[
            "position_embedding_type",
            "order_of_interleaved_layers",
            "use_gated_activation",
            "use_parallel_block",
            "layer_switch",
        ],
    ),
    (
        &["mpt"],
        &[
            "learned_pos_emb",
            "attn_config.attn_impl",
            "attn_config.attn_type",
            "attn_config.model_type",
            "attn_config.attn_uses_sequence_id",
            "attn_config.tie_word_embeddings",
        ],
    ),
    // Both generations of transformers have it in the class and nobody reads it.
    (&["gemma3_text", "gemma3"], &["attn_logit_softcapping"]),
];

/// Keys whose value here is what every family does, or does not do: only another value would matter.
const UNLESS: &[(&str, &str)] = &[
    ("partial_rotary_factor", "1"),
    ("rotary_pct", "1"),
    ("rope_pct", "1"),
    ("rope_percent", "1"),
    ("rope_ratio", "1"),
    ("rotary_scaling_factor", "1"),
    ("interpolate_factor", "1"),
    ("full_attn_mod", "1"),
    ("expansion_ratio", "4"),
    ("no_bias", "true"),
    ("norm_type", "low_precision_layernorm"),
    ("norm_type", "layernorm"),
    ("rms_norm", "true"),
    ("use_rms_norm", "true"),
    ("use_rope", "true"),
    ("is_causal", "true"),
    ("causal", "true"),
    ("rotary", "true"),
    ("use_rotary", "true"),
    ("position_embedding_type", "rope"),
    ("rope_type", "default"),
    ("query_pre_attn_scalar", "null"),
    ("num_experts", "1"),
    ("embedding_multiplier", "1"),
    ("residual_multiplier", "1"),
    ("logits_scaling", "1"),
    ("logit_scale", "1"),
    ("pos_weights", "1"),
];

/// Switches that matter when they are off, though off is otherwise as good as absent.
const MATTERS_WHEN_OFF: &[&str] = &[
    "use_rope",
    "rotary",
    "use_rotary",
    "is_causal",
    "causal",
    "rms_norm",
    "use_rms_norm",
    "gated_mlp",
    "use_gated_mlp",
    "norm_before",
    "normalize_before",
    "norm_first",
    "pre_norm",
    "final_norm",
    "scale_attn_weights",
    "learned_embeddings",
];

/// Keys of a section that describes a rotation which some kinds do not read, and transformers does not either.
const OF_ROTATION: &[&str] = &[
    "type",
    "rope_type",
    "finetuned",
    "original_max_position_embeddings",
    "max_position_embeddings",
    "mrope_section",
    "mrope_interleaved",
    "truncate",
    "short_mscale",
    "long_mscale",
    "beta_fast",
    "beta_slow",
    "mscale",
    "mscale_all_dim",
];

/// What transformers leaves alone as well, although it says something about the model, and what that is.
const IGNORED: &[(&str, &str)] = &[
    (
        "dual_chunk_attention_config",
        "attention in chunks for very long texts, which transformers does not have either; short texts are not concerned",
    ),
    ("use_mrope", "positions in three dimensions, which are ordinary ones where there is only text"),
];

/// Whether an unread `key`, by its whole name without the sections that lead to the text model, may have `value`.
pub(super) fn is_inert(family: &str, key: &str, value: &Value) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    // The classes of these sections are configs like any other, with all that every config has.
    let sections = ["attn_config.", "ffn_config."];
    let general = sections.iter().find_map(|section| key.strip_prefix(section)).unwrap_or(key);
    if ALWAYS.iter().any(|group| group.contains(&general))
        || ALWAYS_ENDING.iter().any(|end| key.ends_with(end))
    {
        return true;
    }
    let of_family = OF_FAMILY.iter().filter(|(families, _)| families.contains(&family));
    if of_family.flat_map(|(_, keys)| keys.iter()).any(|name| *name == key) {
        return *value != Value::Bool(false) || !MATTERS_WHEN_OFF.contains(&key);
    }
    if key.starts_with("rope_") && key.contains('.') && OF_ROTATION.contains(&last) {
        return true;
    }
    let text = plain(value);
    UNLESS.iter().any(|(name, inert)| *name == last && text == *inert) || !is_on(last, value)
}

/// What the reader should know of an unread `key` that transformers leaves alone as well.
pub(super) fn ignored(key: &str) -> Option<&'static str> {
    IGNORED.iter().find(|(name, _)| *name == key).map(|(_, what)| *what)
}

/// Whether a value says anything: null, false, zero and what is empty do not.
fn is_on(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on || MATTERS_WHEN_OFF.contains(&key),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => list.iter().any(|value| is_on("", value)),
        Value::Object(keys) => keys.iter().any(|(key, value)| is_on(key, value)),
    }
}

/// A value as the table writes it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_lowercase(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |x| x.to_string()),
        other => other.to_string(),
    }
}

/// Words in the name of a key that is about the computation, by how they begin.
const MECHANISMS: &[&str] = &[
    "act",
    "alibi",
    "attn",
    "attention",
    "bias",
    "block",
    "causal",
    "cap",
    "clip",
    "conv",
    "embed",
    "emb",
    "expert",
    "ffn",
    "gate",
    "gating",
    "head",
    "hidden",
    "kv",
    "layer",
    "mask",
    "mixer",
    "mlp",
    "mode",
    "moe",
    "norm",
    "pos",
    "position",
    "pre",
    "post",
    "qk",
    "query",
    "residual",
    "rope",
    "rotary",
    "route",
    "router",
    "scal",
    "score",
    "softcap",
    "softmax",
    "window",
];

/// Whether an unknown key is a remark: a text under a name that is not about the computation.
pub(super) fn is_remark(key: &str, value: &Value) -> bool {
    let words = || key.split(['_', '.', '-']);
    value.is_string() && !words().any(|word| MECHANISMS.iter().any(|start| word.starts_with(start)))
}
