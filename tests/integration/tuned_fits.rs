//! Training a tuned lens: the plain lens at first, PyTorch's own optimisers step by step, and bit for bit after a break.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{
    Lens, LensChoice, LensSet, Plan, Provenance, Question, Selection, Statistic, StatisticSet, TokenId,
    Translator,
};
use lens_models::{
    Decoder, LoadOptions, StoredDtype, demo,
    fit::{Corpus, Documents, Optimiser, TunedFit, TunedOptions},
    session::Speech,
};
use lens_tests::{Golden, checkpoint_names, decoder, fixtures, load};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    length: usize,
    steps: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    optimiser: String,
    tokens: Vec<TokenId>,
    losses: Vec<Vec<f64>>,
    norms: Vec<f64>,
    /// uᵀ W of each layer.
    rows: Vec<Vec<f64>>,
    biases: Vec<Vec<f64>>,
}

/// The largest difference, beside the largest value.
fn distance(got: impl IntoIterator<Item = f64>, expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let worst = got.into_iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    worst / largest
}

fn weights(lens: &Translator) -> Vec<(&[f32], &[f32])> {
    let maps = lens.points().map(|point| lens.map(point).unwrap());
    maps.map(|map| (map.weight(), map.bias().unwrap())).collect()
}

#[test]
fn training_equals_pytorch() {
    let path = fixtures().join("tuned_fits.json");
    let expected: Expected = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(expected.cases.len(), 6);
    for case in &expected.cases {
        let name = format!("{} with {}", case.model, case.optimiser);
        let mut model = decoder(&case.model);
        let d_model = model.spec().d_model;
        let corpus = Corpus::new(case.tokens.clone(), expected.length, 0.0, 1).unwrap();
        let options = TunedOptions::default()
            .with_steps(expected.steps)
            .with_optimiser(case.optimiser.parse().unwrap())
            .with_sequences_at_once(3) // not a divisor of the four that a step has
            .with_warmup((case.optimiser == "adam").then_some(2));
        let mut fit = TunedFit::new(&mut model, corpus, options).unwrap();
        for (losses, norm) in case.losses.iter().zip(&case.norms) {
            let step = fit.step().unwrap();
            assert!(distance(step.losses.clone(), losses) < 1e-5, "{name}: {step:?} instead of {losses:?}");
            assert!((step.gradient_norm / norm - 1.0).abs() < 1e-4, "{name}: {step:?} instead of {norm}");
        }
        assert!(fit.is_done());
        let lens = fit.lens(Provenance::default()).unwrap();
        for (layer, (weight, bias)) in weights(&lens).into_iter().enumerate() {
            let mut row = vec![0.0; d_model];
            for (i, weights) in weight.chunks_exact(d_model).enumerate() {
                let u = (1.7 * i as f64 + 0.3).cos();
                row.iter_mut().zip(weights).for_each(|(sum, w)| *sum += u * f64::from(*w));
            }
            let off = distance(row, &case.rows[layer]);
            assert!(off < 1e-3, "{name}: the weight of layer {layer} is off by {off:e}");
            let off = distance(bias.iter().copied().map(f64::from), &case.biases[layer]);
            assert!(off < 1e-3, "{name}: the bias of layer {layer} is off by {off:e}");
        }
    }
}

/// KL(final ‖ lens) at every block's input, averaged over the positions, by the path that readouts take.
fn by_readouts(model: &mut Decoder, tokens: &[TokenId], lens: Option<Translator>) -> Vec<f64> {
    let choice = lens.map_or(LensChoice::Logit, |lens| LensChoice::Translated(lens.into()));
    let plan = Plan::default()
        .with_components("resid_pre".parse().unwrap())
        .with_positions(Selection::all())
        .with_lenses(LensSet::new([choice]).unwrap())
        .with_question(Question::default().with_statistics(StatisticSet::all()));
    let reading = Lens::new(model).read(tokens, &plan).unwrap();
    let mut sums = Vec::new();
    for position in 0..tokens.len() {
        let here = reading.all_at(position).map(|(_, _, readout)| readout.get(Statistic::KlToFinal).unwrap());
        for (layer, kl) in here.enumerate() {
            if sums.len() == layer {
                sums.push(0.0);
            }
            sums[layer] += kl / tokens.len() as f64;
        }
    }
    sums
}

