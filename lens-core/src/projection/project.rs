//! From a job to answers: choose the instructions, group the readouts, sweep, merge.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::beside::runs;
use super::block::BlockProduct;
use super::distances::{self, Distances};
use super::ends::{self, Ends};
use super::job::{
    BothEnds, Job, NonFiniteLogits, Projected, ProjectionError, Tracked, Unembedding, VocabRows,
};
use super::kernel::{Kernel, KernelError};
use super::panel::{Group, Panel, Panels, offset_in_block};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::simd::amxbf16::AmxBf16;
use super::simd::plain::{Lanes, Plain};
use super::simd::{Product, Simd};
#[cfg(target_arch = "x86_64")]
use super::simd::{avx2::Avx2, avx512::Avx512, avx512bf16::Avx512Bf16};
use super::stats::{self, Statistics, shifted_square};
use super::sweep::{Logits, Matrix, pass_again, sweep, sweep_and_remember};
use super::topk::{SharedBound, TopK};
use super::whole;
use crate::token::TokenId;

type Answers = Vec<Result<Projected, NonFiniteLogits>>;

/// Readouts that are swept together. The weights are read once for all of them, which costs little beside
/// the products of so many, and what is kept of them until the end stays small.
const GROUP: usize = 1280;
/// The same for long top-k lists: about this many entries per stretch of rows.
const GROUP_ENTRIES: usize = 100 * GROUP;

