//! The data of a page: what a trace says, with every token named by its row in one table.

use std::collections::BTreeMap;

use lens_core::{
    Closer, FinalTrace, GenerationTrace, GeneratorTrace, InterventionTrace, LensKindTrace, LensTrace,
    ModelTrace, Range, ReadoutTrace, RoleTrace, SelfCheckTrace, Statistic, TargetTrace, TokenTrace, TopTrace,
};
use serde::Serialize;

use crate::context::in_sequence;
use crate::named::Named;

use super::{
    PageError, PageOptions,
    faithfulness::{self, grades},
    number::{Number, Rounded},
    pairs::{self, PairRow, Pairs},
    places::{Places, PointRow},
    visible::visible,
    vocabulary::Vocabulary,
};

/// The layout that the page's program reads; it is not a file format and may change with the program.
const FORMAT: &str = "lens-page/1";

#[derive(Serialize)]
struct Data<'a> {
    format: &'static str,
    vocabulary: &'a Vocabulary,
    grades: [faithfulness::Described; lens_core::Grade::ALL.len()],
    statistics: Vec<Described>,
    traces: Vec<Trace<'a>>,
    pairs: Vec<PairRow>,
    /// The sentences that the pairs' notes refer to by number, each once.
    pair_notes: Vec<String>,
    /// Of more traces than these no two are compared.
    most_compared: usize,
}

/// A statistic's name, unit and scale, as the page's program needs them.
#[derive(Serialize)]
struct Described {
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    /// Its kind, and the ends where they are the same in every trace.
    range: (&'static str, f64, f64),
    /// Whether small values are closer to the final readout, or surer.
    smaller: bool,
}

fn described() -> Vec<Described> {
    let describe = |statistic: Statistic| Described {
        key: statistic.name(),
        title: statistic.title(),
        unit: statistic.unit().name(),
        range: match statistic.range() {
            Range::Linear(low, high) => ("linear", low, high),
            Range::Logarithmic(low, high) => ("logarithmic", low, high),
            Range::VocabularyNats => ("vocabulary", 0.0, 0.0),
            Range::VocabularyRanks => ("ranks", 1.0, 1.0),
            _ => ("observed", 0.0, 0.0),
        },
        smaller: statistic.closer() == Closer::Smaller,
    };
    Statistic::ALL.into_iter().map(describe).collect()
}

#[derive(Serialize)]
struct Trace<'a> {
    name: &'a str,
    generator: &'a GeneratorTrace,
    model: &'a ModelTrace,
    lens: &'a LensKindTrace,
    interventions: &'a [InterventionTrace],
    prompt: &'a str,
    roles: &'a [RoleTrace],
    generation: Option<&'a GenerationTrace>,
    self_check: Option<&'a SelfCheckTrace>,
    /// The row of each token of the sequence.
    tokens: Vec<u32>,
    /// What tokens say that have a part of a character alone, by position, as it is shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    joined: Vec<(usize, String)>,
    /// Which of them the model wrote.
    generated: Vec<usize>,
    /// Step, position, row of the sampled token, its probability.
    steps: Vec<(usize, usize, u32, Rounded)>,
    /// In order of execution.
    points: Vec<PointRow>,
    /// The positions read, ascending.
    positions: Vec<usize>,
    cells: Cells,
    /// Whether empty cells of the newest positions are still to be read.
    #[serde(skip_serializing_if = "is_false")]
    growing: bool,
    #[serde(rename = "final")]
    finals: Vec<Final>,
}

/// The readouts by position, then by point: `[positions * points]`, null where nothing was read.
#[derive(Serialize, Default)]
struct Cells {
    top: Vec<Option<Tokens>>,
    /// By name, each `[positions * points]` or empty where no readout has it.
    #[serde(flatten)]
    statistics: BTreeMap<&'static str, Vec<Option<Number>>>,
    targets: Vec<Option<Targets>>,
    /// Tokens that other readouts of the position name first.
    tracked: Vec<Option<Scores>>,
}

/// Rows, probabilities, logits.
#[derive(Serialize)]
struct Scores(Vec<u32>, Vec<Rounded>, Vec<Rounded>);

