//! From readings in token ids to traces with texts, all at once or position by position.

use std::{collections::HashMap, sync::Arc};

use crate::trace::{
    FinalTrace, GenerationTrace, GeneratorTrace, LensEntryTrace, LensKindTrace, LensTrace, NamedTrace,
    PositionTrace, ReadoutTrace, SampledTrace, SelfCheckTrace, StepTrace, Stopped, TargetTrace, TimingTrace,
    TokenTrace, TopTrace,
};
use crate::{
    backend::ModelInfo,
    decision::{important_by_movement, important_layers},
    lens::{LayersRead, Reading, SampledStep, Sampling, SelfCheck, Timing},
    norm::NormMode,
    point::{Component, Point, Site},
    readout::{Readout, TargetScore, TokenScore},
    sink::{Awaited, LayersTrace},
    statistic::Statistic,
    text::{TokenText, TokenTexts},
    token::TokenId,
    translate::LensSet,
};

/// What a trace says besides the reading.
#[non_exhaustive]
pub struct TraceContext<'a> {
    /// The program that writes it and its version.
    pub generator: (&'a str, &'a str),
    /// The model.
    pub model: &'a ModelInfo,
    /// The prompt as the user wrote it; without one, the tokens' texts are joined.
    pub prompt: Option<&'a str>,
    /// The sequence that was read.
    pub tokens: &'a [TokenId],
    /// How many of `tokens` are the prompt; the model wrote the others.
    pub n_prompt: usize,
    /// The texts of tokens.
    pub texts: &'a dyn TokenTexts,
    /// Probability above which a layer counts as important, in `[0, 1]`.
    pub threshold: f32,
}

impl<'a> TraceContext<'a> {
    /// The context of a run in which `model` read the prompt `tokens`, for the program `generator` (its name and
    /// version). Layers are important above a probability of 0.03.
    pub fn new(
        generator: (&'a str, &'a str),
        model: &'a ModelInfo,
        tokens: &'a [TokenId],
        texts: &'a dyn TokenTexts,
    ) -> Self {
        Self { generator, model, prompt: None, tokens, n_prompt: tokens.len(), texts, threshold: 0.03 }
    }

    crate::setters! {
        /// The prompt as the user wrote it; without one, the tokens' texts are joined.
        with_prompt => prompt: Option<&'a str>,
        /// How many of `tokens` are the prompt; the model wrote the others.
        with_n_prompt => n_prompt: usize,
        /// Probability above which a layer counts as important, in `[0, 1]`.
        with_threshold => threshold: f32,
    }
}

/// Turns a reading into a trace, piece by piece: for outputs that are written while the model still runs.
pub struct Tracer<'a> {
    context: &'a TraceContext<'a>,
    names: Names<'a>,
    lenses: LensSet,
}

impl<'a> Tracer<'a> {
    /// A tracer for a run with the plain lens.
    pub fn new(context: &'a TraceContext<'a>) -> Self {
        let names = Names { texts: context.texts, known: HashMap::new() };
        Self { context, names, lenses: LensSet::default() }
    }

    /// This tracer for a run with these lenses.
    #[must_use]
    pub fn with_lenses(self, lenses: LensSet) -> Self {
        Self { lenses, ..self }
    }

    /// The trace of a run that has read nothing yet.
    pub fn head(&mut self, norm: NormMode) -> LensTrace {
        let context = self.context;
        let tokens: Vec<TokenTrace> =
            (0..).zip(context.tokens).map(|(i, id)| self.token(*id, i >= context.n_prompt)).collect();
        let prompt = context.prompt.map_or_else(
            || tokens.iter().take(context.n_prompt).map(|token| &*token.text).collect(),
            str::to_owned,
        );
        let (name, version) = context.generator;
        let lens = LensKindTrace::new(self.lenses.name(0), norm);
        let mut trace =
            LensTrace::empty(GeneratorTrace::new(name, version), context.model.into(), lens, prompt, tokens);
        trace.lenses = LensEntryTrace::of(&self.lenses);
        trace.important_above = Some(context.threshold);
        trace
    }

    /// The entry of a token of the sequence.
    pub fn token(&mut self, id: TokenId, generated: bool) -> TokenTrace {
        let TokenText { text, bytes } = self.names.text(id);
        TokenTrace { id, text, bytes, generated }
    }

    /// A token with its text.
    pub fn named(&mut self, id: TokenId) -> NamedTrace {
        let TokenText { text, bytes } = self.names.text(id);
        NamedTrace { id, text, bytes }
    }

    /// The entry of a token that was sampled; `step` counts from 0.
    pub fn step(&mut self, step: usize, sampled: &SampledStep) -> StepTrace {
        let id = sampled.token.id;
        let TokenText { text, bytes } = self.names.text(id);
        let token = SampledTrace { id, text, bytes, prob: sampled.token.prob };
        StepTrace { step, position: sampled.position, token }
    }

