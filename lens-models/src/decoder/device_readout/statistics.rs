//! From the logits of a chunk to what crosses to the host.

use lens_core::{
    Question, Readout, TokenId, Tracking, VectorFacts,
    projection::{Projected, Tracked},
};
use tch::{Device, Kind, Tensor};

use super::{Chunk, ModelError, numbers};

/// The logits of a chunk and what is wanted of them.
pub(super) struct Statistics<'a, 'b> {
    /// The facts of the captured vectors, `[rows, points + 1]`, if a statistic needs them.
    pub(super) facts: Option<&'a [VectorFacts]>,
    /// `[rows, points + 1, n_vocab]`, float32.
    pub(super) logits: &'a Tensor,
    pub(super) chunk: &'a Chunk<'a, 'b>,
    pub(super) question: &'a Question,
}

/// Softmax of every readout, up to its sum.
struct Softmax {
    /// `e^(z - max z)`, `[rows, points + 1, n_vocab]`.
    weights: Tensor,
    /// Their sum, `[rows, points + 1, 1]`, as wide as the device can.
    sum: Tensor,
    log_sum_exp: Vec<f64>,
    entropy: Vec<f64>,
    variance: Option<Vec<f64>>,
}

/// Divergences of every readout to the final one of its row.
#[derive(Default)]
struct Divergences {
    kl: Option<Vec<f64>>,
    js: Option<Vec<f64>>,
    tv: Option<Vec<f64>>,
}

impl Statistics<'_, '_> {
    /// The readouts, row by row, the final one last; `None` when some readout has logits that are NaN or infinite.
    pub(super) fn readouts(&self) -> Result<Option<Vec<Vec<Readout>>>, ModelError> {
        let (top, softmax) = (self.top()?, self.softmax()?);
        if softmax.log_sum_exp.iter().chain(&softmax.entropy).any(|value| !value.is_finite()) {
            return Ok(None);
        }
        let divergences = self.divergences(&softmax)?;
        let Softmax { log_sum_exp, entropy, variance, weights, .. } = softmax;
        drop(weights); // as large as the logits
        let tracking = self.tracking(&top);
        let tracked = self.tracked(&tracking)?;
        let of = |values: &Option<Vec<f64>>, i: usize| values.as_ref().map(|values| values[i]);
        let width = self.width();
        let projected = |i: usize| {
            // The final readout has no distance to itself.
            let distance = |values: &Option<Vec<f64>>| of(values, i).filter(|_| i % width != width - 1);
            Projected {
                top: top[i].clone(),
                log_sum_exp: log_sum_exp[i],
                entropy: Some(entropy[i]),
                variance: of(&variance, i),
                kl_to_final: distance(&divergences.kl),
                js_to_final: distance(&divergences.js),
                tv_to_final: distance(&divergences.tv),
                tracked: tracked[i].clone(),
            }
        };
        Ok(Some(Readout::of_rows(width, &tracking, projected, self.facts, self.question)))
    }

    /// Readouts of a row, the final one included.
    fn width(&self) -> usize {
        self.chunk.points.len() + 1
    }

    /// The k largest logits of every readout: larger first, ties by the smaller id.
    fn top(&self) -> Result<Vec<Vec<(TokenId, f32)>>, ModelError> {
        let n_vocab = self.logits.size()[2];
        let k = (self.question.candidates() as i64).min(n_vocab);
        let z = self.logits.f_view([-1, n_vocab])?;
        // libtorch breaks ties as it likes. That matters where the first that is left out equals the last that is not.
        let asked = (k + 1).min(n_vocab);
        let (values, ids) = z.f_topk(asked, -1, true, true)?; // [readouts, asked] both
        let (values, ids): (Vec<f32>, Vec<i64>) =
            (numbers(&values, Kind::Float)?, numbers(&ids, Kind::Int64)?);
        let (k, asked) = (k as usize, asked as usize);
        let rows = values.chunks_exact(asked).zip(ids.chunks_exact(asked));
        rows.enumerate()
            .map(|(i, (values, ids))| {
                // Negative zero equals zero.
                let mut top: Vec<(TokenId, f32)> =
                    ids.iter().zip(values).take(k).map(|(id, z)| (TokenId(*id as u32), z + 0.0)).collect();
                if values.get(k).is_some_and(|next| *next == values[k - 1]) {
                    first_of_equals(&z.f_select(0, i as i64)?, &mut top)?;
                }
                top.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                Ok(top)
            })
            .collect()
    }

