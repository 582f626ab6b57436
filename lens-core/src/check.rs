//! The identities that a residual stream keeps, checked on a running model.

use std::fmt;

use crate::{
    backend::{Backend, BackendError, Column, Forward, Next, ReadRequest},
    point::{Point, PointSet, Site},
    readout::Question,
    token::TokenId,
};

/// One property and how it came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The property, as a claim.
    pub claim: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// The worst place and how far it is off, or what was compared.
    pub detail: String,
}

/// How a property came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// It cannot be decided on this model in this dtype; the finding's detail says why.
    Undecided,
}

impl Outcome {
    /// [`Passed`](Self::Passed) or [`Failed`](Self::Failed).
    pub fn of(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }
}

/// The result of checking a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckReport {
    /// One entry for each property.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Whether something was compared, and nothing failed.
    pub fn passed(&self) -> bool {
        self.findings.iter().any(|finding| finding.outcome == Outcome::Passed)
            && self.findings.iter().all(|finding| finding.outcome != Outcome::Failed)
    }

    fn add(&mut self, claim: &'static str, worst: &Worst) {
        let outcome =
            if worst.place.is_empty() { Outcome::Undecided } else { Outcome::of(worst.excess <= 1.0) };
        self.findings.push(Finding { claim, outcome, detail: worst.to_string() });
    }
}

/// The comparison that came out worst, relative to what rounding allows.
struct Worst {
    place: String,
    difference: f32,
    allowed: f32,
    excess: f32,
}

impl Worst {
    fn none() -> Self {
        Self { place: String::new(), difference: 0.0, allowed: 0.0, excess: 0.0 }
    }

    fn see(&mut self, place: impl FnOnce() -> String, difference: f32, allowed: f32) {
        let excess = match (difference == 0.0, difference.is_finite()) {
            (true, _) => 0.0,
            (false, true) => difference / allowed,
            (false, false) => f32::INFINITY,
        };
        if excess > self.excess || self.place.is_empty() {
            *self = Self { place: place(), difference, allowed, excess };
        }
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            return f.write_str("nothing to compare");
        }
        if self.difference == 0.0 {
            return f.write_str("equal to the last bit");
        }
        write!(
            f,
            "worst at {}: off by {:.2e}, rounding allows {:.2e}",
            self.place, self.difference, self.allowed
        )
    }
}

/// Every captured vector of a sequence as float32.
struct Recording {
    points: PointSet,
    /// Per point, `[positions, width]` row-major, and the width.
    values: Vec<(Vec<f32>, usize)>,
}

impl Recording {
    fn at(&self, point: Point) -> &[f32] {
        self.points.index_of(point).map_or(&[], |index| &self.values[index].0)
    }
}

