//! Two decoders on one text: zero where nothing differs, and the change found where it was made, in every family.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use lens_core::{
    Backend, Forward, Point, PointSet, Site, TokenId,
    diff::{Diff, DiffError, DiffPlan, DiffReport, rounding},
    evaluate::EvaluationOptions,
};
use lens_models::{Decoder, LoadOptions, ModelError, StoredDtype, demo};
use lens_tests::{Copied, Golden, Stored, checkpoint_names, decoder, fixtures, load};
use safetensors::SafeTensors;
use tch::Tensor;

fn plan(model: &Decoder) -> DiffPlan {
    let has_heads = model.info().heads.iter().any(|heads| heads.n > 0);
    let components = if has_heads { "all,heads" } else { "all" };
    DiffPlan::default()
        .with_components(components.parse().unwrap())
        .with_options(EvaluationOptions::default().with_resamplings(5))
}

fn compared(a: &mut Decoder, b: &mut Decoder, tokens: &[TokenId]) -> DiffReport {
    let plan = plan(a);
    let mut diff = Diff::new(a, b, plan).expect("models of one shape");
    diff.add(tokens).expect("a run");
    diff.report().expect("a sequence was read")
}

fn changed(copied: &Copied) -> Decoder {
    let options = LoadOptions::default().with_dtype(Some(StoredDtype::F32));
    Decoder::load(copied.open(), &options).expect("only values were changed")
}

/// Also where B's blocks are given their own inputs a second time: the same bits go in and come out.
#[test]
fn a_model_beside_itself_is_exactly_zero_in_every_family() {
    for name in checkpoint_names() {
        let tokens = Golden::of(&name).tokens;
        for dtype in [Some(StoredDtype::F32), None] {
            let report = compared(&mut load(&name, dtype), &mut load(&name, dtype), &tokens);
            for row in &report.rows {
                let own = row.own.map_or(0.0, |own| own.max);
                let far = [row.relative.max, row.kl.unwrap().max, row.js.unwrap().max, own];
                assert_eq!(far, [0.0; 4], "{name}, {dtype:?}: {}", row.point);
                let near = [row.cosine.min, row.top1.unwrap().min, row.reciprocal_rank.unwrap().min];
                assert_eq!(near, [1.0; 3], "{name}, {dtype:?}: {}", row.point);
            }
            assert_eq!(report.finals.kl.spread.max, 0.0, "{name}");
            let found = report.changed.expect("a component was read");
            assert!(found.above.is_empty(), "{name}: {found:?}");
        }
    }
}

/// The component that a matrix of the second block ends in.
fn ends_in(tensor: &Stored) -> Option<Site> {
    let name = tensor.name.as_str();
    let is_of = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if tensor.shape.len() != 2 || !name.contains(".1.") || is_of(&["expert", "bias", "norm", "vision"]) {
        return None;
    }
    if is_of(&[
        "o_proj.",
        "attn.c_proj.",
        "attention.dense.",
        "self_attn.dense.",
        "attn.out_proj.",
        "self_attn.out_proj.",
    ]) {
        return Some(Site::AttnOut);
    }
    is_of(&["mlp.down_proj.", "mlp.c_proj.", "mlp.dense_4h_to_h.", "mlp.fc_out.", "mlp.fc2.", ".fc2."])
        .then_some(Site::MlpOut)
}

