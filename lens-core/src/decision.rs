//! When a prediction is made, and which layers matter.

use std::collections::BTreeSet;

use crate::{
    point::{Component, Point, Site},
    readout::Readout,
    token::TokenId,
};

/// The first layer from which the top-1 token of `resid_post` equals `last` and stays so: an index into
/// `top1_by_layer`, which has one entry for each block, in order. `None` when even the last layer's token differs
/// (which only happens without the norm), or there is no layer.
pub fn decided_at(top1_by_layer: &[Option<TokenId>], last: Option<TokenId>) -> Option<usize> {
    let agreeing = top1_by_layer.iter().rev().take_while(|top1| last.is_some() && **top1 == last).count();
    (agreeing > 0).then(|| top1_by_layer.len() - agreeing)
}

/// The layers in which `attn_out`, `mlp_out` or `resid_post` has a token with a probability above `threshold`, from 0
/// to 1 (LogitLens4LLMs's rule; the probability is not rounded before it is compared).
pub fn important_layers<'a>(
    readouts: impl IntoIterator<Item = (Point, &'a Readout)>,
    threshold: f32,
) -> BTreeSet<u16> {
    readouts
        .into_iter()
        .filter(|(_, readout)| readout.top.first().is_some_and(|top| top.prob > threshold))
        .filter_map(|(point, _)| match point.component() {
            Component::Site(Site::AttnOut | Site::MlpOut | Site::ResidPost) => point.layer(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top1(ids: &[u32]) -> Vec<Option<TokenId>> {
        ids.iter().map(|id| Some(TokenId(*id))).collect()
    }

    #[test]
    fn decided_is_where_the_last_run_begins() {
        assert_eq!(decided_at(&top1(&[5, 1, 5, 5]), Some(TokenId(5))), Some(2));
        assert_eq!(decided_at(&top1(&[5, 5]), Some(TokenId(5))), Some(0));
        assert_eq!(decided_at(&top1(&[5, 1]), Some(TokenId(5))), None);
        assert_eq!(decided_at(&[], Some(TokenId(5))), None);
    }
}
