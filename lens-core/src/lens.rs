//! The pipeline: tokens in, readouts of every chosen point and position out.

use crate::{
    Backend, BackendError, Component, ComponentSelection, Forward, ModelInfo, NormMode, Point, PointSet,
    Question, ReadRequest, Readout, Selection, SelectionError, Site, TokenId, decided_at,
};

/// Memory for captured activations unless the plan says otherwise, in bytes.
const DEFAULT_BUDGET: usize = 128 << 20;

/// The longest step of a forward pass: enough for efficient products, short enough for attention's scores.
const LONGEST_STEP: usize = 512;

/// What to read.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Which blocks.
    pub layers: Selection,
    /// Which components of each.
    pub components: ComponentSelection,
    /// Which positions of the sequence.
    pub positions: Selection,
    /// What to keep of each readout.
    pub question: Question,
    /// Bytes that captured activations may take; a long sequence is run in steps that fit. `None` is 128 MiB.
    pub memory_budget: Option<usize>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            layers: Selection::all(),
            components: ComponentSelection::all(),
            positions: Selection::last(),
            question: Question::default(),
            memory_budget: None,
        }
    }
}

/// What a run of the lens came to, in token ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The points read, in order of execution.
    pub points: Vec<Point>,
    /// The positions read, ascending.
    pub positions: Vec<usize>,
    /// The readouts, `[positions, points]` row-major.
    pub readouts: Vec<Readout>,
    /// The model's own answer at each position.
    pub finals: Vec<FinalReading>,
    /// The norm in front of the unembedding.
    pub norm: NormMode,
    /// Whether the readout path agrees with the backend's plain product.
    pub self_check: SelfCheck,
}

impl Reading {
    /// The readouts of the `index`-th position read, with their points.
    pub fn at(&self, index: usize) -> impl Iterator<Item = (Point, &Readout)> {
        let width = self.points.len();
        self.points.iter().copied().zip(self.readouts.iter().skip(index * width).take(width))
    }
}

/// The model's own answer at a position.
#[derive(Debug, Clone, PartialEq)]
pub struct FinalReading {
    /// The position.
    pub position: usize,
    /// The final readout.
    pub readout: Readout,
    /// First layer from which the top-1 of `resid_post` equals the final top-1 and stays so.
    pub decided_at: Option<usize>,
}

/// The comparison of a final readout with the backend's plain matrix product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfCheck {
    /// Position that was compared.
    pub position: usize,
    /// Largest difference among the top and target logits.
    pub max_abs_logit_error: f32,
    /// Difference of the log-sum-exp over the whole vocabulary.
    pub log_sum_exp_error: f32,
    /// Whether both are within what rounding explains. A reading that failed must not be believed.
    pub passed: bool,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tokens run and read.
    pub done: usize,
    /// Tokens in all.
    pub total: usize,
}

/// The lens over a backend.
pub struct Lens<'a, B: Backend> {
    backend: &'a mut B,
    progress: Option<Box<dyn FnMut(Progress) + 'a>>,
}

impl<'a, B: Backend> Lens<'a, B> {
    /// A lens that looks into `backend`.
    pub fn new(backend: &'a mut B) -> Self {
        Self { backend, progress: None }
    }

    /// Calls `report` after every step.
    #[must_use]
    pub fn with_progress(mut self, report: impl FnMut(Progress) + 'a) -> Self {
        self.progress = Some(Box::new(report));
        self
    }

    /// Runs `tokens` once and reads what `plan` asks for.
    ///
    /// The sequence is run in steps, each continuing the one before, so that captured activations stay within
    /// the plan's budget however long it is.
    ///
    /// # Errors
    /// When there is no token, a selection does not fit, a token is unknown, or the backend fails.
    pub fn read(&mut self, tokens: &[TokenId], plan: &Plan) -> Result<Reading, LensError> {
        let scope = Scope::new(self.backend.info(), tokens, plan)?;
        let mut reading = Reading {
            points: scope.wanted.as_slice().to_vec(),
            positions: scope.positions.clone(),
            readouts: Vec::with_capacity(scope.positions.len() * scope.wanted.len()),
            finals: Vec::with_capacity(scope.positions.len()),
            norm: plan.question.norm,
            self_check: SelfCheck {
                position: 0,
                max_abs_logit_error: 0.0,
                log_sum_exp_error: 0.0,
                passed: false,
            },
        };
        let mut past = 0;
        while past < tokens.len() {
            let end = (past + scope.step).min(tokens.len());
            self.read_step(tokens, past..end, &scope, plan, &mut reading)?;
            past = end;
            if let Some(report) = &mut self.progress {
                report(Progress { done: past, total: tokens.len() });
            }
        }
        Ok(reading)
    }

