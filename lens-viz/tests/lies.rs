//! A trace that cannot be true is refused wherever it enters, with the place of what is wrong; and whatever is read at
//! all can be shown without a panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use lens_core::{InterventionTrace, LensTrace, RoleTrace, Statistic, TargetTrace, TimingTrace, TraceError};
use lens_viz::{
    Measure,
    page::{PageError, PageOptions, page},
    picture::{PictureError, PictureKind, PictureOptions, svg},
    terminal::{TableOptions, table},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Model, trace};

/// A trace with everything that a trace can have.
fn whole() -> Value {
    let mut trace = trace(&Model { positions: 5, generated: 2, layers: 2, hostile: false });
    trace.important_above = Some(0.03);
    trace.timing = Some(TimingTrace::new(0.5, 0.25));
    trace.roles = vec![RoleTrace::new("user", 0..3)];
    trace.interventions = vec![InterventionTrace::new("L0.mlp_out", "zero", "L0.mlp_out = 0")];
    trace.interventions[0].positions = Some(vec![1]);
    trace.tokens[0].bytes = Some("e4bd".into());
    for readout in &mut trace.readouts {
        readout.statistics.set(Statistic::JsToFinal, Some(0.1));
        readout.statistics.set(Statistic::TvToFinal, Some(0.1));
        readout.statistics.set(Statistic::CrossEntropy, Some(0.1));
        readout.targets = vec![TargetTrace::new(readout.top[1].clone(), Some(2))];
        readout.top[1].bytes = Some("20".into());
    }
    for last in &mut trace.finals {
        last.targets = vec![TargetTrace::new(last.top[1].clone(), Some(2))];
        last.statistics.set(Statistic::CrossEntropy, Some(0.1));
        last.decided_at = Some(1);
        last.important_layers = vec![0, 1];
        last.important_by_movement = Some(vec![1]);
    }
    trace.validate().unwrap();
    serde_json::to_value(&trace).unwrap()
}

fn read(value: &Value) -> Result<LensTrace, TraceError> {
    LensTrace::from_json(value.to_string().as_bytes())
}

/// `base` with another value at `pointer`; a value of `"MISSING"` takes the field away.
fn with(base: &Value, pointer: &str, lie: &Value) -> Value {
    let mut value = base.clone();
    if *lie == json!("MISSING") {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let fields = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        assert!(fields.remove(field).is_some(), "there is no {pointer}");
    } else {
        *value.pointer_mut(pointer).unwrap_or_else(|| panic!("there is no {pointer}")) = lie.clone();
    }
    value
}

