//! A logit is the sum of what the parts of the model contribute, in every family.

use lens_core::{
    Backend, TokenId, TraceContext,
    attribution::{Attribution, AttributionRequest, AttributionTrace, OutputMap, Shares, attribute},
};
use lens_models::Decoder;
use lens_tests::{Golden, checkpoint_names, decoder, load};
use serde::Deserialize;

/// What float32 may differ from float64, in logits.
const TOLERANCE: f64 = 1e-4;

fn worst(name: &str, parts: &Attribution) -> String {
    format!(
        "{name}: sum {:?}, heads {:?}, neurons {:?} of {}",
        parts.error(),
        parts.heads_error(),
        parts.neurons_error(),
        parts.logit_before_cap
    )
}

fn assert_sums(name: &str, parts: &Attribution, tolerance: f64) {
    let errors = [Some(parts.error()), parts.heads_error(), parts.neurons_error()];
    assert!(errors.into_iter().flatten().all(|error| error.abs() <= tolerance), "{}", worst(name, parts));
    if let Some(embedding) = parts.embedding {
        let error = embedding.token + embedding.position - parts.embed;
        assert!(error.abs() <= tolerance, "{name}: token and position are off from embed by {error}");
    }
}

/// The tokens of a golden, and the most probable ones that it keeps at a position.
fn of_golden(golden: &Golden, position: usize) -> Vec<(TokenId, f32)> {
    let n = golden.tokens.len();
    let at = ((golden.points.len() - 1) * n + position) * 5;
    let ids = &golden.ints("top_ids")[at..at + 5];
    let logits = &golden.floats("top_logits").1[at..at + 5];
    ids.iter().zip(logits).map(|(id, logit)| (TokenId(*id as u32), *logit)).collect()
}

fn with_cap(model: &Decoder, logit: f64) -> f64 {
    match model.spec().readout.post.softcap {
        Some(cap) => f64::from(cap) * (logit / f64::from(cap)).tanh(),
        None => logit,
    }
}

#[test]
fn the_parts_sum_to_the_logit_of_transformers_in_every_family() {
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        let mut model = decoder(&name);
        for position in [golden.tokens.len() - 1, golden.tokens.len() / 2, 0] {
            for (token, expected) in of_golden(&golden, position).into_iter().take(2) {
                let ask = AttributionRequest::new(token, position);
                let parts = attribute(&mut model, &golden.tokens, &ask).unwrap();
                assert_sums(&name, &parts, TOLERANCE);
                assert!(parts.rounding.is_none(), "{name}");
                let expected = f64::from(expected);
                for logit in [with_cap(&model, parts.logit_before_cap), parts.target.logit] {
                    assert!((logit - expected).abs() < TOLERANCE, "{name}: {logit} instead of {expected}");
                }
            }
        }
    }
}

#[test]
fn the_parts_of_a_difference_are_the_differences_of_the_parts() {
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        let mut model = decoder(&name);
        let position = golden.tokens.len() - 1;
        let [one, other] = [0, 1].map(|i| of_golden(&golden, position)[i].0);
        let mut of = |ask: AttributionRequest| attribute(&mut model, &golden.tokens, &ask).unwrap();
        let both = of(AttributionRequest::new(one, position).with_versus(Some(other)));
        let (one, other) =
            (of(AttributionRequest::new(one, position)), of(AttributionRequest::new(other, position)));
        assert_sums(&name, &both, TOLERANCE);
        let near =
            |a: f64, b: f64, what: &str| assert!((a - b).abs() < TOLERANCE, "{name}: {what}: {a}, {b}");
        near(both.logit_before_cap, one.logit_before_cap - other.logit_before_cap, "logit");
        near(both.embed, one.embed - other.embed, "embed");
        near(both.bias.sum(), one.bias.sum() - other.bias.sum(), "bias");
        for (i, layer) in both.layers.iter().enumerate() {
            let (one, other) = (&one.layers[i], &other.layers[i]);
            near(layer.attn_out, one.attn_out - other.attn_out, "attn_out");
            near(layer.mlp_out, one.mlp_out - other.mlp_out, "mlp_out");
            for (h, head) in layer.heads.iter().enumerate() {
                near(*head, one.heads[h] - other.heads[h], "a head");
            }
        }
    }
}

/// In bfloat16 every sum of the stream is rounded; what that adds is a part of its own.
#[test]
fn the_parts_sum_to_the_logit_as_models_are_stored() {
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        let mut model = load(&name, None);
        let position = golden.tokens.len() - 1;
        let ask = AttributionRequest::new(of_golden(&golden, position)[0].0, position);
        let parts = attribute(&mut model, &golden.tokens, &ask).unwrap();
        assert_eq!(parts.rounding.is_some(), model.info().unit_roundoff > f32::EPSILON, "{name}");
        assert!(parts.error().abs() < TOLERANCE, "{}", worst(&name, &parts));
        let rounding = parts.rounding.unwrap_or(0.0).abs();
        assert!(rounding < 0.05 * parts.logit_before_cap.abs().max(1.0), "{name}: rounding adds {rounding}");
    }
}

/// What `tests/fixtures/make_attribution.py` wrote.
#[derive(Deserialize)]
struct Oracle {
    tokens: Vec<TokenId>,
    target: TokenId,
    versus: TokenId,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    contributions: Shares,
    heads: Shares,
    neurons: Shares,
    bias: f64,
    logit_before_cap: f64,
}

