//! From logitlenskit's JSON to a trace.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use lens_core::{
    Component, FinalTrace, GeneratorTrace, LensKindTrace, LensTrace, ModelTrace, NormMode, ReadoutTrace,
    Site, Statistic, TargetTrace, TokenId, TokenTrace, TopTrace,
};

use super::{GENERATOR, V2, V2Error, VERSION};

/// The smallest probability that a logit is taken from: logitlenskit writes five decimals, so 0 means "below that".
const LEAST: f32 = 1e-6;

/// Probability above which a layer is important; the file has no threshold of its own.
const THRESHOLD: f32 = 0.03;

/// The trace of a file of logitlenskit.
///
/// What the file does not say stays out: no divergence to the final readout, no rank beyond the most probable tokens,
/// no dtype, no size of the vocabulary, and no self-check. Logits are the logarithms of the probabilities, which is
/// right up to a constant for each readout. The last layer of the file is taken for the model's last. Texts without an
/// id are numbered. Tokens keep the file's order where their probabilities are equal. As in the viewer, a token that
/// `tracked` lacks has the probability 0. The trace's `notes` say all that was assumed or left out.
///
/// # Errors
/// When the version is another one, when lists that belong together differ in length, when two texts have one id, and
/// when something is not a probability, an entropy or an ascending list of layers.
pub fn from_v2(file: &V2) -> Result<LensTrace, V2Error> {
    check(file)?;
    let mut ids = Ids::new(file);
    let mut gaps = Gaps::default();
    let tokens: Vec<TokenTrace> = (0..)
        .zip(&file.input)
        .map(|(i, text)| {
            let id = file.input_ids.get(i).map_or_else(|| ids.id(text), |id| TokenId(*id));
            TokenTrace::new(id, text.as_str())
        })
        .collect();
    let mut readouts = Vec::with_capacity(tokens.len() * file.layers.len());
    let mut finals = Vec::with_capacity(tokens.len());
    for position in 0..tokens.len() {
        let mut column = (0..file.layers.len())
            .map(|layer| readout(file, layer, position, &mut ids, &mut gaps))
            .collect::<Vec<_>>();
        finals.extend(last(&mut column, position));
        readouts.extend(column);
    }
    let model = ModelTrace::new(
        file.meta.model.as_deref().unwrap_or("unknown"),
        "unknown",
        file.layers.last().map_or(0, |layer| layer.saturating_add(1)),
        0,
        0,
    );
    let mut trace = LensTrace::empty(
        GeneratorTrace::new(GENERATOR, VERSION.to_string()),
        model,
        LensKindTrace::new("logit", NormMode::Recomputed),
        file.input.concat(),
        tokens,
    );
    trace.important_above = Some(THRESHOLD);
    (trace.readouts, trace.finals) = (readouts, finals);
    trace.notes = notes(file, &ids, &gaps);
    trace.validate()?;
    Ok(trace)
}

/// Counts of places at which the file's lists do not fit each other.
#[derive(Default)]
struct Gaps {
    /// Most probable tokens without probabilities.
    untracked: usize,
    /// Tokens of a readout whose text stands before them already.
    repeated: usize,
    /// Readouts whose tokens do not stand in the order of their probabilities.
    reordered: usize,
}