/// Runs `tokens` through a backend and checks the identities of the residual stream, causality, that running the
/// sequence in two steps equals running it in one, and that the last readout is the model's own answer.
///
/// # Errors
/// When the backend fails, or the sequence has fewer than two tokens.
pub fn check_backend<B: Backend>(backend: &mut B, tokens: &[TokenId]) -> Result<CheckReport, BackendError> {
    if tokens.len() < 2 {
        return Err(BackendError::Other("the check needs two tokens or more".into()));
    }
    let n_layers = backend.info().n_layers;
    let every: PointSet = std::iter::once(Point::Embed)
        .chain((0..n_layers).flat_map(|layer| Site::ALL.map(|site| Point::block(layer, site))))
        .filter(|point| backend.info().has(*point))
        .collect();
    let mut report = CheckReport::default();
    let whole = match record(backend, tokens, &every, &[tokens.len()]) {
        Ok(whole) => whole,
        // Nothing beyond this can be compared.
        Err(error @ BackendError::NonFinite { .. }) => {
            report.findings.push(Finding {
                claim: FINITE,
                outcome: Outcome::Failed,
                detail: error.to_string(),
            });
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    report.findings.push(finite(&whole));
    sums(backend, &whole, &mut report);
    let bound = Bound::measure(backend, tokens, &whole)?;

    const STEPS: &str = "two steps with a cache equal one step";
    if backend.info().routed && backend.info().unit_roundoff > f32::EPSILON {
        // The rounding of one step is not that of two, and a router between two experts has no nearby answer.
        let detail = "rounding in this dtype may tip a choice of experts: check it in float32".to_owned();
        report.findings.push(Finding { claim: STEPS, outcome: Outcome::Undecided, detail });
    } else {
        let halves = record(backend, tokens, &every, &[tokens.len() / 2, tokens.len()])?;
        report.add(STEPS, &bound.compare(&whole, &halves, tokens.len()));
    }

    const CAUSAL: &str = "another last token leaves earlier positions alone";
    let mut changed = tokens.to_vec();
    if let Some(last) = changed.last_mut() {
        last.0 = (last.0 + 1) % backend.info().n_vocab as u32;
    }
    if changed == tokens {
        let detail = "the vocabulary has no other token".to_owned();
        report.findings.push(Finding { claim: CAUSAL, outcome: Outcome::Undecided, detail });
    } else {
        let changed = record(backend, &changed, &every, &[tokens.len()])?;
        report.add(CAUSAL, &bound.compare(&whole, &changed, tokens.len() - 1));
    }
    report.add("the last resid_post reads as the model's own logits", &last_readout(backend, tokens)?);
    Ok(report)
}

const FINITE: &str = "every activation is finite";

/// Runs the sequence in steps that end at `ends` and copies every point out.
fn record<B: Backend>(
    backend: &mut B,
    tokens: &[TokenId],
    points: &PointSet,
    ends: &[usize],
) -> Result<Recording, BackendError> {
    let mut values = vec![(Vec::new(), 0); points.len()];
    let mut past = 0;
    for end in ends.iter().copied().filter(|end| *end > 0) {
        let rows: Vec<usize> = (0..end - past).collect();
        let step = Forward {
            tokens: &tokens[past..end],
            past,
            total: tokens.len(),
            room: tokens.len(),
            through: None,
            points,
            rows: &rows,
        };
        for (hidden, (values, width)) in backend.forward(&step)?.iter().zip(&mut values) {
            *width = backend.rows(hidden, 0..rows.len(), values)?;
        }
        past = end;
    }
    Ok(Recording { points: points.clone(), values })
}

fn finite(recording: &Recording) -> Finding {
    let values = || recording.points.as_slice().iter().zip(recording.values.iter().map(|(values, _)| values));
    let broken = values().find(|(_, values)| values.iter().any(|value| !value.is_finite()));
    let detail = match broken {
        Some((point, _)) => format!("NaN or infinite: {point} is the first"),
        None if values().all(|(_, values)| values.is_empty()) => {
            let detail = "there is no activation to look at".to_owned();
            return Finding { claim: FINITE, outcome: Outcome::Undecided, detail };
        }
        None => {
            format!("{} values at {} points", values().map(|(_, v)| v.len()).sum::<usize>(), values().count())
        }
    };
    Finding { claim: FINITE, outcome: Outcome::of(broken.is_none()), detail }
}

/// `a + b = c` at every layer, for the two sums of a block, and that a block begins where the last one ended.
fn sums<B: Backend>(backend: &B, recording: &Recording, report: &mut CheckReport) {
    let info = backend.info();
    let roundoff = info.unit_roundoff;
    let sum = |claim, a: Site, b: Site, c: Site, always: bool, report: &mut CheckReport| {
        // Where branches are not summands of the stream there is nothing to add up.
        let is_one = |layer: &u16| info.sums(*layer).contains(&[a, b, c]);
        let layers: Vec<u16> = (0..info.n_layers).filter(is_one).collect();
        if layers.is_empty() && (info.n_layers > 0 || !always) {
            return;
        }
        let mut worst = Worst::none();
        for layer in layers {
            let at = |site| recording.at(Point::block(layer, site));
            for ((a, b), sum) in at(a).iter().zip(at(b)).zip(at(c)) {
                // One rounding of the sum; float32 addition here may round once more.
                let allowed = 2.0 * roundoff * sum.abs() + f32::MIN_POSITIVE;
                worst.see(|| format!("L{layer}.{c}"), (a + b - sum).abs(), allowed);
            }
        }
        report.add(claim, &worst);
    };
    let [pre, mid, post] = [Site::ResidPre, Site::ResidMid, Site::ResidPost];
    sum("resid_mid = resid_pre + attn_out", pre, Site::AttnOut, mid, true, report);
    sum("resid_post = resid_mid + mlp_out", mid, Site::MlpOut, post, true, report);
    sum(
        "resid_post = resid_pre + attn_out in blocks without an MLP",
        pre,
        Site::AttnOut,
        post,
        false,
        report,
    );
    sum("resid_post = resid_pre + mlp_out in blocks without a mixer", pre, Site::MlpOut, post, false, report);

    let mut worst = Worst::none();
    let mut before = Point::Embed;
    for layer in 0..backend.info().n_layers {
        let here = Point::block(layer, Site::ResidPre);
        for (a, b) in recording.at(before).iter().zip(recording.at(here)) {
            worst.see(|| here.to_string(), (a - b).abs(), f32::MIN_POSITIVE);
        }
        before = Point::block(layer, Site::ResidPost);
    }
    report.add("resid_pre is embed or the resid_post before it", &worst);
}

/// How much further than one moved rounding of the embedding two equal computations may lie apart: each rounds at
/// every operation of every block, and each of those roundings spreads as the embedding's does.
const MULTIPLE: f32 = 16.0;

/// What rounding may do to each point of one model and sequence.
///
/// Softmax magnifies what rounding does to large scores, by factors that differ from checkpoint to checkpoint. So they
/// are measured: the sequence is run once more with the embedding moved by one rounding, and [`MULTIPLE`] times what
/// that moves a point, relative to its largest value, is allowed beside what the sums themselves may round. A cache
/// that is wrong is wrong by a thousand times.
struct Bound {
    points: PointSet,
    /// Per point, the difference allowed relative to the largest value of a position.
    relative: Vec<f32>,
}

impl Bound {
    fn measure<B: Backend>(
        backend: &mut B,
        tokens: &[TokenId],
        whole: &Recording,
    ) -> Result<Self, BackendError> {
        let info = backend.info();
        let summation = 16.0 * (f32::from(info.n_layers) + 1.0) * info.unit_roundoff;
        let mut relative = vec![summation; whole.points.len()];
        let rows: Vec<usize> = (0..tokens.len()).collect();
        let points = &whole.points;
        let n = tokens.len();
        let step = Forward { tokens, past: 0, total: n, room: n, through: None, points, rows: &rows };
        for (i, hidden) in backend.forward_nudged(&step)?.iter().flatten().enumerate() {
            let mut moved = Vec::new();
            let width = backend.rows(hidden, 0..n, &mut moved)?;
            let rows = whole.values[i].0.chunks(width).zip(moved.chunks(width));
            let moves = rows.filter(|(row, _)| largest(row) > 0.0).map(|(row, moved)| {
                let differences = row.iter().zip(moved).map(|(a, b)| (a - b).abs());
                differences.fold(0.0, f32::max) / largest(row)
            });
            relative[i] += MULTIPLE * moves.fold(0.0, f32::max);
        }
        Ok(Self { points: points.clone(), relative })
    }

    /// The first `positions` of two recordings agree.
    fn compare(&self, a: &Recording, b: &Recording, positions: usize) -> Worst {
        let mut worst = Worst::none();
        let pairs = self.points.as_slice().iter().zip(&self.relative).zip(a.values.iter().zip(&b.values));
        for ((point, relative), ((a, width), (b, _))) in pairs {
            if a.len() != b.len() {
                worst.see(|| format!("{point}, which has fewer values"), f32::INFINITY, 0.0);
            }
            for (position, (a, b)) in a.chunks(*width).zip(b.chunks(*width)).take(positions).enumerate() {
                let allowed = relative * largest(a) + f32::MIN_POSITIVE;
                for (a, b) in a.iter().zip(b) {
                    worst.see(|| format!("{point}, position {position}"), (a - b).abs(), allowed);
                }
            }
        }
        worst
    }
}

/// The largest magnitude.
fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()))
}

