//! What to read, and what that means for one model and one sequence.

use std::ops::Range;

use super::{
    LensError, Reading,
    columns::{Place, Places, hidden_outputs},
    heads,
    runs::runs,
};
use crate::{
    backend::{BackendError, ModelInfo},
    point::{Component, Point, PointSet, Site},
    readout::{Question, Readout, TargetScore, TokenScore},
    selection::{ComponentSelection, Selection},
    steps::{StepBudget, Steps},
    token::TokenId,
    trace::{ReadoutTrace, TargetTrace, TopTrace},
    translate::LensSet,
};

/// Bytes that results may take unless the plan says otherwise.
const DEFAULT_RESULTS: usize = 2 << 30;

/// What to read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// Which blocks.
    pub layers: Selection,
    /// Which components of each block.
    pub components: ComponentSelection,
    /// Which positions of the sequence.
    pub positions: Selection,
    /// What to keep of each readout.
    pub question: Question,
    /// The lenses to read with, all from one forward pass. Where `components` is everything, a lens that translates
    /// reads every point that it has a map for.
    pub lenses: LensSet,
    /// Bytes that captured activations may take; a long sequence is run in steps that fit. `None` is
    /// what suits the backend ([`StepBudget`]): on a processor 16 MiB, or what 64 positions take if that is more.
    pub memory_budget: Option<usize>,
    /// Bytes that the results may take, in memory and as a trace; a plan that could take more is refused before
    /// anything is run. `None` is 2 GiB.
    pub result_budget: Option<usize>,
}

impl Plan {
    /// Sentences for a person: what the lenses of this plan cannot read of a model, and what is doubtful about them.
    ///
    /// # Errors
    /// When a lens does not fit the model, has a map for none of the points to read, or a selection does not fit.
    pub fn notes(&self, info: &ModelInfo) -> Result<Vec<String>, LensError> {
        Ok(self.places_of(info)?.notes)
    }

    /// The points that the plain lens reads of a model, in order of execution.
    ///
    /// # Errors
    /// When a selection does not fit the model.
    pub fn points(&self, info: &ModelInfo) -> Result<PointSet, LensError> {
        self.points_of(info, &self.layers_of(info)?)
    }

    /// What every lens reads of a model, and what has to be said about it.
    fn places_of(&self, info: &ModelInfo) -> Result<Places, LensError> {
        let layers = self.layers_of(info)?;
        let plain = self.points_of(info, &layers)?;
        let mut places = Places::new(info, &self.lenses, &self.components, &layers, plain.as_slice())?;
        if self.components.all_heads() || plain.as_slice().iter().any(|point| point.head().is_some()) {
            places.notes.extend(heads::notes(info, &layers));
        }
        places.notes.extend(self.left_out(info, &layers));
        Ok(places)
    }

    /// Whether a component that is named means the layers that have it: blocks of one branch lack the other. A layer that
    /// is named itself has to have it.
    fn means_where_it_is(&self, info: &ModelInfo, layers: &[usize], site: Site) -> bool {
        self.layers == Selection::all()
            && !matches!(site, Site::Head(_))
            && layers.iter().any(|layer| info.has(Point::block(*layer as u16, site)))
    }

    /// What is said of components that are named and that some of the layers do not have.
    fn left_out(&self, info: &ModelInfo, layers: &[usize]) -> Vec<String> {
        let sites = self.components.as_slice().iter().filter_map(|component| match component {
            Component::Site(site) if !self.components.is_all() => Some(*site),
            _ => None,
        });
        let lacking = sites.filter(|site| self.means_where_it_is(info, layers, *site)).filter_map(|site| {
            let without: Vec<u16> = info.layers_without(site).collect();
            (!without.is_empty())
                .then(|| format!("no {site} is read in layers {}: their blocks have none", runs(&without)))
        });
        lacking.collect()
    }

    /// The blocks to read. "All layers" of a model without blocks are none, and its embedding can still be read.
    fn layers_of(&self, info: &ModelInfo) -> Result<Vec<usize>, LensError> {
        match info.n_layers {
            0 if self.layers == Selection::all() => Ok(Vec::new()),
            n_layers => Ok(self.layers.resolve(n_layers.into(), "layer")?),
        }
    }

    /// The points that the selections of layers and components name.
    fn points_of(&self, info: &ModelInfo, layers: &[usize]) -> Result<PointSet, LensError> {
        let of = |component: &Component| match component {
            // The embedding is in no layer: some layers do not include it, unless it is named.
            Component::Embed if self.components.is_all() && layers.len() < info.n_layers.into() => Vec::new(),
            Component::Embed => vec![Point::Embed],
            Component::Site(site) => layers.iter().map(|layer| Point::block(*layer as u16, *site)).collect(),
        };
        let heads = if self.components.all_heads() { heads::all(info, layers)? } else { Vec::new() };
        let named = self.components.as_slice().iter().flat_map(of).chain(heads);
        // All means those that there are.
        let is_meant = |point: &Point| match point.component() {
            _ if self.components.is_all() => info.has(*point),
            Component::Site(site) if self.means_where_it_is(info, layers, site) => info.has(*point),
            _ => true,
        };
        let wanted: PointSet = named.filter(is_meant).collect();
        match wanted.as_slice().iter().find(|point| !info.has(**point)) {
            Some(absent) => Err(LensError::absent(*absent, info)),
            None => Ok(wanted),
        }
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            layers: Selection::all(),
            components: ComponentSelection::all(),
            positions: Selection::last(),
            question: Question::default(),
            lenses: LensSet::default(),
            memory_budget: None,
            result_budget: None,
        }
    }
}

