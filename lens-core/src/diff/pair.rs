//! Two readouts side by side: how far the distributions of two models are apart.

use rayon::prelude::*;

use crate::{
    nonfinite::NonFinite,
    norm::FinalNorm,
    projection::{NonFiniteLogits, ProjectionError, Unembedding},
    token::TokenId,
};

use super::side::Side;

/// Bytes of logits that both models together may have in memory at once.
const LOGITS: usize = 128 << 20;

/// Readouts that are projected together, however small the vocabulary is.
const MOST_ROWS: usize = 256;

/// Final norm and unembedding of two models in host memory.
///
/// Each model's readout is its own: its norm, its weights in their dtype, its soft cap, through the projection that every
/// other readout takes. Where the vocabularies have different numbers of rows, both distributions are those over the rows
/// that both have.
#[derive(Debug, Clone, Copy)]
pub struct PairReadout<'a> {
    norms: [&'a FinalNorm; 2],
    unembeddings: [Unembedding<'a>; 2],
}

/// What two readouts of one position say of each other.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Compared {
    /// KL(A ‖ B), nats.
    pub kl: f64,
    /// Jensen-Shannon divergence, nats: from 0 to ln 2.
    pub js: f64,
    /// The most probable token of each; of equal ones that with the smallest id.
    pub top: [TokenId; 2],
    /// Its logit in each.
    pub top_logit: [f32; 2],
    /// 1 + the number of tokens with a larger logit in B than the most probable token of A has there.
    pub rank: u32,
    /// Log-sum-exp of the logits of each, nats.
    pub log_sum_exp: [f64; 2],
    /// The surprise of each at the token that comes next, nats; nothing where none comes.
    pub cross_entropy: Option<[f64; 2]>,
}

/// Why two readouts cannot be compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// A value of one of the models is not finite.
    #[error("{what} in row {row} of model {side}")]
    NonFinite {
        /// Whose it is.
        side: Side,
        /// What is not finite.
        what: NonFinite,
        /// Which of the rows given.
        row: usize,
    },
    /// The rows of the two models are not as many, or not as wide as their norms.
    #[error("{values} values of model {side} are not {rows} rows of {d_model}")]
    Shape {
        /// Whose they are.
        side: Side,
        /// How many values there are.
        values: usize,
        /// How many rows there should be.
        rows: usize,
        /// How wide each should be.
        d_model: usize,
    },
    /// The token that comes next is in only one of the vocabularies.
    #[error("token id {token} is outside the {rows} rows that both vocabularies have")]
    UnknownToken {
        /// The token.
        token: TokenId,
        /// Rows that both have.
        rows: usize,
    },
    /// A projection could not be done.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
}

impl<'a> PairReadout<'a> {
    /// The readouts of models A and B.
    pub fn new(a: (&'a FinalNorm, Unembedding<'a>), b: (&'a FinalNorm, Unembedding<'a>)) -> Self {
        Self { norms: [a.0, b.0], unembeddings: [a.1, b.1] }
    }

    /// Rows of the vocabulary that both have.
    pub fn n_vocab(&self) -> usize {
        self.unembeddings[0].n_vocab().min(self.unembeddings[1].n_vocab())
    }