/// What is wrong with a trace, and the place that the error has to name.
fn lies() -> Vec<(&'static str, Value, &'static str)> {
    let huge = || json!(1_099_511_627_776_u64);
    vec![
        ("/schema", json!("lens-trace/2"), "schema"),
        ("/schema", json!("lens-trace/0"), "schema"),
        ("/schema", json!("MISSING"), "schema"),
        ("/model", json!(null), "model"),
        ("/model", json!("MISSING"), "model"),
        ("/model/id", json!(7), "model.id"),
        ("/model/n_layers", huge(), "model.n_layers"),
        ("/model/n_layers", json!(65535), "model.n_layers"),
        ("/model/n_layers", json!(-1), "model.n_layers"),
        ("/model/n_layers", json!(2.5), "model.n_layers"),
        ("/model/n_layers", json!("2"), "model.n_layers"),
        ("/model/n_layers", json!(1), "final[0].decided_at"),
        ("/model/n_vocab", huge(), "model.n_vocab"),
        ("/model/n_vocab", json!(-60), "model.n_vocab"),
        ("/model/n_vocab", json!(2), "tokens[0].id"),
        ("/model/d_model", huge(), "model.d_model"),
        ("/lens/norm", json!("other"), "lens.norm"),
        ("/tokens", json!([]), "final[0].position"),
        ("/tokens", json!({}), "tokens"),
        ("/tokens/1/id", json!(60), "tokens[1].id"),
        ("/tokens/1/id", json!(-1), "tokens[1].id"),
        ("/tokens/1/id", json!(4_294_967_296_u64), "tokens[1].id"),
        ("/tokens/1/id", json!(null), "tokens[1].id"),
        ("/tokens/1/text", json!(null), "tokens[1].text"),
        ("/tokens/1/text", json!("MISSING"), "tokens[1]"),
        ("/tokens/0/bytes", json!("e4b"), "tokens[0].bytes"),
        ("/tokens/0/bytes", json!("zz"), "tokens[0].bytes"),
        ("/tokens/0/generated", json!(true), "tokens[1].generated"),
        ("/tokens/3/generated", json!(false), "steps[0].position"),
        ("/roles/0/end", json!(9), "roles[0].end"),
        ("/roles/0/start", json!(4), "roles[0].start"),
        ("/steps/0/position", json!(9), "steps[0].position"),
        ("/steps/0/position", json!(-1), "steps[0].position"),
        ("/steps/0/position", json!(1), "steps[0].position"),
        ("/steps/1/position", json!(4), "steps[1].position"),
        ("/steps/1/step", json!(0), "steps[1].step"),
        ("/steps/0/token/id", json!(59), "steps[0].token.id"),
        ("/steps/0/token/prob", json!(1.5), "steps[0].token.prob"),
        ("/steps/0/token/prob", json!(null), "steps[0].token.prob"),
        ("/generation/temperature", json!(-1.0), "generation.temperature"),
        ("/generation/temperature", json!(1e39), "generation.temperature"),
        ("/generation/top_p", json!(7), "generation.top_p"),
        ("/generation/stopped", json!("because"), "generation.stopped"),
        ("/important_above", json!(-0.03), "important_above"),
        ("/important_above", json!(3), "important_above"),
        ("/important_above", json!(null), "important_above"),
        ("/readouts", json!(null), "readouts"),
        ("/readouts/3/layer", huge(), "readouts[3].layer"),
        ("/readouts/3/layer", json!(2), "readouts[3].layer"),
        ("/readouts/3/layer", json!(-1), "readouts[3].layer"),
        ("/readouts/3/layer", json!("0"), "readouts[3].layer"),
        ("/readouts/3/layer", json!(null), "readouts[3].layer"),
        ("/readouts/3/layer", json!("MISSING"), "readouts[3].layer"),
        ("/readouts/0/layer", json!(0), "readouts[0].layer"),
        ("/readouts/0/component", json!("resid_pre"), "readouts[0].layer"),
        ("/readouts/3/component", json!("z"), "readouts[3].component"),
        ("/readouts/3/component", json!("mlp"), "readouts[3].component"),
        ("/readouts/3/component", json!("attn_out"), "readouts[3]"),
        ("/readouts/3/component", json!("embed"), "readouts[3].layer"),
        ("/readouts/3/position", json!(5), "readouts[3].position"),
        ("/readouts/3/position", json!(-5), "readouts[3].position"),
        ("/readouts/3/position", json!(1), "readouts[12]"),
        ("/readouts/3/top", json!(null), "readouts[3].top"),
        ("/readouts/3/top/0/id", json!(60), "readouts[3].top[0].id"),
        ("/readouts/3/top/0/id", json!("7"), "readouts[3].top[0].id"),
        ("/readouts/3/top/0/prob", json!(-5.0), "readouts[3].top[0].prob"),
        ("/readouts/3/top/0/prob", json!(7.0), "readouts[3].top[0].prob"),
        ("/readouts/3/top/0/prob", json!("NaN"), "readouts[3].top[0].prob"),
        ("/readouts/3/top/0/prob", json!(null), "readouts[3].top[0].prob"),
        ("/readouts/3/top/0/prob", json!("MISSING"), "readouts[3].top[0]"),
        ("/readouts/3/top/0/prob", json!(1e39), "readouts[3].top[0].prob"),
        ("/readouts/3/top/0/prob", json!(0.0), "readouts[3].top[1].prob"),
        ("/readouts/3/top/0/prob", json!(0.99), "readouts[3].top["),
        ("/readouts/3/top/0/logit", json!(-1e39), "readouts[3].top[0].logit"),
        ("/readouts/3/top/0/logit", json!(-1000.0), "readouts[3].top[1].logit"),
        ("/readouts/3/top/0/logit", json!(null), "readouts[3].top[0].logit"),
        ("/readouts/3/top/1/bytes", json!("ä"), "readouts[3].top[1].bytes"),
        ("/readouts/3/entropy", json!(-1.0), "readouts[3].entropy"),
        ("/readouts/3/entropy", json!(900.0), "readouts[3].entropy"),
        ("/readouts/3/entropy", json!("NaN"), "readouts[3].entropy"),
        ("/readouts/3/margin", json!(1e12), "readouts[3].margin"),
        ("/final/1/margin", json!(77.0), "final[1].margin"),
        ("/readouts/3/entropy", json!(null), "readouts[3].entropy"),
        ("/readouts/3/kl_to_final", json!(-0.5), "readouts[3].kl_to_final"),
        ("/readouts/3/kl_to_final", json!(1e300), "readouts[3].kl_to_final"),
        ("/readouts/3/kl_to_final", json!(null), "readouts[3].kl_to_final"),
        ("/readouts/3/js_to_final", json!(0.8), "readouts[3].js_to_final"),
        ("/readouts/3/tv_to_final", json!(1.1), "readouts[3].tv_to_final"),
        ("/readouts/3/cross_entropy", json!(-1), "readouts[3].cross_entropy"),
        ("/readouts/3/rank_of_final", json!(0), "readouts[3].rank_of_final"),
        ("/readouts/3/rank_of_final", json!(61), "readouts[3].rank_of_final"),
        ("/readouts/3/rank_of_final", json!(-1), "readouts[3].rank_of_final"),
        ("/readouts/3/rank_of_final", json!(null), "readouts[3].rank_of_final"),
        ("/readouts/3/targets/0/rank", json!(0), "readouts[3].targets[0].rank"),
        ("/readouts/3/targets/0/rank", huge(), "readouts[3].targets"),
        ("/readouts/3/targets/0/rank", json!(null), "readouts[3].targets"),
        ("/readouts/3/targets/0/prob", json!(2), "readouts[3].targets[0].prob"),
        ("/readouts/3/targets/0/prob", json!("MISSING"), "readouts[3].targets"),
        ("/readouts/3/targets/0/id", json!(77), "readouts[3].targets[0].id"),
        ("/readouts/3/virtual", json!(true), "readouts[3]"),
        ("/final", json!([]), "readouts[0].position"),
        ("/final", json!("MISSING"), "final"),
        ("/final/1/position", json!(0), "final[1].position"),
        ("/final/1/position", json!(5), "final[1].position"),
        ("/final/1/top/0/prob", json!(-0.1), "final[1].top[0].prob"),
        ("/final/1/entropy", json!(-2), "final[1].entropy"),
        ("/final/1/decided_at", json!(2), "final[1].decided_at"),
        ("/final/1/decided_at", json!(-1), "final[1].decided_at"),
        ("/final/1/decided_at", huge(), "final[1].decided_at"),
        ("/final/1/important_layers", json!([0, 0]), "final[1].important_layers[1]"),
        ("/final/1/important_layers", json!([1, 0]), "final[1].important_layers[1]"),
        ("/final/1/important_layers", json!([7]), "final[1].important_layers[0]"),
        ("/final/1/important_by_movement", json!([1, 1]), "final[1].important_by_movement[1]"),
        ("/final/1/important_by_movement", json!([2]), "final[1].important_by_movement[0]"),
        ("/final/1/important_by_movement", json!([-1]), "final[1].important_by_movement[0]"),
        ("/final/1/cross_entropy", json!(null), "final[1].cross_entropy"),
        ("/self_check/max_abs_logit_error", json!(null), "self_check.max_abs_logit_error"),
        ("/self_check/max_abs_logit_error", json!(-1), "self_check.max_abs_logit_error"),
        ("/self_check/position", json!(9), "self_check.position"),
        ("/self_check/passed", json!("yes"), "self_check.passed"),
        ("/timing/forward", json!(-1.0), "timing.forward"),
        ("/notes", json!("one"), "notes"),
    ]
}

