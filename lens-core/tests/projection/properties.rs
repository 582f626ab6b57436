//! The fused projection beside a naive one in float64, for the kernels that the binary at hand is about.
#![allow(clippy::unwrap_used)]

use half::{bf16, f16};
use lens_core::TokenId;
use lens_core::projection::{
    Job, Kernel, NonFiniteLogits, Post, Projected, ProjectionError, Unembedding, VocabRows,
};
use lens_core::toy::Random;
use proptest::prelude::*;

use crate::kernels;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Dtype {
    F32,
    Bf16,
    F16,
}

pub(crate) const DTYPES: [Dtype; 3] = [Dtype::F32, Dtype::Bf16, Dtype::F16];

/// Rows in their dtype, one element further than the allocation starts.
struct Rows {
    dtype: Dtype,
    f32: Vec<f32>,
    bf16: Vec<bf16>,
    f16: Vec<f16>,
}

impl Rows {
    fn new(dtype: Dtype, values: &[f32]) -> Self {
        let mut rows = Self { dtype, f32: vec![0.0], bf16: vec![bf16::ZERO], f16: vec![f16::ZERO] };
        match dtype {
            Dtype::F32 => rows.f32.extend(values),
            Dtype::Bf16 => rows.bf16.extend(values.iter().map(|&v| bf16::from_f32(v))),
            Dtype::F16 => rows.f16.extend(values.iter().map(|&v| f16::from_f32(v))),
        }
        rows
    }

    fn borrow(&self) -> VocabRows<'_> {
        match self.dtype {
            Dtype::F32 => VocabRows::F32(&self.f32[1..]),
            Dtype::Bf16 => VocabRows::Bf16(&self.bf16[1..]),
            Dtype::F16 => VocabRows::F16(&self.f16[1..]),
        }
    }

    fn widened(&self) -> Vec<f64> {
        match self.borrow() {
            VocabRows::F32(rows) => rows.iter().map(|&w| f64::from(w)).collect(),
            VocabRows::Bf16(rows) => rows.iter().map(|&w| w.to_f64()).collect(),
            VocabRows::F16(rows) => rows.iter().map(|&w| w.to_f64()).collect(),
        }
    }
}

/// One case: an unembedding and readouts.
pub(crate) struct Case {
    rows: Rows,
    d_model: usize,
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) post: Post,
    readouts: Vec<f32>,
}

impl Case {
    /// Logits of a few units whatever `d_model` is.
    pub(crate) fn random(dtype: Dtype, d_model: usize, n_vocab: usize, n: usize, seed: u64) -> Self {
        let mut noise = Random::new(seed);
        let weights = noise.values(n_vocab * d_model, 1.0);
        let readouts = noise.values(n * d_model, 6.0 / (d_model as f32).sqrt());
        Self { rows: Rows::new(dtype, &weights), d_model, bias: None, post: Post::default(), readouts }
    }

    fn n(&self) -> usize {
        self.readouts.len() / self.d_model
    }

    fn unembedding(&self) -> Unembedding<'_> {
        Unembedding::new(self.rows.borrow(), self.d_model, self.bias.as_deref(), self.post).unwrap()
    }

    /// `[n, n_vocab]` in float64.
    fn logits(&self) -> Vec<Vec<f64>> {
        let weights = self.rows.widened();
        self.readouts
            .chunks(self.d_model)
            .map(|x| {
                let x: Vec<f64> = match self.rows.dtype {
                    Dtype::Bf16 => x.iter().map(|&x| bf16::from_f32(x).to_f64()).collect(),
                    _ => x.iter().map(|&x| f64::from(x)).collect(),
                };
                weights
                    .chunks(self.d_model)
                    .enumerate()
                    .map(|(v, row)| {
                        let z: f64 = row.iter().zip(&x).map(|(w, x)| w * x).sum();
                        let bias = self.bias.as_ref().map_or(0.0, |bias| f64::from(bias[v]));
                        let z = (z + bias) * f64::from(self.post.scale);
                        match self.post.softcap.map(f64::from) {
                            Some(cap) => cap * (z / cap).tanh(),
                            None => z,
                        }
                    })
                    .collect()
            })
            .collect()
    }

    fn project(&self, kernel: Kernel, job: Job<'_>) -> Vec<Result<Projected, NonFiniteLogits>> {
        let job = Job { readouts: &self.readouts, ..job };
        self.unembedding().project_with(kernel, &job).unwrap()
    }
}