/// Final norms, biases, scales and soft caps of all families: the head that is differentiated is the readout.
#[test]
fn the_loss_is_the_divergence_of_readouts_on_every_family() {
    for name in checkpoint_names() {
        let tokens = Golden::of(&name).tokens;
        let mut model = decoder(&name);
        let expected = by_readouts(&mut model, &tokens, None);
        let corpus = Corpus::new(tokens.clone(), tokens.len(), 0.0, 1).unwrap();
        let mut fit = TunedFit::new(&mut model, corpus, TunedOptions::default().with_steps(2)).unwrap();
        let got = fit.step().unwrap().losses;
        assert_eq!(got.len(), expected.len(), "{name}");
        for (layer, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert!((got - expected).abs() < 1e-4, "{name}: layer {layer} has {got} instead of {expected}");
        }
        let after = fit.step().unwrap().losses;
        let learned = after.iter().zip(&got).all(|(after, before)| after < before);
        assert!(learned, "{name}: {after:?} after {got:?}");
    }
}

/// A text that repeats itself with variations: something to learn for a model of random weights.
fn text(n: usize) -> Vec<TokenId> {
    (0..n).map(|i| TokenId(((i * i * 7 + i * 3) % 23) as u32)).collect()
}

#[test]
fn a_resumed_fit_equals_one_without_a_break_bit_for_bit() {
    for optimiser in Optimiser::ALL {
        let options =
            TunedOptions::default().with_steps(6).with_tokens_per_step(40).with_optimiser(optimiser);
        let corpus = || Corpus::new(text(305), 10, 0.1, 5).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");

        let mut model = decoder("llama2");
        let mut whole = TunedFit::new(&mut model, corpus(), options.clone()).unwrap();
        assert_eq!(whole.sequences_per_step(), 4);
        whole.held_out().unwrap();
        while !whole.is_done() {
            whole.step().unwrap();
        }
        whole.held_out().unwrap();

        let mut model = decoder("llama2");
        let mut first = TunedFit::new(&mut model, corpus(), options.clone()).unwrap();
        assert!(!first.resume(&path).unwrap());
        first.held_out().unwrap();
        for _ in 0..3 {
            first.step().unwrap();
        }
        first.keep(&path).unwrap();
        first.step().unwrap();

        let mut model = decoder("llama2");
        let mut second = TunedFit::new(&mut model, corpus(), options.clone()).unwrap();
        assert!(second.resume(&path).unwrap());
        assert_eq!(second.steps(), 3);
        while !second.is_done() {
            second.step().unwrap();
        }
        second.held_out().unwrap();
        assert_eq!(second.curve(), whole.curve());
        let lenses = [whole, second].map(|fit| fit.lens(Provenance::default()).unwrap());
        assert!(lenses[0] == lenses[1], "{optimiser}: the lenses differ");

        let mut model = decoder("llama2");
        let other = Corpus::new(text(306), 10, 0.1, 5).unwrap();
        let mut other = TunedFit::new(&mut model, other, options).unwrap();
        let message = other.resume(&path).unwrap_err().to_string();
        assert!(message.contains("text (") && message.contains("differ"), "{message}");
    }
}

/// The stream of a model in bfloat16 is rounded; translators, gradients and losses are not. The loss is that of the same
/// model in float32 as far as the stream's roundings go, it falls at every layer, and a break changes no bit.
#[test]
fn a_model_in_bfloat16_is_fitted_in_float32() {
    for name in ["llama2", "gemma2", "gpt2"] {
        for optimiser in Optimiser::ALL {
            let options =
                TunedOptions::default().with_steps(12).with_tokens_per_step(80).with_optimiser(optimiser);
            let corpus = || Corpus::new(text(305), 10, 0.1, 5).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state");

            let mut wide = load(name, Some(StoredDtype::F32));
            let expected =
                TunedFit::new(&mut wide, corpus(), options.clone()).unwrap().step().unwrap().losses;

            let mut model = load(name, Some(StoredDtype::Bf16));
            let mut whole = TunedFit::new(&mut model, corpus(), options.clone()).unwrap();
            whole.held_out().unwrap();
            let first = whole.step().unwrap().losses;
            for (layer, (got, expected)) in first.iter().zip(&expected).enumerate() {
                let off = (got / expected - 1.0).abs();
                assert!(
                    off < 0.05,
                    "{name} with {optimiser}: layer {layer} begins at {got}, not at {expected}"
                );
            }
            while !whole.is_done() {
                whole.step().unwrap();
            }
            whole.held_out().unwrap();
            let [plain, .., fitted] = whole.curve() else { panic!("the curve has two points") };
            let learned = fitted.kl.iter().zip(&plain.kl).all(|(fitted, plain)| fitted < plain);
            assert!(learned, "{name} with {optimiser}: {fitted:?} after {plain:?}");
            let whole = whole.lens(Provenance::default()).unwrap();
            // What a step adds is often less than bfloat16 could hold beside the weight.
            let is_rounded = |w: &f32| w.to_bits() & 0xffff == 0;
            for (layer, (weight, bias)) in weights(&whole).into_iter().enumerate() {
                let rounded = weight.iter().chain(bias).filter(|w| is_rounded(w)).count();
                assert!(
                    rounded < weight.len() / 10,
                    "{name}: layer {layer} of the lens is rounded to bfloat16"
                );
            }

            let mut model = load(name, Some(StoredDtype::Bf16));
            let mut before = TunedFit::new(&mut model, corpus(), options.clone()).unwrap();
            before.held_out().unwrap();
            for _ in 0..5 {
                before.step().unwrap();
            }
            before.keep(&path).unwrap();
            let mut model = load(name, Some(StoredDtype::Bf16));
            let mut after = TunedFit::new(&mut model, corpus(), options).unwrap();
            assert!(after.resume(&path).unwrap());
            while !after.is_done() {
                after.step().unwrap();
            }
            let after = after.lens(Provenance::default()).unwrap();
            assert!(after == whole, "{name} with {optimiser}: the lenses differ");
        }
    }
}

