//! A model with an adapter is what PEFT makes of both.

use std::path::{Path, PathBuf};

use lens_core::{
    Backend, Forward, Lens, NormMode, Plan, PointSet, Question, Reading, Selection, StatisticSet,
};
use lens_models::{
    Checkpoint, Decoder, LoadOptions, StoredDtype,
    checkpoint::CheckpointError,
    source::{Silent, SourceOptions, locate, locate_adapter},
};
use lens_tests::{Golden, fixtures};

/// What float32 may differ from float64, in nats.
const TOLERANCE: f32 = 1e-4;

/// Adapters, and the checkpoints that they are for.
const CASES: &[(&str, &str)] = &[
    ("llama", "llama31"),
    ("gpt2", "gpt2"),
    ("gpt2", "gpt2_bare"),
    ("patterns", "llama2"),
    ("layers", "qwen2_tied"),
    ("saved", "qwen2_tied"),
    ("saved_head", "qwen2_tied"),
    ("saved_tied", "qwen2_tied"),
    ("embedding", "qwen2_tied"),
    ("head", "qwen2_tied"),
    ("both_tied", "qwen2_tied"),
    ("tokens", "qwen2_tied"),
    ("tokens_apart", "qwen2_tied"),
    ("dora", "llama2"),
    ("dora_gpt2", "gpt2"),
    ("lora_bias", "gpt2"),
    ("experts", "mixtral"),
    ("stack", "gpt_oss"),
    ("gemma3", "gemma3"),
    ("stack_v5", "gpt_oss"),
    ("experts_v5", "qwen3_moe"),
    ("experts_v5", "qwen3_moe_fused"),
    ("down_v5", "mixtral"),
];

fn open(base: &Path, adapters: &[&Path]) -> Result<Checkpoint, CheckpointError> {
    let options = SourceOptions::from_lookup(|_| None);
    let text = |path: &Path| path.to_str().expect("a path of the tests is text").to_owned();
    let files = locate(&text(base), &options, &mut Silent).expect("a sound fixture");
    let found = adapters.iter().map(|path| locate_adapter(&text(path), &options, &mut Silent));
    Checkpoint::open(&files.with_adapters(found.collect::<Result<_, _>>().expect("sound adapters")))
}

fn adapter(name: &str) -> PathBuf {
    fixtures().join("adapters").join(name)
}

fn load(checkpoint: Checkpoint, dtype: StoredDtype) -> Decoder {
    Decoder::load(checkpoint, &LoadOptions::default().with_dtype(Some(dtype))).expect("it loads")
}

fn plan() -> Plan {
    let question = Question::default().with_norm(NormMode::Recomputed).with_statistics(StatisticSet::all());
    let question = question.with_top_k(20.try_into().expect("twenty is not zero"));
    Plan::default()
        .with_components("all".parse().expect("all are components"))
        .with_positions(Selection::all())
        .with_question(question)
}

fn largest(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
    let off = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs() / scale);
    off.fold(0.0, |worst, off| if off.is_nan() || off > worst { off } else { worst })
}

fn finals_equal(name: &str, golden: &Golden, reading: &Reading) {
    assert!(reading.self_check.is_some_and(|check| check.passed), "{name}: {:?}", reading.self_check);
    let (shape, log_probs) = golden.floats("final_logprobs");
    for (position, last) in reading.finals.iter().enumerate() {
        let row = &log_probs[position * shape[1]..][..shape[1]];
        for top in &last.readout.top {
            let log_prob = (f64::from(top.logit) - last.readout.log_sum_exp) as f32;
            let off = (log_prob - row[top.id.index()]).abs();
            assert!(off <= TOLERANCE, "{name}: off by {off} at position {position}, token {}", top.id);
        }
    }
}

#[test]
fn every_point_is_that_of_the_merged_model() {
    for (name, base) in CASES {
        let golden = Golden::read(&adapter(name).join("golden.safetensors"));
        let checkpoint = open(&fixtures().join("checkpoints").join(base), &[&adapter(name)]);
        let checkpoint = checkpoint.unwrap_or_else(|error| panic!("{name}: {error}"));
        let notes = checkpoint.outline().notes.join("\n");
        assert!(notes.contains("is merged into the model"), "{name}: {notes}");
        let mut model = load(checkpoint, StoredDtype::F32);
        let points: PointSet = golden.vectors().map(|(point, _)| point).collect();
        let rows: Vec<usize> = golden.ints("vec_positions").iter().map(|row| *row as usize).collect();
        let n = golden.tokens.len();
        let step = Forward::new(&golden.tokens, &points, &rows).with_total(n).with_room(n);
        let captured = model.forward(&step).expect("it runs");
        for ((point, expected), hidden) in golden.vectors().zip(&captured) {
            let mut got = Vec::new();
            model.rows(hidden, 0..rows.len(), &mut got).expect("it was captured");
            let off = largest(&got, expected);
            assert!(off <= 2e-5, "{name} on {base}: {point} is off by {off}");
        }
        finals_equal(
            &format!("{name} on {base}"),
            &golden,
            &Lens::new(&mut model).read(&golden.tokens, &plan()).expect("it is read"),
        );
    }
}