const JOB: Job<'_> = Job {
    readouts: &[],
    top_k: 10,
    entropy: true,
    variance: true,
    finals: None,
    distances: false,
    tracked: &[],
};

fn log_softmax(logits: &[f64]) -> (Vec<f64>, f64) {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lse = max + logits.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
    (logits.iter().map(|z| z - lse).collect(), lse)
}

#[track_caller]
fn close(what: &str, got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{what}: {got}, expected {expected} within {tolerance}");
}

/// Compares everything with the oracle. `tolerance` is that of one logit.
#[track_caller]
pub(crate) fn agrees(case: &Case, kernel: Kernel, finals: &[u32], tracked: &[Vec<TokenId>], tolerance: f64) {
    let job = Job { finals: Some(finals), distances: true, tracked, ..JOB };
    let logits = case.logits();
    let projected = case.project(kernel, job);
    assert_eq!(projected.len(), case.n());
    for (i, projected) in projected.iter().enumerate() {
        let what = |name: &str| {
            let (n, d, v) = (case.n(), case.d_model, logits[i].len());
            format!("{name} of readout {i} of {n}, d {d}, V {v}, {:?}, {kernel}", case.rows.dtype)
        };
        let got = projected.as_ref().unwrap();
        let z = &logits[i];
        let (log_q, lse) = log_softmax(z);
        let (log_p, _) = log_softmax(&logits[finals[i] as usize]);
        close(&what("log-sum-exp"), got.log_sum_exp, lse, tolerance + 1e-6);
        let entropy = -log_q.iter().map(|l| l.exp() * l).sum::<f64>();
        let spread = z.iter().map(|z| (z - lse).abs()).fold(0.0, f64::max);
        close(&what("entropy"), got.entropy.unwrap(), entropy, 2.0 * tolerance * (1.0 + spread) + 2e-6);
        let variance = log_q.iter().map(|l| l.exp() * (l + entropy).powi(2)).sum::<f64>();
        let allowed = 4.0 * tolerance * (1.0 + spread).powi(2) + 1e-5;
        close(&what("variance"), got.variance.unwrap(), variance, allowed);
        let kl: f64 = log_p.iter().zip(&log_q).map(|(p, q)| p.exp() * (p - q)).sum();
        close(&what("KL"), got.kl_to_final.unwrap(), kl, 4.0 * tolerance * (1.0 + kl.abs()) + 2e-6);
        if finals[i] as usize == i {
            assert_eq!(got.kl_to_final, Some(0.0));
        }
        let tv: f64 = log_p.iter().zip(&log_q).map(|(p, q)| 0.5 * (p.exp() - q.exp()).abs()).sum();
        close(&what("TV"), got.tv_to_final.unwrap(), tv, 4.0 * tolerance + 2e-6);
        let side = |l: f64, m: f64| if l.exp() > 0.0 { 0.5 * l.exp() * (l - m.ln()) } else { 0.0 };
        let js: f64 = log_p
            .iter()
            .zip(&log_q)
            .map(|(&p, &q)| {
                let m = 0.5 * (p.exp() + q.exp());
                side(p, m) + side(q, m)
            })
            .sum();
        close(&what("JS"), got.js_to_final.unwrap(), js, 4.0 * tolerance + 2e-6);
        // The top-k: true logits of its tokens, in its own order, and nothing larger left out.
        assert_eq!(got.top.len(), job.top_k.min(z.len()));
        for &(token, logit) in &got.top {
            close(&what("a top logit"), f64::from(logit), z[token.index()], tolerance);
        }
        for pair in got.top.windows(2) {
            assert!(pair[0].1 > pair[1].1 || (pair[0].1 == pair[1].1 && pair[0].0 < pair[1].0));
        }
        if let Some(&(_, least)) = got.top.last() {
            let larger = z.iter().filter(|&&z| z > f64::from(least) + tolerance).count();
            assert!(larger <= got.top.len(), "{}", what("top-k"));
        }
        for (token, tracked) in tracked.get(i).into_iter().flatten().zip(&got.tracked) {
            let own = z[token.index()];
            close(&what("a tracked logit"), f64::from(tracked.logit), own, tolerance);
            let least = 1 + z.iter().filter(|&&z| z > own + 2.0 * tolerance).count();
            let most = 1 + z.iter().filter(|&&z| z > own - 2.0 * tolerance).count();
            // The token itself is above its own logit less the tolerance.
            let most = if tolerance > 0.0 { most - 1 } else { most };
            let rank = tracked.rank as usize;
            assert!((least..=most).contains(&rank), "{}: {rank} of {least}..={most}", what("rank"));
            if let Some(place) = got.top.iter().position(|(id, _)| id == token) {
                let larger = got.top.iter().filter(|top| top.1 > got.top[place].1).count();
                assert_eq!((rank, tracked.logit), (1 + larger, got.top[place].1), "{}", what("rank"));
            }
        }
    }
}

