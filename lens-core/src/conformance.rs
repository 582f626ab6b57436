//! One test suite for every implementation of the readout: small requests that put each rule to the test, with the
//! right answers computed in float64.
//!
//! A backend that decodes its own readouts reads every case of [`cases`] and hands the answer to [`check`];
//! [`HostReadout`](crate::HostReadout) does so in this crate's tests.

use std::{collections::BTreeSet, num::NonZeroUsize};

use half::{bf16, f16};

use crate::{
    backend::{BackendError, Column, Next, Readings},
    norm::{FinalNorm, NormKind, NormMode},
    point::{Point, Site},
    projection::Post,
    readout::{Question, Readout},
    statistic::{Statistic, StatisticSet},
    token::TokenId,
    toy::Random,
};

/// How far a statistic may be off: float32 sums of a few hundred terms.
const TOLERANCE: f64 = 5e-5;

/// How the unembedding's weights are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// In float32, as they are given.
    F32,
    /// Rounded to bfloat16; the normed vector is rounded to bfloat16 too before the product.
    Bf16,
    /// Rounded to float16; the normed vector stays in float32.
    F16,
}

/// A request to a readout, with the end of a model (final norm and unembedding) that is to answer it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it tests.
    pub name: &'static str,
    /// Blocks of the model.
    pub n_layers: u16,
    /// Rows of the unembedding.
    pub n_vocab: usize,
    /// Width of the stream.
    pub d_model: usize,
    /// The unembedding, `[n_vocab, d_model]`.
    pub rows: Vec<f32>,
    /// How a backend holds `rows`.
    pub weights: Weights,
    /// The final norm.
    pub norm: FinalNorm,
    /// The unembedding's bias, `[n_vocab]`.
    pub bias: Option<Vec<f32>>,
    /// Scale and soft cap of the logits.
    pub post: Post,
    /// The points read.
    pub points: Vec<Point>,
    /// For each of `points`, the lens that translated what was captured, if one did.
    pub lenses: Vec<Option<&'static str>>,
    /// For each of `points`, whether its readout is part of the result.
    pub shown: Vec<bool>,
    /// What was captured at each of `points`, `[rows, d_model]`.
    pub captured: Vec<Vec<f32>>,
    /// The final residual, `[rows, d_model]`.
    pub last: Vec<f32>,
    /// Position of every row, `[rows]`.
    pub positions: Vec<usize>,
    /// What comes after every row in the sequence, `[rows]`.
    pub next: Vec<Next>,
    /// What to keep of each readout.
    pub ask: Question,
    expected: Expected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Answers up to rounding.
    Close,
    /// Sums without any rounding, so that equal logits are equal: every id and rank is decided by the rules.
    Exact,
    /// An error whose message says this.
    Refusal(&'static str),
}

impl Case {
    /// `rows` rows of `points` points over small random numbers; the same numbers for the same shape.
    fn new(name: &'static str, [rows, points, n_vocab, d_model]: [usize; 4]) -> Self {
        let mut random = Random::new((rows * 31 + points * 17 + n_vocab * 7 + d_model) as u64 + 1);
        let n_layers = points.div_ceil(4).max(1) as u16;
        let sites = [Site::AttnOut, Site::ResidMid, Site::MlpOut, Site::ResidPost];
        let all = (0..n_layers).flat_map(|layer| sites.map(|site| Point::block(layer, site)));
        Self {
            name,
            n_layers,
            n_vocab,
            d_model,
            rows: random.values(n_vocab * d_model, 2.0 / (d_model as f32).sqrt()),
            weights: Weights::F32,
            norm: norm(NormKind::Rms, d_model, Some(random.values(d_model, 1.0)), None),
            bias: None,
            post: Post::default(),
            points: all.take(points).collect(),
            lenses: vec![None; points],
            shown: vec![true; points],
            captured: (0..points).map(|i| random.values(rows * d_model, 1.0 + i as f32)).collect(),
            last: random.values(rows * d_model, 3.0),
            positions: (0..rows).map(|row| 2 * row + 1).collect(),
            next: (0..rows)
                .map(|row| [Next::Nothing, Next::Token(TokenId(0)), Next::Top1][row % 3])
                .collect(),
            ask: Question { top_k: NonZeroUsize::MIN.saturating_add(4), ..Question::default() },
            expected: Expected::Close,
        }
    }

