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

/// Movement below which a position has not moved, nats: what rounding makes is no movement.
const LEAST_MOVEMENT: f64 = 1e-3;

/// How many times an even share of the movement makes a layer important.
const TIMES_EVEN: f64 = 2.0;

/// The layers that move a position's prediction most, by the distances of `resid_post` from the final answer in order of
/// execution: `kl_to_final` in nats, of the embedding first (its layer is `None`), where it was read.
///
/// The movement of a layer is by how much the distance changes, up or down, from the place that was read before it. It is
/// important where it has more than twice an even share of all the movement of the position; where layers were left out,
/// the even share of one that was read is that of all the layers since the one before. Unlike a threshold of probability,
/// the rule does not depend on how sure a model is, and names less than half of the layers. It is this project's own.
///
/// Empty where the distances hardly move (by less than a thousandth of a nat altogether); `None` where fewer than two
/// places have a finite distance.
pub fn important_by_movement(distances: impl IntoIterator<Item = (Option<u16>, f64)>) -> Option<Vec<u16>> {
    let places = distances.into_iter().filter(|(_, distance)| distance.is_finite());
    let places: Vec<(Option<u16>, f64)> = places.collect();
    let depth = |layer: Option<u16>| layer.map_or(0.0, |layer| f64::from(layer) + 1.0);
    let steps: Vec<(Option<u16>, f64, f64)> = places
        .windows(2)
        .map(|pair| (pair[1].0, depth(pair[1].0) - depth(pair[0].0), (pair[1].1 - pair[0].1).abs()))
        .collect();
    let layers: f64 = steps.iter().map(|(_, layers, _)| layers).sum();
    let movement: f64 = steps.iter().map(|(_, _, movement)| movement).sum();
    if steps.is_empty() {
        return None;
    }
    if movement < LEAST_MOVEMENT {
        return Some(Vec::new());
    }
    let moves = |step: &&(Option<u16>, f64, f64)| step.2 / movement > TIMES_EVEN * step.1 / layers;
    Some(steps.iter().filter(moves).filter_map(|(layer, _, _)| *layer).collect())
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

    fn moved(distances: &[f64]) -> Option<Vec<u16>> {
        let layers = std::iter::once(None).chain((0..).map(Some));
        important_by_movement(layers.zip(distances.iter().copied()))
    }

    #[test]
    fn a_layer_is_important_by_its_share_of_the_movement() {
        assert_eq!(moved(&[10.0, 9.5, 9.0, 2.0, 1.0, 0.0]), Some(vec![2]));
        assert_eq!(moved(&[1.0, 9.0, 8.5, 8.0, 0.5, 0.25, 0.0]), Some(vec![0, 3]), "away is movement too");
        assert_eq!(moved(&[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]), Some(vec![]), "an even way has no such layer");
        assert_eq!(moved(&[8.0, 2.0, 1.0, 0.5, 0.0]), Some(vec![0]));
        assert_eq!(
            moved(&[8.0, 4.0, 2.0, 1.0, 0.0]),
            Some(vec![]),
            "twice an even share is not more than twice"
        );
    }

    #[test]
    fn the_share_of_a_layer_counts_those_left_out_before_it() {
        let read = |layers: &[(u16, f64)]| {
            important_by_movement(layers.iter().map(|(layer, distance)| (Some(*layer), *distance)))
        };
        // Half of the movement in 5 of 10 layers is an even share; half of it in 2 is more than twice one.
        assert_eq!(read(&[(0, 8.0), (5, 4.0), (10, 0.0)]), Some(vec![]));
        assert_eq!(read(&[(0, 8.0), (2, 4.0), (10, 0.0)]), Some(vec![2]));
    }

    #[test]
    fn without_movement_there_is_no_important_layer() {
        assert_eq!(moved(&[0.0, 1e-6, 0.0, 0.0, 0.0]), Some(vec![]));
        assert_eq!((moved(&[3.0]), moved(&[])), (None, None));
        assert_eq!(moved(&[f64::NAN, f64::INFINITY, 1.0]), None);
    }
}
