//! Interventions equal editing the activations by hand in transformers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{Backend, Generate, Intervention, Lens, Plan, Question, Selection, TokenId};
use lens_models::Decoder;
use lens_tests::{decoder, fixtures};
use serde::Deserialize;

/// What float32 may differ from float64 in a log-probability.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    tokens: Vec<TokenId>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    steer: String,
    logprobs: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_slice(&std::fs::read(fixtures().join("steering.json")).unwrap()).unwrap()
}

/// The fixtures' texts are ids.
fn encode(text: &str) -> Result<Vec<TokenId>, String> {
    text.split(' ').map(|id| id.parse().map(TokenId).map_err(|_| format!("{id} is no id"))).collect()
}

/// Lets the model run with these interventions.
fn steer(model: &mut Decoder, interventions: &[&str], prompt: &[TokenId]) {
    let parsed: Vec<Intervention> = interventions.iter().map(|text| text.parse().unwrap()).collect();
    let edits = model.prepare_edits(&parsed, prompt, &encode).unwrap();
    assert_eq!(edits.traces().len(), interventions.len());
    model.set_edit(Some(Box::new(edits)));
}

/// Every token's log-probability behind the last position.
fn log_probs(model: &mut Decoder, tokens: &[TokenId]) -> Vec<f64> {
    let n_vocab = model.info().n_vocab;
    let question = Question { top_k: n_vocab.try_into().unwrap(), ..Question::default() };
    let reading = Lens::new(model).read(tokens, &Plan { question, ..Plan::default() }).unwrap();
    assert!(reading.self_check.is_some_and(|check| check.passed), "{:?}", reading.self_check);
    let last = &reading.finals[0].readout;
    let mut log_probs = vec![f64::NAN; n_vocab];
    for top in &last.top {
        log_probs[top.id.index()] = f64::from(top.logit) - last.log_sum_exp;
    }
    log_probs
}

#[test]
fn every_kind_of_edit_equals_the_edit_by_hand() {
    let Golden { tokens, cases } = golden();
    assert!(cases.len() >= 40, "cases went missing");
    for case in cases {
        let mut model = decoder(&case.model);
        steer(&mut model, &[&case.steer], &tokens);
        let got = log_probs(&mut model, &tokens);
        for (id, (got, expected)) in got.iter().zip(&case.logprobs).enumerate() {
            let off = (got - expected).abs();
            assert!(off <= TOLERANCE, "{}: {}: token {id} is off by {off}", case.model, case.steer);
        }
    }
}

#[test]
fn what_changes_nothing_changes_no_bit() {
    let Golden { tokens, .. } = golden();
    for name in ["llama2", "gpt_neox"] {
        let mut model = decoder(name);
        let plain = log_probs(&mut model, &tokens);
        for nothing in ["L*.resid_post *= 1", "L1.z.h0 *= 1", "L0.attn_out += 0*@'5 6'"] {
            steer(&mut model, &[nothing], &tokens);
            assert_eq!(log_probs(&mut model, &tokens), plain, "{name}: {nothing}");
        }
        model.set_edit(None);
        assert_eq!(log_probs(&mut model, &tokens), plain, "{name}: an edit stayed behind");
    }
}

#[test]
fn edits_at_one_point_follow_each_other() {
    let Golden { tokens, .. } = golden();
    let mut model = decoder("llama2");
    steer(&mut model, &["L0.mlp_out *= 2", "L0.mlp_out += @'5 6'", "L0.mlp_out *= 0.5"], &tokens);
    let several = log_probs(&mut model, &tokens);
    steer(&mut model, &["L0.mlp_out += 0.5*@'5 6'"], &tokens);
    for (a, b) in several.iter().zip(log_probs(&mut model, &tokens)) {
        assert!((a - b).abs() <= TOLERANCE, "{a} and {b}");
    }
}

/// An edit knows where it is, however the sequence is cut into steps.
#[test]
fn a_cached_continuation_is_steered_as_an_uncached_one() {
    let Golden { tokens, .. } = golden();
    let interventions = ["L0.resid_post += 0.6*@'13 4'", "L1.attn_out[2..4] = 0", "L1.z.h0[-1] *= 3"];
    for name in ["llama2", "gpt2", "gemma2"] {
        let mut model = decoder(name);
        steer(&mut model, &interventions, &tokens);
        let ask = Generate::greedy(5.try_into().unwrap());
        for budget in [None, Some(1)] {
            let plan = Plan { memory_budget: budget, positions: Selection::all(), ..Plan::default() };
            let generated = Lens::new(&mut model).generate(&tokens, &plan, &ask, |_| None).unwrap();
            let last = generated.tokens.len() - 2;
            let anew = Lens::new(&mut model).read(&generated.tokens[..=last], &Plan::default()).unwrap();
            let cached = generated.reading.finals.last().unwrap();
            assert_eq!(cached.readout.top1(), anew.finals[0].readout.top1(), "{name}");
            for (a, b) in cached.readout.top.iter().zip(&anew.finals[0].readout.top) {
                assert!((a.prob - b.prob).abs() <= TOLERANCE as f32, "{name}: {a:?} cached, {b:?} anew");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_words() {
    let Golden { tokens, .. } = golden();
    let mut model = decoder("llama2");
    for (steer, part) in [
        ("L7.attn_out = 0", "there is no layer 7"),
        ("L0.z.h9 = 0", "there is no head 9"),
        ("L0.attn_out[20] = 0", "there is no position 20"),
        ("L0.attn_out += @'1 2'[5]", "has 2 tokens and no position 5"),
        ("L0.attn_out = @'1 2'[same]", "has 2 tokens and the prompt that is run has 8"),
        ("L0.attn_out += @'x'", "cannot be encoded: x is no id"),
        ("L0.attn_out += file:'/nonexistent'", "L0.attn_out"),
    ] {
        let parsed = [steer.parse::<Intervention>().unwrap()];
        let error = model.prepare_edits(&parsed, &tokens, &encode).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(steer), "{error}");
    }
}

/// Squares beyond float32 are no reason to distrust a readout: norms do not see how long a vector is.
#[test]
fn a_very_long_vector_passes_the_self_check() {
    for change in ["L7.resid_post *= 1e20", "L7.resid_post *= 1e30"] {
        let mut session = lens_models::Session::open("demo").unwrap();
        let request = lens_models::Request::text("The capital of France is").steer(change.parse().unwrap());
        let trace = session.run(&request).unwrap();
        assert!(trace.self_check.is_some_and(|check| check.passed), "{change}: {:?}", trace.self_check);
    }
}
