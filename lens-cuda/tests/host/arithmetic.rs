//! Random rows and hard ones, against float64.

use lens_core::{Post, TokenId, projection::Projected, toy::Random};
use lens_cuda::{Answers, Ask, Wanted, read};

use crate::machine::{Memory, logits};

/// Logits of a chunk, and what is asked of them.
struct Chunk {
    products: Vec<f32>,
    shape: [usize; 3],
    bias: Option<Vec<f32>>,
    post: Post,
    top_k: usize,
    tracked: Vec<Vec<Wanted>>,
}

impl Chunk {
    fn new(products: Vec<f32>, shape: [usize; 3], top_k: usize) -> Self {
        let tracked = (0..shape[0]).map(|row| vec![Wanted::FinalTop, token(row * 7 % shape[2])]).collect();
        Self { products, shape, bias: None, post: Post::default(), top_k, tracked }
    }

    fn random(seed: u64, shape: [usize; 3], size: f32, top_k: usize) -> Self {
        Self::new(Random::new(seed).values(shape.iter().product(), size), shape, top_k)
    }

    fn read(&self) -> Answers {
        let bias = self.bias.as_deref();
        let ask = Ask { top_k: self.top_k, distances: true, tracked: &self.tracked };
        read(&Memory::new(self.post, bias), &logits(&self.products, self.shape, bias, self.post), &ask)
            .unwrap()
    }

    /// The logits of readout `i` in float32, as the kernels have to compute them.
    fn logits(&self, i: usize) -> Vec<f32> {
        let n = self.shape[2];
        let z = |id: usize| self.products[i * n + id] + self.bias.as_ref().map_or(0.0, |bias| bias[id]);
        (0..n).map(|id| self.post.apply(z(id))).collect()
    }

    /// Checks every readout; statistics within `tolerance`, the rest exactly.
    fn check(&self, tolerance: f64) {
        let answers = self.read();
        assert!(answers.are_finite());
        let [rows, width, _] = self.shape;
        for row in 0..rows {
            let last = row * width + width - 1;
            let last = Right::new(self.logits(last));
            for i in row * width..(row + 1) * width {
                let right = Right::new(self.logits(i));
                let is_final = i % width == width - 1;
                right.check(&answers.projected(i), &last, is_final, self, row, tolerance);
            }
        }
    }
}

fn token(id: usize) -> Wanted {
    Wanted::Token(TokenId(id as u32))
}

/// A readout in float64.
struct Right {
    logits: Vec<f32>,
    probs: Vec<f64>,
    max: f64,
    /// The logarithm of the sum of `e^(z - max)`.
    log_sum: f64,
}

impl Right {
    fn new(logits: Vec<f32>) -> Self {
        let max = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
        let sum: f64 = logits.iter().map(|z| (f64::from(*z) - max).exp()).sum();
        let probs = logits.iter().map(|z| (f64::from(*z) - max).exp() / sum).collect();
        Self { logits, probs, max, log_sum: sum.ln() }
    }

    /// `ln p` of a token.
    fn log_prob(&self, id: usize) -> f64 {
        f64::from(self.logits[id]) - self.max - self.log_sum
    }

