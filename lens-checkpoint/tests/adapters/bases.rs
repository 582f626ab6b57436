//! Bases of all kinds: plain, quantised, GGUF, text models within others.

use lens_checkpoint::{host::Weights, spec::Param};
use serde_json::{Value, json};

use crate::{
    assert_says, fixtures, open, outline, values,
    written::{Written, numbers},
};

const Q: &str = "model.layers.0.self_attn.q_proj";

/// `W + 3/2 B A` of an adapter that a test wrote, rounded once.
fn merged(base: &[f32], d_out: usize, d_in: usize, i: usize) -> Vec<f32> {
    let (a, b) = (numbers(2 * d_in, i), numbers(2 * d_out, i + 5));
    (0..d_out * d_in)
        .map(|at| {
            let (row, column) = (at / d_in, at % d_in);
            let sum: f64 =
                (0..2).map(|k| 1.5 * f64::from(b[row * 2 + k]) * f64::from(a[k * d_in + column])).sum();
            (f64::from(base[at]) + sum) as f32
        })
        .collect()
}

#[test]
fn a_weight_is_the_sum_of_both_in_every_view() {
    let base = fixtures().join("checkpoints/llama2");
    let written = Written::of(&[(Q, 24, 24)]);
    let (plain, adapted) = (open(&base, &[]).unwrap(), open(&base, &[written.path()]).unwrap());
    let name = format!("{Q}.weight");
    let expected = merged(&values(&plain, &name), 24, 24, 0);
    assert_eq!(values(&adapted, &name), expected);
    // A host view sees it in the dtype that the weight is stored in.
    let view = Weights::of(&adapted).view(&Param::whole(&name, [24, 24])).unwrap().to_vec();
    let rounded: Vec<f32> = expected.iter().map(|value| half::bf16::from_f32(*value).to_f32()).collect();
    assert_eq!(view.unwrap(), rounded);
    // Others are as they were, and headers alone say the same.
    let other = "model.layers.1.self_attn.q_proj.weight";
    assert_eq!(values(&adapted, other), values(&plain, other));
    let (ours, of_headers) = (adapted.outline(), outline(&base, written.path()));
    assert_eq!(ours.adapters, of_headers.adapters);
    let [summary] = ours.adapters.as_slice() else { panic!("one adapter") };
    assert_eq!((summary.matrices, summary.parameters, summary.dora), (1, 96, false));
    assert_eq!((summary.ranks.as_slice(), summary.scales.as_slice()), ([2].as_slice(), [1.5].as_slice()));
    assert_says(
        &ours.notes.join("\n"),
        &["LoRA of rank 2 and scale 1.5 is added to 1 matrix (q_proj)", "layers.1.self_attn.q_proj"],
    );
}

#[test]
fn two_adapters_are_added_in_order() {
    let base = fixtures().join("checkpoints/llama2");
    let (one, two) = (Written::of(&[(Q, 24, 24)]), Written::of(&[(Q, 24, 24)]).with("lora_alpha", json!(1)));
    let (one_path, two_path) = (one.path().to_owned(), two.path().to_owned());
    let both = open(&base, &[&one_path, &two_path]).unwrap();
    let name = format!("{Q}.weight");
    let first = values(&open(&base, &[&one_path]).unwrap(), &name);
    let plain = values(&open(&base, &[]).unwrap(), &name);
    let third: Vec<f32> = values(&both, &name);
    for ((plain, first), third) in plain.iter().zip(&first).zip(&third) {
        let expected = f64::from(*first) + f64::from(first - plain) / 3.0;
        assert!((f64::from(*third) - expected).abs() < 1e-5, "{third} instead of {expected}");
    }
    assert_eq!(both.outline().adapters.len(), 2);
    let dora = Written::of(&[(Q, 24, 24)]).with("use_dora", json!(true)).with_tensor(
        &format!("base_model.model.{Q}.lora_magnitude_vector"),
        &[24],
        1.0,
    );
    let error = open(&base, &[&one_path, dora.path()]).unwrap_err().to_string();
    assert_says(&error, &["q_proj.weight", "changes as well"]);
}

#[test]
fn quantised_weights_are_merged_as_their_values_are() {
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures().join("quantised")).unwrap() {
        let folder = entry.unwrap().path();
        let twin = folder.join("twin");
        let plain = open(&twin, &[]).unwrap();
        let module = "model.layers.0.mlp.down_proj";
        let Some(tensor) = plain.outline().tensors.get(&format!("{module}.weight")) else { continue };
        let [d_out, d_in] = *tensor.shape.as_slice() else { continue };
        let written = Written::of(&[(module, d_out, d_in)]);
        let name = format!("{module}.weight");
        let (quantised, twin) =
            (open(&folder, &[written.path()]).unwrap(), open(&twin, &[written.path()]).unwrap());
        assert_eq!(values(&quantised, &name), values(&twin, &name), "{}", folder.display());
        assert_eq!(values(&twin, &name), merged(&values(&plain, &name), d_out, d_in, 0));
        seen += 1;
    }
    assert!(seen > 10, "hardly any fixture was found");
}