    /// This case for a backend that holds its weights in another type.
    #[must_use]
    pub fn rounded(&self, weights: Weights) -> Self {
        let round = |x: &f32| match weights {
            Weights::F32 => *x,
            Weights::Bf16 => bf16::from_f32(*x).to_f32(),
            Weights::F16 => f16::from_f32(*x).to_f32(),
        };
        Self { rows: self.rows.iter().map(round).collect(), weights, ..self.clone() }
    }

    /// The columns of the request; `captured` is [`captured`](Self::captured) in the backend's own type, one entry for
    /// each point.
    pub fn columns<'a, H>(&self, captured: &'a [H]) -> Vec<Column<'a, H>> {
        let of = |(i, vectors): (usize, &'a H)| {
            let (point, lens, shown) = (self.points[i], self.lenses[i], self.shown[i]);
            Column { point, lens, vectors, shown }
        };
        captured.iter().enumerate().map(of).collect()
    }

    /// The logits of a captured vector, in float64; `last` is the final residual of its position.
    fn logits(&self, vector: &[f32], mode: NormMode, last: &[f32]) -> Vec<f64> {
        let mut x = vector.to_vec();
        match mode {
            NormMode::Recomputed => self.norm.apply(&mut x, self.norm.scale(vector)),
            NormMode::FinalScale => self.norm.apply(&mut x, self.norm.scale(last)),
            NormMode::None => {}
        }
        if self.weights == Weights::Bf16 {
            x.iter_mut().for_each(|x| *x = bf16::from_f32(*x).to_f32());
        }
        let logit = |(id, row): (usize, &[f32])| {
            let product: f64 = row.iter().zip(&x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
            let z = product + self.bias.as_ref().map_or(0.0, |bias| f64::from(bias[id]));
            let z = z * f64::from(self.post.scale);
            self.post.softcap.map_or(z, |cap| f64::from(cap) * (z / f64::from(cap)).tanh())
        };
        self.rows.chunks_exact(self.d_model).enumerate().map(logit).collect()
    }
}

