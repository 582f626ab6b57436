//! What is written keeps to the JSON Schema that the project publishes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{
    Backend, Lens, LensChoice, LensMap, LensSet, LensTrace, Plan, Provenance, Question, Site, Statistic,
    StatisticSet, TokenId, TokenText, TokenTexts, TraceContext, Translator, toy::ToyBackend,
};
use serde_json::{Value, json};

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lens-trace-1.schema.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A text whose bytes are not valid UTF-8 now and then.
struct Texts;

impl TokenTexts for Texts {
    fn text(&self, id: TokenId) -> TokenText {
        TokenText::from_bytes(&[b'a' + id.0 as u8, if id.0.is_multiple_of(3) { 0xE4 } else { b' ' }])
    }
}

/// A trace of two lenses with every statistic, as JSON.
fn full() -> Value {
    let mut toy = ToyBackend::new(3, 8, 14, 3);
    let tokens: Vec<TokenId> = [1, 0, 3, 12].map(TokenId).to_vec();
    let question = Question::default()
        .with_targets(vec![TokenId(5), TokenId(2)])
        .with_versus(Some(TokenId(6)))
        .with_statistics(StatisticSet::all());
    let map = |layer| (layer, LensMap::new(8, vec![0.3; 64], None, false).unwrap());
    let provenance = Provenance::default()
        .with_source(Some("lens.safetensors".to_owned()))
        .with_sha256(Some("00ff".to_owned()))
        .with_base_model(Some("toy".to_owned()))
        .with_base_revision(Some("main".to_owned()))
        .with_details([("n_prompts".to_owned(), "100".to_owned())].into());
    let jacobian = Translator::jacobian(8, Site::ResidPost, (0..3).map(map), provenance).unwrap();
    let lenses = [LensChoice::Logit, LensChoice::Translated(jacobian.into())];
    let plan = Plan::default()
        .with_positions("all".parse().unwrap())
        .with_question(question)
        .with_lenses(LensSet::new(lenses).unwrap());
    let reading = Lens::new(&mut toy).read(&tokens, &plan).unwrap();
    let context = TraceContext::new(("test", "0"), toy.info(), &tokens, &Texts).with_n_prompt(3);
    let mut trace = LensTrace::new(&reading, &context);
    trace.notes.push("something was assumed".to_owned());
    serde_json::to_value(&trace).unwrap()
}

#[test]
fn a_trace_keeps_to_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let trace = full();
    let faults: Vec<String> =
        validator.iter_errors(&trace).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:?}");

    for (place, lie) in [
        ("/schema", json!("lens-trace/2")),
        ("/readouts/3/top/0/prob", json!(1.5)),
        ("/readouts/3/component", json!("atn_out")),
        ("/readouts/3/rank_of_final", json!(0)),
        ("/readouts/3/entropy", Value::Null),
        ("/tokens/0/id", json!(-1)),
        ("/lenses/1/kind", json!("tuned-2")),
        ("/readouts/3/lens", json!(1)),
        ("/self_check/passed", json!("yes")),
        ("/faithfulness/0/agreement", json!(1.5)),
        ("/faithfulness/0/grade", json!("good")),
    ] {
        let mut broken = trace.clone();
        *broken.pointer_mut(place).unwrap() = lie;
        assert!(!validator.is_valid(&broken), "{place}");
    }
}

#[test]
fn the_schema_knows_every_field_and_every_statistic() {
    let schema = schema();
    let statistics = schema["$defs"]["statistics"]["properties"].as_object().unwrap();
    let names: Vec<&str> = statistics.keys().map(String::as_str).collect();
    let mut expected = Statistic::ALL.map(Statistic::name);
    expected.sort_unstable();
    assert_eq!(names, expected);

    let trace = full();
    let known = |at: &str, field: &str| schema.pointer(&format!("{at}/properties/{field}")).is_some();
    for field in trace.as_object().unwrap().keys() {
        assert!(known("", field), "{field}");
    }
    for field in trace["lenses"][1].as_object().unwrap().keys() {
        assert!(known("/properties/lenses/items", field), "{field}");
    }
    for field in trace["faithfulness"][5].as_object().unwrap().keys() {
        assert!(known("/properties/faithfulness/items", field), "{field}");
    }
    for (at, place) in [("/$defs/readout", "/readouts/3"), ("/$defs/final", "/final/0")] {
        for field in trace.pointer(place).unwrap().as_object().unwrap().keys() {
            assert!(known(at, field) || known("/$defs/statistics", field), "{place}/{field}");
        }
    }
}