/// Rows, probabilities, logits, and ranks where ties make them differ from 1, 2, 3 and so on.
#[derive(Serialize)]
struct Tokens(
    Vec<u32>,
    Vec<Rounded>,
    Vec<Rounded>,
    #[serde(skip_serializing_if = "Option::is_none")] Option<Vec<u32>>,
);

/// Rows, probabilities, logits, ranks; null where the trace does not know the rank.
#[derive(Serialize)]
struct Targets(Vec<u32>, Vec<Rounded>, Vec<Rounded>, Vec<Option<u32>>);

#[derive(Serialize)]
struct Final {
    position: usize,
    top: Tokens,
    entropy: Option<Rounded>,
    decided_at: Option<usize>,
    important_layers: Vec<u16>,
    cross_entropy: Option<Rounded>,
    targets: Option<Targets>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_false(is: &bool) -> bool {
    !is
}

/// The data of the page as JSON, not yet fit to stand in HTML.
pub(super) fn compact(traces: &[Named<'_>], options: &PageOptions) -> Result<String, PageError> {
    let mut vocabulary = Vocabulary::default();
    let mut parts = Vec::with_capacity(traces.len());
    let mut places = Vec::with_capacity(traces.len());
    for named in traces {
        let trace = named.trace;
        if trace.readouts.is_empty() {
            return Err(PageError::Empty);
        }
        let here = Places::new(trace, named.awaited);
        // Eight values for each place, "null," at the least.
        let least = here.len().saturating_mul(10);
        if least > options.max_bytes {
            return Err(too_large(traces, options, least));
        }
        parts.push(one(named, &here, &mut vocabulary, options));
        places.push(here);
    }
    let Pairs { pairs, notes } = Pairs::of(traces, &places);
    let data = Data {
        format: FORMAT,
        vocabulary: &vocabulary,
        grades: grades(),
        statistics: described(),
        traces: parts,
        pairs,
        pair_notes: notes,
        most_compared: pairs::MOST,
    };
    Ok(serde_json::to_string(&data)?)
}

/// The error of a page that needs so many bytes.
pub(super) fn too_large(traces: &[Named<'_>], options: &PageOptions, bytes: usize) -> PageError {
    let places: Vec<Places> = traces.iter().map(|named| Places::new(named.trace, named.awaited)).collect();
    let longest =
        traces.iter().flat_map(|named| &named.trace.readouts).map(|readout| readout.top.len()).max();
    PageError::TooLarge {
        bytes,
        limit: options.max_bytes,
        top_k: longest.unwrap_or(0).min(options.top_k.unwrap_or(usize::MAX)),
        positions: places.iter().map(|places| places.positions.len()).max().unwrap_or(0),
        points: places.iter().map(|places| places.points.len()).max().unwrap_or(0),
    }
}

fn one<'a>(
    Named { name, trace, awaited }: &'a Named<'a>,
    places: &Places,
    vocabulary: &mut Vocabulary,
    options: &PageOptions,
) -> Trace<'a> {
    let keep = options.top_k.unwrap_or(usize::MAX);
    let mut names = Names { vocabulary, keep };
    Trace {
        name,
        generator: &trace.generator,
        model: &trace.model,
        lens: &trace.lens,
        interventions: &trace.interventions,
        prompt: &trace.prompt,
        roles: &trace.roles,
        generation: trace.generation.as_ref(),
        self_check: trace.self_check.as_ref(),
        tokens: trace
            .tokens
            .iter()
            .map(|token| names.vocabulary.row(token.id, &token.text, token.bytes.as_ref()))
            .collect(),
        joined: joined(&trace.tokens),
        generated: (0..trace.tokens.len()).filter(|i| trace.tokens[*i].generated).collect(),
        steps: trace
            .steps
            .iter()
            .map(|step| {
                let token = &step.token;
                let row = names.vocabulary.row(token.id, &token.text, token.bytes.as_ref());
                (step.step, step.position, row, Rounded(token.prob))
            })
            .collect(),
        points: places.described(trace),
        positions: places.positions.clone(),
        cells: names.cells(trace, places),
        growing: !awaited.is_empty(),
        finals: trace.finals.iter().map(|last| names.last(last)).collect(),
    }
}

/// What tokens with bytes that are no text by themselves say where they stand, by position, if that is more than their own bytes.
pub(super) fn joined(tokens: &[TokenTrace]) -> Vec<(usize, String)> {
    let parts = tokens.iter().enumerate().filter(|(_, token)| token.bytes.is_some());
    let said = parts.filter_map(|(position, token)| {
        in_sequence(tokens, position)
            .filter(|said| **said != *token.text)
            .map(|said| (position, visible(&said)))
    });
    said.collect()
}

struct Names<'a> {
    vocabulary: &'a mut Vocabulary,
    keep: usize,
}

