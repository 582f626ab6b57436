//! The JSON form: what `lens-trace/1` promises to whoever reads it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, num::NonZeroUsize, sync::Arc};

use lens_core::{
    Backend, Lens, LensTrace, NormMode, Plan, Question, SCHEMA, Statistic, StatisticSet, StepTrace, TokenId,
    TokenText, TokenTexts, TopTrace, TraceContext,
    predecessor::{all_layers, important_layers},
    toy::ToyBackend,
};
use proptest::prelude::*;
use serde_json::Value;

/// Some tokens are words, one is half a character, two say the same, and the others have no name.
struct Words;

impl TokenTexts for Words {
    fn text(&self, id: TokenId) -> TokenText {
        match id.0 {
            0 => TokenText::from_bytes(b"\xE4\xBD"),
            1 | 2 => TokenText::from_bytes(b" the"),
            3 => TokenText::from_bytes("\u{1b}[31m\"\\\u{202e}\n".as_bytes()),
            id if id < 10 => TokenText::from_bytes(format!(" word{id}").as_bytes()),
            _ => TokenText::unnamed(id),
        }
    }
}

struct Case {
    norm: NormMode,
    parallel: bool,
    distances: bool,
    targets: &'static [u32],
    positions: &'static str,
}

const PLAIN: Case =
    Case { norm: NormMode::Recomputed, parallel: false, distances: false, targets: &[], positions: "last" };
const FULL: Case =
    Case { norm: NormMode::FinalScale, parallel: true, distances: true, targets: &[0, 2], positions: "all" };

/// The default statistics, and the distances if they are wanted.
fn distances(wanted: bool) -> StatisticSet {
    let default = StatisticSet::default();
    if wanted { default.with(Statistic::JsToFinal).with(Statistic::TvToFinal) } else { default }
}

fn trace(case: &Case) -> LensTrace {
    let mut toy = ToyBackend::new(2, 8, 14, 3);
    let sequence: Vec<TokenId> = [1, 0, 3, 12].map(TokenId).to_vec();
    let plan = Plan::default().with_positions(case.positions.parse().unwrap()).with_question(
        Question::default()
            .with_top_k(NonZeroUsize::new(14).unwrap())
            .with_targets(case.targets.iter().copied().map(TokenId).collect())
            .with_statistics(distances(case.distances))
            .with_norm(case.norm),
    );
    let reading = Lens::new(&mut toy).read(&sequence, &plan).unwrap();
    let model = toy
        .info()
        .clone()
        .with_parallel_blocks(case.parallel)
        .with_revision(case.parallel.then(|| "abc123".to_owned()));
    LensTrace::new(
        &reading,
        &TraceContext::new(("lens", "0.1.0"), &model, &sequence, &Words).with_n_prompt(3),
    )
}