#[test]
fn every_lie_is_refused_with_its_place() {
    let mut base = whole();
    base["notes"] = json!(["a note"]);
    base["readouts"][3]["virtual"] = json!(false);
    read(&base).unwrap();
    let lies = lies();
    assert!(lies.len() >= 60);
    for (pointer, lie, place) in lies {
        let value = with(&base, pointer, &lie);
        let error = read(&value).expect_err(&format!("{pointer} = {lie} was read")).to_string();
        assert!(error.contains(place), "{pointer} = {lie}: {error:?} does not name {place}");
        // What another reader lets through, the page refuses.
        if let Ok(trace) = serde_json::from_value::<LensTrace>(value) {
            let error = page(&trace, &PageOptions::default()).unwrap_err();
            assert!(matches!(error, PageError::Trace(_)), "{pointer} = {lie}: {error}");
        }
    }
}

#[test]
fn nothing_stands_twice() {
    let base = whole();
    for (list, item, place) in [
        ("/readouts", 3, "readouts[45]"),
        ("/final", 2, "final[5].position"),
        ("/readouts/3/top", 4, "readouts[3].top[10]"),
        ("/readouts/3/targets", 0, "readouts[3].targets[1].id"),
        ("/steps", 1, "steps[2].step"),
    ] {
        let mut value = base.clone();
        let items = value.pointer_mut(list).unwrap().as_array_mut().unwrap();
        items.push(items[item].clone());
        let error = read(&value).expect_err(list).to_string();
        assert!(error.contains(place), "{list}: {error:?} does not name {place}");
    }
    let text = base.to_string().replacen("\"entropy\":", "\"entropy\":0.5,\"entropy\":", 1);
    let error = LensTrace::from_json(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("duplicate field `entropy`"), "{error}");
}