impl Unembedding<'_> {
    /// Projects a batch of readouts with the kernel that [`Kernel::chosen`] names.
    ///
    /// Vocabulary rows are spread over the threads of the rayon pool that this is called in.
    ///
    /// # Errors
    /// When the job does not fit the unembedding, or `LENS_KERNEL` names a kernel that does not exist or that this
    /// machine cannot run. A readout with non-finite logits is an error of its own, in its place in the answer, and
    /// leaves the others as they are.
    pub fn project(&self, job: &Job<'_>) -> Result<Answers, ProjectionError> {
        self.project_with(Kernel::chosen()?, job)
    }

    /// Projects a batch of readouts with a given kernel.
    ///
    /// # Errors
    /// As [`project`](Self::project), and when this machine cannot run the kernel.
    pub fn project_with(&self, kernel: Kernel, job: &Job<'_>) -> Result<Answers, ProjectionError> {
        self.dispatch::<Whole>(kernel, job)
    }

    /// The logits of some tokens in each of `readouts`, `[n, d_model]`, with the kernel that [`Kernel::chosen`] names:
    /// the same, to the bit, as those of [`project`](Self::project), without computing the rest of the vocabulary.
    /// `tokens` has one list for each readout, `[n]`, and so has the answer.
    ///
    /// # Errors
    /// As [`project`](Self::project), but a logit that is not finite is no error: it is returned as it is.
    pub fn logits(
        &self,
        readouts: &[f32],
        tokens: &[Vec<TokenId>],
    ) -> Result<Vec<Vec<f32>>, ProjectionError> {
        self.logits_with(Kernel::chosen()?, readouts, tokens)
    }

    /// [`logits`](Self::logits) with a given kernel.
    ///
    /// # Errors
    /// As [`logits`](Self::logits), and when this machine cannot run the kernel.
    pub fn logits_with(
        &self,
        kernel: Kernel,
        readouts: &[f32],
        tokens: &[Vec<TokenId>],
    ) -> Result<Vec<Vec<f32>>, ProjectionError> {
        let job = Job {
            readouts,
            top_k: 0,
            entropy: false,
            variance: false,
            finals: None,
            distances: false,
            tracked: tokens,
        };
        self.dispatch::<TrackedOnly>(kernel, &job)
    }

    /// The `k` largest and the `k` smallest logits of each of `readouts`, `[n, d_model]`, in one pass over the vocabulary,
    /// with the kernel that [`Kernel::chosen`] names: the same logits, to the bit, as those of
    /// [`project`](Self::project), without its statistics.
    ///
    /// # Errors
    /// As [`project`](Self::project).
    pub fn both_ends(
        &self,
        readouts: &[f32],
        k: usize,
    ) -> Result<Vec<Result<BothEnds, NonFiniteLogits>>, ProjectionError> {
        self.both_ends_with(Kernel::chosen()?, readouts, k)
    }

    /// [`both_ends`](Self::both_ends) with a given kernel.
    ///
    /// # Errors
    /// As [`both_ends`](Self::both_ends), and when this machine cannot run the kernel.
    pub fn both_ends_with(
        &self,
        kernel: Kernel,
        readouts: &[f32],
        k: usize,
    ) -> Result<Vec<Result<BothEnds, NonFiniteLogits>>, ProjectionError> {
        let job = Job {
            readouts,
            top_k: k,
            entropy: false,
            variance: false,
            finals: None,
            distances: false,
            tracked: &[],
        };
        self.dispatch::<EndsOnly>(kernel, &job)
    }

    /// Every logit of each of `readouts`, `[n, d_model]`, with the kernel that [`Kernel::chosen`] names: `[n_vocab]` for
    /// each, the same to the bit as those that [`project`](Self::project) takes its sums of.
    ///
    /// This holds `n * n_vocab` logits: it is for few readouts at a time.
    ///
    /// # Errors
    /// As [`project`](Self::project).
    pub fn all_logits(
        &self,
        readouts: &[f32],
    ) -> Result<Vec<Result<Vec<f32>, NonFiniteLogits>>, ProjectionError> {
        self.all_logits_with(Kernel::chosen()?, readouts)
    }

    /// [`all_logits`](Self::all_logits) with a given kernel.
    ///
    /// # Errors
    /// As [`all_logits`](Self::all_logits), and when this machine cannot run the kernel.
    pub fn all_logits_with(
        &self,
        kernel: Kernel,
        readouts: &[f32],
    ) -> Result<Vec<Result<Vec<f32>, NonFiniteLogits>>, ProjectionError> {
        let job = Job {
            readouts,
            top_k: 0,
            entropy: false,
            variance: false,
            finals: None,
            distances: false,
            tracked: &[],
        };
        self.dispatch::<WholeRows>(kernel, &job)
    }

    fn dispatch<P: Purpose>(&self, kernel: Kernel, job: &Job<'_>) -> Result<Vec<P::Answer>, ProjectionError> {
        let n = job.check(self)?;
        match self.rows() {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            VocabRows::Bf16(rows) if kernel == Kernel::AmxBf16 => {
                match (AmxBf16::detect(), AmxBf16::detect_without_avx512()) {
                    (Some(simd), _) => Ok(self.group_by_group::<P, _, _>(simd, rows, job, n)),
                    (None, Some(simd)) => Ok(self.group_by_group::<P, _, _>(simd, rows, job, n)),
                    (None, None) => Err(unavailable(kernel)),
                }
            }
            #[cfg(target_arch = "x86_64")]
            VocabRows::Bf16(rows) if kernel == Kernel::Avx512Bf16 => match Avx512Bf16::detect() {
                Some(simd) => Ok(self.group_by_group::<P, _, _>(simd, rows, job, n)),
                None => Err(unavailable(kernel)),
            },
            VocabRows::Bf16(rows) => self.project_rows::<P, _>(kernel, rows, job, n),
            VocabRows::F16(rows) => self.project_rows::<P, _>(kernel, rows, job, n),
            VocabRows::F32(rows) => self.project_rows::<P, _>(kernel, rows, job, n),
        }
    }

    /// For weights of any dtype, widened.
    #[cfg(target_arch = "x86_64")]
    fn project_rows<P: Purpose, W: Copy + Sync>(
        &self,
        kernel: Kernel,
        rows: &[W],
        job: &Job<'_>,
        n: usize,
    ) -> Result<Vec<P::Answer>, ProjectionError>
    where
        Plain: Product<W>,
        Avx2: Product<W>,
        Avx512: Product<W>,
    {
        let simd = kernel.is_available().then_some(kernel).ok_or_else(|| unavailable(kernel))?;
        if let (Kernel::AmxBf16 | Kernel::Avx512Bf16 | Kernel::Avx512, Some(simd)) = (simd, Avx512::detect())
        {
            return Ok(self.group_by_group::<P, _, _>(simd, rows, job, n));
        }
        if let (Kernel::AmxBf16 | Kernel::Avx2, Some(simd)) = (simd, Avx2::detect()) {
            return Ok(self.group_by_group::<P, _, _>(simd, rows, job, n));
        }
        Ok(self.group_by_group::<P, _, _>(Lanes::<4>, rows, job, n))
    }

    /// For weights of any dtype, widened.
    #[cfg(target_arch = "aarch64")]
    fn project_rows<P: Purpose, W: Copy + Sync>(
        &self,
        kernel: Kernel,
        rows: &[W],
        job: &Job<'_>,
        n: usize,
    ) -> Result<Vec<P::Answer>, ProjectionError>
    where
        Plain: Product<W>,
        super::simd::neon::Neon: Product<W>,
    {
        let simd = kernel.is_available().then_some(kernel).ok_or_else(|| unavailable(kernel))?;
        if let (Kernel::Neon, Some(simd)) = (simd, super::simd::neon::Neon::detect()) {
            return Ok(self.group_by_group::<P, _, _>(simd, rows, job, n));
        }
        Ok(self.group_by_group::<P, _, _>(Lanes::<4>, rows, job, n))
    }

    /// For weights of any dtype, widened.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn project_rows<P: Purpose, W: Copy + Sync>(
        &self,
        kernel: Kernel,
        rows: &[W],
        job: &Job<'_>,
        n: usize,
    ) -> Result<Vec<P::Answer>, ProjectionError>
    where
        Plain: Product<W>,
    {
        match kernel {
            Kernel::Plain => Ok(self.group_by_group::<P, _, _>(Lanes::<4>, rows, job, n)),
            _ => Err(unavailable(kernel)),
        }
    }

    fn group_by_group<P: Purpose, W: Copy + Sync, S: BlockProduct<W>>(
        &self,
        simd: S,
        rows: &[W],
        job: &Job<'_>,
        n: usize,
    ) -> Vec<P::Answer> {
        let matrix = Matrix { rows, d_model: self.d_model(), bias: self.bias(), post: self.post() };
        let top_k = job.top_k.min(self.n_vocab());
        let remember = job.distances && job.finals.is_some() && S::PRODUCT_COSTS_MORE_THAN_MEMORY;
        let most = if remember { Logits::most::<W, S>(&matrix) / 64 * 64 } else { GROUP };
        let limit = (GROUP_ENTRIES / top_k.max(1)).min(most).clamp(64, GROUP);
        // Groups of about equal size, in whole panels.
        let size = n.div_ceil(n.div_ceil(limit).max(1)).next_multiple_of(64).max(64);
        let mut answers = Vec::with_capacity(n);
        let mut logits = remember.then(Logits::default);
        for first in (0..n).step_by(size) {
            let members = first..n.min(first + size);
            let group = Group::new(members.start as u32..members.end as u32, job.finals);
            let mut lane_of = vec![None; members.len()];
            for (lane, &readout) in group.readouts.iter().enumerate() {
                if members.contains(&(readout as usize)) {
                    lane_of[readout as usize - first] = Some(lane);
                }
            }
            let by_lane = P::answers(&Sweep { simd, matrix, job, top_k, group: &group }, logits.as_mut());
            let mut by_lane: Vec<Option<P::Answer>> = by_lane.into_iter().map(Some).collect();
            answers.extend(lane_of.into_iter().map(|lane| {
                let lane = lane.expect("every member of a group has a lane");
                by_lane[lane].take().expect("no lane belongs to two members")
            }));
        }
        answers
    }
}