fn json(trace: &LensTrace) -> Value {
    serde_json::to_value(trace).unwrap()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn set<const N: usize>(names: [&'static str; N]) -> BTreeSet<&'static str> {
    names.into_iter().collect()
}

#[test]
fn what_is_written_reads_back_equal() {
    for case in [PLAIN, FULL, Case { norm: NormMode::None, ..FULL }] {
        let trace = trace(&case);
        for text in [serde_json::to_string(&trace).unwrap(), serde_json::to_string_pretty(&trace).unwrap()] {
            let read: LensTrace = serde_json::from_str(&text).unwrap();
            assert_eq!(read, trace);
            // Equality of floats says nothing of the sign of zero; a second writing does.
            assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&trace).unwrap());
        }
    }
}

#[test]
fn the_names_are_those_of_the_schema() {
    let plain = json(&trace(&PLAIN));
    let top_level = [
        "schema",
        "generator",
        "model",
        "lens",
        "prompt",
        "tokens",
        "important_above",
        "readouts",
        "final",
        "self_check",
    ];
    assert_eq!(keys(&plain), set(top_level));
    assert_eq!(plain["schema"], SCHEMA);
    assert_eq!(SCHEMA, "lens-trace/1");
    assert_eq!(keys(&plain["generator"]), set(["name", "version"]));
    let model = ["id", "revision", "family", "n_layers", "d_model", "n_vocab", "dtype", "device"];
    assert_eq!(keys(&plain["model"]), set(model));
    assert_eq!(plain["model"]["revision"], Value::Null);
    assert_eq!(plain["lens"], serde_json::json!({"kind": "logit", "norm": "recomputed"}));
    assert_eq!(keys(&plain["tokens"][0]), set(["id", "text", "generated"]));
    let readout = set(["layer", "component", "position", "top", "entropy", "kl_to_final", "rank_of_final"]);
    let of_vectors = set(["margin", "varentropy", "norm", "cosine_to_final"]);
    let readout: BTreeSet<&str> = readout.union(&of_vectors).copied().collect();
    assert_eq!(keys(&plain["readouts"][1]), readout);
    let last = [
        "position",
        "top",
        "entropy",
        "margin",
        "varentropy",
        "norm",
        "decided_at",
        "important_layers",
        "important_by_movement",
    ];
    assert_eq!(keys(&plain["final"][0]), set(last));
    let check = ["max_abs_logit_error", "passed", "position", "log_sum_exp_error"];
    assert_eq!(keys(&plain["self_check"]), set(check));

    let full = json(&trace(&FULL));
    assert_eq!(full["lens"]["norm"], "final-scale");
    assert_eq!(full["model"]["revision"], "abc123");
    let more = ["js_to_final", "tv_to_final", "cross_entropy", "targets"];
    assert_eq!(keys(&full["readouts"][1]), readout.union(&set(more)).copied().collect());
    assert_eq!(keys(&full["readouts"][1]["targets"][1]), set(["id", "text", "logit", "prob", "rank"]));
    assert_eq!(
        keys(&full["readouts"][1]["targets"][0]),
        set(["id", "text", "bytes", "logit", "prob", "rank"])
    );
    assert_eq!(full["final"][0]["targets"][0]["id"], 0);
    assert!(full["final"][0]["cross_entropy"].is_number());
    assert!(full["final"][3].get("cross_entropy").is_none(), "nothing comes after the last token");
}

#[test]
fn embed_has_no_layer_and_the_order_is_that_of_execution() {
    let plain = json(&trace(&PLAIN));
    let places: Vec<(Value, Value)> = plain["readouts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|readout| (readout["layer"].clone(), readout["component"].clone()))
        .collect();
    let site = |layer: u32, name: &str| (Value::from(layer), Value::from(name));
    let expected: Vec<(Value, Value)> = std::iter::once((Value::Null, Value::from("embed")))
        .chain((0..2).flat_map(|layer| {
            ["attn_out", "resid_mid", "mlp_out", "resid_post"].map(|name| site(layer, name))
        }))
        .collect();
    assert_eq!(places, expected);
}

#[test]
fn virtual_is_written_only_where_it_is_true() {
    for readout in json(&trace(&FULL))["readouts"].as_array().unwrap() {
        let expected = (readout["component"] == "resid_mid").then_some(&Value::Bool(true));
        assert_eq!(readout.get("virtual"), expected, "{readout}");
    }
    for readout in json(&trace(&PLAIN))["readouts"].as_array().unwrap() {
        assert_eq!(readout.get("virtual"), None);
    }
}

#[test]
fn bytes_are_written_where_the_text_is_not_exactly_them() {
    let trace = trace(&FULL);
    let half = &trace.tokens[1];
    assert_eq!((&*half.text, half.bytes.as_deref()), ("<0xE4><0xBD>", Some("e4bd")));
    assert_eq!((&*trace.tokens[0].text, trace.tokens[0].bytes.as_deref()), (" the", None));
    assert_eq!(&*trace.tokens[3].text, "<id 12>");
    assert_eq!(trace.tokens.iter().map(|t| t.generated).collect::<Vec<_>>(), [false, false, false, true]);
    // Raw in the file; whatever shows it makes it safe.
    assert_eq!(&*trace.tokens[2].text, "\u{1b}[31m\"\\\u{202e}\n");
    assert!(json(&trace)["tokens"][0].get("bytes").is_none());
}

#[test]
fn two_ids_with_one_text_stay_apart() {
    let trace = trace(&PLAIN);
    let ids: BTreeSet<u32> =
        trace.readouts[0].top.iter().filter(|token| &*token.text == " the").map(|token| token.id.0).collect();
    assert_eq!(ids, BTreeSet::from([1, 2]));
}

#[test]
fn null_stands_only_where_the_schema_has_it() {
    fn nulls(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Null => {
                found.insert(path.to_owned());
            }
            Value::Array(values) => values.iter().for_each(|value| nulls(value, &format!("{path}[]"), found)),
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| nulls(value, &format!("{path}.{name}"), found));
            }
            _ => {}
        }
    }
    // serde_json writes a NaN as null, so this is also the absence of NaN.
    for case in [PLAIN, FULL] {
        let mut found = BTreeSet::new();
        nulls(&json(&trace(&case)), "", &mut found);
        let allowed = [".model.revision", ".readouts[].layer", ".final[].decided_at"];
        assert!(found.iter().all(|path| allowed.contains(&path.as_str())), "{found:?}");
    }
    let mut undecided = trace(&PLAIN);
    undecided.finals[0].decided_at = None;
    let value = json(&undecided);
    assert_eq!(value["final"][0]["decided_at"], Value::Null);
    assert_eq!(serde_json::from_value::<LensTrace>(value).unwrap(), undecided);
}

#[test]
fn fields_that_a_later_version_adds_are_no_obstacle() {
    fn add_fields(value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(add_fields),
            Value::Object(fields) => {
                fields.values_mut().for_each(add_fields);
                fields.insert("added_later".to_owned(), serde_json::json!({"deep": [1, null, "x"]}));
            }
            _ => {}
        }
    }
    for case in [PLAIN, FULL] {
        let trace = trace(&case);
        let mut value = json(&trace);
        add_fields(&mut value);
        assert_eq!(serde_json::from_value::<LensTrace>(value).unwrap(), trace);
    }
}

