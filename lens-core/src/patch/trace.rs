//! The JSON form of a sweep: `lens-patching/1`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    cell::{Cell, Pair},
    metric::{Metric, Outcome},
    request::Direction,
    result::{Experiment, PatchCheck, Patched, PatchedCell},
};
use crate::{
    backend::ModelInfo,
    norm::NormMode,
    point::{Component, Site},
    readout::TokenScore,
    text::{TokenText, TokenTexts},
    token::TokenId,
    trace::{GeneratorTrace, LensKindTrace, LensTrace, ModelTrace, TokenTrace, TopTrace},
};

/// The schema that this crate writes.
pub const SCHEMA: &str = "lens-patching/1";

/// A sweep as it is written to JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PatchTrace {
    /// [`SCHEMA`].
    pub schema: String,
    /// What wrote it.
    pub generator: GeneratorTrace,
    /// The model.
    pub model: ModelTrace,
    /// What was done.
    pub experiment: Experiment,
    /// The number that answers are judged by.
    pub metric: Metric,
    /// The right answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PatchedToken>,
    /// The answer that it is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versus: Option<PatchedToken>,
    /// The run that was changed, as it is by itself.
    pub changed: PatchedRun,
    /// The run that activations were taken from, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PatchedRun>,
    /// The results, a grid for each site.
    pub grids: Vec<PatchingGrid>,
    /// Whether the answers are the model's own.
    pub self_check: PatchCheck,
    /// Passes that all cells took together.
    pub passes: usize,
    /// What a reader has to know, as sentences for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A token with its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PatchedToken {
    /// Its id.
    pub id: TokenId,
    /// Its text.
    pub text: Arc<str>,
    /// Its exact bytes in hexadecimal; only where `text` does not spell them exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Arc<str>>,
}

/// A run without a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PatchedRun {
    /// What it is called: `clean`, `corrupted`, `unchanged`, `other`, `source` or `target`.
    pub name: String,
    /// The prompt, as text.
    pub prompt: String,
    /// Every token of it.
    pub tokens: Vec<TokenTrace>,
    /// The position that was read, and what it answers; not where a run only lends activations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<PatchedAnswer>,
}

/// What a run answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PatchedAnswer {
    /// The position whose next token is predicted, from 0.
    pub position: usize,
    /// The metric.
    pub value: Option<f64>,
    /// `KL(reference ‖ run)`, nats.
    pub kl: f64,
    /// The most probable token.
    pub top: TopTrace,
    /// The right answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PatchedScore>,
    /// The answer that it is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versus: Option<PatchedScore>,
}

/// Logit and probability of a token that is named elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PatchedScore {
    /// Its logit, after the model's scale and soft cap.
    pub logit: f32,
    /// Its probability, from 0 to 1.
    pub prob: f32,
}

/// What the columns of a grid are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GridColumns {
    /// Positions of the prompt that was changed.
    Positions,
    /// Heads, each at all chosen positions at once.
    Heads,
    /// One column: all chosen positions at once.
    All,
    /// Layers of the target prompt.
    Layers,
}

/// One site in rows of layers; every matrix is `[rows][columns]`, with null where there is no such place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PatchingGrid {
    /// What was changed: `resid_pre`, `z`, `attn_out`, `resid_mid`, `mlp_out`, `resid_post`, `heads`, or `head.N`.
    pub site: String,
    /// What the columns are.
    pub columns: GridColumns,
    /// The layers of the rows; in a patchscope, those that states were taken from.
    pub layers: Vec<u16>,
    /// The positions, heads or layers of the columns; empty where there is one column for all positions.
    pub of_columns: Vec<usize>,
    /// The position of the other prompt that corresponds to each of `positions`, or, in a patchscope, the only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_positions: Vec<usize>,
    /// The positions that were changed at once, where columns are not positions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_positions: Vec<usize>,
    /// What stands in a picture: the share of the difference between the runs, the change, or the metric itself.
    pub shares: Vec<Vec<Option<f64>>>,
    /// The metric.
    pub values: Vec<Vec<Option<f64>>>,
    /// `KL(reference ‖ run)`, nats.
    pub kl: Vec<Vec<Option<f64>>>,
    /// The right answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Vec<Vec<Option<PatchedScore>>>>,
    /// The answer that it is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versus: Option<Vec<Vec<Option<PatchedScore>>>>,
    /// The most probable token.
    pub top: Vec<Vec<Option<TopTrace>>>,
}

/// A prompt as a trace shows it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PatchPrompt<'a> {
    /// The text as the user wrote it; without one, the tokens' texts are joined.
    pub text: Option<&'a str>,
    /// Its tokens.
    pub tokens: &'a [TokenId],
}

impl<'a> PatchPrompt<'a> {
    /// A prompt of these tokens, as the user wrote it.
    pub fn new(tokens: &'a [TokenId], text: Option<&'a str>) -> Self {
        Self { text, tokens }
    }
}