    /// What was read at the `index`-th position of a reading.
    ///
    /// # Panics
    /// When the reading has no such position.
    pub fn position(&mut self, reading: &Reading, index: usize) -> PositionTrace {
        let last = &reading.finals[index];
        PositionTrace {
            last: FinalTrace {
                position: last.position,
                top: self.names.top(&last.readout.top),
                statistics: last.readout.statistics,
                decided_at: last.decided_at,
                important_layers: important_layers(reading.at(index), self.context.threshold)
                    .into_iter()
                    .collect(),
                important_by_movement: important_by_movement(distances(reading, index)),
                targets: self.names.targets(&last.readout.targets),
            },
            readouts: reading
                .all_at(index)
                .map(|(lens, point, readout)| ReadoutTrace {
                    lens: lens_name(&reading.lenses, lens),
                    ..self.names.readout(last.position, point, readout, self.context.model)
                })
                .collect(),
        }
    }
}

impl Tracer<'_> {
    /// Layers of positions of which others are still to come.
    pub(crate) fn layers(&mut self, read: &LayersRead<'_>) -> LayersTrace {
        let LayersRead { reading, awaited } = read;
        let positions = (0..reading.finals.len()).map(|index| {
            let mut position = self.position(reading, index);
            // Both follow from all layers.
            position.last.important_layers.clear();
            position.last.important_by_movement = None;
            position
        });
        let positions = positions.collect();
        let awaited = awaited.iter().map(|(lens, point)| Awaited {
            lens: lens_name(&reading.lenses, *lens),
            layer: point.layer(),
            component: point.component(),
            is_virtual: is_virtual(*point, self.context.model),
        });
        LayersTrace { positions, awaited: awaited.collect() }
    }
}

/// The name of a lens where a trace says which one has read.
fn lens_name(lenses: &LensSet, lens: usize) -> Option<Arc<str>> {
    if lenses.is_plain() { None } else { lenses.shared_name(lens) }
}

/// Whether no part of the model reads the sum at a point.
fn is_virtual(point: Point, model: &ModelInfo) -> bool {
    model.parallel_blocks && point.component() == Component::Site(Site::ResidMid)
}

/// How far the stream is from the final answer at the embedding and after each layer, in the first lens.
fn distances(reading: &Reading, index: usize) -> impl Iterator<Item = (Option<u16>, f64)> {
    reading.at(index).filter_map(|(point, readout)| {
        let is_stream = matches!(point.component(), Component::Embed | Component::Site(Site::ResidPost));
        let distance = readout.statistics.get(Statistic::KlToFinal).filter(|_| is_stream);
        distance.map(|distance| (point.layer(), distance))
    })
}

impl LensTrace {
    /// The trace of a reading.
    pub fn new(reading: &Reading, context: &TraceContext<'_>) -> Self {
        let mut tracer = Tracer::new(context).with_lenses(reading.lenses.clone());
        let mut trace = tracer.head(reading.norm);
        trace.notes.clone_from(&reading.notes);
        trace.readouts.reserve_exact(reading.readouts.len());
        for index in 0..reading.finals.len() {
            let PositionTrace { last, readouts } = tracer.position(reading, index);
            trace.finals.push(last);
            trace.readouts.extend(readouts);
        }
        trace.self_check = reading.self_check.map(Into::into);
        trace.judge_rows();
        trace
    }
}

impl From<SelfCheck> for SelfCheckTrace {
    fn from(check: SelfCheck) -> Self {
        Self {
            max_abs_logit_error: check.max_abs_logit_error,
            passed: check.passed,
            position: check.position,
            log_sum_exp_error: check.log_sum_exp_error,
        }
    }
}

impl From<Timing> for TimingTrace {
    fn from(timing: Timing) -> Self {
        Self { forward: timing.forward.as_secs_f64(), readout: timing.readout.as_secs_f64() }
    }
}

impl GenerationTrace {
    /// The entry of a continuation with this sampling that ended for the reason `stopped`, as trial 0.
    pub fn new(sampling: &Sampling, stopped: Stopped) -> Self {
        Self {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            top_k: sampling.top_k.map(usize::from),
            seed: sampling.seed,
            trial: 0,
            stopped,
        }
    }
}

/// Token texts, each looked up once and shared: a long trace names the same few thousand tokens everywhere.
struct Names<'a> {
    texts: &'a dyn TokenTexts,
    known: HashMap<TokenId, TokenText>,
}

impl Names<'_> {
    fn text(&mut self, id: TokenId) -> TokenText {
        self.known.entry(id).or_insert_with(|| self.texts.text(id)).clone()
    }

    fn token(&mut self, score: &TokenScore) -> TopTrace {
        let TokenText { text, bytes } = self.text(score.id);
        TopTrace { id: score.id, text, bytes, logit: score.logit, prob: score.prob }
    }

    fn top(&mut self, scores: &[TokenScore]) -> Vec<TopTrace> {
        scores.iter().map(|score| self.token(score)).collect()
    }

    fn targets(&mut self, targets: &[TargetScore]) -> Vec<TargetTrace> {
        targets
            .iter()
            .map(|target| TargetTrace { token: self.token(&target.score), rank: Some(target.rank) })
            .collect()
    }

    fn readout(
        &mut self,
        position: usize,
        point: Point,
        readout: &Readout,
        model: &ModelInfo,
    ) -> ReadoutTrace {
        ReadoutTrace {
            layer: point.layer(),
            component: point.component(),
            position,
            lens: None,
            is_virtual: is_virtual(point, model),
            top: self.top(&readout.top),
            statistics: readout.statistics,
            targets: self.targets(&readout.targets),
            tracked: self.top(&readout.tracked),
        }
    }
}