#[test]
fn the_example_of_the_format_reads() {
    let example = r#"{
      "schema": "lens-trace/1",
      "generator": {"name": "lens", "version": "0.1.0"},
      "model": {"id": "m", "revision": null, "family": "llama", "n_layers": 32, "d_model": 4096, "n_vocab": 128256,
                "dtype": "bf16", "device": "cpu"},
      "lens": {"kind": "logit", "norm": "recomputed"},
      "prompt": "The cat sat on the",
      "tokens": [{"id": 791, "text": "The", "generated": false}],
      "readouts": [
        {"layer": 0, "component": "attn_out", "position": 4,
         "top": [{"id": 5634, "text": " mat", "logit": 17.2, "prob": 0.412}],
         "entropy": 3.1, "kl_to_final": 0.8, "rank_of_final": 2,
         "targets": [{"id": 5634, "text": " mat", "logit": 17.2, "prob": 0.412, "rank": 1}]}
      ],
      "final": [{"position": 4, "top": [{"id": 5634, "text": " mat", "logit": 18.0, "prob": 0.61}],
                 "entropy": 2.0, "decided_at": 27}],
      "self_check": {"max_abs_logit_error": 0.0000012, "passed": true}
    }"#;
    let trace: LensTrace = serde_json::from_str(example).unwrap();
    assert_eq!(trace.finals[0].decided_at, Some(27));
    assert_eq!(trace.readouts[0].targets[0].rank, Some(1));
    assert_eq!(trace.readouts[0].targets[0].token.logit, 17.2);
    assert!(!trace.readouts[0].is_virtual);
    let misspelt = example.replace("attn_out", "atn_out");
    let message = serde_json::from_str::<LensTrace>(&misspelt).unwrap_err().to_string();
    assert!(message.contains("did you mean \"attn_out\"?"), "{message}");
}

proptest! {
    #[test]
    fn every_finite_float_reads_back_bit_equal(logit in any::<u32>(), prob in any::<u32>()) {
        let (logit, prob) = (f32::from_bits(logit), f32::from_bits(prob));
        prop_assume!(logit.is_finite() && prob.is_finite());
        let token = TopTrace::new(TokenId(1), Arc::from("x"), logit, prob);
        let text = serde_json::to_string(&token).unwrap();
        let read: TopTrace = serde_json::from_str(&text).unwrap();
        prop_assert_eq!((read.logit.to_bits(), read.prob.to_bits()), (logit.to_bits(), prob.to_bits()), "{}", text);
    }
}

#[test]
fn the_predecessors_files_have_its_layout() {
    let mut trace = trace(&PLAIN);
    let last = &mut trace.finals[0];
    last.important_layers = vec![1];
    let position = last.position;
    let all = serde_json::to_value(all_layers(&trace)).unwrap();
    assert_eq!(keys(&all), set(["step_0"]));
    assert_eq!(keys(&all["step_0"]), set(["input_text", "predicted_token", "all_layers_data"]));
    assert_eq!(all["step_0"]["predicted_token"], *trace.finals[0].top[0].text);
    let layers = &all["step_0"]["all_layers_data"];
    assert_eq!(keys(layers), set(["0", "1"]));
    let names = ["attention_mechanism", "intermediate_residual", "mlp_output", "block_output"];
    assert_eq!(keys(&layers["0"]), set(names));
    let block = trace.readouts.iter().find(|readout| {
        readout.position == position && readout.layer == Some(1) && readout.component.name() == "resid_post"
    });
    let top = &block.unwrap().top[0];
    let percent = f64::from(top.prob) * 100.0;
    assert_eq!(layers["1"]["block_output"][0], serde_json::json!([*top.text, percent]));

    let important = serde_json::to_value(important_layers(&trace)).unwrap();
    assert_eq!(keys(&important["step_0"]), set(["input_text", "predicted_token", "important_layers"]));
    let layers = &important["step_0"]["important_layers"];
    assert_eq!(keys(layers), set(["1"]));
    assert_eq!(keys(&layers["1"]), set(["attention_mechanism", "mlp_output", "block_output"]));
}

#[test]
fn the_predecessors_steps_say_what_was_read_and_written() {
    let mut trace = trace(&FULL);
    trace.prompt = "1 0 3".to_owned();
    let step =
        |step, position: usize| StepTrace::new(step, position, trace.finals[position].top[1].clone().into());
    trace.steps = vec![step(0, 2), step(1, 3)];
    let steps = all_layers(&trace);
    let inputs: Vec<&str> = steps.values().map(|step| step.input_text.as_str()).collect();
    assert_eq!(inputs[0], "1 0 3");
    assert!(inputs[1].starts_with("1 0 3") && inputs[1].len() > inputs[0].len(), "{inputs:?}");
    let written: Vec<&str> = steps.values().map(|step| step.predicted_token).collect();
    assert_eq!(written, [&*trace.steps[0].token.text, &*trace.steps[1].token.text]);
}
