//! From a trace to logitlenskit's JSON.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use lens_core::{Component, LensTrace, ReadoutTrace, Statistic, TokenId, TopTrace};

use super::{Meta, V2, V2Error, VERSION};

/// The readouts of `component` in the form of logitlenskit, for the positions that were read.
///
/// A trace holds the most probable tokens of a readout, those asked for, and those that its position tracks: where a
/// token is none of them, its probability is written as 0. Tokens with the same text stay apart; all but the first have
/// their id added.
///
/// # Errors
/// When `component` was not read, or not in every layer at every position.
pub fn to_v2(trace: &LensTrace, component: Component) -> Result<V2, V2Error> {
    // Of several lenses the first: the format has no place for others.
    let trace = &*trace.of_lens(None)?;
    let chosen = || trace.readouts.iter().filter(|readout| readout.component == component);
    let layers: BTreeSet<u16> = chosen().filter_map(|readout| readout.layer).collect();
    let positions: BTreeSet<usize> = chosen().map(|readout| readout.position).collect();
    let at: HashMap<(u16, usize), &ReadoutTrace> =
        chosen().filter_map(|readout| Some(((readout.layer?, readout.position), readout))).collect();
    if at.is_empty() {
        return Err(V2Error::NotRead { component });
    }
    let read = |layer: u16, position: usize| {
        at.get(&(layer, position)).copied().ok_or(V2Error::Gap { component, layer, position })
    };

    let mut names = Names::default();
    let mut topk = Vec::with_capacity(layers.len());
    let mut entropies = Vec::with_capacity(layers.len());
    for layer in &layers {
        let row: Vec<&ReadoutTrace> =
            positions.iter().map(|position| read(*layer, *position)).collect::<Result<_, _>>()?;
        topk.push(
            row.iter().map(|readout| readout.top.iter().map(|token| names.key(token)).collect()).collect(),
        );
        entropies.push(
            row.iter()
                .map(|readout| readout.get(Statistic::Entropy).map(|nats| nats as f32))
                .collect::<Option<Vec<f32>>>(),
        );
    }
    let tracked = positions
        .iter()
        .map(|position| {
            let over_layers: Vec<&ReadoutTrace> =
                layers.iter().filter_map(|layer| at.get(&(*layer, *position)).copied()).collect();
            trajectories(&over_layers, &mut names)
        })
        .collect();
    let input = positions.iter().filter_map(|position| trace.tokens.get(*position));
    Ok(V2 {
        meta: Meta { version: VERSION, timestamp: None, model: Some(trace.model.id.clone()) },
        input: input.clone().map(|token| token.text.to_string()).collect(),
        input_ids: input.map(|token| token.id.0).collect(),
        layers: layers.into_iter().collect(),
        tracked,
        topk,
        entropy: entropies.into_iter().collect(),
        ids: names.keys.into_iter().map(|(id, key)| (key.to_string(), id.0)).collect(),
    })
}

/// Every token that is among the most probable in any layer, or was asked for, with its probabilities.
fn trajectories(layers: &[&ReadoutTrace], names: &mut Names) -> BTreeMap<String, Vec<f32>> {
    let mut found: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for (i, readout) in layers.iter().enumerate() {
        for token in readout
            .top
            .iter()
            .chain(&readout.tracked)
            .chain(readout.targets.iter().map(|target| &target.token))
        {
            found.entry(names.key(token)).or_insert_with(|| vec![0.0; layers.len()])[i] = token.prob;
        }
    }
    found
}

/// What tokens are called: by their text, and by their id too where another token has that text.
#[derive(Default)]
struct Names {
    keys: HashMap<TokenId, Arc<str>>,
    taken: HashSet<Arc<str>>,
}

impl Names {
    fn key(&mut self, token: &TopTrace) -> String {
        if let Some(key) = self.keys.get(&token.id) {
            return key.to_string();
        }
        let mut key = Arc::clone(&token.text);
        while !self.taken.insert(Arc::clone(&key)) {
            key = format!("{key} (id {})", token.id).into();
        }
        self.keys.insert(token.id, Arc::clone(&key));
        key.to_string()
    }
}
