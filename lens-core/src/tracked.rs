//! Tokens that are followed from point to point, so that a trajectory has no holes.
//!
//! A readout keeps its most probable tokens, and another readout of the same position may keep others. So every readout
//! that is part of the result also scores the top-1 tokens of the others, the final readout included.

use std::collections::HashMap;

use crate::{
    backend::Column,
    point::{Component, Point, Site},
    readout::{Readout, TokenScore},
    token::TokenId,
};

/// The tokens that every readout of a position is to score: the final top-1 token first, then the top-1 tokens of those
/// `readouts` that are part of the result, at most `most` in all. Where there are more, top-1 tokens of the stream
/// itself go before those of branches only, and among equals those that are top-1 most often.
pub fn tracked_tokens<'a, H: 'a>(
    last: &Readout,
    readouts: impl IntoIterator<Item = (&'a Column<'a, H>, &'a Readout)>,
    most: usize,
) -> Vec<TokenId> {
    let mut order: Vec<TokenId> = last.top1().into_iter().collect();
    let mut firsts: HashMap<TokenId, (bool, usize)> = HashMap::new();
    for (column, readout) in readouts.into_iter().filter(|(column, _)| column.shown) {
        let Some(token) = readout.top1() else { continue };
        let (in_stream, times) = firsts.entry(token).or_insert((false, 0));
        *in_stream |= is_stream(column.point);
        *times += 1;
        if !order.contains(&token) {
            order.push(token);
        }
    }
    let rank = |token: &TokenId| {
        let (in_stream, times) = firsts.get(token).copied().unwrap_or_default();
        (last.top1() != Some(*token), !in_stream, usize::MAX - times)
    };
    // Stable: of equals the first in order of execution goes first.
    order.sort_by_key(rank);
    order.truncate(most);
    order
}

/// Whether a point is the stream itself and not what a branch adds to it.
fn is_stream(point: Point) -> bool {
    match point.component() {
        Component::Embed => true,
        Component::Site(site) => matches!(site, Site::ResidPre | Site::ResidMid | Site::ResidPost),
    }
}

impl Readout {
    /// Keeps the logits of `tokens`, `[tokens]`, as [`tracked`](Self::tracked), except where the token is already among
    /// its top or its targets.
    pub fn track(&mut self, tokens: &[TokenId], logits: &[f32]) {
        let held = |id: TokenId| {
            self.top.iter().any(|score| score.id == id)
                || self.targets.iter().any(|target| target.score.id == id)
        };
        let others = tokens.iter().zip(logits).filter(|(id, _)| !held(**id));
        let prob = |logit: f32| (f64::from(logit) - self.log_sum_exp).exp() as f32;
        self.tracked =
            others.map(|(id, logit)| TokenScore { id: *id, logit: *logit, prob: prob(*logit) }).collect();
    }
}
