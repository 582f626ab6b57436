//! Keys of adapter_config.json that change nothing about what a trained adapter computes, and those that do in a way
//! that is not merged here.

use serde_json::Value;

/// Keys that never matter here, whatever their value: who made the file and how it was trained.
const ALWAYS: &[&str] = &[
    "auto_mapping",
    "base_model_class",
    "peft_version",
    "task_type",
    "inference_mode",
    "parent_library",
    "unsloth_fixed",
    "lora_dropout",
    "eva_config",
    "runtime_config",
    "ephemeral_gpu_offload",
    "megatron_core",
    // Matters with `use_qalora`, which is refused.
    "qalora_group_size",
    // Follows from the kind of the layer, whatever it says, as in PEFT.
    "fan_in_fan_out",
    // What was done to a bias is seen in the file.
    "bias",
    // Written by older versions, and derived from the others.
    "target_modules_to_tie",
    "modules_to_tie",
    "enable_lora",
    "merge_weights",
    "loftq_config",
    "corda_config",
    "lora_ga_config",
];

/// Ways to begin a training that leave the model as it is.
const PLAIN_STARTS: &[&str] = &["gaussian", "eva", "orthogonal", "true", "false"];

const OTHERWISE: &str = "merge it with merge_and_unload of peft, save the result and give that";

/// Variants of LoRA, by the keys that ask for them, and what is to be done.
const VARIANTS: &[(&str, &str)] = &[
    ("alora_invocation_tokens", "it works from certain tokens of a text on, and no merged weights do"),
    ("arrow_config", "it chooses among adapters at every token, and no merged weights do"),
    ("use_qalora", OTHERWISE),
    ("monteclora_config", OTHERWISE),
    ("layer_replication", OTHERWISE),
    ("use_bdlora", OTHERWISE),
    ("kasa_config", OTHERWISE),
    ("velora_config", OTHERWISE),
    ("megatron_config", OTHERWISE),
];

/// Whether a value says that something is off, or nothing.
pub(super) fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(keys) => keys.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// Whether a key changes nothing with that value.
pub(super) fn is_inert(key: &str, value: &Value) -> bool {
    ALWAYS.contains(&key) || is_off(value)
}

/// What to do about a key that asks for a variant of LoRA.
pub(super) fn variant(key: &str) -> Option<&'static str> {
    VARIANTS.iter().find(|(name, _)| *name == key).map(|(_, instead)| *instead)
}

/// Whether a training that began like this left the model's own weights as they are.
pub(super) fn is_plain_start(init_lora_weights: &Value) -> bool {
    match init_lora_weights {
        Value::String(name) => PLAIN_STARTS.contains(&name.to_ascii_lowercase().as_str()),
        Value::Null | Value::Bool(_) => true,
        _ => false,
    }
}

/// What to do about a `peft_type` that is not LoRA.
pub(super) fn other_method(peft_type: &str) -> &'static str {
    const OF_PROMPTS: &[&str] = &[
        "PROMPT_TUNING",
        "MULTITASK_PROMPT_TUNING",
        "P_TUNING",
        "PREFIX_TUNING",
        "ADAPTION_PROMPT",
        "CPT",
        "CARTRIDGE",
    ];
    match OF_PROMPTS.contains(&peft_type) {
        true => "it puts vectors before the prompt, which no weights of a model do: nothing can be merged",
        false => OTHERWISE,
    }
}