/// Position-major finals: the last of every `points` readouts.
pub(crate) fn finals_of(n: usize, points: usize) -> Vec<u32> {
    (0..n).map(|i| ((i / points * points + points).min(n) - 1) as u32).collect()
}

pub(crate) fn some_tracked(n: usize, n_vocab: usize, noise: &mut Random) -> Vec<Vec<TokenId>> {
    (0..n).map(|_| (0..noise.below(4)).map(|_| TokenId(noise.below(n_vocab) as u32)).collect()).collect()
}

/// Rounding of one float32 sum of `d` products of logits of a few units.
pub(crate) fn tolerance(d: usize) -> f64 {
    2e-6 * (1.0 + d as f64).sqrt()
}

#[test]
fn every_kernel_agrees_with_float64_on_odd_shapes() {
    let shapes = [
        (1, 5, 1),
        (2, 1, 3),
        (3, 2, 2),
        (7, 50, 15),
        (31, 97, 16),
        (33, 300, 17),
        (64, 611, 47),
        (65, 290, 48),
        (66, 289, 49),
        (16, 700, 64),
        (17, 1000, 65),
        (40, 333, 96),
        (31, 334, 97),
        (897, 401, 5),
        (897, 77, 1),
        (64, 1200, 4),
        (129, 65, 130),
    ];
    for kernel in kernels() {
        for dtype in DTYPES {
            for (i, &(d, v, n)) in shapes.iter().enumerate() {
                let case = Case::random(dtype, d, v, n, i as u64);
                let tracked = some_tracked(n, v, &mut Random::new(i as u64 + 100));
                agrees(&case, kernel, &finals_of(n, 12), &tracked, tolerance(d));
            }
        }
    }
}

#[test]
fn bias_scale_and_cap_are_part_of_the_logit() {
    for kernel in kernels() {
        for dtype in DTYPES {
            for (scale, softcap) in
                [(1.0, None), (0.0625, None), (-1.5, None), (1.0, Some(3.0)), (4.0, Some(30.0))]
            {
                let mut case = Case::random(dtype, 33, 500, 20, 7);
                case.bias = Some(Random::new(8).values(500, 2.0));
                case.post = Post { scale, softcap };
                let tracked = some_tracked(20, 500, &mut Random::new(9));
                agrees(&case, kernel, &finals_of(20, 7), &tracked, 4.0 * tolerance(33));
            }
        }
    }
}

#[test]
fn sixty_five_thousand_readouts_and_one() {
    for kernel in kernels() {
        let n = 65_537;
        let case = Case::random(Dtype::Bf16, 3, 40, n, 3);
        let finals = finals_of(n, 96);
        let job = Job { finals: Some(&finals), top_k: 2, ..JOB };
        let all = case.project(kernel, job);
        assert_eq!(all.len(), n);
        let logits = case.logits();
        for i in [0, 1, 1279, 1280, 65_535, 65_536] {
            let got = all[i].as_ref().unwrap();
            close("log-sum-exp", got.log_sum_exp, log_softmax(&logits[i]).1, 1e-5);
        }
    }
}

