//! Which positions of two traces belong together, and what makes the two hard to compare.

use std::collections::HashMap;

use lens_core::{LensTrace, TokenId, TokenTrace, TopTrace};

/// How two traces are laid over one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pairing {
    /// What a position of the first trace is increased by to give that of the second.
    pub(crate) shift: isize,
    /// Whether a token of both traces is recognised by its id; otherwise by its text.
    pub(crate) by_id: bool,
    /// What was assumed and what differs, as sentences that hold in both directions.
    pub(crate) notes: Vec<String>,
}

/// Differing positions that a note names.
const NAMED: usize = 5;

impl Pairing {
    /// Positions belong together where they have the same number. Only prompts of different lengths are laid over one
    /// another at their ends, because what is read there is what is compared.
    pub(crate) fn of(first: &LensTrace, second: &LensTrace) -> Self {
        let mut notes = Vec::new();
        models(first, second, &mut notes);
        let by_id = has_same_ids(first, second);
        if !by_id {
            notes.push("the vocabularies differ: tokens are the same where their texts are".to_owned());
        }
        let same = |a: &TokenTrace, b: &TokenTrace| if by_id { a.id == b.id } else { a.text == b.text };
        let (one, other) = (length(first), length(second));
        let shift = other as isize - one as isize;
        if shift != 0 {
            notes.push(format!(
                "the prompts have {} and {} tokens: positions are paired from the prompts' last tokens backwards",
                one.min(other),
                one.max(other)
            ));
        } else {
            let pairs = first.tokens.iter().zip(&second.tokens).enumerate();
            let differ: Vec<usize> =
                pairs.filter(|(_, (a, b))| !same(a, b)).map(|(position, _)| position).collect();
            notes.extend(differing(&differ, one));
        }
        Self { shift, by_id, notes }
    }

    /// The position of the second trace that belongs to one of the first.
    pub(crate) fn partner(&self, position: usize) -> Option<usize> {
        position.checked_add_signed(self.shift)
    }

    /// Whether a token of the first trace is one of the second.
    pub(crate) fn is_same(&self, first: &TopTrace, second: &TopTrace) -> bool {
        if self.by_id { first.id == second.id } else { first.text == second.text }
    }
}

/// Tokens of the prompt.
fn length(trace: &LensTrace) -> usize {
    trace.tokens.iter().take_while(|token| !token.generated).count()
}

fn models(first: &LensTrace, second: &LensTrace, notes: &mut Vec<String>) {
    let (one, other) = (&first.model, &second.model);
    if (&one.id, &one.revision) != (&other.id, &other.revision) {
        notes.push("the models differ".to_owned());
    } else if one.dtype != other.dtype || one.device != other.device {
        notes.push(format!(
            "the model ran as {} on {} and as {} on {}",
            one.dtype, one.device, other.dtype, other.device
        ));
    }
    if one.n_layers != other.n_layers {
        let (fewer, more) = (one.n_layers.min(other.n_layers), one.n_layers.max(other.n_layers));
        notes.push(format!("the models have {fewer} and {more} layers: layers are paired by their number"));
    }
    if first.lens != second.lens {
        let name = |trace: &LensTrace| format!("{} lens, norm {}", trace.lens.kind, trace.lens.norm.name());
        notes.push(format!("the lenses differ: {} and {}", name(first), name(second)));
    }
}

/// Whether an id says the same in both traces.
fn has_same_ids(first: &LensTrace, second: &LensTrace) -> bool {
    let (one, other) = (&first.model, &second.model);
    if one.n_vocab != other.n_vocab {
        return false;
    }
    if one.id == other.id && one.n_vocab > 0 {
        return true;
    }
    let texts: HashMap<TokenId, &str> = texts(first).collect();
    self::texts(second).all(|(id, text)| texts.get(&id).is_none_or(|known| *known == text))
}

/// Every token of a trace that has an id.
fn texts(trace: &LensTrace) -> impl Iterator<Item = (TokenId, &str)> {
    let tokens = trace.tokens.iter().map(|token| (token.id, &*token.text));
    let tops = trace.readouts.iter().flat_map(|readout| &readout.top);
    tokens.chain(tops.map(|top| (top.id, &*top.text)))
}

/// What is said of positions at which different tokens stand.
fn differing(positions: &[usize], n_prompt: usize) -> Option<String> {
    let first = *positions.first()?;
    if first >= n_prompt {
        return Some(format!(
            "the continuations differ from position {first} on: what follows was read in different contexts"
        ));
    }
    let in_prompt: Vec<String> =
        positions.iter().filter(|position| **position < n_prompt).map(usize::to_string).collect();
    let more = in_prompt.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named = in_prompt[..in_prompt.len().min(NAMED)].join(", ");
    Some(format!(
        "the prompts differ at position {named}{more}: from {first} on, what was read has different contexts"
    ))
}
