//! From logitlenskit's JSON to a trace.

use std::{collections::HashMap, sync::Arc};

use lens_core::{
    Component, FinalTrace, GeneratorTrace, LensKindTrace, LensTrace, ModelTrace, NormMode, ReadoutTrace,
    SCHEMA, Site, TargetTrace, TokenId, TokenTrace, TopTrace,
};

use super::{GENERATOR, V2, V2Error, VERSION};

/// The smallest probability that a logit is taken from: logitlenskit writes five decimals, so 0 means "below that".
const LEAST: f32 = 1e-6;

/// The trace of a file of logitlenskit.
///
/// What the file does not say stays out: no divergence to the final readout, no rank beyond the most probable tokens
/// (a target's rank is then 0), no dtype, and a self-check that was not passed because there was none. Logits are
/// the logarithms of the probabilities, which is right up to a constant for each readout. The last layer of the file
/// is taken for the model's last. A file without ids numbers its texts.
///
/// # Errors
/// When the version is another one, when lists that belong together differ in length, and when something is no
/// probability, no entropy or no ascending list of layers.
pub fn from_v2(file: &V2) -> Result<LensTrace, V2Error> {
    check(file)?;
    let mut ids = Ids::new(file);
    let tokens: Vec<TokenTrace> = (0..)
        .zip(&file.input)
        .map(|(i, text)| TokenTrace {
            id: file.input_ids.get(i).map_or_else(|| ids.id(text), |id| TokenId(*id)),
            text: text.as_str().into(),
            bytes: None,
            generated: false,
        })
        .collect();
    let mut readouts = Vec::with_capacity(tokens.len() * file.layers.len());
    let mut finals = Vec::with_capacity(tokens.len());
    for position in 0..tokens.len() {
        let mut column = (0..file.layers.len())
            .map(|layer| readout(file, layer, position, &mut ids))
            .collect::<Result<Vec<_>, _>>()?;
        finals.extend(last(&mut column, position));
        readouts.extend(column);
    }
    Ok(LensTrace {
        schema: SCHEMA.to_owned(),
        generator: GeneratorTrace { name: GENERATOR.to_owned(), version: VERSION.to_string() },
        model: ModelTrace {
            id: file.meta.model.clone().unwrap_or_else(|| "unknown".to_owned()),
            revision: None,
            family: "unknown".to_owned(),
            family_assumed: false,
            n_layers: file.layers.last().map_or(0, |layer| layer.saturating_add(1)),
            d_model: 0,
            n_vocab: ids.beyond(&tokens),
            dtype: "unknown".to_owned(),
            device: "unknown".to_owned(),
        },
        lens: LensKindTrace { kind: "logit".to_owned(), norm: NormMode::Recomputed },
        interventions: Vec::new(),
        prompt: file.input.concat(),
        tokens,
        roles: Vec::new(),
        steps: Vec::new(),
        generation: None,
        important_above: None,
        readouts,
        finals,
        self_check: None,
        timing: None,
        notes: Vec::new(),
    })
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
    for (i, tokens) in file.tracked.iter().enumerate() {
        for (token, trajectory) in tokens {
            let field = || format!("tracked[{i}][{token:?}]");
            length(&field(), trajectory.len(), layers)?;
            if !trajectory.iter().all(|prob| (0.0..=1.0).contains(prob)) {
                return Err(value(field(), "holds what is no probability"));
            }
        }
    }
    let Some(entropy) = &file.entropy else { return Ok(()) };
    length("entropy", entropy.len(), layers)?;
    for (i, row) in entropy.iter().enumerate() {
        length(&format!("entropy[{i}]"), row.len(), positions)?;
        if !row.iter().all(|nats| nats.is_finite() && *nats >= 0.0) {
            return Err(value(format!("entropy[{i}]"), "holds what is no entropy"));
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
) -> Result<ReadoutTrace, V2Error> {
    let tracked = &file.tracked[position];
    let names = &file.topk[layer][position];
    let mut top = Vec::with_capacity(names.len());
    for name in names {
        let Some(trajectory) = tracked.get(name) else {
            let field = format!("topk[{layer}][{position}]");
            return Err(value(field, "names a token that `tracked` does not have at this position"));
        };
        top.push(ids.token(name, trajectory[layer]));
    }
    top.sort_by(|a, b| b.prob.total_cmp(&a.prob).then(a.id.cmp(&b.id)));
    let others = tracked.iter().filter(|(name, _)| !names.contains(name));
    let targets = others
        .map(|(name, trajectory)| TargetTrace { token: ids.token(name, trajectory[layer]), rank: 0 })
        .collect();
    Ok(ReadoutTrace {
        layer: Some(file.layers[layer]),
        component: Component::Site(Site::ResidPost),
        position,
        is_virtual: false,
        top,
        entropy: file.entropy.as_ref().map(|entropy| entropy[layer][position]),
        kl_to_final: None,
        js_to_final: None,
        tv_to_final: None,
        rank_of_final: None,
        cross_entropy: None,
        targets,
    })
}

/// The last layer as the model's answer; says in the others how the answer's token ranks.
fn last(column: &mut [ReadoutTrace], position: usize) -> Option<FinalTrace> {
    let last = column.last()?;
    let (top, entropy, targets) = (last.top.clone(), last.entropy, last.targets.clone());
    let answer = top.first()?.id;
    let mut decided_at = None;
    for readout in column.iter_mut() {
        let place = readout.top.iter().position(|token| token.id == answer);
        readout.rank_of_final = place.map(|place| {
            1 + readout.top.iter().filter(|token| token.logit > readout.top[place].logit).count() as u32
        });
        decided_at = if place == Some(0) { decided_at.or(readout.layer.map(usize::from)) } else { None };
    }
    Some(FinalTrace {
        position,
        top,
        entropy,
        decided_at,
        important_layers: Vec::new(),
        cross_entropy: None,
        targets,
    })
}

/// The ids of texts: the file's own, or numbers in order of appearance.
struct Ids<'a> {
    known: HashMap<&'a str, (TokenId, Arc<str>)>,
    next: u32,
}

impl<'a> Ids<'a> {
    fn new(file: &'a V2) -> Self {
        let known: HashMap<_, _> = file
            .ids
            .iter()
            .map(|(text, id)| (text.as_str(), (TokenId(*id), Arc::from(text.as_str()))))
            .collect();
        let largest = file.ids.values().chain(&file.input_ids).max();
        Self { known, next: largest.map_or(0, |id| id.saturating_add(1)) }
    }

    fn entry(&mut self, text: &'a str) -> (TokenId, Arc<str>) {
        let next = &mut self.next;
        let entry = self.known.entry(text).or_insert_with(|| {
            let id = TokenId(*next);
            *next = next.saturating_add(1);
            (id, text.into())
        });
        (entry.0, Arc::clone(&entry.1))
    }

    fn id(&mut self, text: &'a str) -> TokenId {
        self.entry(text).0
    }

    fn token(&mut self, text: &'a str, prob: f32) -> TopTrace {
        let (id, text) = self.entry(text);
        TopTrace { id, text, bytes: None, logit: prob.max(LEAST).ln(), prob }
    }

    /// One more than the largest id.
    fn beyond(&self, tokens: &[TokenTrace]) -> usize {
        let ids = self.known.values().map(|(id, _)| *id).chain(tokens.iter().map(|token| token.id));
        ids.map(TokenId::index).max().map_or(0, |largest| largest + 1)
    }
}
