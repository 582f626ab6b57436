//! Every family keeps the identities of the residual stream, in every dtype.

use lens_core::{Backend, Forward, Lens, Outcome, Plan, Point, Selection, Site, TokenId, check_backend};
use lens_models::StoredDtype;
use lens_tests::{Golden, checkpoint_names, decoder, load};

#[test]
fn every_family_keeps_the_identities_in_float32() {
    for name in checkpoint_names() {
        let report = check_backend(&mut decoder(&name), &Golden::of(&name).tokens).unwrap();
        let failed: Vec<_> =
            report.findings.iter().filter(|finding| finding.outcome == Outcome::Failed).collect();
        assert!(failed.is_empty(), "{name}: {failed:?}");
        assert!(report.findings.len() >= 5, "{name}: only {} claims were checked", report.findings.len());
    }
}

#[test]
fn every_family_keeps_the_identities_as_it_is_stored() {
    for name in checkpoint_names() {
        let report = check_backend(&mut load(&name, None), &Golden::of(&name).tokens).unwrap();
        let failed: Vec<_> =
            report.findings.iter().filter(|finding| finding.outcome == Outcome::Failed).collect();
        assert!(failed.is_empty(), "{name}: {failed:?}");
    }
}

/// A long prompt is run in steps; what is read must not depend on how long they are.
#[test]
fn readings_do_not_depend_on_the_memory_budget() {
    for name in checkpoint_names() {
        let tokens = Golden::of(&name).tokens;
        let plan = Plan::default().with_positions(Selection::all());
        let whole = Lens::new(&mut decoder(&name)).read(&tokens, &plan).unwrap();
        // So little that every step is a few tokens, or one.
        let mut model = decoder(&name);
        let budget = 3 * 4 * model.info().d_model * whole.points.len();
        let steps = Lens::new(&mut model).read(&tokens, &plan.with_memory_budget(Some(budget))).unwrap();
        assert_eq!(whole.points, steps.points, "{name}");
        for (a, b) in whole.readouts.iter().zip(&steps.readouts) {
            let difference = (a.log_sum_exp - b.log_sum_exp).abs();
            assert!(difference < 1e-4, "{name}: log-sum-exp differs by {difference}");
            assert_eq!(a.top1(), b.top1(), "{name}");
        }
    }
}

#[test]
fn a_model_takes_no_more_tokens_than_it_has_positions() {
    let mut model = decoder("gpt2");
    let max = model.info().max_positions.unwrap();
    let tokens = vec![TokenId(1); max + 1];
    let message = Lens::new(&mut model).read(&tokens, &Plan::default()).unwrap_err().to_string();
    assert!(message.contains(&max.to_string()), "{message}");
    Lens::new(&mut model).read(&tokens[..max], &Plan::default()).unwrap();
}

#[test]
fn components_that_a_family_does_not_have_are_refused_by_name() {
    let tokens = Golden::of("opt_post_norm").tokens;
    let mut model = decoder("opt_post_norm");
    let plan = Plan::default().with_components("attn_out".parse().unwrap());
    let message = Lens::new(&mut model).read(&tokens, &plan).unwrap_err().to_string();
    assert!(message.contains("attn_out") && message.contains("opt"), "{message}");
    // "all" means all there are.
    let reading = Lens::new(&mut model).read(&tokens, &Plan::default()).unwrap();
    assert!(reading.points.len() > 2);
}

#[test]
fn float32_weights_can_be_used_in_half_the_bytes() {
    let tokens = Golden::of("llama_f32").tokens;
    for dtype in [StoredDtype::Bf16, StoredDtype::F16] {
        let mut model = load("llama_f32", Some(dtype));
        assert_eq!(model.info().dtype, dtype);
        let reading = Lens::new(&mut model).read(&tokens, &Plan::default()).unwrap();
        assert!(reading.self_check.is_some_and(|check| check.passed), "{dtype}: {:?}", reading.self_check);
    }
}

/// A layer without attention has no `z`; what is asked of it by name is refused with the point.
#[test]
fn only_layers_with_attention_have_z() {
    let mut model = decoder("lfm2");
    let tokens = Golden::of("lfm2").tokens;
    for layer in 0..3 {
        let point = Point::block(layer, Site::Z);
        assert_eq!(model.info().has(point), layer == 1);
        let points = [point].into_iter().collect();
        match model.forward(&Forward::new(&tokens, &points, &[0])) {
            Ok(_) => assert_eq!(layer, 1),
            Err(error) => assert!(error.to_string().contains(&format!("no point {point}")), "{error}"),
        }
    }
    let mixers: Vec<&str> = model.info().mixers.iter().map(|mixer| mixer.name()).collect();
    assert_eq!(mixers, ["short_convolution", "attention", "short_convolution"]);
}