/// What a sweep's JSON says besides its numbers.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct PatchContext<'a> {
    /// The program that writes it and its version.
    pub generator: (&'a str, &'a str),
    /// The model.
    pub model: &'a ModelInfo,
    /// The texts of tokens.
    pub texts: &'a dyn TokenTexts,
    /// The prompt that was changed.
    pub changed: PatchPrompt<'a>,
    /// The prompt that activations were taken from.
    pub source: Option<PatchPrompt<'a>>,
}

impl<'a> PatchContext<'a> {
    /// The context of a sweep over the run of `changed`, for the program `generator` (its name and version).
    pub fn new(
        generator: (&'a str, &'a str),
        model: &'a ModelInfo,
        texts: &'a dyn TokenTexts,
        changed: PatchPrompt<'a>,
    ) -> Self {
        Self { generator, model, texts, changed, source: None }
    }

    crate::setters! {
        /// The prompt that activations were taken from.
        with_source => source: Option<PatchPrompt<'a>>,
    }
}

impl PatchTrace {
    /// A sweep with names and texts.
    pub fn new(patched: &Patched, context: &PatchContext<'_>) -> Self {
        let (name, version) = context.generator;
        let texts = context.texts;
        let names = run_names(patched.experiment);
        let answer = |outcome: &Outcome, read| answer(patched, outcome, read, texts);
        let changed = run(names[0], context.changed, texts);
        let source = context.source.map(|source| run(names[1], source, texts));
        let source_answer = patched.source.as_ref().map(|run| answer(&run.outcome, run.read));
        Self {
            schema: SCHEMA.to_owned(),
            generator: GeneratorTrace::new(name, version),
            model: context.model.into(),
            experiment: patched.experiment,
            metric: patched.metric,
            target: patched.target.map(|token| named(token, texts)),
            versus: patched.versus.map(|token| named(token, texts)),
            changed: PatchedRun {
                answer: Some(answer(&patched.changed.outcome, patched.changed.read)),
                ..changed
            },
            source: source.map(|source| PatchedRun { answer: source_answer, ..source }),
            grids: grids(patched, texts),
            self_check: patched.check,
            passes: patched.passes,
            notes: patched.notes.clone(),
        }
    }

    /// The trace of the changed run without any readout: model, prompt and tokens, as tables and pictures show them.
    pub fn head(&self) -> LensTrace {
        let mut head = LensTrace::empty(
            self.generator.clone(),
            self.model.clone(),
            LensKindTrace::new("logit", NormMode::Recomputed),
            self.changed.prompt.clone(),
            self.changed.tokens.clone(),
        );
        let position = self.changed.answer.as_ref().map_or(0, |answer| answer.position);
        let PatchCheck { max_abs_logit_error, passed, .. } = self.self_check;
        let check = crate::trace::SelfCheckTrace::new(position, max_abs_logit_error, 0.0, passed);
        head.self_check = Some(check);
        head.notes.clone_from(&self.notes);
        head
    }
}

/// What the run that is changed and the other one are called.
fn run_names(experiment: Experiment) -> [&'static str; 2] {
    match experiment {
        Experiment::Patching { direction: Direction::Denoise } => ["corrupted", "clean"],
        Experiment::Patching { direction: Direction::Noise } => ["clean", "corrupted"],
        Experiment::Ablation { .. } => ["unchanged", "other"],
        Experiment::Patchscope => ["target", "source"],
    }
}

fn run(name: &str, prompt: PatchPrompt<'_>, texts: &dyn TokenTexts) -> PatchedRun {
    let token = |id: &TokenId| {
        let TokenText { text, bytes } = texts.text(*id);
        TokenTrace { id: *id, text, bytes, generated: false }
    };
    let tokens: Vec<TokenTrace> = prompt.tokens.iter().map(token).collect();
    let joined = || tokens.iter().map(|token| &*token.text).collect();
    let text = prompt.text.map_or_else(joined, str::to_owned);
    PatchedRun { name: name.to_owned(), prompt: text, tokens, answer: None }
}

fn named(id: TokenId, texts: &dyn TokenTexts) -> PatchedToken {
    let TokenText { text, bytes } = texts.text(id);
    PatchedToken { id, text, bytes }
}

fn top(score: TokenScore, texts: &dyn TokenTexts) -> TopTrace {
    let TokenText { text, bytes } = texts.text(score.id);
    TopTrace { id: score.id, text, bytes, logit: score.logit, prob: score.prob }
}

fn score(score: TokenScore) -> PatchedScore {
    PatchedScore { logit: score.logit, prob: score.prob }
}

