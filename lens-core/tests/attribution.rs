//! Logits of the toy taken apart, beside its own arithmetic; and the JSON of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use lens_core::{
    Backend, Lens, LensChoice, LensMap, LensSet, NormMode, Plan, Point, Provenance, Question, Site, TokenId,
    TraceContext, Translator,
    attribution::{Attribution, AttributionError, AttributionRequest, AttributionTrace, SCHEMA, attribute},
    steer,
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

/// A map that changes every value, and is not the same for all points.
fn map(d: usize, residual: bool, seed: usize) -> LensMap {
    let weight = (0..d * d).map(|i| ((i * 37 + seed * 11) % 17) as f32 * 0.02 - 0.15).collect();
    let bias = residual.then(|| (0..d).map(|i| (i % 5) as f32 * 0.1 - 0.2).collect());
    LensMap::new(d, weight, bias, residual).unwrap()
}

/// The logit of a target at a point, as the lens reads it.
fn read_at(
    toy: &mut ToyBackend,
    point: Point,
    lens: Option<&LensMap>,
    target: TokenId,
    position: usize,
) -> f64 {
    let lenses = match lens {
        None => LensSet::default(),
        Some(map) => {
            let kind =
                if map.is_residual() { lens_core::LensKind::Tuned } else { lens_core::LensKind::Jacobian };
            let lens = Translator::new(kind, map.d_model(), [(point, map.clone())], Provenance::default());
            LensSet::new([LensChoice::Translated(lens.unwrap().into())]).unwrap()
        }
    };
    let plan = Plan::default()
        .with_positions(position.to_string().parse().unwrap())
        .with_components(point.component().to_string().parse().unwrap())
        .with_lenses(lenses)
        .with_question(Question::default().with_targets(vec![target]));
    let reading = Lens::new(toy).read(&tokens(), &plan).unwrap();
    let (_, readout) = reading.at(0).find(|(read, _)| *read == point).unwrap();
    f64::from(readout.targets[0].score.logit)
}

#[test]
fn a_logit_in_the_middle_is_the_sum_of_what_came_before_it() {
    let (target, position) = (TokenId(7), 3);
    let at = |layer, site| Point::block(layer, site);
    let points = [
        (Point::Embed, 0),
        (at(0, Site::ResidPre), 0),
        (at(2, Site::ResidPre), 2),
        (at(2, Site::ResidPost), 3),
        (at(3, Site::ResidPost), 4),
    ];
    for versus in [None, Some(TokenId(9))] {
        let mut toy = ToyBackend::new(4, 16, 50, 11);
        for (point, blocks) in points {
            for lens in [None, Some(map(16, true, 1)), Some(map(16, false, 2))] {
                let ask = AttributionRequest::new(target, position)
                    .with_versus(versus)
                    .with_point(Some(point))
                    .with_map(lens.clone().map(Arc::new));
                let parts = attribute(&mut toy, &tokens(), &ask).unwrap();
                let other = versus.map(|other| read_at(&mut toy, point, lens.as_ref(), other, position));
                let logit = read_at(&mut toy, point, lens.as_ref(), target, position) - other.unwrap_or(0.0);
                assert!(parts.check.passed, "{point}: {:?}", parts.check);
                assert!(
                    (parts.logit_before_cap - logit).abs() < 1e-4,
                    "{point}: {parts:?}, and read {logit}"
                );
                assert!(parts.error().abs() < 1e-5, "{point}: {}", parts.error());
                assert_eq!(parts.layers.len(), blocks, "{point}");
                assert!(lens.as_ref().is_some_and(LensMap::is_residual) == (parts.bias.lens != 0.0));
            }
        }
    }
}

#[test]
fn a_place_where_no_logit_is_read_is_refused() {
    let mut toy = ToyBackend::new(2, 8, 30, 5);
    for point in
        [Point::block(0, Site::AttnOut), Point::block(0, Site::ResidMid), Point::block(2, Site::ResidPre)]
    {
        let ask = AttributionRequest::new(TokenId(4), 2).with_point(Some(point));
        let error = attribute(&mut toy, &tokens(), &ask).unwrap_err();
        assert!(matches!(error, AttributionError::NoPlace { .. }), "{point}: {error}");
    }
}

