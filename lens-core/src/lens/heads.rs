//! Heads as points: made of a captured `z`, read like any other component.

use std::collections::BTreeMap;

use super::{columns::Place, error::LensError, runs::runs};
use crate::{
    backend::{Backend, BackendError, ModelInfo},
    point::{Point, PointSet, Site},
};

/// Where the vectors of a point are captured: a head is made of `z`.
pub(super) fn captured_at(point: Point) -> Point {
    point.head().map_or(point, |(layer, _)| Point::block(layer, Site::Z))
}

/// Every head of these layers.
///
/// # Errors
/// When none of them has any.
pub(super) fn all(info: &ModelInfo, layers: &[usize]) -> Result<Vec<Point>, LensError> {
    let of_layer = |layer: &usize| {
        let layer = *layer as u16;
        (0..info.heads_of(layer).n).map(move |head| Point::block(layer, Site::Head(head)))
    };
    let heads: Vec<Point> = layers.iter().flat_map(of_layer).collect();
    if heads.is_empty() { Err(LensError::NoHeads { family: info.family.clone() }) } else { Ok(heads) }
}

/// What has to be said of the heads of these layers, as sentences.
pub(super) fn notes(info: &ModelInfo, layers: &[usize]) -> Vec<String> {
    let which = |is: &dyn Fn(u16) -> bool| -> Vec<u16> {
        layers.iter().map(|layer| *layer as u16).filter(|layer| is(*layer)).collect()
    };
    let none = which(&|layer| info.heads_of(layer).n == 0);
    let normed = which(&|layer| info.heads_of(layer).normed);
    let none = (!none.is_empty())
        .then(|| format!("no heads are read in layers {}: the mixer there has none", runs(&none)));
    let normed = (!normed.is_empty()).then(|| {
        format!(
            "in layers {} a norm stands between the heads and the stream: heads are read after it, with its statistics \
             at their position, so that they still add up to attn_out",
            runs(&normed)
        )
    });
    none.into_iter().chain(normed).collect()
}

/// The vectors of every head among the places that are decoded, from what was captured at `points`.
pub(super) fn split<B: Backend>(
    backend: &B,
    captured: &[B::Hidden],
    points: &PointSet,
    decoded: &[Place],
) -> Result<BTreeMap<Point, B::Hidden>, BackendError> {
    let mut asked: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
    for (layer, head) in decoded.iter().filter_map(|place| place.point.head()) {
        let heads = asked.entry(layer).or_default();
        // Several lenses may read one head; places are in order.
        if heads.last() != Some(&head) {
            heads.push(head);
        }
    }
    let mut vectors = BTreeMap::new();
    for (layer, heads) in asked {
        let Some(z) = points.index_of(Point::block(layer, Site::Z)) else { continue };
        let parts = backend.split_heads(layer, &captured[z], &heads)?;
        let made = heads.into_iter().map(|head| Point::block(layer, Site::Head(head)));
        vectors.extend(made.zip(parts));
    }
    Ok(vectors)
}
