//! Directions, against their formulas in float64.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use half::bf16;
use lens_core::{
    Decoded, DirectionNorm, DirectionReadout, FinalNorm, NormKind, NotDecoded, Post, TokenId, Unembedding,
    VocabRows, toy::Random,
};

const D: usize = 12;
const V: usize = 57;
const EPS: f64 = 1e-3;
const POST: Post = Post { scale: 0.7, softcap: Some(4.0) };

struct Model {
    norm: FinalNorm,
    kind: NormKind,
    weight: Vec<f32>,
    norm_bias: Vec<f32>,
    rows: Vec<f32>,
    bias: Vec<f32>,
}

impl Model {
    fn new(kind: NormKind) -> Self {
        let mut random = Random::new(3);
        let mut values = |n, scale| random.values(n, scale);
        let (weight, norm_bias) = (values(D, 2.0), values(D, 1.0));
        let norm = FinalNorm::new(kind, EPS, D, Some(weight.clone()), Some(norm_bias.clone())).unwrap();
        Self { norm, kind, weight, norm_bias, rows: values(V * D, 1.0), bias: values(V, 1.0) }
    }

    fn unembedding(&self) -> Unembedding<'_> {
        Unembedding::new(VocabRows::F32(&self.rows), D, Some(&self.bias), POST).unwrap()
    }

    fn decode(&self, vectors: &[f32], mode: DirectionNorm, k: usize) -> Vec<Result<Decoded, NotDecoded>> {
        let readout = DirectionReadout::new(&self.norm, None, self.unembedding(), mode).unwrap();
        readout.decode(&mut vectors.to_vec(), k).unwrap()
    }

    /// What meets the unembedding.
    fn normed(&self, v: &[f32], mode: DirectionNorm) -> Vec<f64> {
        let v: Vec<f64> = v.iter().map(|x| f64::from(*x)).collect();
        let mean = match self.kind {
            NormKind::Layer => v.iter().sum::<f64>() / D as f64,
            NormKind::Rms => 0.0,
        };
        let variance = v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / D as f64;
        let (scale, bias) = match mode {
            DirectionNorm::None => return v,
            DirectionNorm::Folded => (1.0, 0.0),
            DirectionNorm::FinalScale(scale) => (scale, 0.0),
            DirectionNorm::Recomputed => ((variance + EPS).sqrt(), 1.0),
        };
        let of = |i: usize| {
            (v[i] - mean) / scale * f64::from(self.weight[i]) + bias * f64::from(self.norm_bias[i])
        };
        (0..D).map(of).collect()
    }

    fn logits(&self, v: &[f32], mode: DirectionNorm) -> Vec<f64> {
        let x = self.normed(v, mode);
        let whole = matches!(mode, DirectionNorm::None | DirectionNorm::Recomputed);
        let logit = |(row, bias): (&[f32], &f32)| {
            let z: f64 = row.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).sum();
            let z = (z + if whole { f64::from(*bias) } else { 0.0 }) * f64::from(POST.scale);
            if whole { 4.0 * (z / 4.0).tanh() } else { z }
        };
        self.rows.chunks(D).zip(&self.bias).map(logit).collect()
    }
}

const MODES: [DirectionNorm; 4] =
    [DirectionNorm::Folded, DirectionNorm::FinalScale(2.5), DirectionNorm::None, DirectionNorm::Recomputed];

#[test]
fn every_mode_is_its_formula() {
    let vectors = Random::new(9).values(5 * D, 1.5);
    for kind in [NormKind::Rms, NormKind::Layer] {
        let model = Model::new(kind);
        for mode in MODES {
            for (v, decoded) in vectors.chunks(D).zip(model.decode(&vectors, mode, 4)) {
                let (decoded, logits) = (decoded.unwrap(), model.logits(v, mode));
                let mut order: Vec<usize> = (0..V).collect();
                order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
                let same = |what: &str, got: &[(TokenId, f32)], expected: Vec<usize>| {
                    for ((id, logit), token) in got.iter().zip(expected) {
                        assert_eq!(id.index(), token, "{kind:?}, {mode}, {what}");
                        let error = (f64::from(*logit) - logits[token]).abs();
                        assert!(error < 2e-5, "{kind:?}, {mode}, {what}: {logit} for {}", logits[token]);
                    }
                };
                same("top", &decoded.ends.top, order[..4].to_vec());
                same("bottom", &decoded.ends.bottom, order.iter().rev().take(4).copied().collect());
                let length = v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                assert!((decoded.length - length).abs() < 1e-9);
                let x = model.normed(v, mode);
                let row: Vec<f64> = model.rows[order[0] * D..][..D].iter().map(|w| f64::from(*w)).collect();
                let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                let cosine = dot(&x, &row) / (dot(&x, &x) * dot(&row, &row)).sqrt();
                assert!((decoded.cosine.unwrap() - cosine).abs() < 1e-6, "{kind:?}, {mode}");
            }
        }
    }
}

