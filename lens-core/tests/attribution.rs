//! Logits of the toy taken apart, beside its own arithmetic; and the JSON of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{
    Backend, Lens, NormMode, Plan, Question, Site, TokenId,
    attribution::{
        AttributionContext, AttributionError, AttributionRequest, AttributionTrace, SCHEMA, attribute,
    },
    toy::ToyBackend,
};
use serde_json::Value;

fn tokens() -> Vec<TokenId> {
    [3, 14, 15, 9, 2].map(TokenId).to_vec()
}

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lens-attribution-1.schema.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Contributions are what the plain lens reads with the statistics of the final residual.
#[test]
fn contributions_are_readouts_with_the_final_scale() {
    let mut toy = ToyBackend::new(4, 16, 50, 11);
    let (target, position) = (TokenId(7), 3);
    let parts = attribute(&mut toy, &tokens(), &AttributionRequest::new(target, position)).unwrap();
    assert!(parts.error().abs() < 1e-5 && parts.check.passed, "{parts:?}");
    let question = Question::default().with_norm(NormMode::FinalScale).with_targets(vec![target]);
    let plan = Plan::default()
        .with_positions(position.to_string().parse().unwrap())
        .with_components("embed,attn_out,mlp_out,heads".parse().unwrap())
        .with_question(question);
    let reading = Lens::new(&mut toy).read(&tokens(), &plan).unwrap();
    let mut compared = 0;
    for (point, readout) in reading.at(0) {
        let layer = point.layer().map(usize::from);
        let share = match (layer, point) {
            (Some(layer), lens_core::Point::Block { site: Site::AttnOut, .. }) => {
                parts.layers[layer].attn_out
            }
            (Some(layer), lens_core::Point::Block { site: Site::MlpOut, .. }) => parts.layers[layer].mlp_out,
            (Some(layer), lens_core::Point::Block { site: Site::Head(head), .. }) => {
                parts.layers[layer].heads[usize::from(head)]
            }
            _ => parts.embed,
        };
        let logit = f64::from(readout.targets[0].score.logit);
        assert!((logit - share).abs() < 1e-5, "{point}: {logit}, {share}");
        compared += 1;
    }
    assert_eq!(compared, 1 + 4 * 4);
    assert!(parts.heads_error().unwrap().abs() < 1e-5 && parts.neurons_error().unwrap().abs() < 1e-5);
    // The largest neurons come first, and no more than were asked for.
    assert_eq!(parts.neurons.len(), 20);
    assert!(parts.neurons.windows(2).all(|two| two[0].contribution.abs() >= two[1].contribution.abs()));
    let all = attribute(&mut toy, &tokens(), &AttributionRequest::new(target, position).with_neurons(1000));
    assert_eq!(all.unwrap().neurons.len(), 4 * 16);
}

/// What comes after a position does not reach it, and long prompts are run in steps.
#[test]
fn a_position_is_read_in_the_step_that_holds_it() {
    let mut toy = ToyBackend::new(2, 8, 30, 5);
    let long: Vec<TokenId> = (0..1200).map(|i| TokenId(i * 7 % 30)).collect();
    for position in [0, 511, 512, 1023, 1024, 1199] {
        let ask = AttributionRequest::new(TokenId(4), position);
        let whole = attribute(&mut toy, &long, &ask).unwrap();
        let alone = attribute(&mut toy, &long[..=position], &ask).unwrap();
        assert_eq!(whole, alone, "position {position}");
        assert!(whole.error().abs() < 1e-5, "position {position}: {}", whole.error());
    }
}

#[test]
fn requests_that_mean_nothing_are_refused() {
    let mut toy = ToyBackend::new(2, 8, 30, 5);
    let mut error = |tokens: &[TokenId], ask| attribute(&mut toy, tokens, &ask).unwrap_err();
    let ask = |target, position| AttributionRequest::new(TokenId(target), position);
    assert!(matches!(error(&[], ask(1, 0)), AttributionError::NoTokens));
    let far = error(&tokens(), ask(1, 5));
    assert!(far.to_string().contains("no position 5: the prompt has 5 tokens"), "{far}");
    let same = error(&tokens(), ask(1, 0).with_versus(Some(TokenId(1))));
    assert!(matches!(same, AttributionError::SameToken { .. }));
    let unknown = error(&tokens(), ask(30, 0));
    assert!(unknown.to_string().contains("token id 30"), "{unknown}");
}

#[test]
fn the_json_keeps_to_its_schema_and_reads_back() {
    let mut toy = ToyBackend::new(3, 8, 30, 5);
    for versus in [None, Some(TokenId(9))] {
        let ask = AttributionRequest::new(TokenId(4), 4).with_versus(versus).with_neurons(3);
        let parts = attribute(&mut toy, &tokens(), &ask).unwrap();
        let ids = tokens();
        let trace =
            AttributionTrace::new(&parts, &AttributionContext::new(("test", "0"), toy.info(), &ids, &()));
        assert_eq!(trace.schema, SCHEMA);
        assert!((trace.contributions.sum() + trace.bias - trace.logit_before_cap).abs() < 1e-5);
        let json = serde_json::to_value(&trace).unwrap();
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&json).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:?}");
        let text = serde_json::to_string(&trace).unwrap();
        assert_eq!(serde_json::from_str::<AttributionTrace>(&text).unwrap(), trace);
        let names: Vec<&str> = trace.contributions.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..3], ["embed", "L0.attn_out", "L0.mlp_out"]);
        assert_eq!((trace.heads.0.len(), trace.neurons.0.len()), (6, 3));
        assert_eq!(trace.heads_by_layer().iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
        // A schema that takes anything would prove nothing.
        let mut broken = json;
        broken["contributions"]["L0.attn"] = Value::from(1.0);
        assert!(!validator.is_valid(&broken));
    }
}