    fn mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        // What has no probability adds nothing, however large it is.
        (0..self.probs.len()).filter(|id| self.probs[*id] > 0.0).map(|id| self.probs[id] * of(id)).sum()
    }

    /// All tokens: larger logits first, and of equals the smaller id.
    fn order(&self) -> Vec<usize> {
        let mut ids: Vec<usize> = (0..self.logits.len()).collect();
        ids.sort_by(|a, b| self.logits[*b].partial_cmp(&self.logits[*a]).unwrap().then(a.cmp(b)));
        ids
    }

    fn check(&self, got: &Projected, last: &Self, is_final: bool, chunk: &Chunk, row: usize, tolerance: f64) {
        let size =
            f64::from(self.logits.iter().chain(&last.logits).fold(1.0f32, |size, z| size.max(z.abs())));
        let close = |what: &str, got: f64, right: f64, size: f64| {
            let far = (got - right).abs() / size;
            assert!(far <= tolerance, "{what} is {got} and should be {right}");
        };
        let order = self.order();
        let top: Vec<usize> = got.top.iter().map(|(id, _)| id.index()).collect();
        assert_eq!(top, order[..chunk.top_k.min(order.len())]);
        assert!(got.top.iter().all(|(id, z)| *z == self.logits[id.index()]));
        close("log-sum-exp", got.log_sum_exp, self.max + self.log_sum, size);
        let entropy = -self.mean(|id| self.log_prob(id));
        close("entropy", got.entropy.unwrap(), entropy, 1.0 + entropy);
        let square = self.mean(|id| (self.log_prob(id) + entropy).powi(2));
        close("variance", got.variance.unwrap(), square, 1.0 + entropy * entropy + square);
        let divergence = (!is_final).then(|| last.mean(|id| last.log_prob(id) - self.log_prob(id)));
        assert_eq!(got.kl_to_final.is_some(), !is_final);
        if let Some(right) = divergence {
            close("KL", got.kl_to_final.unwrap(), right, size.max(1.0 + right));
            let both = || self.probs.iter().zip(&last.probs);
            let variation = 0.5 * both().map(|(p, q)| (p - q).abs()).sum::<f64>();
            let part = |p: f64, q: f64| if p > 0.0 { p * (2.0 * p / (p + q)).ln() } else { 0.0 };
            let middle = 0.5 * both().map(|(p, q)| part(*p, *q) + part(*q, *p)).sum::<f64>();
            close("TV", got.tv_to_final.unwrap(), variation, 1.0);
            close("JS", got.js_to_final.unwrap(), middle, 1.0);
        }
        assert_eq!(got.tracked.len(), chunk.tracked[row].len());
        for (wanted, got) in chunk.tracked[row].iter().zip(&got.tracked) {
            let id = match wanted {
                Wanted::Token(token) => token.index(),
                Wanted::FinalTop => last.order()[0],
            };
            let larger = self.logits.iter().filter(|z| **z > self.logits[id]).count();
            assert_eq!((got.logit, got.rank as usize), (self.logits[id], 1 + larger));
        }
    }
}

#[test]
fn random_rows_of_every_length() {
    // Around a lane, a warp's round, a block and the threads' blocks.
    for n_vocab in [1usize, 2, 31, 33, 511, 512, 513, 1024, 4095, 4096, 4097, 9973] {
        for (top_k, size) in [(1, 1.0), (10, 6.0), (n_vocab.div_ceil(2), 30.0)] {
            Chunk::random(n_vocab as u64, [2, 3, n_vocab], size, top_k).check(2e-6);
        }
    }
}

#[test]
fn a_top_k_near_the_vocabulary() {
    for n_vocab in [5, 1000, 1025, 5003] {
        for top_k in [n_vocab - 1, n_vocab, n_vocab + 1, 10 * n_vocab] {
            Chunk::random(3, [1, 2, n_vocab], 4.0, top_k).check(2e-6);
        }
    }
}

#[test]
fn ties_go_to_the_smaller_id() {
    let shape = [2, 3, 5000];
    // Three values, so that thousands are equal, spread in several ways; and zeros of both signs.
    let spread: [fn(usize) -> f32; 5] = [
        |i| (i % 3) as f32,
        |i| -((i / 700 % 3) as f32),
        |_| 1.5,
        |i| if i % 2 == 0 { 0.0 } else { -0.0 },
        |i| if i % 4999 == 4998 { 2.0 } else { 1.0 },
    ];
    for spread in spread {
        for top_k in [1, 2, 7, 10, 11, 600, 1024, 1025, 4999] {
            let products = (0..shape.iter().product()).map(spread).collect();
            Chunk::new(products, shape, top_k).check(2e-6);
        }
    }
}