#[test]
fn a_changed_matrix_is_found_in_every_family_and_nothing_before_it_differs_by_a_bit() {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for name in checkpoint_names() {
        let copied = Copied::of(&name);
        let tokens = Golden::of(&name).tokens;
        for tensor in &copied.tensors {
            let Some(site) = ends_in(tensor) else { continue };
            // A norm after the branch would not see a factor.
            let before =
                copied.change(tensor, |values| values.iter_mut().step_by(3).for_each(|w| *w *= -1.5));
            let (mut a, mut b) = (decoder(&name), changed(&copied));
            let summand = Point::block(1, site);
            let place = if a.info().has(summand) { summand } else { Point::block(1, Site::ResidPost) };
            let report = compared(&mut a, &mut b, &tokens);
            drop(b);
            copied.put_back(tensor, &before);
            let what = format!("{name}, {}", tensor.name);
            let above = report.changed.as_ref().expect("components were read").above.clone();
            let whole: Vec<Point> = above.iter().copied().filter(|point| point.head().is_none()).collect();
            assert_eq!(whole, [place], "{what}");
            let is_head = |point: &Point| point.head().is_none_or(|(layer, _)| layer == 1);
            assert!(above.iter().all(is_head), "{what}: {above:?}");
            for row in &report.rows {
                let is_own_head =
                    site == Site::AttnOut && row.point.head().is_some_and(|(layer, _)| layer == 1);
                if row.point < place && !is_own_head {
                    assert_eq!([row.relative.max, row.kl.unwrap().max], [0.0; 2], "{what}: {}", row.point);
                }
                if let (Some(own), false) = (row.own, is_own_head) {
                    assert_eq!(own.max > 0.0, row.point == place, "{what}: {}", row.point);
                }
            }
            assert!(report.finals.kl.spread.max > 0.0, "{what} has no effect");
            assert_eq!(report.finals.own.spread.max, 0.0, "{what}");
            *found.entry(site.name()).or_default() += 1;
        }
    }
    assert!(found["attn_out"] > 50 && found["mlp_out"] > 40, "{found:?}");
}

/// Columns of the output projection, or rows of the values, of one head.
#[test]
fn a_changed_head_is_named() {
    let (n_heads, d_head, d_model) = (3, 6, 24);
    let copied = Copied::of("llama_f32");
    let tokens = Golden::of("llama_f32").tokens;
    for (matrix, head) in [("o_proj", 1), ("v_proj", 2), ("q_proj", 0)] {
        let name = format!("model.layers.1.self_attn.{matrix}.weight");
        let tensor = copied.tensors.iter().find(|tensor| tensor.name == name).unwrap();
        let before = copied.change(tensor, |values| {
            for (i, value) in values.iter_mut().enumerate() {
                let column = if matrix == "o_proj" { i % (n_heads * d_head) } else { i / d_model };
                if column / d_head == head {
                    *value *= -1.0;
                }
            }
        });
        let report = compared(&mut decoder("llama_f32"), &mut changed(&copied), &tokens);
        copied.put_back(tensor, &before);
        let expected = [Point::block(1, Site::Head(head as u16)), Point::block(1, Site::AttnOut)];
        assert_eq!(report.changed.unwrap().above, expected, "{matrix}");
    }
}

/// The distances of two dtypes are small and grow from block to block, and no component differs by more than is said
/// that rounding makes.
#[test]
fn dtypes_differ_by_what_rounding_makes() {
    let load = |dtype| {
        let options = LoadOptions::default().with_dtype(Some(dtype));
        Decoder::load(demo::checkpoint().unwrap(), &options).unwrap()
    };
    let tokens: Vec<TokenId> = (0..40).map(|i| TokenId(5 + 37 * i % 400)).collect();
    let (mut a, mut b) = (load(StoredDtype::F32), load(StoredDtype::Bf16));
    let report = compared(&mut a, &mut b, &tokens);
    let last = a.info().n_layers - 1;
    let stream = |layer| report.row(Point::block(layer, Site::ResidPost)).unwrap().relative.mean;
    assert!(stream(0) > 1e-4 && stream(last) > 1.5 * stream(0), "{} to {}", stream(0), stream(last));
    assert!(stream(last) < 0.05, "{}", stream(last));
    let kl = report.finals.kl.spread;
    assert!(kl.mean > 1e-7 && kl.max < 0.05, "{kl:?}");
    assert!(report.finals.top1.spread.mean > 0.9);
    let found = report.changed.clone().unwrap();
    let roundings = 8.0 * (f64::exp2(-24.0) + f64::exp2(-8.0));
    assert_eq!((found.threshold, rounding(a.info(), b.info())), (roundings, roundings));
    let owns: Vec<(Point, f64)> =
        report.rows.iter().filter_map(|row| Some((row.point, row.own?.mean))).collect();
    assert!(found.above.is_empty(), "{owns:?}");
    // A threshold that everything is below would prove nothing.
    let largest = owns.iter().map(|(_, own)| *own).fold(0.0, f64::max);
    assert!(largest > roundings / 30.0, "{largest} of {roundings}");
}