#[test]
fn finals_may_be_any_readouts() {
    let n = 70;
    let mut noise = Random::new(5);
    let patterns: [Vec<u32>; 5] = [
        vec![69; n],
        (0..n as u32).collect(),
        (0..n as u32).rev().collect(),
        (0..n as u32).map(|i| (i + 1) % n as u32).collect(),
        (0..n).map(|_| noise.below(n) as u32).collect(),
    ];
    for kernel in kernels() {
        let case = Case::random(Dtype::Bf16, 31, 600, n, 4);
        for finals in &patterns {
            agrees(&case, kernel, finals, &[], tolerance(31));
        }
    }
}

#[test]
fn finals_of_another_group_are_found() {
    // More readouts than are swept together, and finals at the far end.
    let n = 3000;
    let case = Case::random(Dtype::F32, 4, 50, n, 6);
    let finals: Vec<u32> = (0..n as u32).map(|i| if i % 3 == 0 { 2999 } else { 2999 - i }).collect();
    for kernel in kernels() {
        agrees(&case, kernel, &finals, &[], tolerance(4));
    }
}

#[test]
fn equal_readouts_get_equal_bits_in_any_company() {
    let (d, v) = (75, 1111);
    for kernel in kernels() {
        for dtype in DTYPES {
            let base = Case::random(dtype, d, v, 1, 11);
            let tracked = vec![vec![TokenId(17), TokenId(1110)]; 130];
            let alone = base.project(kernel, Job { finals: Some(&[0]), tracked: &tracked[..1], ..JOB });
            for n in [2, 4, 5, 8, 9, 12, 13, 16, 17, 25, 48, 64, 65, 96, 130] {
                let mut case = Case::random(dtype, d, v, n, 11); // the same rows
                let places = [0, n / 2, n - 1];
                for place in places {
                    case.readouts[place * d..][..d].copy_from_slice(&base.readouts);
                }
                let finals = vec![0; n];
                let job = Job { finals: Some(&finals), distances: true, tracked: &tracked[..n], ..JOB };
                let all = case.project(kernel, job);
                for place in places {
                    let mut got = all[place].clone().unwrap();
                    assert_eq!(got.kl_to_final, Some(0.0), "{kernel} {dtype:?} n {n} place {place}");
                    close("JS", got.js_to_final.take().unwrap(), 0.0, 1e-12);
                    close("TV", got.tv_to_final.take().unwrap(), 0.0, 1e-12);
                    assert_eq!(Ok(got), alone[0], "{kernel} {dtype:?} n {n} place {place}");
                }
            }
        }
    }
}

/// Tokens that are scored after a sweep have, to the bit, the logits that the sweep saw.
#[test]
fn logits_alone_have_the_bits_of_the_sweep() {
    for kernel in kernels() {
        for dtype in DTYPES {
            for (n, d, v) in [(1, 33, 40), (5, 64, 130), (70, 75, 211)] {
                let mut case = Case::random(dtype, d, v, n, 5);
                case.bias = Some(Random::new(9).values(v, 1.0));
                case.post = Post { scale: 0.7, softcap: Some(3.0) };
                let swept = case.project(kernel, Job { top_k: v, ..JOB });
                let tokens: Vec<Vec<TokenId>> = (0..n)
                    .map(|i| (0..i % 7).map(|j| TokenId((i * 31 + j * 17) as u32 % v as u32)).collect())
                    .collect();
                let alone = case.unembedding().logits_with(kernel, &case.readouts, &tokens).unwrap();
                for ((tokens, logits), swept) in tokens.iter().zip(&alone).zip(swept) {
                    let top = swept.unwrap().top;
                    let of = |id: &TokenId| top.iter().find(|(other, _)| other == id).unwrap().1.to_bits();
                    let bits: Vec<u32> = logits.iter().map(|logit| logit.to_bits()).collect();
                    assert_eq!(bits, tokens.iter().map(of).collect::<Vec<_>>(), "{kernel} {dtype:?} n {n}");
                }
            }
        }
    }
    let case = Case::random(Dtype::F32, 4, 10, 1, 1);
    let unknown = case.unembedding().logits(&case.readouts, &[vec![TokenId(10)]]);
    assert_eq!(unknown, Err(ProjectionError::UnknownToken { token: TokenId(10), n_vocab: 10 }));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (n, v) = (33, 40_000);
    let case = Case::random(Dtype::Bf16, 8, v, n, 21);
    let finals = finals_of(n, 11);
    let tracked = some_tracked(n, v, &mut Random::new(22));
    for kernel in kernels() {
        let job = Job { finals: Some(&finals), distances: true, tracked: &tracked, ..JOB };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| case.project(kernel, job))
        };
        let one = with(1);
        assert_eq!(one, with(2));
        assert_eq!(one, with(3));
    }
}