/// The cases: every norm mode, kind of norm, post-processing and statistic; ties at the edge of the top-k; more tokens
/// asked for than there are; nothing to read; values that are not finite; tokens that do not exist.
pub fn cases() -> Vec<Case> {
    let targets = |ids: &[u32]| ids.iter().map(|id| TokenId(*id)).collect::<Vec<_>>();
    let everything = StatisticSet::all();
    let mut cases = Vec::new();
    let mut add = |mut case: Case, change: &dyn Fn(&mut Case)| {
        change(&mut case);
        cases.push(case);
    };
    add(Case::new("RMS norm, every statistic", [3, 5, 50, 17]), &|case| {
        case.ask.targets = targets(&[7, 49, 7]);
        case.ask.versus = Some(TokenId(3));
        case.ask.statistics = everything;
    });
    add(Case::new("layer norm with biases, final-scale", [4, 4, 33, 24]), &|case| {
        let mut random = Random::new(5);
        let (weight, bias) = (random.values(24, 1.0), random.values(24, 0.5));
        case.norm = norm(NormKind::Layer, 24, Some(weight), Some(bias));
        case.bias = Some(random.values(33, 1.0));
        case.post = Post { scale: 0.25, softcap: None };
        case.ask.norm = NormMode::FinalScale;
        case.ask.statistics = everything;
    });
    add(Case::new("a soft cap that bites, no norm", [2, 8, 64, 16]), &|case| {
        case.post = Post { scale: 3.0, softcap: Some(2.0) };
        case.ask.norm = NormMode::None;
        case.ask.targets = targets(&[1]);
    });
    add(Case::new("no norm in the model", [2, 3, 40, 8]), &|case| case.norm = FinalNorm::identity(8));
    add(Case::new("many rows and points", [9, 13, 1003, 64]), &|case| case.ask.statistics = everything);
    add(Case::new("the final point among those that are read", [4, 8, 70, 12]), &|case| {
        case.captured[7] = case.last.clone();
        case.ask.statistics = everything;
        case.ask.targets = targets(&[5]);
    });
    add(Case::new("one readout", [1, 1, 19, 5]), &|_| {});
    add(Case::new("nothing but the final readout", [3, 0, 19, 5]), &|case| case.ask.targets = targets(&[3]));
    add(Case::new("more than the vocabulary", [2, 2, 6, 4]), &|case| {
        case.ask.top_k = NonZeroUsize::MIN.saturating_add(99);
    });
    add(Case::new("a vocabulary of one", [1, 2, 1, 4]), &|case| case.ask.statistics = everything);
    add(Case::new("no statistics", [2, 2, 30, 8]), &|case| {
        case.ask.statistics = StatisticSet::EMPTY;
    });
    add(Case::new("ties at the edge of the top-k", [3, 4, 96, 4]), &|case| {
        // Whole numbers: logits are 0, 1 or 2, and exact. The best are few, the next are far more than k.
        case.norm = FinalNorm::identity(4);
        case.rows = (0..96 * 4).map(|i| f32::from(u8::from(i % 4 == i / 4 % 7 % 4))).collect();
        let whole = |values: &mut Vec<f32>| values.iter_mut().zip(0..).for_each(|(x, i)| *x = (i % 3) as f32);
        case.captured.iter_mut().for_each(whole);
        whole(&mut case.last);
        case.ask.targets = targets(&[95, 0]);
        case.expected = Expected::Exact;
    });
    add(Case::new("points by several lenses, some not shown", [3, 8, 60, 12]), &|case| {
        // The last point is read as it was captured, which is the final residual, and by a lens, which is not.
        case.points[6] = case.points[7];
        case.captured[6] = case.last.clone();
        case.lenses = [None, Some("tuned")].repeat(4);
        case.shown[2] = false;
        case.shown[6] = false;
        case.ask.statistics = everything;
        case.ask.targets = targets(&[11]);
    });
    add(Case::new("fewer tokens tracked than there are", [2, 7, 90, 16]), &|case| case.ask.tracked = 3);
    add(Case::new("no tokens tracked", [2, 3, 40, 8]), &|case| case.ask.tracked = 0);
    add(Case::new("a lens whose translation is not finite", [2, 3, 30, 8]), &|case| {
        case.lenses[1] = Some("tuned-2");
        case.captured[1][8] = f32::INFINITY;
        case.expected = Expected::Refusal(
            "an activation is NaN or infinite at L0.resid_mid, position 3, after the lens tuned-2",
        );
    });
    add(Case::new("a lens whose logits are not finite", [1, 2, 30, 8]), &|case| {
        case.ask.norm = NormMode::None;
        case.lenses[1] = Some("jacobian");
        case.captured[1].fill(3e38);
        case.rows[..8].fill(4.0);
        case.expected = Expected::Refusal(
            "a logit is NaN or infinite at L0.resid_mid, position 1, after the lens jacobian",
        );
    });
    add(Case::new("a captured NaN", [3, 6, 30, 8]), &|case| {
        case.captured[4][8 + 2] = f32::NAN;
        case.captured[5][2 * 8] = f32::NAN;
        case.expected = Expected::Refusal("an activation is NaN or infinite at L1.attn_out, position 3");
    });
    add(Case::new("a final NaN that began earlier", [2, 6, 30, 8]), &|case| {
        case.captured[3][0] = f32::INFINITY;
        case.last[0] = f32::NAN;
        case.expected = Expected::Refusal("an activation is NaN or infinite at L0.resid_post, position 1");
    });
    add(Case::new("a logit beyond float32", [2, 2, 30, 8]), &|case| {
        case.ask.norm = NormMode::None;
        case.captured[1][8..].fill(3e38);
        case.rows[..8].fill(4.0);
        case.expected = Expected::Refusal("a logit is NaN or infinite at L0.resid_mid, position 3");
    });
    add(Case::new("a capped logit beyond float32", [1, 1, 30, 8]), &|case| {
        case.ask.norm = NormMode::None;
        case.post = Post { scale: 1.0, softcap: Some(30.0) };
        case.captured[0].fill(3e38);
        case.rows[..8].fill(4.0);
        case.expected = Expected::Refusal("a logit is NaN or infinite at L0.attn_out, position 1");
    });
    add(Case::new("a target that does not exist", [1, 1, 30, 8]), &|case| {
        case.ask.targets = targets(&[30]);
        case.expected = Expected::Refusal("token id 30 is outside the vocabulary of 30 rows");
    });
    cases
}