/// The parts of a logit of a model that is being changed, and of the same model as it is.
fn changed(changes: &[&str], ask: &AttributionRequest) -> (Attribution, Attribution) {
    let mut toy = ToyBackend::new(3, 16, 50, 11);
    let plain = attribute(&mut toy, &tokens(), ask).unwrap();
    let changes: Vec<_> = changes.iter().map(|change| change.parse().unwrap()).collect();
    let no_texts = |_: &str| Err("there is no tokenizer".to_owned());
    let steering = steer(&mut toy, &changes, &tokens(), &no_texts, &mut ()).unwrap();
    toy.set_edits(Some(steering.edits)).unwrap();
    let parts = attribute(&mut toy, &tokens(), ask).unwrap();
    assert!(toy.set_edits(None).unwrap().is_some(), "the edits are still there");
    (plain, parts)
}

#[test]
fn what_a_change_adds_is_a_part_of_its_own() {
    let ask = AttributionRequest::new(TokenId(7), 3);
    for (change, point) in [
        ("L1.resid_pre *= 1.5", Point::block(1, Site::ResidPre)),
        ("L0.resid_pre *= 1.5", Point::block(0, Site::ResidPre)),
        ("L1.attn_out *= 3", Point::block(1, Site::AttnOut)),
        ("L1.resid_mid *= 0.5", Point::block(1, Site::ResidMid)),
        ("L1.mlp_out = 0", Point::block(1, Site::MlpOut)),
        ("L2.resid_post[3] = mean", Point::block(2, Site::ResidPost)),
        ("L1.resid_post = mean", Point::block(1, Site::ResidPost)),
    ] {
        let (plain, parts) = changed(&[change], &ask);
        assert!(parts.error().abs() < 1e-5 && parts.check.passed, "{change}: {}", parts.error());
        assert_eq!(parts.changes.iter().map(|(point, _)| *point).collect::<Vec<_>>(), [point], "{change}");
        assert!(parts.changes[0].1.abs() > 1e-3, "{change}: {:?}", parts.changes);
        assert!((parts.logit_before_cap - plain.logit_before_cap).abs() > 1e-3, "{change}");
        // Heads and neurons are those of what the model computed.
        let units = [parts.heads_error(), parts.neurons_error()].map(|error| error.unwrap().abs());
        assert!(units.iter().all(|error| *error < 1e-5), "{change}: {units:?}");
    }
    // Nothing of a branch is left where it is silenced, and nothing is new where another position is changed.
    let (_, parts) = changed(&["L1.mlp_out = 0"], &ask);
    assert!((parts.layers[1].mlp_out + parts.changes[0].1).abs() < 1e-6);
    let (_, parts) = changed(&["L2.resid_post[1] *= 2"], &ask);
    assert_eq!(parts.changes, []);
    // A head that is silenced has no share, and attention is the sum of the others.
    let (_, parts) = changed(&["L1.z.h1 = 0"], &ask);
    assert_eq!((parts.changes.len(), parts.layers[1].heads[1]), (0, 0.0));
    assert!(parts.error().abs() < 1e-5 && parts.heads_error().unwrap().abs() < 1e-5);
    let (_, both) = changed(&["L0.attn_out *= 3", "L2.resid_mid *= 0.5"], &ask);
    assert_eq!(both.changes.len(), 2);
    assert!(both.error().abs() < 1e-5 && both.changes[0].0 < both.changes[1].0, "{:?}", both.changes);
    // Before the place that is read, and after it.
    let early = ask.with_point(Some(Point::block(2, Site::ResidPre)));
    let (_, parts) = changed(&["L2.resid_pre *= 2", "L2.mlp_out = 0"], &early);
    assert_eq!(parts.changes.len(), 1);
    assert!(parts.error().abs() < 1e-5, "{}", parts.error());
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
        let no_texts = |_: &str| Err(String::new());
        let changes = ["L1.mlp_out *= 2".parse().unwrap(), "L2.resid_pre *= 2".parse().unwrap()];
        let steering = steer(&mut toy, &changes, &tokens(), &no_texts, &mut ()).unwrap();
        toy.set_edits(versus.map(|_| steering.edits)).unwrap();
        let lens = versus.is_none().then(|| Arc::new(map(8, true, 1)));
        let point = lens.is_some().then(|| Point::block(2, Site::ResidPost));
        let ask = ask.with_map(lens).with_point(point);
        let parts = attribute(&mut toy, &tokens(), &ask).unwrap();
        let ids = tokens();
        let trace = AttributionTrace::new(&parts, &TraceContext::new(("test", "0"), toy.info(), &ids, &()));
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