fn unavailable(kernel: Kernel) -> ProjectionError {
    KernelError::new(kernel.name()).into()
}

/// What a group of readouts is swept for.
trait Purpose {
    /// The answer for one readout.
    type Answer;

    /// The answers, lane by lane; `logits` is where those of a second pass are kept.
    fn answers<W: Copy + Sync, S: BlockProduct<W>>(
        sweep: &Sweep<'_, W, S>,
        logits: Option<&mut Logits>,
    ) -> Vec<Self::Answer>;
}

/// Everything that the job asks for, in a pass over the vocabulary.
struct Whole;

impl Purpose for Whole {
    type Answer = Result<Projected, NonFiniteLogits>;

    fn answers<W: Copy + Sync, S: BlockProduct<W>>(
        sweep: &Sweep<'_, W, S>,
        logits: Option<&mut Logits>,
    ) -> Vec<Self::Answer> {
        sweep.project(logits)
    }
}

/// Nothing but the logits of tracked tokens: their rows alone are read.
struct TrackedOnly;

impl Purpose for TrackedOnly {
    type Answer = Vec<f32>;

    fn answers<W: Copy + Sync, S: BlockProduct<W>>(
        sweep: &Sweep<'_, W, S>,
        _logits: Option<&mut Logits>,
    ) -> Vec<Self::Answer> {
        let panels = Panels::pack::<W, S>(sweep.job.readouts, sweep.matrix.d_model, &sweep.group.readouts);
        let mut logits = sweep.tracked_logits(&panels);
        logits.resize(sweep.group.readouts.len(), Vec::new());
        logits
    }
}