impl Names<'_> {
    fn tokens(&mut self, top: &[TopTrace]) -> Tokens {
        let top = &top[..top.len().min(self.keep)];
        Tokens(
            top.iter()
                .map(|token| self.vocabulary.row(token.id, &token.text, token.bytes.as_ref()))
                .collect(),
            top.iter().map(|token| Rounded(token.prob)).collect(),
            top.iter().map(|token| Rounded(token.logit)).collect(),
            ranks_of_ties(top),
        )
    }

    fn scores(&mut self, tokens: &[TopTrace]) -> Option<Scores> {
        (!tokens.is_empty()).then(|| {
            let row = |token: &TopTrace| self.vocabulary.row(token.id, &token.text, token.bytes.as_ref());
            Scores(
                tokens.iter().map(row).collect(),
                tokens.iter().map(|token| Rounded(token.prob)).collect(),
                tokens.iter().map(|token| Rounded(token.logit)).collect(),
            )
        })
    }

    fn targets(&mut self, targets: &[TargetTrace]) -> Option<Targets> {
        let tokens = || targets.iter().map(|target| &target.token);
        (!targets.is_empty()).then(|| {
            Targets(
                tokens()
                    .map(|token| self.vocabulary.row(token.id, &token.text, token.bytes.as_ref()))
                    .collect(),
                tokens().map(|token| Rounded(token.prob)).collect(),
                tokens().map(|token| Rounded(token.logit)).collect(),
                targets.iter().map(|target| target.rank).collect(),
            )
        })
    }

    fn last(&mut self, last: &FinalTrace) -> Final {
        Final {
            position: last.position,
            top: self.tokens(&last.top),
            entropy: last.get(Statistic::Entropy).map(Rounded::from),
            decided_at: last.decided_at,
            important_layers: last.important_layers.clone(),
            cross_entropy: last.get(Statistic::CrossEntropy).map(Rounded::from),
            targets: self.targets(&last.targets),
        }
    }

    fn cells(&mut self, trace: &LensTrace, places: &Places) -> Cells {
        let mut at: Vec<Option<&ReadoutTrace>> = vec![None; places.len()];
        for readout in &trace.readouts {
            if let Some(place) = places.place(readout) {
                at[place] = Some(readout);
            }
        }
        Cells {
            top: at.iter().map(|readout| readout.map(|readout| self.tokens(&readout.top))).collect(),
            statistics: Statistic::ALL
                .into_iter()
                .map(|one| (one.name(), column(&at, |readout| number(readout, one))))
                .collect(),
            targets: column(&at, |readout| self.targets(&readout.targets)),
            tracked: column(&at, |readout| self.scores(&readout.tracked)),
        }
    }
}

/// A statistic of a readout as the page has it.
fn number(readout: &ReadoutTrace, statistic: Statistic) -> Option<Number> {
    let whole = readout.statistics.whole(statistic).map(Number::Whole);
    whole.or_else(|| readout.get(statistic).map(|number| Number::Rounded(number.into())))
}

/// 1 + the number of tokens with a strictly larger logit, for tokens in order of their logits; `None` without a tie.
fn ranks_of_ties(top: &[TopTrace]) -> Option<Vec<u32>> {
    let mut ranks: Vec<u32> = (1..).take(top.len()).collect();
    let mut tied = false;
    for i in 1..top.len() {
        if top[i].logit == top[i - 1].logit {
            ranks[i] = ranks[i - 1];
            tied = true;
        }
    }
    tied.then_some(ranks)
}

/// One value of every place; empty where no readout has it.
fn column<T>(
    at: &[Option<&ReadoutTrace>],
    mut value: impl FnMut(&ReadoutTrace) -> Option<T>,
) -> Vec<Option<T>> {
    let column: Vec<Option<T>> = at.iter().map(|readout| readout.and_then(&mut value)).collect();
    if column.iter().all(Option::is_none) { Vec::new() } else { column }
}