/// Reads the last position and compares its top logits and log-sum-exp with the plain product.
fn last_readout<B: Backend>(backend: &mut B, tokens: &[TokenId]) -> Result<Worst, BackendError> {
    let n_layers = backend.info().n_layers;
    let point = Point::last(n_layers);
    let (row, ask) = (tokens.len() - 1, Question::default());
    let step = Forward {
        tokens,
        past: 0,
        total: tokens.len(),
        room: tokens.len(),
        through: None,
        points: &[point].into_iter().collect(),
        rows: &[row],
    };
    let mut worst = Worst::none();
    for last in backend.forward(&step)? {
        let request = ReadRequest {
            hidden: &[Column::plain(point, &last)],
            last: &last,
            positions: &[row],
            next: &[Next::Nothing],
            ask: &ask,
            known: None,
        };
        for readout in backend.read(&request)?.points {
            let ids: Vec<TokenId> = readout.top.iter().map(|score| score.id).collect();
            let plain = backend.plain_logits(&last, 0, &ids)?;
            for (score, plain_logit) in readout.top.iter().zip(&plain.logits) {
                let difference = (score.logit - plain_logit).abs();
                worst.see(|| format!("the logit of token {}", score.id), difference, plain.logit_tolerance);
            }
            let difference = (readout.log_sum_exp - plain.log_sum_exp).abs() as f32;
            worst.see(|| "the log-sum-exp".to_owned(), difference, plain.log_sum_exp_tolerance);
        }
    }
    Ok(worst)
}