#[test]
fn a_gguf_model_is_merged_as_its_values_are() {
    let base = fixtures().join("gguf/llama2");
    let written = Written::of(&[(Q, 24, 24), ("model.layers.1.mlp.up_proj", 37, 24)]);
    let (plain, adapted) = (open(&base, &[]).unwrap(), open(&base, &[written.path()]).unwrap());
    for (i, (module, d_out)) in [(Q, 24), ("model.layers.1.mlp.up_proj", 37)].into_iter().enumerate() {
        let name = format!("{module}.weight");
        assert_eq!(values(&adapted, &name), merged(&values(&plain, &name), d_out, 24, i), "{name}");
    }
    // GPT-2's matrices are stored the other way round.
    let base = fixtures().join("gguf/gpt2");
    let adapter = fixtures().join("adapters/gpt2");
    let checkpoint = fixtures().join("checkpoints/gpt2");
    let name = "h.0.attn.c_attn.weight";
    let theirs = open(&checkpoint, &[&adapter]).unwrap();
    let stored = theirs.outline().tensors.iter().find(|(own, _)| own.ends_with(name)).unwrap().0.to_owned();
    let ours = open(&base, &[&adapter]).unwrap();
    let own = ours.outline().tensors.iter().find(|(own, _)| own.ends_with(name)).unwrap().0.to_owned();
    let (ours, theirs) = (values(&ours, &own), values(&theirs, &stored));
    let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 0.05, "the file's own rounding is smaller than {off}");
}

/// A multimodal model of an older form, whose text model is a fixture.
fn wrapped(prefix: &str, head: &str) -> tempfile::TempDir {
    let from = fixtures().join("checkpoints/llama2");
    let folder = tempfile::tempdir().unwrap();
    let text: Value = serde_json::from_slice(&std::fs::read(from.join("config.json")).unwrap()).unwrap();
    let config =
        json!({"model_type": "llava", "text_config": text, "image_token_index": 7, "vision_config": {}});
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let file = std::fs::read(from.join("model.safetensors")).unwrap();
    let end = 8 + u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&file[8..end]).unwrap();
    let renamed: serde_json::Map<String, Value> = header
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, entry)| match name.strip_prefix("model.") {
            Some(rest) => (format!("{prefix}{rest}"), entry.clone()),
            None if name.starts_with("lm_head") => (head.to_owned(), entry.clone()),
            None => (name.clone(), entry.clone()),
        })
        .collect();
    let header = Value::Object(renamed).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &file[end..]].concat();
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    folder
}

#[test]
fn a_text_model_within_another_is_found_under_the_names_of_either_generation() {
    let plain = fixtures().join("checkpoints/llama2");
    let written = Written::of(&[(Q, 24, 24)]);
    let name = format!("{Q}.weight");
    let expected = values(&open(&plain, &[written.path()]).unwrap(), &name);
    let bases = [
        wrapped("language_model.model.", "language_model.lm_head.weight"),
        wrapped("model.language_model.", "lm_head.weight"),
    ];
    for base in &bases {
        for module in [
            "language_model.model.layers.0.self_attn.q_proj",
            "model.language_model.layers.0.self_attn.q_proj",
        ] {
            let written = Written::of(&[(module, 24, 24)])
                .with_tensor(
                    "base_model.model.model.vision_tower.layers.0.q_proj.lora_A.weight",
                    &[2, 8],
                    1.0,
                )
                .with_tensor(
                    "base_model.model.model.vision_tower.layers.0.q_proj.lora_B.weight",
                    &[8, 2],
                    1.0,
                );
            let adapted = open(base.path(), &[written.path()]).unwrap();
            assert_eq!(values(&adapted, &name), expected, "{module}");
            assert_says(&adapted.outline().notes.join("\n"), &["2 tensors", "not text are left out"]);
        }
    }
}

#[test]
fn experts_are_found_one_by_one_and_in_stacks() {
    let module = "model.layers.0.mlp.experts.2.up_proj";
    let written = Written::of(&[(module, 11, 24)]);
    let one_by_one = open(&fixtures().join("checkpoints/qwen3_moe"), &[written.path()]).unwrap();
    let stacked = open(&fixtures().join("checkpoints/qwen3_moe_fused"), &[written.path()]).unwrap();
    let stack = values(&stacked, "model.layers.0.mlp.experts.gate_up_proj");
    // [experts, gate and up, in]
    let start = (2 * 22 + 11) * 24;
    assert_eq!(values(&one_by_one, &format!("{module}.weight")), stack[start..start + 11 * 24]);
    let plain = open(&fixtures().join("checkpoints/qwen3_moe_fused"), &[]).unwrap();
    let before = values(&plain, "model.layers.0.mlp.experts.gate_up_proj");
    assert_eq!(stack[..start], before[..start]);
    assert_eq!(stack[start + 11 * 24..], before[start + 11 * 24..]);
}