    fn softmax(&self) -> Result<Softmax, ModelError> {
        let max = self.logits.f_amax([-1].as_slice(), true)?; // [rows, points + 1, 1]
        let shifted = self.logits.f_sub(&max)?;
        let weights = shifted.f_exp()?;
        let sum = total(&weights, true)?;
        let variance = self.question.statistics.needs().variance;
        let square = if variance { Some(total(&shifted.f_square()?.f_mul_(&weights)?, true)?) } else { None };
        let moment = total(&{ shifted }.f_mul_(&weights)?, true)?; // Σ e^(z - max) (z - max)
        let (sums, moments): (Vec<f64>, Vec<f64>) =
            (numbers(&sum, Kind::Double)?, numbers(&moment, Kind::Double)?);
        let max: Vec<f64> = numbers(&max, Kind::Double)?;
        let squares = square.map(|square| numbers::<f64>(&square, Kind::Double)).transpose()?;
        let variance = |squares: Vec<f64>| {
            let means = sums.iter().zip(&moments).map(|(sum, moment)| (sum, moment / sum));
            let of = |(square, (sum, mean)): (f64, (&f64, f64))| (square / sum - mean * mean).max(0.0);
            squares.into_iter().zip(means).map(of).collect()
        };
        Ok(Softmax {
            weights,
            log_sum_exp: max.iter().zip(&sums).map(|(max, sum)| max + sum.ln()).collect(),
            entropy: sums.iter().zip(&moments).map(|(sum, moment)| sum.ln() - moment / sum).collect(),
            variance: squares.map(variance),
            sum,
        })
    }

    fn divergences(&self, softmax: &Softmax) -> Result<Divergences, ModelError> {
        let needs = self.question.statistics.needs();
        let width = self.width();
        let last = |x: &Tensor| x.f_narrow(1, width as i64 - 1, 1);
        let mut divergences = Divergences::default();
        if needs.divergence {
            // Σ p_f (f - z), zero term by term where the two agree, and what the two sums differ by.
            let terms = last(self.logits)?.f_sub(self.logits)?.f_mul_(&last(&softmax.weights)?)?;
            let sums: Vec<f64> = numbers(&total(&terms, true)?.f_div(&last(&softmax.sum)?)?, Kind::Double)?;
            let lse = &softmax.log_sum_exp;
            let of = |(i, sum): (usize, &f64)| sum - lse[i / width * width + width - 1] + lse[i];
            divergences.kl = Some(sums.iter().enumerate().map(of).collect());
        }
        if needs.distances {
            let p = softmax.weights.f_div(&softmax.sum.f_to_kind(Kind::Float)?)?;
            let q = last(&p)?;
            let half = |sum: &Tensor| -> Result<Vec<f64>, ModelError> {
                numbers(&sum.f_mul_scalar(0.5)?, Kind::Double)
            };
            divergences.tv = Some(half(&total(&p.f_sub(&q)?.f_abs_()?, false)?)?);
            // A probability of 0 adds nothing, whatever it is divided by.
            let middle = p.f_add(&q)?.f_mul_scalar_(0.5)?.f_clamp_min_(f64::from(f32::MIN_POSITIVE))?;
            let own = total(&p.f_xlogy(&p.f_div(&middle)?)?, false)?;
            let other = total(&q.f_xlogy(&q.f_div(&middle)?)?, false)?;
            divergences.js = Some(half(&own.f_add(&other)?)?);
        }
        Ok(divergences)
    }