fn answer(patched: &Patched, outcome: &Outcome, read: usize, texts: &dyn TokenTexts) -> PatchedAnswer {
    PatchedAnswer {
        position: read,
        value: outcome.value(patched.metric),
        kl: outcome.kl,
        top: top(outcome.top, texts),
        target: outcome.target.map(score),
        versus: outcome.versus.map(score),
    }
}

/// What makes cells belong to one grid, in the order of the grids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    site: Component,
    columns: GridColumns,
    /// Of a patchscope.
    source: Option<usize>,
}

fn key(cell: &Cell) -> Key {
    let site = cell.point.component();
    match (cell.source_layer, cell.at, site.head()) {
        (Some(_), Some(pair), _) => Key { site, columns: GridColumns::Layers, source: Some(pair.from) },
        (_, Some(_), _) => Key { site, columns: GridColumns::Positions, source: None },
        // All heads are one grid.
        (_, None, Some(_)) => {
            Key { site: Component::Site(Site::Z), columns: GridColumns::Heads, source: None }
        }
        (_, None, None) => Key { site, columns: GridColumns::All, source: None },
    }
}

/// The row and the column of a cell.
fn place(cell: &Cell) -> (u16, usize) {
    let layer = cell.point.layer().unwrap_or(0);
    match (cell.source_layer, cell.at) {
        (Some(source), _) => (source, layer.into()),
        (None, Some(pair)) => (layer, pair.to),
        (None, None) => (layer, cell.point.head().map_or(0, |(_, head)| head.into())),
    }
}

fn grids(patched: &Patched, texts: &dyn TokenTexts) -> Vec<PatchingGrid> {
    let mut groups: Vec<(Key, Vec<&PatchedCell>)> = Vec::new();
    for done in &patched.cells {
        let key = key(&done.cell);
        match groups.last_mut().filter(|(known, _)| *known == key) {
            Some((_, cells)) => cells.push(done),
            // Cells of one head come layer by layer, heads within them: its grid may have begun before.
            None => match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, cells)) => cells.push(done),
                None => groups.push((key, vec![done])),
            },
        }
    }
    groups.into_iter().map(|(key, cells)| grid(patched, key, &cells, texts)).collect()
}

fn grid(patched: &Patched, key: Key, cells: &[&PatchedCell], texts: &dyn TokenTexts) -> PatchingGrid {
    let by_place: BTreeMap<(u16, usize), &Outcome> =
        cells.iter().map(|done| (place(&done.cell), &done.outcome)).collect();
    let layers: BTreeSet<u16> = by_place.keys().map(|(layer, _)| *layer).collect();
    let columns: BTreeSet<usize> = by_place.keys().map(|(_, column)| *column).collect();
    let pairs: BTreeMap<usize, Pair> =
        cells.iter().filter_map(|done| done.cell.at).map(|pair| (pair.to, pair)).collect();
    let changed: Vec<usize> = match key.columns {
        GridColumns::Positions => Vec::new(),
        GridColumns::Layers => pairs.keys().copied().collect(),
        GridColumns::Heads | GridColumns::All => patched.pairs.iter().map(|pair| pair.to).collect(),
    };
    PatchingGrid {
        site: match key.columns {
            GridColumns::Heads => "heads".to_owned(),
            _ => key.site.name().to_owned(),
        },
        columns: key.columns,
        of_columns: if key.columns == GridColumns::All {
            Vec::new()
        } else {
            columns.iter().copied().collect()
        },
        source_positions: match (key.columns, key.source) {
            (_, Some(source)) => vec![source],
            (GridColumns::Positions, None) => pairs.values().map(|pair| pair.from).collect(),
            _ => Vec::new(),
        },
        changed_positions: changed,
        shares: matrix(&layers, &columns, &by_place, |outcome| patched.share(outcome)),
        values: matrix(&layers, &columns, &by_place, |outcome| outcome.value(patched.metric)),
        kl: matrix(&layers, &columns, &by_place, |outcome| Some(outcome.kl)),
        target: patched
            .target
            .map(|_| matrix(&layers, &columns, &by_place, |outcome| outcome.target.map(score))),
        versus: patched
            .versus
            .map(|_| matrix(&layers, &columns, &by_place, |outcome| outcome.versus.map(score))),
        top: matrix(&layers, &columns, &by_place, |outcome| Some(top(outcome.top, texts))),
        layers: layers.into_iter().collect(),
    }
}

/// A value of every place, row by row.
fn matrix<T>(
    layers: &BTreeSet<u16>,
    columns: &BTreeSet<usize>,
    by_place: &BTreeMap<(u16, usize), &Outcome>,
    of: impl Fn(&Outcome) -> Option<T>,
) -> Vec<Vec<Option<T>>> {
    let at = |layer: u16, column: usize| by_place.get(&(layer, column)).and_then(|outcome| of(outcome));
    layers.iter().map(|layer| columns.iter().map(|column| at(*layer, *column)).collect()).collect()
}