fn captured(model: &mut Decoder, tokens: &[TokenId], points: &[Point]) -> Vec<Vec<Vec<f64>>> {
    let points: PointSet = points.iter().copied().collect();
    let rows: Vec<usize> = (0..tokens.len()).collect();
    let hidden = model.forward(&Forward::new(tokens, &points, &rows)).unwrap();
    hidden.iter().map(|hidden| wide(model, hidden, tokens.len())).collect()
}

fn wide(model: &Decoder, hidden: &Tensor, n: usize) -> Vec<Vec<f64>> {
    let mut values = Vec::new();
    let width = model.rows(hidden, 0..n, &mut values).unwrap();
    values.chunks(width).map(|row| row.iter().map(|x| f64::from(*x)).collect()).collect()
}

/// A tensor of a fixture in float64.
fn weight(bytes: &[u8], name: &str) -> Vec<f64> {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let view = tensors.tensor(name).unwrap();
    view.data().as_chunks::<4>().0.iter().map(|word| f64::from(f32::from_le_bytes(*word))).collect()
}

fn relative(a: &[f64], b: &[f64]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    let apart = square(&mut a.iter().zip(b).map(|(a, b)| a - b));
    (apart / square(&mut a.iter().copied())).sqrt()
}

/// From the activations of both, through the norm and the unembedding of the file, in float64; and B's components on A's
/// inputs by a tap.
#[test]
fn numbers_are_those_of_the_captured_activations_in_float64() {
    let name = "llama_f32";
    let copied = Copied::of(name);
    let tokens = Golden::of(name).tokens;
    for tensor in copied.tensors.iter().filter(|tensor| tensor.name.contains("layers.")) {
        copied.change(tensor, |values| values.iter_mut().step_by(5).for_each(|w| *w *= 1.2));
    }
    let (mut a, mut b) = (decoder(name), changed(&copied));
    let report = compared(&mut a, &mut b, &tokens);
    let bytes = std::fs::read(fixtures().join("checkpoints").join(name).join("model.safetensors")).unwrap();
    let (norm, head) = (weight(&bytes, "model.norm.weight"), weight(&bytes, "lm_head.weight"));
    let log_probs = |x: &[f64]| {
        let scale = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64 + 0.01).sqrt();
        let normed: Vec<f64> = x.iter().zip(&norm).map(|(x, w)| x / scale * w).collect();
        let logits: Vec<f64> =
            head.chunks(x.len()).map(|row| row.iter().zip(&normed).map(|(w, x)| w * x).sum()).collect();
        let sum = logits.iter().map(|z| z.exp()).sum::<f64>().ln();
        logits.into_iter().map(|z| z - sum).collect::<Vec<f64>>()
    };
    let points: Vec<Point> =
        report.rows.iter().map(|row| row.point).filter(|point| point.head().is_none()).collect();
    let inputs: Vec<Point> = (0..2)
        .flat_map(|layer| [Site::ResidPre, Site::ResidMid].map(|site| Point::block(layer, site)))
        .collect();
    let given: BTreeMap<Point, Vec<Vec<f64>>> =
        inputs.iter().copied().zip(captured(&mut a, &tokens, &inputs)).collect();
    let [of_a, of_b] = [captured(&mut a, &tokens, &points), captured(&mut b, &tokens, &points)];
    let mut guided: BTreeMap<Point, Vec<Vec<f64>>> = BTreeMap::new();
    let mut seen: Vec<(Point, Tensor)> = Vec::new();
    let mut tap = |point: Point, value: Tensor| -> Result<Tensor, ModelError> {
        let value = match given.get(&point) {
            None => value,
            Some(rows) => {
                let rows: Vec<f32> = rows.iter().flatten().map(|x| *x as f32).collect();
                Tensor::f_from_slice(&rows)?.f_view(value.size().as_slice())?
            }
        };
        seen.push((point, value.shallow_clone()));
        Ok(value)
    };
    drop(b.run(&tokens, 0, tokens.len(), &mut tap).unwrap());
    for (point, value) in seen.iter().filter(|(point, _)| points.contains(point)) {
        guided.insert(*point, wide(&b, value, tokens.len()));
    }
    let near = |got: f64, expected: f64, what: &str, point: Point| {
        assert!(
            (got - expected).abs() <= 2e-5 * (1.0 + expected.abs()),
            "{what} of {point}: {got}, not {expected}"
        );
    };
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    for (i, point) in points.iter().enumerate() {
        let row = report.row(*point).unwrap();
        let pairs = || of_a[i].iter().zip(&of_b[i]);
        near(row.relative.mean, mean(pairs().map(|(a, b)| relative(a, b)).collect()), "relative", *point);
        let kl = |(a, b): (&Vec<f64>, &Vec<f64>)| {
            let (p, q) = (log_probs(a), log_probs(b));
            p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>()
        };
        near(row.kl.unwrap().mean, mean(pairs().map(kl).collect()), "kl", *point);
        if let Some(own) = row.own {
            let expected = of_a[i].iter().zip(&guided[point]).map(|(a, b)| relative(a, b)).collect();
            near(own.mean, mean(expected), "own", *point);
        }
    }
    let surprise = |rows: &[Vec<f64>]| {
        let next = rows.iter().zip(tokens.iter().skip(1));
        mean(next.map(|(x, next)| -log_probs(x)[next.index()]).collect())
    };
    let last = points.len() - 1;
    let expected = surprise(&of_b[last]) - surprise(&of_a[last]);
    assert!(expected.abs() > 1e-3, "nothing is tested: {expected}");
    near(report.finals.cross_entropy.unwrap().spread.mean, expected, "cross-entropy", points[last]);
}