/// A second pass keeps logits in a room for some readouts, and a first one reads the weights once for more: neither is seen.
#[test]
fn distances_do_not_depend_on_company() {
    let (d, v) = (3, 70_000);
    // More than are kept at a time of so many tokens.
    let n = 1000;
    let case = Case::random(Dtype::F32, d, v, n, 23);
    let finals = finals_of(n, 7);
    for kernel in [Kernel::Plain, Kernel::chosen().unwrap()] {
        let job = Job { finals: Some(&finals), distances: true, ..JOB };
        let all = case.project(kernel, job);
        let without = case.project(kernel, Job { distances: false, ..job });
        for (own, without) in all.iter().zip(without) {
            let own = own.clone().unwrap();
            assert_eq!(Projected { js_to_final: None, tv_to_final: None, ..own }, without.unwrap());
        }
        for first in [0, 497, 994] {
            let members = first..(first + 7).min(n);
            let readouts = case.readouts[members.start * d..members.end * d].to_vec();
            let few = finals_of(members.len(), 7);
            let alone = Case { readouts, ..Case::random(Dtype::F32, d, v, n, 23) };
            let alone = alone.project(kernel, Job { finals: Some(&few), ..job });
            assert_eq!(all[members], alone, "{kernel}");
        }
    }
}

#[test]
fn ties_go_to_the_smaller_id() {
    for kernel in kernels() {
        for dtype in DTYPES {
            // Rows repeat with period 7, and the last 400 are padding.
            let d = 19;
            let mut weights: Vec<f32> = Random::new(31).values(7 * d, 1.0).repeat(100);
            weights.extend(vec![0.0; 400 * d]);
            let case = Case {
                rows: Rows::new(dtype, &weights),
                d_model: d,
                bias: None,
                post: Post::default(),
                readouts: Random::new(32).values(20 * d, 1.0),
            };
            let finals = finals_of(20, 5);
            let tracked = vec![vec![TokenId(3), TokenId(3 + 7 * 99), TokenId(700), TokenId(1099)]; 20];
            for top_k in [0, 1, 10, 150, 1100, 5000, usize::MAX] {
                let job = Job { finals: Some(&finals), top_k, tracked: &tracked, ..JOB };
                for projected in case.project(kernel, job) {
                    let projected = projected.unwrap();
                    assert_eq!(projected.top.len(), top_k.min(1100));
                    for pair in projected.top.windows(2) {
                        assert!(pair[0].1 >= pair[1].1);
                        assert!(pair[0].1 > pair[1].1 || pair[0].0 < pair[1].0, "{pair:?}");
                    }
                    if let Some(&(TokenId(best), _)) = projected.top.first() {
                        assert!(best < 7 || best == 700, "{best}");
                    }
                    assert_eq!(projected.tracked[0], projected.tracked[1]);
                    assert_eq!(projected.tracked[2], projected.tracked[3]);
                    assert_eq!(projected.tracked[2].logit, 0.0);
                    assert_eq!((projected.tracked[2].rank - 1) % 100, 0);
                }
            }
            let zero = Case { readouts: vec![0.0; 3 * d], ..case };
            for projected in zero.project(kernel, JOB) {
                let projected = projected.unwrap();
                let ids: Vec<u32> = projected.top.iter().map(|(id, _)| id.0).collect();
                assert_eq!(ids, (0..10).collect::<Vec<u32>>());
                close("entropy", projected.entropy.unwrap(), 1100f64.ln(), 1e-6);
            }
        }
    }
}