#[test]
fn a_later_schema_says_so_whatever_else_it_changed() {
    let later = json!({"schema": "lens-trace/2", "readings": {"L0": []}});
    let error = read(&later).unwrap_err().to_string();
    assert!(error.contains("a later version of lens") && error.contains("lens-trace/1"), "{error}");
    let other = read(&json!({"schema": "all-layers/7"})).unwrap_err().to_string();
    assert!(other.contains("is not known"), "{other}");
    for text in ["", "[]", "{", "null", "{\"schema\": \"lens-trace/1\"}", "\u{0}\u{0}", "{\"schema\": NaN}"] {
        assert!(matches!(LensTrace::from_json(text.as_bytes()), Err(TraceError::Json { .. })), "{text}");
    }
    let mut twice = whole().to_string();
    twice.push_str("{}");
    let error = LensTrace::from_json(twice.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("after the end"), "{error}");
}

/// The paths of all values that are not lists or objects.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| leaves(item, &format!("{at}/{i}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, item)| leaves(item, &format!("{at}/{name}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

fn any_lie() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(0)),
        Just(json!(1)),
        Just(json!(65_534)),
        Just(json!("NaN")),
        Just(json!([])),
        Just(json!(true)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_read_can_be_shown(place in any::<prop::sample::Index>(), lie in any_lie()) {
        let base = whole();
        let mut places = Vec::new();
        leaves(&base, "", &mut places);
        let pointer = place.get(&places);
        if let Ok(trace) = read(&with(&base, pointer, &lie)) {
            page(&trace, &PageOptions::default()).unwrap();
            table(&trace, &TableOptions::default()).unwrap();
            for kind in PictureKind::all() {
                match svg(&trace, kind, &PictureOptions::default()) {
                    // Not every statistic was asked for.
                    Ok(_) | Err(PictureError::Empty { .. }) if matches!(kind, PictureKind::Grid(Measure::Of(_))) => {}
                    // Heads are read where they are asked for.
                    Err(PictureError::Empty { .. }) if matches!(kind, PictureKind::Heads(_)) => {}
                    drawn => drop(drawn.unwrap()),
                }
            }
        }
    }
}