/// Compares an implementation's answer to a case with the right one.
///
/// # Errors
/// A sentence that says what differs, where, and by how much.
pub fn check(case: &Case, got: Result<Readings, BackendError>) -> Result<(), String> {
    let place = |what: &str| format!("{} ({:?} weights): {what}", case.name, case.weights);
    let got = match (got, case.expected) {
        (Err(error), Expected::Refusal(says)) if error.to_string().contains(says) => return Ok(()),
        (Ok(_), Expected::Refusal(says)) => {
            return Err(place(&format!("it was answered, and \"{says}\" expected")));
        }
        (Err(error), _) => return Err(place(&error.to_string())),
        (Ok(got), _) => got,
    };
    let (n_rows, n_points) = (case.positions.len(), case.points.len());
    if (got.finals.len(), got.points.len()) != (n_rows, n_rows * n_points) {
        return Err(place(&format!("{} finals and {} readouts", got.finals.len(), got.points.len())));
    }
    let d = case.d_model;
    for row in 0..n_rows {
        let last = &case.last[row * d..][..d];
        let right = Distribution::new(case.logits(last, NormMode::Recomputed, last));
        let next = match case.next[row] {
            Next::Nothing => None,
            Next::Token(token) => Some(token),
            Next::Top1 => got.finals[row].top1(),
        };
        let judge = Judge { case, last: &right, residual: last, top1: got.finals[row].top1(), next };
        judge
            .readout(&got.finals[row], last, &right, true)
            .map_err(|what| place(&format!("final {row}: {what}")))?;
        let of_row = &got.points[row * n_points..][..n_points];
        let shown = of_row.iter().zip(&case.shown).filter_map(|(readout, shown)| shown.then_some(readout));
        let firsts: BTreeSet<TokenId> =
            shown.filter_map(Readout::top1).chain(got.finals[row].top1()).collect();
        for (i, point) in case.points.iter().enumerate() {
            let vector = &case.captured[i][row * d..][..d];
            let own = Distribution::new(case.logits(vector, case.ask.norm, last));
            let readout = &got.points[row * n_points + i];
            judge
                .readout(readout, vector, &own, false)
                .and_then(|()| judge.tracked(readout, case.shown[i], &own, &firsts))
                .map_err(|what| place(&format!("{point} of row {row}: {what}")))?;
        }
    }
    Ok(())
}

/// What the readouts of one row are compared with.
struct Judge<'a> {
    case: &'a Case,
    last: &'a Distribution,
    /// The final residual, `[d_model]`.
    residual: &'a [f32],
    top1: Option<TokenId>,
    next: Option<TokenId>,
}