/// The largest and the smallest logits.
struct EndsOnly;

impl Purpose for EndsOnly {
    type Answer = Result<BothEnds, NonFiniteLogits>;

    fn answers<W: Copy + Sync, S: BlockProduct<W>>(
        sweep: &Sweep<'_, W, S>,
        _logits: Option<&mut Logits>,
    ) -> Vec<Self::Answer> {
        sweep.both_ends()
    }
}

/// Whole rows of logits.
struct WholeRows;

impl Purpose for WholeRows {
    type Answer = Result<Vec<f32>, NonFiniteLogits>;

    fn answers<W: Copy + Sync, S: BlockProduct<W>>(
        sweep: &Sweep<'_, W, S>,
        _logits: Option<&mut Logits>,
    ) -> Vec<Self::Answer> {
        sweep.whole_rows()
    }
}

/// One group of readouts on its way.
struct Sweep<'a, W, S> {
    simd: S,
    matrix: Matrix<'a, W>,
    job: &'a Job<'a>,
    top_k: usize,
    group: &'a Group,
}

impl<W: Copy + Sync, S: BlockProduct<W>> Sweep<'_, W, S> {
    /// The answers, lane by lane.
    fn project(&self, mut logits: Option<&mut Logits>) -> Answers {
        let Self { simd, matrix, job, group, .. } = self;
        let panels = Panels::pack::<W, S>(job.readouts, matrix.d_model, &group.readouts);
        let tracked = self.tracked_logits(&panels);
        let n = group.readouts.len();
        let statistics = Statistics {
            group,
            lanes: panels.lanes(),
            top_k: self.top_k,
            squares: job.variance,
            bounds: (0..n).map(|_| SharedBound::none()).collect(),
            runs: runs::<S>(group, panels.lanes() / S::LANES),
            tracked: tracked_by_column::<S>(&tracked, panels.lanes()),
        };
        let kept = match &mut logits {
            Some(logits) => sweep_and_remember(*simd, matrix, &panels, &statistics, logits),
            None => sweep(*simd, matrix, &panels, &statistics),
        };
        let totals: Vec<Total> = (0..n).into_par_iter().map(|lane| Total::of(&kept, lane)).collect();
        let distances = (job.distances && job.finals.is_some())
            .then(|| self.distances(&panels, &statistics, &totals, logits.as_deref()));
        (0..n)
            .into_par_iter()
            .map(|lane| {
                let own = totals[lane].finite()?;
                let last = group.final_lanes.get(lane).map(|&lane| (lane as usize, &totals[lane as usize]));
                let last = last.filter(|(_, last)| last.finite().is_ok());
                let kl = match last {
                    None => None,
                    Some((final_lane, _)) if final_lane == lane => Some(0.0),
                    Some((_, last)) => {
                        let kl = Total::divergence(&kept, lane, last) / last.sum - last.log_sum_exp()
                            + own.log_sum_exp();
                        // Only logits near the end of float32's range have an infinite difference.
                        Some(if kl.is_finite() { kl } else { return Err(NonFiniteLogits) })
                    }
                };
                let distance = |of: fn(&distances::Kept) -> &[f64]| {
                    let (_, kept) = (last?, distances.as_ref()?);
                    Some(kept.iter().map(|kept| of(kept)[lane]).sum())
                };
                Ok(Projected {
                    top: self.top(&kept, lane),
                    log_sum_exp: own.log_sum_exp(),
                    entropy: job.entropy.then(|| own.entropy()),
                    variance: job.variance.then(|| own.variance()),
                    kl_to_final: kl,
                    js_to_final: distance(|kept| &kept.jensen_shannon),
                    tv_to_final: distance(|kept| &kept.total_variation),
                    tracked: tracked_of::<S>(&kept, &tracked, lane),
                })
            })
            .collect()
    }

    /// All logits, lane by lane.
    fn whole_rows(&self) -> Vec<Result<Vec<f32>, NonFiniteLogits>> {
        let Self { simd, matrix, job, group, .. } = *self;
        let panels = Panels::pack::<W, S>(job.readouts, matrix.d_model, &group.readouts);
        let pass = whole::Rows { readouts: group.readouts.len() };
        let kept: Vec<whole::Kept> = sweep(simd, &matrix, &panels, &pass);
        let of_lane = |lane: usize| {
            let logits: Vec<f32> = kept.iter().flat_map(|kept| &kept.logits[lane]).copied().collect();
            if logits.iter().all(|logit| logit.is_finite()) { Ok(logits) } else { Err(NonFiniteLogits) }
        };
        (0..group.readouts.len()).into_par_iter().map(of_lane).collect()
    }

    /// The largest and the smallest logits, lane by lane.
    fn both_ends(&self) -> Vec<Result<BothEnds, NonFiniteLogits>> {
        let Self { simd, matrix, job, group, top_k: k } = *self;
        let panels = Panels::pack::<W, S>(job.readouts, matrix.d_model, &group.readouts);
        let n = group.readouts.len();
        let pass = Ends::new(n, panels.lanes(), k);
        let kept = sweep(simd, &matrix, &panels, &pass);
        let end = |lane: usize, end: usize| {
            let mut all = TopK::default();
            kept.iter().for_each(|kept: &ends::Kept| all.append(k, &kept.ends[lane][end]));
            all.into_sorted(k)
        };
        let of_lane = |lane: usize| {
            if kept.iter().any(|kept| kept.poison[lane].is_nan()) {
                return Err(NonFiniteLogits);
            }
            let (top, mut bottom) = (end(lane, 0), end(lane, 1));
            // Zero has one sign, as in the list of the largest.
            bottom.iter_mut().for_each(|(_, logit)| *logit = 0.0 - *logit);
            Ok(BothEnds { top, bottom })
        };
        (0..n).into_par_iter().map(of_lane).collect()
    }

    fn distances(
        &self,
        panels: &Panels,
        statistics: &Statistics<'_>,
        totals: &[Total],
        logits: Option<&Logits>,
    ) -> Vec<distances::Kept> {
        let [mut reference, mut factor, mut excess] = [0, 1, 2].map(|_| vec![0.0; panels.lanes()]);
        for (lane, total) in totals.iter().enumerate() {
            reference[lane] = total.reference;
            factor[lane] = (1.0 / total.sum) as f32;
            let last = &totals[self.group.final_lanes[lane] as usize];
            excess[lane] = (total.log_sum_exp() - last.log_sum_exp()) as f32;
        }
        let pass = Distances {
            group: self.group,
            runs: &statistics.runs,
            reference: &reference,
            factor: &factor,
            excess: &excess,
        };
        match logits {
            Some(logits) => pass_again(self.simd, &self.matrix, panels, &pass, logits),
            None => sweep(self.simd, &self.matrix, panels, &pass),
        }
    }

    fn top(&self, kept: &[stats::Kept], lane: usize) -> Vec<(TokenId, f32)> {
        let mut top = TopK::default();
        for kept in kept {
            top.append(self.top_k, &kept.top[lane]);
        }
        top.into_sorted(self.top_k)
    }

    /// Per lane, the logits of its tracked tokens: from the same tiles as all others, so that a token finds
    /// its own logit equal when it comes by.
    fn tracked_logits(&self, panels: &Panels) -> Vec<Vec<f32>> {
        if self.job.tracked.is_empty() {
            return Vec::new();
        }
        let panels: Vec<Panel<'_>> = panels.iter().collect();
        let by_panel: Vec<Vec<Vec<f32>>> = panels
            .into_par_iter()
            .map(|panel| {
                let first = panel.first_column * S::LANES;
                let lanes = first..first + panel.used;
                let tokens_of = |lane: usize| &self.job.tracked[self.group.readouts[lane] as usize];
                // Readouts of a panel share most of their tokens: each row once.
                let mut logits: BTreeMap<TokenId, Vec<f32>> = BTreeMap::new();
                for &token in lanes.clone().flat_map(tokens_of) {
                    let of_row = || self.matrix.logits_of_row(self.simd, token.0 as usize, panel);
                    logits.entry(token).or_insert_with(of_row);
                }
                let logit = |token, lane| logits[token][offset_in_block::<S>(&panel, 1, lane)];
                lanes.map(|lane| tokens_of(lane).iter().map(|token| logit(token, lane)).collect()).collect()
            })
            .collect();
        by_panel.into_iter().flatten().collect()
    }
}