#[test]
fn a_broken_weight_is_that_of_a_named_model() {
    let copied = Copied::of("llama_f32");
    let tokens = Golden::of("llama_f32").tokens;
    let tensor = copied.tensors.iter().find(|tensor| tensor.name.contains("1.mlp.down_proj")).unwrap();
    copied.change(tensor, |values| values[7] = f32::NAN);
    let (mut sound, mut broken) = (decoder("llama_f32"), changed(&copied));
    for (side, first) in [("model A", true), ("model B", false)] {
        let (a, b) = if first { (&mut broken, &mut sound) } else { (&mut sound, &mut broken) };
        let plan = plan(a);
        let error = Diff::new(a, b, plan).unwrap().add(&tokens).unwrap_err();
        assert!(error.to_string().starts_with(side), "{error}");
        let DiffError::Run { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().contains("L1.mlp_out"), "{source}");
    }
}

#[test]
fn a_sequence_in_several_steps_is_the_sequence_in_one() {
    let tokens: Vec<TokenId> = (0..600).map(|i| TokenId((i * 31 + i * i * 7) % 101)).collect();
    let copied = Copied::of("llama31");
    let tensor = copied.tensors.iter().find(|tensor| tensor.name.contains("1.self_attn.o_proj")).unwrap();
    copied.change(tensor, |values| values[3] += 0.5);
    let (mut a, mut b) = (decoder("llama31"), changed(&copied));
    let long = compared(&mut a, &mut b, &tokens);
    assert_eq!(long.positions, 600);
    let short = compared(&mut a, &mut b, &tokens[..500]);
    let above = |report: &DiffReport| {
        let above = &report.changed.as_ref().unwrap().above;
        above.iter().copied().filter(|point| point.head().is_none()).collect::<Vec<_>>()
    };
    assert_eq!(above(&long), [Point::block(1, Site::AttnOut)]);
    assert_eq!(above(&long), above(&short));
}