    /// Compares the readouts of captured vectors, `[rows, d_model]` in float32, row by row. `next` is what comes after each
    /// row, `[rows]`; it may be empty where that is of no interest.
    ///
    /// Logits are those of the readouts, in float32; everything that is made of them is in float64. They are held for as
    /// many rows at a time as fit 128 MiB.
    ///
    /// # Errors
    /// When a vector or a logit is not finite, or the rows do not fit.
    pub fn read(&self, vectors: [&[f32]; 2], next: &[Option<TokenId>]) -> Result<Vec<Compared>, PairError> {
        let d = self.norms.map(FinalNorm::d_model);
        let rows = vectors[0].len() / d[0].max(1);
        for (side, (values, d_model)) in Side::BOTH.into_iter().zip(vectors.into_iter().zip(d)) {
            if values.len() != rows * d_model || (!next.is_empty() && next.len() != rows) {
                return Err(PairError::Shape { side, values: values.len(), rows, d_model });
            }
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(PairError::NonFinite { side, what: NonFinite::Activation, row: at / d_model });
            }
        }
        let known = self.n_vocab();
        if let Some(token) = next.iter().flatten().find(|token| token.index() >= known) {
            return Err(PairError::UnknownToken { token: *token, rows: known });
        }
        let bytes: usize = self.unembeddings.iter().map(|one| one.n_vocab() * size_of::<f32>()).sum();
        let at_once = (LOGITS / bytes.max(1)).clamp(1, MOST_ROWS);
        let mut compared = Vec::with_capacity(rows);
        for first in (0..rows).step_by(at_once) {
            let end = rows.min(first + at_once);
            let of = |i: usize| self.logits(i, &vectors[i][first * d[i]..end * d[i]], first);
            let (a, b) = (of(0)?, of(1)?);
            let each = a.into_par_iter().zip(b).enumerate().map(|(i, (a, b))| {
                let next = next.get(first + i).copied().flatten();
                Compared::of(&a[..known], &b[..known], next)
            });
            compared.par_extend(each);
        }
        Ok(compared)
    }

    /// The logits of some rows of one model, of which the first is the row `first` of all.
    fn logits(&self, of: usize, vectors: &[f32], first: usize) -> Result<Vec<Vec<f32>>, PairError> {
        let (norm, mut normed) = (self.norms[of], vectors.to_vec());
        normed.par_chunks_exact_mut(norm.d_model()).for_each(|x| norm.apply(x, norm.scale(x)));
        let logits = self.unembeddings[of].all_logits(&normed)?;
        let fine = |(i, logits): (usize, Result<Vec<f32>, NonFiniteLogits>)| {
            let side = Side::BOTH[of];
            logits.map_err(|_| PairError::NonFinite { side, what: NonFinite::Logit, row: first + i })
        };
        logits.into_iter().enumerate().map(fine).collect()
    }
}

impl Compared {
    /// Of finite logits, `[n_vocab]` each.
    fn of(a: &[f32], b: &[f32], next: Option<TokenId>) -> Self {
        let top = [largest(a), largest(b)];
        let top_logit = [a[top[0]], b[top[1]]];
        let log_sum_exp = [log_sum_exp(a, top_logit[0]), log_sum_exp(b, top_logit[1])];
        let log = |z: f32, of: usize| f64::from(z) - log_sum_exp[of];
        let (mut kl, mut js) = (0.0, 0.0);
        for (za, zb) in a.iter().zip(b) {
            let (la, lb) = (log(*za, 0), log(*zb, 1));
            kl += la.exp() * (la - lb);
            js += js_term(la, lb);
        }
        let rank = 1 + b.iter().filter(|z| **z > b[top[0]]).count() as u32;
        let surprise = |token: TokenId| [-log(a[token.index()], 0), -log(b[token.index()], 1)];
        Self {
            kl,
            js,
            top: top.map(|id| TokenId(id as u32)),
            top_logit,
            rank,
            log_sum_exp,
            cross_entropy: next.map(surprise),
        }
    }

    /// Whether both have the same most probable token.
    pub fn agrees(&self) -> bool {
        self.top[0] == self.top[1]
    }
}

/// The first of the largest logits.
fn largest(z: &[f32]) -> usize {
    let larger = |best: usize, (i, value): (usize, &f32)| if *value > z[best] { i } else { best };
    z.iter().enumerate().fold(0, larger)
}

fn log_sum_exp(z: &[f32], max: f32) -> f64 {
    f64::from(max) + z.iter().map(|z| (f64::from(*z) - f64::from(max)).exp()).sum::<f64>().ln()
}