/// The notes of an imported trace: what was assumed and left out.
fn notes(file: &V2, ids: &Ids<'_>, gaps: &Gaps) -> Vec<String> {
    let mut notes = vec![
        "imported from logitlenskit's JSON, which does not hold what is missing here: divergences, ranks beyond the \
         most probable tokens, the type of the weights and the size of the vocabulary"
            .to_owned(),
        "logits are the logarithms of the file's probabilities: right up to a constant for each readout, and at least \
         ln(1e-6)"
            .to_owned(),
    ];
    if let Some(layer) = file.layers.last() {
        notes.push(format!("the file's last layer, L{layer}, is taken for the model's last"));
    }
    notes.push("layers are important where a token is above 3 %: the file has no threshold".to_owned());
    if ids.invented > 0 {
        notes.push(format!("{} texts have no id in the file: they are numbered", ids.invented));
    }
    let counted = [
        (gaps.untracked, "most probable tokens have no probabilities in the file: 0 stands for them"),
        (gaps.repeated, "tokens were left out because their readout has another token with the same text"),
        (gaps.reordered, "readouts were not in the order of their probabilities and were put into it"),
    ];
    notes.extend(counted.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    notes
}

/// Whether the lists belong together and the numbers are what they have to be.
fn check(file: &V2) -> Result<(), V2Error> {
    if file.meta.version != VERSION {
        return Err(V2Error::Version { version: file.meta.version });
    }
    let (layers, positions) = (file.layers.len(), file.input.len());
    if layers == 0 || !file.layers.is_sorted_by(|a, b| a < b) {
        return Err(value("layers".to_owned(), "has to be an ascending list of layers"));
    }
    length("tracked", file.tracked.len(), positions)?;
    length("topk", file.topk.len(), layers)?;
    for (i, row) in file.topk.iter().enumerate() {
        length(&format!("topk[{i}]"), row.len(), positions)?;
    }
    if !file.input_ids.is_empty() {
        length("input_ids", file.input_ids.len(), positions)?;
    }
    let mut texts: HashMap<u32, &str> = HashMap::new();
    for (text, id) in &file.ids {
        if let Some(other) = texts.insert(*id, text) {
            let field = format!("ids[{text:?}]");
            return Err(V2Error::Twice { field, id: *id, other: other.to_owned() });
        }
    }
    for (i, tokens) in file.tracked.iter().enumerate() {
        for (token, trajectory) in tokens {
            let field = || format!("tracked[{i}][{token:?}]");
            length(&field(), trajectory.len(), layers)?;
            if !trajectory.iter().all(|prob| (0.0..=1.0).contains(prob)) {
                return Err(value(field(), "holds something that is not a probability"));
            }
        }
    }
    let Some(entropy) = &file.entropy else { return Ok(()) };
    length("entropy", entropy.len(), layers)?;
    for (i, row) in entropy.iter().enumerate() {
        length(&format!("entropy[{i}]"), row.len(), positions)?;
        if !row.iter().all(|nats| nats.is_finite() && *nats >= 0.0) {
            return Err(value(format!("entropy[{i}]"), "holds something that is not an entropy"));
        }
    }
    Ok(())
}

fn length(field: &str, found: usize, expected: usize) -> Result<(), V2Error> {
    if found == expected { Ok(()) } else { Err(V2Error::Length { field: field.to_owned(), found, expected }) }
}

fn value(field: String, problem: &'static str) -> V2Error {
    V2Error::Value { field, problem }
}

fn readout<'a>(
    file: &'a V2,
    layer: usize,
    position: usize,
    ids: &mut Ids<'a>,
    gaps: &mut Gaps,
) -> ReadoutTrace {
    let tracked = &file.tracked[position];
    let mut names: HashSet<&str> = HashSet::new();
    let mut top: Vec<TopTrace> = Vec::with_capacity(file.topk[layer][position].len());
    for name in &file.topk[layer][position] {
        if !names.insert(name) {
            gaps.repeated += 1;
            continue;
        }
        let trajectory = tracked.get(name);
        gaps.untracked += usize::from(trajectory.is_none());
        top.push(ids.token(name, trajectory.map_or(0.0, |trajectory| trajectory[layer])));
    }
    gaps.reordered += usize::from(!top.is_sorted_by(|a, b| a.prob >= b.prob));
    // A stable sort: ids are numbers in order of appearance and decide nothing.
    top.sort_by(|a, b| b.prob.total_cmp(&a.prob));
    let others = tracked.iter().filter(|(name, _)| !names.contains(name.as_str()));
    let targets =
        others.map(|(name, trajectory)| TargetTrace::new(ids.token(name, trajectory[layer]), None)).collect();
    let mut readout =
        ReadoutTrace::new(Some(file.layers[layer]), Component::Site(Site::ResidPost), position, top);
    readout.statistics = file
        .entropy
        .iter()
        .map(|entropy| (Statistic::Entropy, f64::from(entropy[layer][position])))
        .collect();
    readout.targets = targets;
    readout
}

/// The last layer as the model's answer; says in the others how the answer's token ranks.
fn last(column: &mut [ReadoutTrace], position: usize) -> Option<FinalTrace> {
    let last = column.last()?;
    let mut answer = FinalTrace::new(position, last.top.clone());
    (answer.statistics, answer.targets) = (last.statistics, last.targets.clone());
    let top1 = answer.top.first().map(|token| token.id);
    answer.important_layers = column
        .iter()
        .filter(|readout| readout.top.first().is_some_and(|token| token.prob > THRESHOLD))
        .filter_map(|readout| readout.layer)
        .collect();
    for readout in column.iter_mut() {
        let place = readout.top.iter().position(|token| Some(token.id) == top1);
        let rank = place.map(|place| {
            1 + readout.top.iter().filter(|token| token.logit > readout.top[place].logit).count() as u32
        });
        readout.statistics.set(Statistic::RankOfFinal, rank.map(f64::from));
        answer.decided_at =
            if place == Some(0) { answer.decided_at.or(readout.layer.map(usize::from)) } else { None };
    }
    Some(answer)
}

/// The ids of texts: the file's own, or numbers in order of appearance.
struct Ids<'a> {
    known: HashMap<&'a str, (TokenId, Arc<str>)>,
    next: u32,
    /// Number of texts that were given an id.
    invented: usize,
}

impl<'a> Ids<'a> {
    fn new(file: &'a V2) -> Self {
        let known: HashMap<_, _> = file
            .ids
            .iter()
            .map(|(text, id)| (text.as_str(), (TokenId(*id), Arc::from(text.as_str()))))
            .collect();
        let largest = file.ids.values().chain(&file.input_ids).max();
        Self { known, next: largest.map_or(0, |id| id.saturating_add(1)), invented: 0 }
    }

    fn entry(&mut self, text: &'a str) -> (TokenId, Arc<str>) {
        let (next, invented) = (&mut self.next, &mut self.invented);
        let entry = self.known.entry(text).or_insert_with(|| {
            let id = TokenId(*next);
            *next = next.saturating_add(1);
            *invented += 1;
            (id, text.into())
        });
        (entry.0, Arc::clone(&entry.1))
    }

    fn id(&mut self, text: &'a str) -> TokenId {
        self.entry(text).0
    }

    fn token(&mut self, text: &'a str, prob: f32) -> TopTrace {
        let (id, text) = self.entry(text);
        TopTrace::new(id, text, prob.max(LEAST).ln(), prob)
    }
}