    /// Runs and reads one step.
    fn read_step(
        &mut self,
        tokens: &[TokenId],
        step: std::ops::Range<usize>,
        scope: &Scope,
        plan: &Plan,
        reading: &mut Reading,
    ) -> Result<(), LensError> {
        let positions: Vec<usize> = scope.positions.iter().copied().filter(|p| step.contains(p)).collect();
        let rows: Vec<usize> = positions.iter().map(|p| p - step.start).collect();
        let nothing = PointSet::default();
        let captured = self.backend.forward(&Forward {
            tokens: &tokens[step.clone()],
            past: step.start,
            total: tokens.len(),
            points: if rows.is_empty() { &nothing } else { &scope.captured },
            rows: &rows,
        })?;
        let (Some(last), Some(last_position)) = (captured.last(), positions.last()) else {
            return Ok(());
        };
        let next: Vec<Option<TokenId>> = positions.iter().map(|p| tokens.get(p + 1).copied()).collect();
        let hidden: Vec<(Point, &B::Hidden)> =
            scope.captured.as_slice().iter().copied().zip(&captured).collect();
        let readings = self.backend.read(&ReadRequest {
            hidden: &hidden,
            last,
            positions: &positions,
            next: &next,
            ask: &plan.question,
        })?;

        let mut readouts = readings.points.into_iter();
        for (position, readout) in positions.iter().zip(readings.finals) {
            let mut top1_by_layer = Vec::with_capacity(scope.n_layers);
            for (point, readout) in hidden.iter().map(|(point, _)| *point).zip(readouts.by_ref()) {
                if point.component() == Component::Site(Site::ResidPost) {
                    top1_by_layer.push(readout.top1());
                }
                if scope.wanted.contains(point) {
                    reading.readouts.push(readout);
                }
            }
            let decided_at = decided_at(&top1_by_layer, readout.top1());
            reading.finals.push(FinalReading { position: *position, readout, decided_at });
        }
        if let Some(read) = reading.finals.last() {
            reading.self_check = self.self_check(last, positions.len() - 1, *last_position, &read.readout)?;
        }
        Ok(())
    }

    /// Compares a final readout with the backend's plain product of the same row.
    fn self_check(
        &self,
        last: &B::Hidden,
        row: usize,
        position: usize,
        readout: &Readout,
    ) -> Result<SelfCheck, BackendError> {
        let scores: Vec<_> = readout.top.iter().chain(readout.targets.iter().map(|t| &t.score)).collect();
        let ids: Vec<TokenId> = scores.iter().map(|score| score.id).collect();
        let plain = self.backend.plain_logits(last, row, &ids)?;
        let max_abs_logit_error = scores
            .iter()
            .zip(&plain.logits)
            .map(|(score, plain)| (score.logit - plain).abs())
            .fold(0.0, f32::max);
        let log_sum_exp_error = (readout.log_sum_exp - plain.log_sum_exp).abs() as f32;
        Ok(SelfCheck {
            position,
            max_abs_logit_error,
            log_sum_exp_error,
            passed: max_abs_logit_error <= plain.logit_tolerance
                && log_sum_exp_error <= plain.log_sum_exp_tolerance,
        })
    }
}

/// A plan applied to one model and one sequence.
struct Scope {
    /// The points that the reading shows.
    wanted: PointSet,
    /// The points that are captured: those wanted, and every `resid_post`, which `decided_at` is made of. The
    /// last one is always what the final readout is made of.
    captured: PointSet,
    positions: Vec<usize>,
    /// Tokens in one step.
    step: usize,
    n_layers: usize,
}

impl Scope {
    fn new(info: &ModelInfo, tokens: &[TokenId], plan: &Plan) -> Result<Self, LensError> {
        if tokens.is_empty() {
            return Err(LensError::NoTokens);
        }
        if let Some(token) = tokens.iter().chain(&plan.question.targets).find(|t| t.index() >= info.n_vocab) {
            return Err(BackendError::UnknownToken { token: *token, n_vocab: info.n_vocab }.into());
        }
        // "All layers" of a model without blocks are none, and its embedding can still be read.
        let layers = match info.n_layers {
            0 if plan.layers == Selection::all() => Vec::new(),
            n_layers => plan.layers.resolve(n_layers.into(), "layer")?,
        };
        let positions = plan.positions.resolve(tokens.len(), "position")?;
        let mut components = plan.components.as_slice().to_vec();
        if plan.components.is_all() {
            components.retain(|component| info.has(*component));
        } else if let Some(component) = components.iter().find(|component| !info.has(**component)) {
            return Err(LensError::AbsentComponent { component: *component, family: info.family.clone() });
        }
        let wanted: PointSet = components
            .iter()
            .flat_map(|component| match component {
                Component::Embed => vec![Point::Embed],
                Component::Site(site) => {
                    layers.iter().map(|layer| Point::block(*layer as u16, *site)).collect()
                }
            })
            .collect();
        let captured: PointSet = wanted
            .as_slice()
            .iter()
            .copied()
            .chain((0..info.n_layers).map(|layer| Point::block(layer, Site::ResidPost)))
            .chain((info.n_layers == 0).then_some(Point::Embed))
            .collect();
        let bytes_per_position = captured.len() * info.d_model * size_of::<f32>();
        let step = plan.memory_budget.unwrap_or(DEFAULT_BUDGET) / bytes_per_position.max(1);
        Ok(Self {
            wanted,
            captured,
            positions,
            step: step.clamp(1, LONGEST_STEP),
            n_layers: info.n_layers.into(),
        })
    }
}

/// A run of the lens that could not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LensError {
    /// No token to read.
    #[error("the prompt has no tokens: there is no position to read")]
    NoTokens,
    /// A selection does not fit the model or the sequence.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A component that was asked for by name and is no part of this model's stream.
    #[error(
        "this {family} model has no {component}: its branches are not summands of the residual stream, because a \
         norm stands behind their sum. embed, resid_pre and resid_post can be read"
    )]
    AbsentComponent {
        /// The component.
        component: Component,
        /// The model's family.
        family: String,
    },
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}
