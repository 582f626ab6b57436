//! The Jacobian lens equals transformers' autograd in float64, and is the derivative of the decoder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{Provenance, Site, TokenId, Translator};
use lens_models::{
    Decoder, StoredDtype,
    fit::{Added, JacobianFit, JacobianOptions, N_PROMPTS, merge},
};
use lens_tests::{Golden, decoder, fixtures, load};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    skip_first: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    /// uᵀ J of each layer.
    rows: Vec<Vec<f64>>,
}

fn fitted(model: &mut Decoder, options: JacobianOptions, prompts: &[&[TokenId]]) -> Translator {
    let mut fit = JacobianFit::new(model, options).unwrap();
    for prompt in prompts {
        assert_eq!(fit.add(prompt).unwrap(), Added::Summed);
    }
    fit.sum().lens(Provenance::default()).unwrap()
}

/// uᵀ J for the vector u of the goldens.
fn weighed(weight: &[f32], d_model: usize) -> Vec<f64> {
    let mut sum = vec![0.0; d_model];
    for (i, row) in weight.chunks_exact(d_model).enumerate() {
        let u = (1.7 * i as f64 + 0.3).cos();
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += u * f64::from(*value));
    }
    sum
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

#[test]
fn jacobians_equal_transformers_on_every_family() {
    let path = fixtures().join("jacobians.json");
    let expected: Expected = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(expected.cases.len() > 40, "only {} cases", expected.cases.len());
    for Case { model: name, rows } in &expected.cases {
        let tokens = Golden::of(name).tokens;
        let mut model = decoder(name);
        let d_model = model.spec().d_model;
        // 7 does not divide the width: the last batch is a smaller one.
        let options = JacobianOptions::default().with_skip_first(expected.skip_first).with_dim_batch(7);
        let lens = fitted(&mut model, options, &[&tokens]);
        assert_eq!(lens.points().count(), rows.len(), "{name}");
        for (point, row) in lens.points().zip(rows) {
            let got = weighed(lens.map(point).unwrap().weight(), d_model);
            let off = distance(&got, row);
            assert!(off < 1e-4, "{name}: {point} is off by {off:e}");
        }
    }
}