/// Tracked logits as the pass compares them: per column `[slots, LANES]`.
fn tracked_by_column<S: Simd>(tracked: &[Vec<f32>], lanes: usize) -> Vec<Vec<f32>> {
    if tracked.is_empty() {
        return Vec::new();
    }
    let column = |column: usize| {
        let lanes = &tracked[column * S::LANES..tracked.len().min((column + 1) * S::LANES)];
        let slots = lanes.iter().map(Vec::len).max().unwrap_or(0);
        let mut by_slot = vec![f32::INFINITY; slots * S::LANES];
        for (lane, logits) in lanes.iter().enumerate() {
            for (slot, &logit) in logits.iter().enumerate() {
                by_slot[slot * S::LANES + lane] = logit;
            }
        }
        by_slot
    };
    (0..lanes / S::LANES).map(column).collect()
}

fn tracked_of<S: Simd>(kept: &[stats::Kept], tracked: &[Vec<f32>], lane: usize) -> Vec<Tracked> {
    let Some(logits) = tracked.get(lane) else { return Vec::new() };
    let rank = |slot: usize| {
        let place = slot * S::LANES + lane % S::LANES;
        1 + kept.iter().map(|kept| kept.larger[lane / S::LANES][place]).sum::<u32>()
    };
    logits.iter().enumerate().map(|(slot, &logit)| Tracked { logit, rank: rank(slot) }).collect()
}