#[test]
fn folded_logits_of_a_sum_are_the_sum_of_the_logits() {
    let model = Model::new(NormKind::Layer);
    let (a, b) = (Random::new(1).values(D, 1.0), Random::new(2).values(D, 1.0));
    let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    let by_token = |v: &[f32]| {
        let mut logits = vec![0.0; V];
        let decoded = model.decode(v, DirectionNorm::Folded, V).remove(0).unwrap();
        decoded.ends.top.iter().for_each(|(id, logit)| logits[id.index()] = *logit);
        logits
    };
    let (of_sum, of_a, of_b) = (by_token(&sum), by_token(&a), by_token(&b));
    let worst = (0..V).map(|i| (of_sum[i] - of_a[i] - of_b[i]).abs()).fold(0.0, f32::max);
    assert!(worst < 2e-5, "{worst}");
}

#[test]
fn a_matrix_between_norm_and_unembedding_is_applied_between_them() {
    let (d_model, width) = (5, D);
    let mut random = Random::new(7);
    let (project, v) = (random.values(width * d_model, 1.0), random.values(d_model, 1.0));
    let norm = FinalNorm::identity(d_model);
    let model = Model::new(NormKind::Rms);
    let readout =
        DirectionReadout::new(&norm, Some(&project), model.unembedding(), DirectionNorm::Folded).unwrap();
    let decoded = readout.decode(&mut v.clone(), 1).unwrap().remove(0).unwrap();
    let x: Vec<f64> = project
        .chunks(d_model)
        .map(|row| row.iter().zip(&v).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum())
        .collect();
    let logit =
        |row: &[f32]| row.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).sum::<f64>() * f64::from(POST.scale);
    let largest = model.rows.chunks(D).map(logit).fold(f64::NEG_INFINITY, f64::max);
    assert!((f64::from(decoded.ends.top[0].1) - largest).abs() < 1e-5);
    assert!(DirectionReadout::new(&norm, None, model.unembedding(), DirectionNorm::Folded).is_err());
}

#[test]
fn what_cannot_be_decoded_is_named_and_the_others_are_decoded() {
    let model = Model::new(NormKind::Rms);
    let mut vectors = Random::new(4).values(4 * D, 1.0);
    vectors[D + 3] = f32::NAN;
    vectors[2 * D..3 * D].fill(3e38);
    for mode in [DirectionNorm::Folded, DirectionNorm::Recomputed] {
        let decoded = model.decode(&vectors, mode, 2);
        assert!(decoded[0].is_ok() && decoded[3].is_ok());
        assert_eq!(decoded[1], Err(NotDecoded::Vector), "{mode}");
    }
    assert_eq!(model.decode(&vectors, DirectionNorm::Folded, 2)[2], Err(NotDecoded::Logits));
    // A vector of zeros says nothing, and says it of every token alike.
    let silent = model.decode(&[0.0; D], DirectionNorm::Folded, 2).remove(0).unwrap();
    assert_eq!((silent.length, silent.cosine), (0.0, None));
    assert_eq!(silent.ends.top, [(TokenId(0), 0.0), (TokenId(1), 0.0)]);
    assert_eq!(silent.ends.bottom, silent.ends.top);
}

#[test]
fn bfloat16_rows_meet_directions_that_are_rounded_to_bfloat16() {
    let model = Model::new(NormKind::Rms);
    let rows: Vec<bf16> = model.rows.iter().map(|w| bf16::from_f32(*w)).collect();
    let unembedding = Unembedding::new(VocabRows::Bf16(&rows), D, None, Post::default()).unwrap();
    let readout = DirectionReadout::new(&model.norm, None, unembedding, DirectionNorm::Folded).unwrap();
    let v = Random::new(6).values(D, 1.0);
    let decoded = readout.decode(&mut v.clone(), 1).unwrap().remove(0).unwrap();
    let x: Vec<f64> = v.iter().zip(&model.weight).map(|(v, w)| bf16::from_f32(v * w).to_f64()).collect();
    let logit = |row: &[bf16]| row.iter().zip(&x).map(|(w, x)| w.to_f64() * x).sum::<f64>();
    let largest = rows.chunks(D).map(logit).fold(f64::NEG_INFINITY, f64::max);
    assert!((f64::from(decoded.ends.top[0].1) - largest).abs() < 1e-4, "{decoded:?}, expected {largest}");
}
