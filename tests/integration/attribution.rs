//! A logit is the sum of what the parts of the model contribute, in every family.

use lens_core::{
    Backend, TokenId,
    attribution::{Attribution, AttributionRequest, attribute},
};
use lens_models::Decoder;
use lens_tests::{Golden, checkpoint_names, decoder, load};

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