/// One lane's sums over all stretches, added in their order.
struct Total {
    reference: f32,
    sum: f64,
    moment: f64,
    square: f64,
}

impl Total {
    fn of(kept: &[stats::Kept], lane: usize) -> Self {
        let reference = kept.iter().map(|kept| kept.reference[lane]).fold(f32::NEG_INFINITY, f32::max);
        let (mut sum, mut moment, mut square) = (0.0, 0.0, 0.0);
        for kept in kept {
            let shift = f64::from(kept.reference[lane]) - f64::from(reference);
            sum += shift.exp() * kept.sum[lane];
            moment += shift.exp() * (kept.moment[lane] + shift * kept.sum[lane]);
            square +=
                shift.exp() * shifted_square(shift, kept.sum[lane], kept.moment[lane], kept.square[lane]);
        }
        Self { reference, sum, moment, square }
    }

    /// Whether all logits were finite: any other has made a sum NaN or infinite.
    fn finite(&self) -> Result<&Self, NonFiniteLogits> {
        let finite = self.reference.is_finite() && self.sum.is_finite() && self.moment.is_finite();
        finite.then_some(self).ok_or(NonFiniteLogits)
    }

    fn log_sum_exp(&self) -> f64 {
        f64::from(self.reference) + self.sum.ln()
    }

    fn entropy(&self) -> f64 {
        self.sum.ln() - self.moment / self.sum
    }

    /// `ln p` is `z - m` but for a constant.
    fn variance(&self) -> f64 {
        let mean = self.moment / self.sum;
        (self.square / self.sum - mean * mean).max(0.0)
    }

    /// `Σ e^(f - m_f) (f - z)` relative to the final's reference.
    fn divergence(kept: &[stats::Kept], lane: usize, last: &Self) -> f64 {
        let relative = |kept: &stats::Kept| {
            let shift = f64::from(kept.divergence_reference[lane]) - f64::from(last.reference);
            shift.exp() * kept.divergence[lane]
        };
        kept.iter().map(relative).sum()
    }
}
