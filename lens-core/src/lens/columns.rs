//! Which lens reads which point.

use std::collections::BTreeMap;

use super::{error::LensError, runs::runs};
use crate::{
    backend::ModelInfo,
    point::{Component, Point, Site},
    selection::ComponentSelection,
    translate::{LensSet, Translator},
};

/// A point read by a lens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The point.
    pub(super) point: Point,
    /// Index of the lens in the plan.
    pub(super) lens: usize,
}

/// What every lens of a plan reads, and what it cannot.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By point in order of execution, then by lens.
    pub(super) wanted: Vec<Place>,
    /// What is left out, as sentences.
    pub(super) notes: Vec<String>,
}

impl Places {
    /// What `lenses` read of the blocks `layers`. `plain` are the points that `components` names; a translating lens
    /// reads those of them that it has maps for, and all its points where the selection is everything.
    pub(super) fn new(
        info: &ModelInfo,
        lenses: &LensSet,
        components: &ComponentSelection,
        layers: &[usize],
        plain: &[Point],
    ) -> Result<Self, LensError> {
        let mut places = Self::default();
        for (lens, (name, choice)) in lenses.iter().enumerate() {
            let points: Vec<Point> = match choice.translator() {
                None => plain.to_vec(),
                Some(translator) => {
                    check_fits(name, translator, info)?;
                    places.notes.extend(other_model(name, translator, info));
                    if components.is_all() {
                        let in_layers = |point: &Point| match point.layer() {
                            Some(layer) => layers.contains(&usize::from(layer)),
                            None => plain.contains(point),
                        };
                        translator.points().filter(in_layers).collect()
                    } else {
                        let (has, lacks): (Vec<Point>, Vec<Point>) =
                            plain.iter().partition(|point| translator.map(**point).is_some());
                        if !has.is_empty() && !lacks.is_empty() {
                            places.notes.push(format!("the lens {name} has no map for {}", named(&lacks)));
                        }
                        has
                    }
                }
            };
            if let (true, Some(translator)) = (points.is_empty(), choice.translator()) {
                let points: Vec<Point> = translator.points().collect();
                return Err(LensError::NothingToTranslate { lens: name.to_string(), has: named(&points) });
            }
            places.wanted.extend(points.into_iter().map(|point| Place { point, lens }));
        }
        places.wanted.sort_unstable();
        Ok(places)
    }
}

/// Refuses a lens of another model.
fn check_fits(name: &str, translator: &Translator, info: &ModelInfo) -> Result<(), LensError> {
    let refused = |problem: String| Err(LensError::OtherModel { lens: name.to_owned(), problem });
    if translator.d_model() != info.d_model {
        let (own, model) = (translator.d_model(), info.d_model);
        return refused(format!("it is for a stream of {own} values, and this model's has {model}"));
    }
    let absent =
        |point: &Point| !info.has(*point) || point.layer().is_some_and(|layer| layer >= info.n_layers);
    match translator.points().find(absent) {
        None => Ok(()),
        Some(point) => {
            refused(format!("it has a map for {point}, which this model of {} blocks lacks", info.n_layers))
        }
    }
}

/// Says that a lens names another model than the one it reads.
fn other_model(name: &str, translator: &Translator, info: &ModelInfo) -> Option<String> {
    let base = translator.provenance().base_model.as_deref()?;
    // A folder is often named as the hub names the model: only that part can be compared.
    let last = |id: &str| id.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().map(str::to_lowercase);
    (last(base) != last(&info.id))
        .then(|| format!("the lens {name} was made for {base:?}, and this model is {:?}", info.id))
}

/// Points by component: `resid_pre of layers 0 to 3, 7`.
fn named(points: &[Point]) -> String {
    let mut layers: BTreeMap<Component, Vec<u16>> = BTreeMap::new();
    let mut heads: Vec<u16> =
        points.iter().filter(|point| point.head().is_some()).filter_map(|p| p.layer()).collect();
    heads.dedup();
    for point in points.iter().filter(|point| point.head().is_none()) {
        layers.entry(point.component()).or_default().extend(point.layer());
    }
    let of = |(component, layers): (Component, Vec<u16>)| match component {
        Component::Embed => component.to_string(),
        Component::Site(_) if layers.len() == 1 => format!("{component} of layer {}", layers[0]),
        Component::Site(_) => format!("{component} of layers {}", runs(&layers)),
    };
    let heads = (!heads.is_empty()).then(|| format!("heads of layers {}", runs(&heads)));
    layers.into_iter().map(of).chain(heads).collect::<Vec<_>>().join("; ")
}

/// Every `resid_post` that the plain lens does not show: `decided_at` follows from them.
pub(super) fn hidden_outputs(n_layers: u16, lenses: &LensSet, wanted: &[Place]) -> Vec<Place> {
    let plain = lenses.iter().position(|(_, choice)| choice.translator().is_none());
    // Without a plain lens in the plan, an index of none of its lenses stands for it.
    let lens = plain.unwrap_or(lenses.len());
    (0..n_layers)
        .map(|layer| Place { point: Point::block(layer, Site::ResidPost), lens })
        .filter(|place| !wanted.contains(place))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_named_by_component() {
        let at = |layer, site| Point::block(layer, site);
        let points = [
            Point::Embed,
            at(0, Site::ResidPre),
            at(1, Site::ResidPre),
            at(3, Site::ResidPre),
            at(5, Site::MlpOut),
        ];
        assert_eq!(named(&points), "embed; resid_pre of layers 0 to 1, 3; mlp_out of layer 5");
    }
}
