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

/// The sites that each layer of a fixture has, by name.
fn sites(name: &str) -> Vec<Vec<&'static str>> {
    let model = decoder(name);
    let info = model.info();
    let of = |layer| {
        let there = Site::ALL.into_iter().filter(move |site| info.has(Point::block(layer, *site)));
        there.map(Site::name).collect()
    };
    (0..info.n_layers).map(of).collect()
}

/// A block that is a mixer alone or an MLP alone has no point of what it lacks.
#[test]
fn blocks_of_one_branch_have_its_points_alone() {
    let mixer = vec!["resid_pre", "z", "attn_out", "resid_post"];
    let mlp = vec!["resid_pre", "mlp_out", "resid_post"];
    assert_eq!(sites("nemotron_h"), [mixer.clone(), mlp.clone(), mixer.clone(), mlp, mixer.clone()]);
    assert_eq!(sites("mamba2"), vec![mixer; 2]);
    assert_eq!(sites("mamba"), vec![vec!["resid_pre", "attn_out", "resid_post"]; 2]);
    let both = vec!["resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post"];
    assert_eq!(sites("falcon_h1"), vec![both; 2]);
    let kinds =
        |name: &str| -> Vec<&str> { decoder(name).info().mixers.iter().map(|mixer| mixer.name()).collect() };
    assert_eq!(kinds("nemotron_h"), ["mamba2", "none", "attention", "none", "mamba2"]);
    assert_eq!(kinds("mamba"), ["mamba"; 2]);
    assert_eq!(kinds("bamba"), ["mamba2", "attention", "mamba2"]);
    assert_eq!(kinds("falcon_h1"), ["attention_and_mamba2"; 2]);
}

/// What comes after the MLP of a block makes what the MLP adds no summand; the sum before it stays what it is.
#[test]
fn a_block_that_ends_with_a_factor_has_no_point_of_its_mlp() {
    let has = vec!["resid_pre", "z", "attn_out", "resid_mid", "resid_post"];
    assert_eq!(sites("gemma4"), vec![has.clone(); 4]);
    assert_eq!(sites("gemma4_moe"), vec![has; 2]);
    assert_eq!(sites("minimax"), vec![vec!["resid_pre", "z", "resid_post"]; 2]);
    for name in ["gemma4", "gemma4_moe"] {
        let tokens = Golden::of(name).tokens;
        let mut model = decoder(name);
        let plan = Plan::default().with_components("mlp_out".parse().unwrap());
        let message = Lens::new(&mut model).read(&tokens, &plan).unwrap_err().to_string();
        assert!(message.contains("mlp_out") && message.contains("gemma4_text"), "{message}");
        let sites = [Site::ResidPre, Site::AttnOut, Site::ResidMid];
        let rows: Vec<usize> = (0..tokens.len()).collect();
        for layer in 0..model.info().n_layers {
            let points = sites.map(|site| Point::block(layer, site)).into_iter().collect();
            let hidden = model.forward(&Forward::new(&tokens, &points, &rows)).unwrap();
            let values = hidden.iter().map(|hidden| {
                let mut values = Vec::new();
                model.rows(hidden, 0..tokens.len(), &mut values).unwrap();
                values
            });
            let [before, added, sum] = values.collect::<Vec<_>>().try_into().unwrap();
            let added = before.iter().zip(&added).map(|(x, y)| x + y);
            assert!(added.zip(&sum).all(|(x, y): (f32, &f32)| (x - y).abs() < 1e-5), "{name}: layer {layer}");
        }
    }
}

/// What a block of one branch adds is the difference that it makes.
#[test]
fn one_branch_is_one_sum() {
    for (name, claim) in [
        ("mamba", "resid_post = resid_pre + attn_out in blocks without an MLP"),
        ("nemotron_h", "resid_post = resid_pre + attn_out in blocks without an MLP"),
        ("nemotron_h", "resid_post = resid_pre + mlp_out in blocks without a mixer"),
    ] {
        let report = check_backend(&mut decoder(name), &Golden::of(name).tokens).unwrap();
        let found = report.findings.iter().find(|finding| finding.claim == claim);
        assert!(found.is_some_and(|finding| finding.outcome == Outcome::Passed), "{name}: {report:?}");
    }
}

/// A component that is named is read where it is; a layer that is named has to have it.
#[test]
fn a_component_is_read_in_the_layers_that_have_it() {
    let tokens = Golden::of("nemotron_h").tokens;
    let mut model = decoder("nemotron_h");
    let plan = Plan::default().with_components("mlp_out".parse().unwrap());
    let reading = Lens::new(&mut model).read(&tokens, &plan).unwrap();
    assert_eq!(reading.points, [1, 3].map(|layer| Point::block(layer, Site::MlpOut)));
    let notes = plan.notes(model.info()).unwrap();
    assert!(notes.iter().any(|note| note.contains("no mlp_out is read in layers 0, 2, 4")), "{notes:?}");
    let plan = plan.with_layers("0".parse().unwrap());
    let message = Lens::new(&mut model).read(&tokens, &plan).unwrap_err().to_string();
    assert!(message.contains("mlp_out") && message.contains("0, 2, 4"), "{message}");
    let plan = Plan::default().with_components("mlp_out".parse().unwrap());
    assert!(Lens::new(&mut decoder("mamba")).read(&Golden::of("mamba").tokens, &plan).is_err());
}