#[test]
fn what_is_held_out_is_read_as_by_any_other_run() {
    let mut model = decoder("gemma2");
    let corpus = Corpus::new(text(200), 20, 0.2, 3).unwrap();
    let held: Vec<Vec<TokenId>> = corpus.held_out(1).collect();
    let options = TunedOptions::default().with_steps(5).with_tokens_per_step(160);
    let mut fit = TunedFit::new(&mut model, corpus, options).unwrap();
    let plain = fit.held_out().unwrap().unwrap().kl.clone();
    while !fit.is_done() {
        fit.step().unwrap();
    }
    let fitted = fit.held_out().unwrap().unwrap().kl.clone();
    let lens = fit.lens(Provenance::default()).unwrap();
    let mut mean = |lens: Option<&Translator>| -> Vec<f64> {
        let each: Vec<Vec<f64>> =
            held.iter().map(|tokens| by_readouts(&mut model, tokens, lens.cloned())).collect();
        let of = |layer: usize| each.iter().map(|kl| kl[layer]).sum::<f64>() / each.len() as f64;
        (0..each[0].len()).map(of).collect()
    };
    for (got, expected) in [(&plain, mean(None)), (&fitted, mean(Some(&lens)))] {
        for (got, expected) in got.iter().zip(&expected) {
            assert!((got - expected).abs() < 1e-4, "{got} instead of {expected}");
        }
    }
    assert!(fitted.iter().zip(&plain).all(|(fitted, plain)| fitted < plain), "{fitted:?} after {plain:?}");
}

/// A document of the fixture in the demo model's language.
#[derive(Deserialize)]
struct Document {
    text: String,
}

#[test]
fn a_lens_fitted_to_the_demo_model_is_closer_to_its_answer_at_every_layer() {
    let checkpoint = demo::checkpoint().unwrap();
    let speech = Speech::of(&checkpoint).unwrap();
    let documents = Documents::new(&speech).unwrap();
    let text = std::fs::read_to_string(fixtures().join("demo").join("text.jsonl")).unwrap();
    let tokens: Vec<TokenId> = text
        .lines()
        .map(|line| serde_json::from_str::<Document>(line).unwrap().text)
        .flat_map(|document| documents.encode(&document).unwrap())
        .collect();
    let mut model = Decoder::load(checkpoint, &LoadOptions::default()).unwrap();
    let corpus = Corpus::new(tokens, 64, 0.05, 1).unwrap();
    let options = TunedOptions::default()
        .with_steps(8)
        .with_tokens_per_step(1024)
        .with_sequences_at_once(16)
        .with_optimiser(Optimiser::Adam)
        .with_warmup(Some(1));
    let mut fit = TunedFit::new(&mut model, corpus, options).unwrap();
    fit.held_out().unwrap();
    while !fit.is_done() {
        fit.step().unwrap();
    }
    fit.held_out().unwrap();
    let [plain, fitted] = fit.curve() else { panic!("the curve has two points") };
    assert!(
        fitted.kl.iter().zip(&plain.kl).all(|(fitted, plain)| fitted < plain),
        "{fitted:?} after {plain:?}"
    );
}