#[test]
fn every_share_equals_that_of_hooks_in_transformers() {
    let text = std::fs::read(lens_tests::fixtures().join("attribution.json")).unwrap();
    let oracle: Oracle = serde_json::from_slice(&text).unwrap();
    assert!(oracle.cases.len() >= 6);
    for case in oracle.cases {
        let name = &case.model;
        let mut model = decoder(name);
        let ask = AttributionRequest::new(oracle.target, oracle.tokens.len() - 1)
            .with_versus(Some(oracle.versus))
            .with_neurons(case.neurons.0.len());
        let parts = attribute(&mut model, &oracle.tokens, &ask).unwrap();
        let context = TraceContext::new(("test", "0"), model.info(), &oracle.tokens, &());
        let trace = AttributionTrace::new(&parts, &context);
        let near = |what: &str, got: f64, expected: f64| {
            assert!((got - expected).abs() < TOLERANCE, "{name}: {what}: {got} instead of {expected}");
        };
        near("logit", trace.logit_before_cap, case.logit_before_cap);
        near("bias", trace.bias, case.bias);
        for (got, expected) in [
            (&trace.contributions, &case.contributions),
            (&trace.heads, &case.heads),
            (&trace.neurons, &case.neurons),
        ] {
            assert_eq!(got.0.len(), expected.0.len(), "{name}");
            for (share, value) in &expected.0 {
                near(share, got.get(share).unwrap_or_else(|| panic!("{name} has no {share}")), *value);
            }
        }
    }
}

/// A router's experts are named with their number, and so is the one that sees every token.
#[test]
fn neurons_of_experts_are_named_and_weighed() {
    let golden = Golden::of("qwen2_moe");
    let mut model = decoder("qwen2_moe");
    let position = golden.tokens.len() - 1;
    let ask = AttributionRequest::new(TokenId(5), position).with_neurons(usize::MAX);
    let parts = attribute(&mut model, &golden.tokens, &ask).unwrap();
    assert_sums("qwen2_moe", &parts, TOLERANCE);
    let count = |is: fn(&OutputMap) -> bool| parts.neurons.iter().filter(|neuron| is(&neuron.map)).count();
    let experts = count(|map| matches!(map, OutputMap::Expert(_)));
    assert!(experts > 0 && count(|map| *map == OutputMap::SharedExpert) > 0);
    // All of a layer's neurons together are its branch, as weighed.
    let of_layer = |layer: u16| parts.neurons.iter().filter(move |neuron| neuron.layer == layer);
    for (layer, contributions) in (0..).zip(&parts.layers) {
        let sum: f64 = of_layer(layer).map(|neuron| neuron.contribution).sum();
        let branch = contributions.mlp_out - contributions.mlp_bias.unwrap_or(0.0);
        assert!((sum - branch).abs() < TOLERANCE, "layer {layer}: {sum} instead of {branch}");
    }
    let context = TraceContext::new(("test", "0"), model.info(), &golden.tokens, &());
    let trace = AttributionTrace::new(&parts, &context);
    let named = |part: &str| trace.neurons.0.iter().any(|(name, _)| name.contains(part));
    assert!(named(".e") && named(".shared.n"));
}

#[test]
fn what_is_read_through_norms_is_said_by_name() {
    for (name, expected) in [
        ("gemma2", Some("between the heads and the stream")),
        ("olmo2", Some("between the neurons and the stream")),
        ("opt_post_norm", Some("norms stand on the stream itself")),
        ("lfm2", Some("the mixer has no heads")),
        ("nemotron_h", Some("in layers 1, 3, the block is an MLP alone")),
        ("nemotron_h", Some("in layers 0, 2, 4, the block is a mixer alone")),
        ("llama31", None),
    ] {
        let golden = Golden::of(name);
        let parts =
            attribute(&mut decoder(name), &golden.tokens, &AttributionRequest::new(TokenId(5), 0)).unwrap();
        match expected {
            Some(note) => {
                assert!(parts.notes.iter().any(|said| said.contains(note)), "{name}: {:?}", parts.notes);
            }
            None => assert!(parts.notes.is_empty(), "{name}: {:?}", parts.notes),
        }
    }
}

/// Whatever else changes the stream is no part of the model: the sum of its parts says so.
#[test]
fn a_model_that_is_steered_is_not_the_sum_of_its_parts() {
    let golden = Golden::of("llama31");
    let change = |point: lens_core::Point, value: tch::Tensor| match point {
        lens_core::Point::Block { layer: 1, site: lens_core::Site::ResidMid } => Ok(value.f_mul_scalar(1.5)?),
        _ => Ok(value),
    };
    let ask = AttributionRequest::new(TokenId(5), golden.tokens.len() - 1);
    let mut half = load("llama31", None);
    half.set_edit(Some(Box::new(change)));
    let error = attribute(&mut half, &golden.tokens, &ask).unwrap_err().to_string();
    assert!(error.contains("L1.resid_mid") && error.contains("steered"), "{error}");
    let mut single = decoder("llama31");
    single.set_edit(Some(Box::new(change)));
    let parts = attribute(&mut single, &golden.tokens, &ask).unwrap();
    assert!(parts.error().abs() > 0.01, "{}", parts.error());
}
