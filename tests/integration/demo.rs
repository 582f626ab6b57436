//! The demo model, as it is embedded, says what transformers says of the same checkpoint in float64.

use lens_core::{Lens, NormMode, Plan, Question, Statistic, TokenId, TokenTexts};
use lens_models::{Decoder, LoadOptions, StoredDtype, demo};
use serde_json::Value;

#[test]
fn the_demo_models_trace_equals_transformers() {
    let path = lens_tests::fixtures().join("demo").join("golden.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let checkpoint = demo::checkpoint().unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap().unwrap();
    let mut model =
        Decoder::load(checkpoint, &LoadOptions::default().with_dtype(Some(StoredDtype::F32))).unwrap();
    let question = Question::default().with_top_k(5.try_into().unwrap()).with_norm(NormMode::Recomputed);
    let components = "embed,resid_pre,attn_out,resid_mid,mlp_out,resid_post".parse().unwrap();
    let plan = Plan::default().with_question(question).with_components(components);
    for prompt in golden["prompts"].as_array().unwrap() {
        let text = prompt["prompt"].as_str().unwrap();
        let ids: Vec<TokenId> = serde_json::from_value(prompt["ids"].clone()).unwrap();
        assert_eq!(tokenizer.encode(text, true).unwrap(), ids, "{text}");
        let reading = Lens::new(&mut model).read(&ids, &plan).unwrap();
        assert!(reading.self_check.is_some_and(|check| check.passed));
        let expected = prompt["readouts"].as_array().unwrap();
        assert_eq!(reading.points.len(), expected.len());
        for ((point, readout), expected) in reading.at(0).zip(expected) {
            assert_eq!(expected["point"], point.to_string());
            for (key, got) in [
                ("entropy", readout.get(Statistic::Entropy)),
                ("kl_to_final", readout.get(Statistic::KlToFinal)),
            ] {
                let (got, expected) = (got.unwrap(), expected[key].as_f64().unwrap());
                assert!(
                    (got - expected).abs() < 1e-4,
                    "{text}: {key} at {point}: {got} instead of {expected}"
                );
            }
            for (top, expected) in readout.top.iter().zip(expected["top"].as_array().unwrap()) {
                let (prob, logit) = (expected["prob"].as_f64().unwrap(), expected["logit"].as_f64().unwrap());
                assert!((f64::from(top.logit) - logit).abs() < 1e-4, "{text}: logit at {point}");
                assert!((f64::from(top.prob) - prob).abs() < 1e-4, "{text}: probability at {point}");
            }
        }
    }
}

#[test]
fn the_demo_model_decides_late_that_paris_is_the_capital() {
    let checkpoint = demo::checkpoint().unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap().unwrap();
    let mut model = Decoder::load(checkpoint, &LoadOptions::default()).unwrap();
    let tokens = tokenizer.encode("The capital of France is", true).unwrap();
    let reading = Lens::new(&mut model).read(&tokens, &Plan::default()).unwrap();
    let last = &reading.finals[0];
    assert_eq!(&*tokenizer.text(last.readout.top[0].id).text, " Paris");
    assert!(last.readout.top[0].prob > 0.9, "{:?}", last.readout.top[0]);
    assert!(last.decided_at.is_some_and(|layer| layer >= 2), "decided at {:?}", last.decided_at);
}