/// A model in bfloat16: near the lens of the same model in float32, kept and merged without a bit of difference.
#[test]
fn a_model_in_bfloat16_has_a_jacobian_lens_in_float32() {
    for name in ["llama2", "gemma2", "gpt2"] {
        let tokens = Golden::of(name).tokens;
        let options = || JacobianOptions::default().with_skip_first(1).with_dim_batch(64);
        let (first, second): (&[TokenId], &[TokenId]) = (&tokens, &tokens[..5]);
        let bf16 =
            |prompts: &[&[TokenId]]| fitted(&mut load(name, Some(StoredDtype::Bf16)), options(), prompts);
        let whole = bf16(&[first, second]);
        let expected = fitted(&mut decoder(name), options(), &[first, second]);
        for point in whole.points() {
            let wide = |lens: &Translator| -> Vec<f64> {
                lens.map(point).unwrap().weight().iter().copied().map(f64::from).collect()
            };
            // Activations and derivatives are rounded to 8 bits on the way through every block.
            let off = distance(&wide(&whole), &wide(&expected));
            assert!(off < 0.05, "{name}: {point} is off by {off}");
        }
        let part = |prompts: &[&[TokenId]]| {
            let lens = bf16(prompts);
            let n = [(N_PROMPTS.to_owned(), prompts.len().to_string())];
            lens.with_provenance(Provenance::default().with_details(n.into()))
        };
        let merged = merge(&[part(&[first]), part(&[second])]).unwrap();
        for point in whole.points() {
            let [a, b] = [&merged, &whole].map(|lens| lens.map(point).unwrap().weight());
            let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let largest = b.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            assert!(
                worst <= 2.0 * f32::EPSILON * largest,
                "{name}: {point} of the merged lens is off by {worst}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut model = load(name, Some(StoredDtype::Bf16));
        let mut before = JacobianFit::new(&mut model, options()).unwrap();
        before.add(first).unwrap();
        before.keep(&path).unwrap();
        let mut model = load(name, Some(StoredDtype::Bf16));
        let mut after = JacobianFit::new(&mut model, options()).unwrap();
        assert!(after.resume(&path).unwrap());
        assert_eq!(after.add(first).unwrap(), Added::Before);
        assert_eq!(after.add(second).unwrap(), Added::Summed);
        assert!(after.sum().lens(Provenance::default()).unwrap() == whole, "{name}: the lenses differ");
    }
}

#[test]
fn the_size_of_a_batch_changes_nothing_but_rounding() {
    let tokens = Golden::of("gemma2").tokens;
    let lens = |batch| {
        let options = JacobianOptions::default().with_skip_first(1).with_dim_batch(batch);
        fitted(&mut decoder("gemma2"), options, &[&tokens, &tokens[..4]])
    };
    let (one, many) = (lens(1), lens(64));
    for point in one.points() {
        let wide = |lens: &Translator| -> Vec<f64> {
            lens.map(point).unwrap().weight().iter().copied().map(f64::from).collect()
        };
        let off = distance(&wide(&one), &wide(&many));
        assert!(off < 1e-5, "{point} is off by {off:e}");
    }
}

#[test]
fn what_is_too_short_or_not_there_is_refused() {
    let mut model = decoder("llama2");
    let tokens = Golden::of("llama2").tokens;
    let n_layers = model.spec().layers.len() as u16;
    let refused = |model: &mut Decoder, options| JacobianFit::new(model, options).map(drop).unwrap_err();
    let options = JacobianOptions::default();
    let message = refused(&mut model, options.clone().with_layers(Some(vec![n_layers - 1]))).to_string();
    assert!(message.contains(&format!("layer {} has no Jacobian", n_layers - 1)), "{message}");
    refused(&mut model, options.clone().with_dim_batch(0));
    refused(&mut model, options.clone().with_max_tokens(10));
    let mut fit = JacobianFit::new(&mut model, options.with_skip_first(3)).unwrap();
    // Position 3 is the last one, and nothing else is left.
    assert_eq!(fit.add(&tokens[..4]).unwrap(), Added::TooShort);
    assert!(fit.sum().lens(Provenance::default()).is_err());
    assert_eq!(fit.add(&tokens[..5]).unwrap(), Added::Summed);
    assert_eq!(fit.sum().n_prompts(), 1);
}

/// The other sites of a block: a Jacobian at `mlp_out` is that at `resid_post`, since one is a summand of the other.
#[test]
fn a_jacobian_at_a_summand_is_that_at_the_sum() {
    let tokens = Golden::of("llama2").tokens;
    let at = |site| {
        let options =
            JacobianOptions::default().with_skip_first(1).with_site(site).with_layers(Some(vec![0]));
        fitted(&mut decoder("llama2"), options, &[&tokens])
    };
    let weight = |lens: &Translator| -> Vec<f64> {
        let point = lens.points().next().unwrap();
        lens.map(point).unwrap().weight().iter().copied().map(f64::from).collect()
    };
    let off = distance(&weight(&at(Site::MlpOut)), &weight(&at(Site::ResidPost)));
    assert!(off < 1e-5, "off by {off:e}");
}

#[test]
fn a_resumed_fit_equals_one_without_a_break_bit_for_bit() {
    let tokens = Golden::of("gpt2").tokens;
    let prompts: [&[TokenId]; 4] = [&tokens, &tokens[..4], &tokens[3..], &tokens[5..15]];
    let options = JacobianOptions::default().with_skip_first(4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");

    let mut model = decoder("gpt2");
    let mut whole = JacobianFit::new(&mut model, options.clone()).unwrap();
    for prompt in prompts {
        whole.add(prompt).unwrap();
    }
    let whole = whole.sum().clone();

    let mut model = decoder("gpt2");
    let mut first = JacobianFit::new(&mut model, options.clone()).unwrap();
    assert!(!first.resume(&path).unwrap(), "there is nothing to resume yet");
    first.add(prompts[0]).unwrap();
    first.add(prompts[1]).unwrap();
    first.keep(&path).unwrap();
    // What comes after is lost.
    first.add(prompts[2]).unwrap();

    let mut model = decoder("gpt2");
    let mut second = JacobianFit::new(&mut model, options.clone()).unwrap();
    assert!(second.resume(&path).unwrap());
    let added: Vec<Added> = prompts.iter().map(|prompt| second.add(prompt).unwrap()).collect();
    assert_eq!(added, [Added::Before, Added::Before, Added::Summed, Added::Summed]);
    assert_eq!(second.too_short(), 1);
    assert!(*second.sum() == whole, "the sums differ");

    let mut model = decoder("gpt2");
    let mut other = JacobianFit::new(&mut model, options.clone()).unwrap();
    assert!(other.resume(&path).unwrap());
    other.add(prompts[0]).unwrap();
    let message = other.add(prompts[2]).unwrap_err().to_string();
    assert!(message.contains("the first 2 prompts differ"), "{message}");
    let mut other = JacobianFit::new(&mut model, options.with_dim_batch(3)).unwrap();
    let message = other.resume(&path).unwrap_err().to_string();
    assert!(message.contains("dim_batch (8 there, 3 here)"), "{message}");
}

#[test]
fn parts_merge_into_the_lens_of_all_prompts() {
    let tokens = Golden::of("gpt2").tokens;
    let prompts: [&[TokenId]; 3] = [&tokens, &tokens[2..], &tokens[..12]];
    let options = JacobianOptions::default().with_skip_first(2);
    let part = |prompts: &[&[TokenId]]| {
        let mut model = decoder("gpt2");
        let mut fit = JacobianFit::new(&mut model, options.clone()).unwrap();
        for prompt in prompts {
            fit.add(prompt).unwrap();
        }
        let n = [(N_PROMPTS.to_owned(), fit.sum().n_prompts().to_string())];
        let provenance = Provenance::default().with_base_model(Some("gpt2".into())).with_details(n.into());
        fit.sum().lens(provenance).unwrap()
    };
    let (all, one, two) = (part(&prompts), part(&prompts[..1]), part(&prompts[1..]));
    let merged = merge(&[one.clone(), two]).unwrap();
    assert_eq!(merged.provenance().details[N_PROMPTS], "3");
    assert_eq!(merged.provenance().base_model.as_deref(), Some("gpt2"));
    for point in all.points() {
        let (a, b) = (all.map(point).unwrap().weight(), merged.map(point).unwrap().weight());
        let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-6, "{point} is off by {off:e}");
    }
    let unsaid = Translator::jacobian(
        one.d_model(),
        Site::ResidPost,
        one.points().map(|point| (point.layer().unwrap(), (**one.map(point).unwrap()).clone())),
        Provenance::default().with_base_model(Some("gpt2".into())),
    );
    let message = merge(&[one, unsaid.unwrap()]).unwrap_err().to_string();
    assert!(message.contains("lens 2 cannot be merged") && message.contains("n_prompts"), "{message}");
}