/// One token's share of the Jensen-Shannon divergence: `(p ln(p/m) + q ln(q/m)) / 2` with `m = (p + q) / 2`, of `ln p` and
/// `ln q`.
///
/// It is written in `t = smaller / larger - 1`, so that it keeps its digits where the two are close, and is zero where they
/// are equal: `m = larger (1 + t/2)`.
fn js_term(la: f64, lb: f64) -> f64 {
    let (larger, below) = (la.max(lb), (la - lb).abs());
    let t = (-below).exp_m1();
    let middle = (t / 2.0).ln_1p();
    let p = larger.exp();
    (p * -middle + p * (1.0 + t) * (-below - middle)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        norm::NormKind,
        projection::{Post, VocabRows},
        toy::Random,
    };

    const D: usize = 8;

    fn norm(random: &mut Random) -> FinalNorm {
        FinalNorm::new(NormKind::Rms, 1e-5, D, Some(random.values(D, 1.5)), None).unwrap()
    }

    /// The logits of one row in float64.
    fn logits(x: &[f32], norm: &FinalNorm, rows: &[f32], bias: &[f32], cap: f64) -> Vec<f64> {
        let square = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / D as f64;
        let scale = (square + 1e-5).sqrt();
        let weight = norm.weight().unwrap();
        let normed: Vec<f64> =
            x.iter().zip(weight).map(|(x, w)| f64::from(*x) / scale * f64::from(*w)).collect();
        let of = |(row, bias): (&[f32], &f32)| {
            let z = row.iter().zip(&normed).map(|(w, x)| f64::from(*w) * x).sum::<f64>() + f64::from(*bias);
            cap * (z / cap).tanh()
        };
        rows.chunks_exact(D).zip(bias).map(of).collect()
    }

    fn distribution(z: &[f64]) -> Vec<f64> {
        let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
        z.iter().map(|z| (z - max).exp() / sum).collect()
    }

    /// Vocabularies of different sizes, a bias, a soft cap, and more rows than are projected at once.
    #[test]
    fn numbers_are_those_of_the_plain_formulas_in_float64() {
        let mut random = Random::new(5);
        let (va, vb, n) = (71, 64, 2 * MOST_ROWS + 7);
        let (na, nb) = (norm(&mut random), norm(&mut random));
        let (ra, rb) = (random.values(va * D, 1.2), random.values(vb * D, 1.2));
        let (ba, bb) = (random.values(va, 0.5), random.values(vb, 0.5));
        let (xa, xb) = (random.values(n * D, 3.0), random.values(n * D, 3.0));
        let post = Post { scale: 1.0, softcap: Some(4.0) };
        let a = Unembedding::new(VocabRows::F32(&ra), D, Some(&ba), post).unwrap();
        let b = Unembedding::new(VocabRows::F32(&rb), D, Some(&bb), post).unwrap();
        let next: Vec<Option<TokenId>> =
            (0..n).map(|i| (i % 5 != 4).then_some(TokenId((i * 7 % vb) as u32))).collect();
        let pair = PairReadout::new((&na, a), (&nb, b));
        assert_eq!(pair.n_vocab(), vb);
        let compared = pair.read([&xa, &xb], &next).unwrap();
        assert_eq!(compared.len(), n);
        let near = |got: f64, expected: f64, what: &str, row: usize| {
            assert!((got - expected).abs() < 3e-5, "{what} of row {row}: {got}, in float64 {expected}");
        };
        let mut disagreed = 0;
        for (row, got) in compared.iter().enumerate() {
            let of = |x: &[f32], norm, rows: &[f32], bias: &[f32]| {
                logits(&x[row * D..][..D], norm, &rows[..vb * D], &bias[..vb], 4.0)
            };
            let (za, zb) = (of(&xa, &na, &ra, &ba), of(&xb, &nb, &rb, &bb));
            let (p, q) = (distribution(&za), distribution(&zb));
            let kl: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
            let js: f64 = p
                .iter()
                .zip(&q)
                .map(|(p, q)| {
                    let m = (p + q) / 2.0;
                    (p * (p / m).ln() + q * (q / m).ln()) / 2.0
                })
                .sum();
            near(got.kl, kl, "kl", row);
            near(got.js, js, "js", row);
            let top = |z: &[f64]| (0..vb).max_by(|i, j| z[*i].total_cmp(&z[*j])).unwrap();
            assert_eq!(got.top.map(TokenId::index), [top(&za), top(&zb)], "row {row}");
            let rank = 1 + zb.iter().filter(|z| **z > zb[top(&za)]).count();
            assert_eq!(got.rank as usize, rank, "row {row}");
            disagreed += usize::from(!got.agrees());
            match next[row] {
                None => assert_eq!(got.cross_entropy, None),
                Some(token) => {
                    let surprise = got.cross_entropy.unwrap();
                    near(surprise[0], -p[token.index()].ln(), "cross-entropy of A", row);
                    near(surprise[1], -q[token.index()].ln(), "cross-entropy of B", row);
                }
            }
        }
        assert!(disagreed > n / 2, "{disagreed} of {n} disagree: nothing was tested");
    }

    #[test]
    fn a_readout_beside_itself_is_exactly_zero() {
        let mut random = Random::new(9);
        let (norm, rows, x) = (norm(&mut random), random.values(50 * D, 2.0), random.values(9 * D, 5.0));
        let one = || Unembedding::new(VocabRows::F32(&rows), D, None, Post::default()).unwrap();
        for compared in PairReadout::new((&norm, one()), (&norm, one())).read([&x, &x], &[]).unwrap() {
            assert_eq!((compared.kl, compared.js, compared.rank, compared.agrees()), (0.0, 0.0, 1, true));
        }
    }

    /// Where the distributions are close, the divergence is half of the variance of the difference: 1e-10 has to have
    /// digits left.
    #[test]
    fn close_distributions_keep_their_digits() {
        let mut random = Random::new(2);
        let a = random.values(400, 4.0);
        let b: Vec<f32> = a.iter().zip(random.values(400, 1.0)).map(|(z, d)| z + d * 1e-4).collect();
        let compared = Compared::of(&a, &b, None);
        let p = distribution(&a.iter().map(|z| f64::from(*z)).collect::<Vec<_>>());
        let change: Vec<f64> = a.iter().zip(&b).map(|(a, b)| f64::from(*b) - f64::from(*a)).collect();
        let mean: f64 = p.iter().zip(&change).map(|(p, d)| p * d).sum();
        let variance: f64 = p.iter().zip(&change).map(|(p, d)| p * (d - mean).powi(2)).sum();
        let near = |got: f64, expected: f64| {
            assert!((got / expected - 1.0).abs() < 1e-3, "{got:e}, expected {expected:e}");
        };
        near(compared.kl, variance / 2.0);
        near(compared.js, variance / 8.0);
    }

    #[test]
    fn far_distributions_are_ln_2_apart_and_nothing_overflows() {
        let compared = Compared::of(&[3e4, 0.0], &[0.0, 3e4], None);
        assert!((compared.js - std::f64::consts::LN_2).abs() < 1e-12, "{}", compared.js);
        assert_eq!((compared.kl, compared.rank), (3e4, 2));
    }

    #[test]
    fn what_is_not_finite_or_does_not_fit_names_its_model_and_row() {
        let mut random = Random::new(4);
        let (norm, rows, x) = (norm(&mut random), random.values(20 * D, 2.0), random.values(3 * D, 1.0));
        let mut broken = rows.clone();
        broken[5 * D] = f32::NAN;
        let of = |rows| Unembedding::new(VocabRows::F32(rows), D, None, Post::default()).unwrap();
        let mut infinite = x.clone();
        infinite[2 * D + 1] = f32::INFINITY;
        let pair = PairReadout::new((&norm, of(&rows)), (&norm, of(&rows)));
        let error = pair.read([&x, &infinite], &[]).unwrap_err();
        let side = Side::B;
        assert_eq!(error, PairError::NonFinite { side, what: NonFinite::Activation, row: 2 });
        let error =
            PairReadout::new((&norm, of(&broken)), (&norm, of(&rows))).read([&x, &x], &[]).unwrap_err();
        assert_eq!(error, PairError::NonFinite { side: Side::A, what: NonFinite::Logit, row: 0 });
        assert!(matches!(pair.read([&x, &x[..D]], &[]), Err(PairError::Shape { side: Side::B, .. })));
        let unknown = pair.read([&x, &x], &[None, None, Some(TokenId(20))]);
        assert!(matches!(unknown, Err(PairError::UnknownToken { .. })));
    }
}