#[test]
fn blocks_whose_maxima_are_equal_are_taken_from_the_left() {
    // Each block of 512 has one 3, at its end, and 2s before it: the first 3s, and no 2.
    let spread = |i: usize| if i % 512 == 511 { 3.0 } else { 2.0 };
    for top_k in [1, 2, 9, 10, 20, 21] {
        Chunk::new((0..2 * 10240).map(spread).collect(), [1, 2, 10240], top_k).check(2e-6);
    }
}

#[test]
fn extremes_that_are_finite() {
    let shape = [1, 4, 2000];
    let spread: [fn(usize) -> f32; 5] = [
        |i| if i % 7 == 3 { 1e30 } else { -1e30 },
        |_| -1e30,
        |i| if i == 1999 { 1e30 } else { 0.0 },
        |i| 1e-40 * i as f32,
        |i| -100.0 * i as f32,
    ];
    for spread in spread {
        let products = (0..4).flat_map(|_| (0..2000).map(spread)).collect();
        Chunk::new(products, shape, 10).check(2e-6);
    }
}

#[test]
fn maxima_that_grow_and_fall_along_a_row() {
    // Every block raises the maximum of its warp, or none but the first does.
    for slope in [0.02f32, -0.02] {
        let products = (0..2 * 9000).map(|i| slope * (i % 9000) as f32).collect();
        Chunk::new(products, [1, 2, 9000], 5).check(2e-6);
    }
}

#[test]
fn bias_scale_and_cap() {
    let shape = [2, 3, 1500];
    for (softcap, scale) in [(None, 0.125), (Some(30.0), 1.0), (Some(2.0), 3.0)] {
        for bias in [None, Some(Random::new(9).values(1500, 2.0))] {
            let mut chunk = Chunk::random(11, shape, 20.0, 10);
            (chunk.bias, chunk.post) = (bias, Post { scale, softcap });
            chunk.check(2e-6);
        }
    }
}

#[test]
fn any_number_of_tokens_is_counted() {
    for n in [0, 1, 2, 3, 4, 5, 8, 9, 23] {
        let mut chunk = Chunk::random(5, [3, 3, 1300], 5.0, 10);
        // Rows of different lengths, with the same token twice.
        chunk.tracked = (0..3).map(|row| (0..n + row).map(|i| token(i * 97 % 1300)).collect()).collect();
        chunk.tracked[1].push(Wanted::FinalTop);
        chunk.check(2e-6);
    }
}

#[test]
fn a_readout_that_equals_the_final_one_is_at_no_distance() {
    let n_vocab = 3000;
    let row = Random::new(1).values(n_vocab, 10.0);
    let answers = Chunk::new([&row[..], &row].concat(), [1, 2, n_vocab], 3).read();
    let got = answers.projected(0);
    assert_eq!((got.kl_to_final, got.js_to_final, got.tv_to_final), (Some(0.0), Some(0.0), Some(0.0)));
}

#[test]
fn a_readout_far_from_the_final_one_is_told_apart() {
    // All of one is where the other has a little or nothing.
    for far in [5.0, 20.0, 200.0] {
        let spread = |i: usize| if i.is_multiple_of(2) { far } else { 0.0 };
        let products = (0..1200).map(spread).chain((1..1201).map(spread)).collect();
        Chunk::new(products, [1, 2, 1200], 10).check(2e-6);
    }
}

#[test]
fn what_is_not_finite_is_found_wherever_it_is() {
    for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for softcap in [None, Some(5.0)] {
            for at in [0, 511, 700, 1499, 1500, 2999] {
                let mut chunk = Chunk::random(2, [1, 2, 1500], 3.0, 10);
                chunk.post.softcap = softcap;
                chunk.products[at] = broken;
                assert!(!chunk.read().are_finite(), "{broken} at {at} with the cap {softcap:?}");
            }
        }
    }
    let mut chunk = Chunk::random(2, [1, 2, 1500], 3.0, 10);
    chunk.products.fill(f32::NAN);
    assert!(!chunk.read().are_finite());
}