impl Plan {
    crate::setters! {
        /// Which blocks.
        with_layers => layers: Selection,
        /// Which components of each block.
        with_components => components: ComponentSelection,
        /// Which positions of the sequence.
        with_positions => positions: Selection,
        /// What to keep of each readout.
        with_question => question: Question,
        /// The lenses to read with, all from one forward pass.
        with_lenses => lenses: LensSet,
        /// Bytes that captured activations may take; a long sequence is run in steps that fit. `None` is
        /// what suits the backend ([`StepBudget`]): on a processor 16 MiB, or what 64 positions take if that is more.
        with_memory_budget => memory_budget: Option<usize>,
        /// Bytes that the results may take, in memory and as a trace; a plan that could take more is refused before
        /// anything is run. `None` is 2 GiB.
        with_result_budget => result_budget: Option<usize>,
    }
}

/// A plan applied to one model and one sequence.
pub(super) struct Scope {
    /// What the reading shows, by point and then by lens.
    pub(super) wanted: Vec<Place>,
    /// What is decoded: what is wanted, and every plain `resid_post`, from which `decided_at` follows.
    pub(super) decoded: Vec<Place>,
    /// What the lenses cannot read, as sentences.
    pub(super) notes: Vec<String>,
    /// The points that are captured: those wanted, and every `resid_post`, from which `decided_at` follows. The last
    /// one is always the final residual.
    pub(super) captured: PointSet,
    /// The positions to read, ascending.
    pub(super) positions: Vec<usize>,
    /// How the sequence is cut into steps.
    pub(super) steps: Steps,
    pub(super) n_layers: usize,
}

impl Scope {
    pub(super) fn new(
        info: &ModelInfo,
        budget: StepBudget,
        tokens: &[TokenId],
        plan: &Plan,
    ) -> Result<Self, LensError> {
        if tokens.is_empty() {
            return Err(LensError::NoTokens);
        }
        if let Some(token) = tokens
            .iter()
            .chain(&plan.question.targets)
            .chain(&plan.question.versus)
            .find(|t| t.index() >= info.n_vocab)
        {
            return Err(BackendError::UnknownToken { token: *token, n_vocab: info.n_vocab }.into());
        }
        let positions = plan.positions.resolve(tokens.len(), "position")?;
        let Places { wanted, notes } = plan.places_of(info)?;
        let mut decoded = wanted.clone();
        decoded.extend(hidden_outputs(info.n_layers, &plan.lenses, &wanted));
        decoded.sort_unstable();
        let captured: PointSet = wanted
            .iter()
            .map(|place| heads::captured_at(place.point))
            .chain((0..info.n_layers).map(|layer| Point::block(layer, Site::ResidPost)))
            .chain((info.n_layers == 0).then_some(Point::Embed))
            .collect();
        let made = |place: &&Place| {
            plan.lenses.map(place.lens, place.point).is_some() || place.point.head().is_some()
        };
        let translated = wanted.iter().filter(made).count();
        // Translated vectors and those of heads are kept beside captured ones, in float32.
        let bytes_per_position = (captured.len() * info.dtype.bytes() + translated * 4) * info.d_model;
        let steps = budget.steps(bytes_per_position, plan.memory_budget);
        Ok(Self { wanted, decoded, notes, captured, positions, steps, n_layers: info.n_layers.into() })
    }

    /// The same with the last of `length` positions.
    pub(super) fn with_last(mut self, length: usize) -> Self {
        if self.positions.last() != Some(&(length - 1)) {
            self.positions.push(length - 1);
        }
        self
    }

    /// How many tokens have to be run for the positions to be read: none sees a later one.
    pub(super) fn needed(&self) -> usize {
        self.positions.last().map_or(0, |last| last + 1)
    }

    /// Refuses results that could not be kept, of the positions to read and as many `more`.
    pub(super) fn check_results(&self, info: &ModelInfo, plan: &Plan, more: usize) -> Result<(), LensError> {
        let question = &plan.question;
        let kept = question.top_k.get().min(info.n_vocab).saturating_add(question.targets.len());
        // As a reading keeps a token and as a trace does.
        let per_token = size_of::<TargetScore>() + size_of::<TargetTrace>();
        let readouts = self.positions.len().saturating_add(more).saturating_mul(self.wanted.len() + 1);
        // All readouts of a position may track what each of them names first.
        let tracked = question.tracked.min(self.wanted.len()).min(info.n_vocab);
        let per_readout = size_of::<Readout>()
            + size_of::<ReadoutTrace>()
            + tracked * (size_of::<TokenScore>() + size_of::<TopTrace>());
        let bytes = readouts.saturating_mul(kept.saturating_mul(per_token).saturating_add(per_readout));
        let allowed = plan.result_budget.unwrap_or(DEFAULT_RESULTS);
        if bytes > allowed {
            return Err(LensError::TooMuch { readouts, kept, bytes, allowed });
        }
        Ok(())
    }

    /// Steps that together are `tokens`: as long as can be, with no more positions to read than fit the budget.
    pub(super) fn steps(&self, tokens: Range<usize>) -> Vec<Range<usize>> {
        self.steps.cut(tokens, &self.positions)
    }

    /// A reading without any position yet.
    pub(super) fn empty_reading(&self, plan: &Plan) -> Reading {
        Reading {
            points: self.wanted.iter().map(|place| place.point).collect(),
            lens_of: self.wanted.iter().map(|place| place.lens).collect(),
            lenses: plan.lenses.clone(),
            notes: self.notes.clone(),
            positions: Vec::with_capacity(self.positions.len()),
            readouts: Vec::with_capacity(self.positions.len() * self.wanted.len()),
            finals: Vec::with_capacity(self.positions.len()),
            norm: plan.question.norm,
            self_check: None,
        }
    }
}
