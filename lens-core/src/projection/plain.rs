//! The projection written plainly: one vocabulary row at a time, every sum in float64.

use half::bf16;
use rayon::prelude::*;

use super::job::{Job, NonFiniteLogits, Projected, ProjectionError, Tracked, Unembedding, VocabRows};
use crate::TokenId;

impl Unembedding<'_> {
    /// Projects a batch of readouts.
    ///
    /// # Errors
    /// When the job does not fit the unembedding. A readout with non-finite logits is an error of its own,
    /// in its place in the answer, and leaves the others as they are.
    pub fn project(&self, job: &Job<'_>) -> Result<Vec<Result<Projected, NonFiniteLogits>>, ProjectionError> {
        let n = job.check(self)?;
        Ok((0..n).into_par_iter().map(|readout| self.project_one(job, readout)).collect())
    }

    fn project_one(&self, job: &Job<'_>, readout: usize) -> Result<Projected, NonFiniteLogits> {
        let own = self.logits_of(job, readout);
        if own.iter().any(|z| !z.is_finite()) {
            return Err(NonFiniteLogits);
        }
        let log_sum_exp = log_sum_exp(&own);
        let mut order: Vec<usize> = (0..own.len()).collect();
        order.sort_by(|&a, &b| own[b].total_cmp(&own[a]).then(a.cmp(&b)));
        order.truncate(job.top_k);
        let mut projected = Projected {
            top: order.into_iter().map(|v| (TokenId(v as u32), own[v])).collect(),
            log_sum_exp,
            entropy: job.entropy.then(|| {
                own.iter().map(|&z| f64::from(z) - log_sum_exp).map(|log_p| -log_p.exp() * log_p).sum()
            }),
            kl_to_final: None,
            js_to_final: None,
            tv_to_final: None,
            tracked: Vec::new(),
        };
        if let Some(tracked) = job.tracked.get(readout) {
            for token in tracked {
                let logit = own[token.0 as usize];
                let larger = own.iter().filter(|&&z| z > logit).count();
                projected.tracked.push(Tracked { logit, rank: 1 + larger as u32 });
            }
        }
        if let Some(finals) = job.finals {
            let last = self.logits_of(job, finals[readout] as usize);
            if last.iter().all(|z| z.is_finite()) {
                let last_sum = self::log_sum_exp(&last);
                let (mut kl, mut js, mut tv) = (0.0, 0.0, 0.0);
                for (&z, &z_last) in own.iter().zip(&last) {
                    let (log_q, log_p) = (f64::from(z) - log_sum_exp, f64::from(z_last) - last_sum);
                    let (q, p) = (log_q.exp(), log_p.exp());
                    kl += p * (log_p - log_q);
                    tv += 0.5 * (p - q).abs();
                    let middle = 0.5 * (p + q);
                    if p > 0.0 {
                        js += 0.5 * p * (p / middle).ln();
                    }
                    if q > 0.0 {
                        js += 0.5 * q * (q / middle).ln();
                    }
                }
                projected.kl_to_final = Some(kl);
                if job.distances {
                    projected.js_to_final = Some(js);
                    projected.tv_to_final = Some(tv);
                }
            }
        }
        Ok(projected)
    }

    fn logits_of(&self, job: &Job<'_>, readout: usize) -> Vec<f32> {
        let d = self.d_model();
        let x = &job.readouts[readout * d..][..d];
        let rounded: Vec<f32> = match self.rows() {
            VocabRows::Bf16(_) => x.iter().map(|&x| bf16::from_f32(x).to_f32()).collect(),
            _ => x.to_vec(),
        };
        (0..self.n_vocab())
            .map(|v| {
                let row = v * d..(v + 1) * d;
                let dot: f32 = match self.rows() {
                    VocabRows::F32(w) => w[row].iter().zip(&rounded).map(|(w, x)| w * x).sum(),
                    VocabRows::Bf16(w) => w[row].iter().zip(&rounded).map(|(w, x)| w.to_f32() * x).sum(),
                    VocabRows::F16(w) => w[row].iter().zip(&rounded).map(|(w, x)| w.to_f32() * x).sum(),
                };
                self.post().apply(dot + self.bias().map_or(0.0, |bias| bias[v]))
            })
            .collect()
    }
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    max + logits.iter().map(|&z| (f64::from(z) - max).exp()).sum::<f64>().ln()
}