impl Judge<'_> {
    fn readout(
        &self,
        got: &Readout,
        vector: &[f32],
        right: &Distribution,
        is_final: bool,
    ) -> Result<(), String> {
        self.top(got, right)?;
        close("log_sum_exp", Some(got.log_sum_exp), Some(right.log_sum_exp), right.size)?;
        for statistic in Statistic::ALL {
            let wanted = self.case.ask.statistics.contains(statistic);
            let (expected, size) =
                self.expected(statistic, vector, right, is_final).filter(|_| wanted).unzip();
            match (got.get(statistic), expected) {
                (Some(rank), Some(_)) if statistic == Statistic::RankOfFinal => {
                    let token = self.top1.ok_or("a rank of no token")?;
                    self.rank(rank as u32, token, right)?;
                }
                (Some(rank), Some(_)) if statistic == Statistic::RankOfNext => {
                    let token = self.next.ok_or("a rank of no token")?;
                    self.rank(rank as u32, token, right)?;
                }
                (got, expected) => close(statistic.name(), got, expected, size.unwrap_or(0.0))?,
            }
        }
        if got.targets.len() != self.case.ask.targets.len() {
            return Err(format!("{} targets", got.targets.len()));
        }
        for (target, id) in got.targets.iter().zip(&self.case.ask.targets) {
            if target.score.id != *id {
                return Err(format!("target {} in the place of {id}", target.score.id));
            }
            close(
                "a target's logit",
                Some(target.score.logit.into()),
                Some(right.logits[id.index()]),
                right.size,
            )?;
            close(
                "a target's probability",
                Some(target.score.prob.into()),
                Some(right.prob(id.index())),
                0.0,
            )?;
            self.rank(target.rank, *id, right)?;
        }
        Ok(())
    }

    /// Every token that a shown readout of the row names first is scored, as far as the limit goes; `firsts` are all of
    /// them.
    fn tracked(
        &self,
        got: &Readout,
        shown: bool,
        right: &Distribution,
        firsts: &BTreeSet<TokenId>,
    ) -> Result<(), String> {
        let held = |id: &TokenId| {
            got.top.iter().any(|score| score.id == *id)
                || got.targets.iter().any(|target| target.score.id == *id)
        };
        let own: BTreeSet<TokenId> = got.tracked.iter().map(|score| score.id).collect();
        let lacking: Vec<TokenId> =
            firsts.iter().copied().filter(|id| !held(id) && !own.contains(id)).collect();
        let most = self.case.ask.tracked;
        if !shown || most == 0 {
            if !own.is_empty() {
                return Err("a readout tracks tokens that nobody asked for".to_owned());
            }
        } else if firsts.len() <= most && !lacking.is_empty()
            || self.top1.is_some_and(|top1| lacking.contains(&top1))
        {
            return Err(format!("it does not score {lacking:?}"));
        }
        if own.len() > most || own.len() < got.tracked.len() {
            return Err(format!("it tracks {} tokens", got.tracked.len()));
        }
        for score in &got.tracked {
            if !firsts.contains(&score.id) || held(&score.id) {
                return Err(format!("it tracks {}", score.id));
            }
            let (logit, prob) = (right.logits[score.id.index()], right.prob(score.id.index()));
            close("a tracked token's logit", Some(score.logit.into()), Some(logit), right.size)?;
            close("a tracked token's probability", Some(score.prob.into()), Some(prob), 0.0)?;
        }
        Ok(())
    }

    /// What a statistic of this readout is in float64, and the size of the numbers that its rounding is relative to.
    fn expected(
        &self,
        statistic: Statistic,
        vector: &[f32],
        right: &Distribution,
        is_final: bool,
    ) -> Option<(f64, f64)> {
        let of_inner = |value: f64, size: f64| (!is_final).then_some((value, size));
        match statistic {
            Statistic::Entropy => Some((right.entropy(), 0.0)),
            Statistic::KlToFinal => of_inner(right.kl_of(self.last), right.size),
            Statistic::JsToFinal => of_inner(right.js_of(self.last), 0.0),
            Statistic::TvToFinal => of_inner(right.tv_of(self.last), 0.0),
            Statistic::RankOfFinal => self.top1.and_then(|_| of_inner(0.0, 0.0)),
            Statistic::RankOfNext => self.next.map(|_| (0.0, 0.0)),
            Statistic::Margin => match right.order()[..] {
                [first, second, ..] => Some((right.logits[first] - right.logits[second], 2.0 * right.size)),
                _ => None,
            },
            Statistic::Varentropy => Some((right.varentropy(), right.size)),
            Statistic::Norm => Some((dot(vector, vector).sqrt(), 0.0)),
            Statistic::CosineToFinal => {
                let (own, last) = (dot(vector, vector), dot(self.residual, self.residual));
                of_inner(dot(vector, self.residual) / (own * last).sqrt(), 0.0)
            }
            Statistic::LogitDiff => {
                let (target, versus) = (self.case.ask.targets.first()?, self.case.ask.versus?);
                Some((right.logits[target.index()] - right.logits[versus.index()], 2.0 * right.size))
            }
            Statistic::CrossEntropy => {
                self.next.map(|token| (right.log_sum_exp - right.logits[token.index()], right.size))
            }
        }
    }

    /// The k best in order: each where it belongs, up to rounding, and equals by the smaller id.
    fn top(&self, got: &Readout, right: &Distribution) -> Result<(), String> {
        let k = self.case.ask.top_k.get().min(self.case.n_vocab);
        if got.top.len() != k {
            return Err(format!("{} tokens in a top-{k}", got.top.len()));
        }
        for pair in got.top.windows(2) {
            if pair[0].logit < pair[1].logit || pair[0].logit == pair[1].logit && pair[0].id >= pair[1].id {
                return Err(format!("{:?} stands before {:?}", pair[0], pair[1]));
            }
        }
        for (score, id) in got.top.iter().zip(right.order()) {
            if self.case.expected == Expected::Exact && score.id.index() != id {
                return Err(format!("token {} in the place of {id}", score.id));
            }
            let own = score.id.index();
            close("a logit by its place", Some(score.logit.into()), Some(right.logits[id]), right.size)?;
            close("a logit by its token", Some(score.logit.into()), Some(right.logits[own]), right.size)?;
            close("a probability", Some(score.prob.into()), Some(right.prob(own)), 0.0)?;
        }
        Ok(())
    }

    /// 1 + the number of strictly larger logits, but for those that rounding cannot tell apart.
    fn rank(&self, rank: u32, id: TokenId, right: &Distribution) -> Result<(), String> {
        let slack = if self.case.expected == Expected::Exact { 0.0 } else { TOLERANCE * (1.0 + right.size) };
        let own = right.logits[id.index()];
        let larger = |by: f64| right.logits.iter().filter(|z| **z > own + by).count() as u32;
        if (1 + larger(slack)..=1 + larger(-slack)).contains(&rank) {
            return Ok(());
        }
        Err(format!("token {id} has rank {rank}, and {} logits are larger", larger(0.0)))
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn close(what: &str, got: Option<f64>, right: Option<f64>, size: f64) -> Result<(), String> {
    match (got, right) {
        (None, None) => Ok(()),
        (Some(got), Some(right)) if (got - right).abs() <= TOLERANCE * (1.0 + size) => Ok(()),
        _ => Err(format!("{what} is {got:?} and should be {right:?}")),
    }
}

/// Logits and what follows from them, in float64.
struct Distribution {
    logits: Vec<f64>,
    log_sum_exp: f64,
    /// The largest logit, which rounding is relative to.
    size: f64,
}

impl Distribution {
    fn new(logits: Vec<f64>) -> Self {
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum_exp = max + logits.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
        let size = logits.iter().fold(0.0, |size: f64, z| size.max(z.abs()));
        Self { logits, log_sum_exp, size }
    }

    fn prob(&self, id: usize) -> f64 {
        (self.logits[id] - self.log_sum_exp).exp()
    }

    fn order(&self) -> Vec<usize> {
        let mut ids: Vec<usize> = (0..self.logits.len()).collect();
        ids.sort_by(|a, b| self.logits[*b].total_cmp(&self.logits[*a]));
        ids
    }

    fn entropy(&self) -> f64 {
        (0..self.logits.len()).map(|id| self.prob(id) * (self.log_sum_exp - self.logits[id])).sum()
    }

    fn varentropy(&self) -> f64 {
        let entropy = self.entropy();
        let square = |id: usize| (self.log_sum_exp - self.logits[id] - entropy).powi(2);
        (0..self.logits.len()).map(|id| self.prob(id) * square(id)).sum()
    }

    /// `KL(last ‖ self)`.
    fn kl_of(&self, last: &Self) -> f64 {
        let ratio = |id: usize| (last.logits[id] - last.log_sum_exp) - (self.logits[id] - self.log_sum_exp);
        (0..self.logits.len()).map(|id| last.prob(id) * ratio(id)).sum()
    }

    fn js_of(&self, last: &Self) -> f64 {
        let part = |p: f64, middle: f64| if p > 0.0 { 0.5 * p * (p / middle).ln() } else { 0.0 };
        let both = (0..self.logits.len()).map(|id| (self.prob(id), last.prob(id)));
        both.map(|(p, q)| part(p, 0.5 * (p + q)) + part(q, 0.5 * (p + q))).sum()
    }

    fn tv_of(&self, last: &Self) -> f64 {
        0.5 * (0..self.logits.len()).map(|id| (self.prob(id) - last.prob(id)).abs()).sum::<f64>()
    }
}

fn norm(kind: NormKind, d_model: usize, weight: Option<Vec<f32>>, bias: Option<Vec<f32>>) -> FinalNorm {
    FinalNorm::new(kind, 1e-5, d_model, weight, bias).expect("weight and bias are [d_model]")
}