#[test]
fn a_non_finite_readout_leaves_the_others_alone() {
    let (d, v, n) = (33, 700, 50);
    for kernel in kernels() {
        for dtype in DTYPES {
            for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for post in [Post::default(), Post { scale: 1.0, softcap: Some(5.0) }] {
                    let clean = Case { post, ..Case::random(dtype, d, v, n, 41) };
                    let mut poisoned = Case { post, ..Case::random(dtype, d, v, n, 41) };
                    poisoned.readouts[23 * d + 5] = poison;
                    // Readouts 20..30 have the poisoned one for their final.
                    let finals: Vec<u32> = (0..n as u32).map(|i| i / 10 * 10 + 3).collect();
                    let tracked = vec![vec![TokenId(1)]; n];
                    let job = Job { finals: Some(&finals), distances: true, tracked: &tracked, ..JOB };
                    let (clean, poisoned) = (clean.project(kernel, job), poisoned.project(kernel, job));
                    for (i, (clean, poisoned)) in clean.into_iter().zip(poisoned).enumerate() {
                        match i {
                            23 => assert_eq!(poisoned, Err(NonFiniteLogits), "{kernel} {dtype:?} {poison}"),
                            20..30 => {
                                let clean = clean.unwrap();
                                let (kl_to_final, js_to_final, tv_to_final) = (None, None, None);
                                let expected = Projected { kl_to_final, js_to_final, tv_to_final, ..clean };
                                assert_eq!(poisoned, Ok(expected));
                            }
                            _ => assert_eq!(poisoned, clean),
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_non_finite_vocabulary_row_spoils_every_readout() {
    for kernel in kernels() {
        for dtype in DTYPES {
            for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for n in [1, 3, 20] {
                    let mut weights = Random::new(51).values(17 * 333, 1.0);
                    weights[301 * 17 + 2] = poison;
                    let case = Case {
                        rows: Rows::new(dtype, &weights),
                        readouts: Random::new(52).values(n * 17, 1.0),
                        ..Case::random(dtype, 17, 1, 1, 0)
                    };
                    let finals = vec![0; n];
                    let job = Job { finals: Some(&finals), ..JOB };
                    for projected in case.project(kernel, job) {
                        assert_eq!(projected, Err(NonFiniteLogits));
                    }
                }
            }
        }
    }
}

#[test]
fn huge_and_peaked_logits_have_their_statistics() {
    for kernel in kernels() {
        for (scale, n) in [(1e4_f32, 20), (1e4, 2), (1e30, 20), (-1e30, 3)] {
            let d = 8;
            let case = Case {
                readouts: Random::new(62).values(n * d, scale),
                ..Case::random(Dtype::F32, d, 900, n, 61)
            };
            let finals = finals_of(n, 10);
            let job = Job { finals: Some(&finals), ..JOB };
            let logits = case.logits();
            for (i, projected) in case.project(kernel, job).into_iter().enumerate() {
                let projected = projected.unwrap();
                let (log_q, lse) = log_softmax(&logits[i]);
                let (log_p, _) = log_softmax(&logits[finals[i] as usize]);
                let unit = f64::from(scale.abs()) * 2e-6;
                close("log-sum-exp", projected.log_sum_exp, lse, unit);
                let entropy: f64 = -log_q.iter().filter(|l| l.exp() > 0.0).map(|l| l.exp() * l).sum::<f64>();
                if unit < 1.0 {
                    close("entropy", projected.entropy.unwrap(), entropy, 20.0 * unit);
                }
                let kl: f64 = log_p
                    .iter()
                    .zip(&log_q)
                    .filter(|(p, _)| p.exp() > 0.0)
                    .map(|(p, q)| p.exp() * (p - q))
                    .sum();
                close("KL", projected.kl_to_final.unwrap(), kl, 10.0 * unit);
            }
        }
        // Everything far below zero: a bias of -1e4 on all rows.
        let mut case = Case::random(Dtype::Bf16, 16, 400, 5, 63);
        case.bias = Some(vec![-1e4; 400]);
        agrees(&case, kernel, &[4; 5], &[], 2e-3);
    }
}

#[test]
fn nearly_equal_readouts_have_a_small_divergence() {
    let (d, v, n) = (64, 30_000, 16);
    let mut case = Case::random(Dtype::F32, d, v, n, 71);
    let first: Vec<f32> = case.readouts[..d].to_vec();
    for i in 1..n {
        for (j, x) in case.readouts[i * d..][..d].iter_mut().enumerate() {
            *x = first[j] + 1e-3 * i as f32 * (j % 3) as f32 / 64.0;
        }
    }
    let logits = case.logits();
    let finals = vec![0; n];
    for kernel in kernels() {
        let projected = case.project(kernel, Job { finals: Some(&finals), distances: true, ..JOB });
        let (log_p, _) = log_softmax(&logits[0]);
        for (projected, logits) in projected.into_iter().zip(&logits) {
            let (log_q, _) = log_softmax(logits);
            let kl: f64 = log_p.iter().zip(&log_q).map(|(p, q)| p.exp() * (p - q)).sum();
            let projected = projected.unwrap();
            close("KL", projected.kl_to_final.unwrap(), kl, 1e-6);
            close("JS", projected.js_to_final.unwrap(), kl / 4.0, 1e-6);
        }
    }
}

#[test]
fn every_kernel_ranks_alike() {
    let case = Case::random(Dtype::Bf16, 256, 5000, 24, 81);
    let plain = case.project(Kernel::Plain, JOB);
    for kernel in kernels() {
        for (plain, fast) in plain.iter().zip(case.project(kernel, JOB)) {
            let ids = |p: &Projected| p.top.iter().map(|(id, _)| *id).collect::<Vec<_>>();
            assert_eq!(ids(plain.as_ref().unwrap()), ids(&fast.unwrap()), "{kernel}");
        }
    }
}

#[test]
fn an_unknown_kernel_is_named_with_those_there_are() {
    let error = Kernel::named("sse9").unwrap_err().to_string();
    assert!(error.contains("sse9") && error.contains("plain"), "{error}");
    assert_eq!(Kernel::named("plain"), Ok(Kernel::Plain));
    assert_eq!(Kernel::available().first(), Some(&Kernel::best()));
}

#[test]
fn no_readouts_is_no_answer() {
    let case = Case { readouts: Vec::new(), ..Case::random(Dtype::F16, 5, 10, 1, 1) };
    for kernel in kernels() {
        assert!(case.project(kernel, Job { finals: Some(&[]), ..JOB }).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_shape_agrees_with_float64(
        d in 1usize..150,
        v in 1usize..800,
        n in 1usize..140,
        points in 1usize..40,
        dtype in prop::sample::select(&DTYPES[..]),
        kernel in prop::sample::select(kernels()),
        seed in any::<u64>(),
    ) {
        let case = Case::random(dtype, d, v, n, seed);
        let tracked = some_tracked(n, v, &mut Random::new(seed ^ 1));
        agrees(&case, kernel, &finals_of(n, points), &tracked, tolerance(d));
    }
}

#[test]
fn both_ends_are_those_of_the_whole_vocabulary_to_the_bit() {
    for kernel in kernels() {
        for (dtype, d, v, n, k) in [
            (Dtype::F32, 5, 3, 1, 10),
            (Dtype::F32, 64, 700, 4, 7),
            (Dtype::Bf16, 33, 2100, 70, 3),
            (Dtype::F16, 16, 900, 17, 1),
            (Dtype::Bf16, 8, 400, 9, 0),
        ] {
            let mut case = Case::random(dtype, d, v, n, 11);
            case.bias = Some(Random::new(5).values(v, 2.0));
            case.post = Post { scale: 0.5, softcap: Some(3.0) };
            // Equal rows have equal logits: ties at both ends.
            let rows: Vec<f32> = case.rows.widened().iter().map(|w| *w as f32).collect();
            let repeated: Vec<f32> = rows.chunks(d).flat_map(|row| [row, row].concat()).collect();
            let bias = case.bias.take().unwrap();
            case.bias = Some(bias.iter().flat_map(|b| [*b, *b]).collect());
            case.rows = Rows::new(dtype, &repeated);
            let ends = case.unembedding().both_ends_with(kernel, &case.readouts, k).unwrap();
            let whole = case.project(kernel, Job { top_k: 2 * v, ..JOB });
            assert_eq!(ends.len(), n);
            for (ends, whole) in ends.iter().zip(&whole) {
                let (ends, mut all) = (ends.as_ref().unwrap(), whole.as_ref().unwrap().top.clone());
                let kept = k.min(all.len());
                assert_eq!(ends.top, all[..kept], "{kernel}, {dtype:?}");
                all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
                assert_eq!(ends.bottom, all[..kept], "{kernel}, {dtype:?}");
            }
        }
    }
}

#[test]
fn both_ends_do_not_depend_on_threads_and_company() {
    let case = Case::random(Dtype::Bf16, 24, 3000, 100, 3);
    for kernel in kernels() {
        let ends = |readouts: &[f32]| case.unembedding().both_ends_with(kernel, readouts, 5).unwrap();
        let together = ends(&case.readouts);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| ends(&case.readouts)), together, "{kernel}");
        for (alone, expected) in case.readouts.chunks(24).zip(&together) {
            assert_eq!(ends(alone), std::slice::from_ref(expected), "{kernel}");
        }
    }
}

#[test]
fn an_end_of_a_readout_that_is_not_finite_is_an_error_of_its_own() {
    for kernel in kernels() {
        for (bad, cap) in
            [(f32::NAN, None), (f32::INFINITY, None), (f32::INFINITY, Some(5.0)), (f32::MAX, None)]
        {
            let mut case = Case::random(Dtype::F32, 16, 500, 40, 8);
            case.post.softcap = cap;
            case.readouts[7 * 16..8 * 16].fill(bad);
            let ends = case.unembedding().both_ends_with(kernel, &case.readouts, 3).unwrap();
            for (i, ends) in ends.iter().enumerate() {
                assert_eq!(ends.is_err(), i == 7, "readout {i} with {bad} and cap {cap:?}, {kernel}");
            }
        }
    }
}

#[test]
fn whole_rows_have_the_logits_of_the_projection_to_the_bit() {
    for kernel in kernels() {
        for (dtype, d, v, n) in [
            (Dtype::F32, 5, 3, 1),
            (Dtype::F32, 64, 700, 4),
            (Dtype::Bf16, 33, 2100, 70),
            (Dtype::F16, 16, 900, 17),
        ] {
            let mut case = Case::random(dtype, d, v, n, 11);
            case.bias = Some(Random::new(5).values(v, 2.0));
            case.post = Post { scale: 0.5, softcap: Some(3.0) };
            case.readouts[..d].fill(f32::INFINITY);
            let rows = case.unembedding().all_logits_with(kernel, &case.readouts).unwrap();
            let whole = case.project(kernel, Job { top_k: v, ..JOB });
            assert_eq!(rows.len(), n);
            assert!(rows[0].is_err() && whole[0].is_err(), "{kernel}, {dtype:?}");
            for (row, whole) in rows.iter().zip(&whole).skip(1) {
                let (row, top) = (row.as_ref().unwrap(), &whole.as_ref().unwrap().top);
                assert_eq!((row.len(), top.len()), (v, v));
                // Zero has one sign in lists.
                assert!(top.iter().all(|(id, logit)| row[id.index()] == *logit), "{kernel}, {dtype:?}");
            }
        }
    }
}