    /// The tokens that the readouts of each row track.
    fn tracking(&self, top: &[Vec<(TokenId, f32)>]) -> Vec<Tracking> {
        let finals = top.chunks_exact(self.width()).enumerate();
        let of_row = |(row, top): (usize, &[Vec<(TokenId, f32)>])| {
            let top1 = top.last().and_then(|last| last.first()).map(|(id, _)| *id);
            Tracking { final_top1: top1, next: top1.and_then(|top1| self.chunk.next(row, top1)) }
        };
        finals.map(of_row).collect()
    }

    /// Logits and ranks of the tokens that each readout tracks.
    fn tracked(&self, tracking: &[Tracking]) -> Result<Vec<Vec<Tracked>>, ModelError> {
        let width = self.width();
        let of_row = |tracking: &Tracking| -> Vec<i64> {
            tracking.tokens(self.question).iter().map(|token| i64::from(token.0)).collect()
        };
        let mut by_row: Vec<Vec<i64>> = tracking.iter().map(of_row).collect();
        let n_asked: Vec<usize> = by_row.iter().map(Vec::len).collect();
        let n = n_asked.iter().copied().max().unwrap_or(0);
        let readouts = self.chunk.len();
        if n == 0 {
            return Ok(vec![Vec::new(); readouts]);
        }
        by_row.iter_mut().for_each(|ids| ids.resize(n, 0));
        let shape = [by_row.len() as i64, 1, n as i64];
        let ids = Tensor::f_from_slice(&by_row.concat())?.f_view(shape)?.f_to_device(self.logits.device())?;
        let own =
            self.logits.f_gather(2, &ids.f_expand([shape[0], width as i64, shape[2]], false)?, false)?;
        let larger: Vec<Tensor> = (0..n as i64)
            .map(|token| count(&self.logits.f_gt_tensor(&own.f_narrow(2, token, 1)?)?))
            .collect::<Result<_, _>>()?;
        let larger: Vec<i64> = numbers(&Tensor::f_stack(&larger, -1)?, Kind::Int64)?;
        let own: Vec<f32> = numbers(&own, Kind::Float)?;
        let answers =
            own.chunks_exact(n).zip(larger.chunks_exact(n)).enumerate().map(|(i, (own, larger))| {
                let asked = own.iter().zip(larger).take(n_asked[i / width]);
                asked.map(|(logit, larger)| Tracked { logit: *logit, rank: 1 + *larger as u32 }).collect()
            });
        Ok(answers.collect())
    }
}

/// Puts the smallest ids in the places of those that equal the smallest logit of `top`.
fn first_of_equals(z: &Tensor, top: &mut Vec<(TokenId, f32)>) -> Result<(), ModelError> {
    let k = top.len();
    let Some(kth) = top.iter().map(|(_, z)| *z).reduce(f32::min) else { return Ok(()) };
    top.retain(|(_, z)| *z > kth);
    let equal: Vec<i64> = numbers(&z.f_eq(f64::from(kth))?.f_nonzero()?, Kind::Int64)?; // ascending
    let free = k - top.len();
    top.extend(equal.into_iter().take(free).map(|id| (TokenId(id as u32), kth)));
    Ok(())
}

/// How many are true along the last dimension. On a card, bytes become integers in a copy eight times as large; ones in
/// half precision are added in float32 without one, which counts every vocabulary exactly.
fn count(marks: &Tensor) -> Result<Tensor, ModelError> {
    if !marks.device().is_cuda() {
        return Ok(marks.f_sum_dim_intlist([-1].as_slice(), false, Kind::Int64)?);
    }
    Ok(marks.f_to_kind(Kind::Half)?.f_sum_dim_intlist([-1].as_slice(), false, Kind::Float)?)
}

/// The sum along the last dimension, as a float64 tensor where the device has them. A card adds float32 as a tree,
/// whose error grows with the logarithm of the length; wider terms would be a copy twice as large.
fn total(terms: &Tensor, keep: bool) -> Result<Tensor, ModelError> {
    let sum = |kind| terms.f_sum_dim_intlist([-1].as_slice(), keep, kind);
    Ok(match terms.device() {
        Device::Mps => sum(Kind::Float)?,
        device if device.is_cuda() => sum(Kind::Float)?.f_to_kind(Kind::Double)?,
        _ => sum(Kind::Double)?,
    })
}
