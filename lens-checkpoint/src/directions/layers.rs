//! Layers, as sentences name them, and what stands between a branch and the stream.

use crate::spec::{LayerSpec, NormSpec, Wiring};

/// `layer 3`, `layers 0 to 25`, `layers 0, 2 and 5 to 7`.
pub(super) fn named(layers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &layer in layers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == layer => *last = layer,
            _ => runs.push((layer, layer)),
        }
    }
    let run = |(first, last): &(usize, usize)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    };
    let noun = if layers.len() == 1 { "layer" } else { "layers" };
    let runs: Vec<String> = runs.iter().map(run).collect();
    match runs.as_slice() {
        [others @ .., last] if !others.is_empty() => format!("{noun} {} and {last}", others.join(", ")),
        _ => format!("{noun} {}", runs.join("")),
    }
}

/// The layers among `layers` for which `holds`.
pub(super) fn where_it_holds(
    layers: &[usize],
    specs: &[LayerSpec],
    holds: impl Fn(&LayerSpec) -> bool,
) -> Vec<usize> {
    layers.iter().copied().filter(|layer| holds(&specs[*layer])).collect()
}

/// A sentence on a norm that stands between a branch and the stream, and cannot be applied to a part of the branch.
pub(super) fn note_on_norm(
    layers: &[usize],
    specs: &[LayerSpec],
    branch: &str,
    norm_of: impl Fn(&LayerSpec) -> Option<&NormSpec>,
) -> Option<String> {
    let normed = where_it_holds(layers, specs, |spec| norm_of(spec).is_some());
    let first = normed.first()?;
    let weight = norm_of(&specs[*first]).and_then(|norm| norm.weight.as_ref());
    let name = weight.and_then(|weight| weight.tensors.first()).map(|tensor| format!(" ({})", tensor.name));
    Some(format!(
        "{} put a norm on what {branch} writes{}: it acts on the whole sum and not on a part of it, so directions are \
         those before it",
        named(&normed),
        name.unwrap_or_default(),
    ))
}

/// A sentence on blocks that norm the stream itself after each sum.
pub(super) fn note_on_wiring(layers: &[usize], specs: &[LayerSpec]) -> Option<String> {
    let holds =
        |spec: &LayerSpec| matches!(spec.wiring, Wiring::PostNorm { .. } | Wiring::NormedResidual { .. });
    let normed = where_it_holds(layers, specs, holds);
    (!normed.is_empty()).then(|| {
        format!(
            "{} norm the stream itself around their sums: what is written there is changed by those norms before the \
             final one sees it, which is not part of these directions",
            named(&normed)
        )
    })
}

/// A sentence on blocks that do something to the whole stream at their end.
pub(super) fn note_on_end(layers: &[usize], specs: &[LayerSpec]) -> Option<String> {
    let scaled = where_it_holds(layers, specs, |spec| spec.end.is_some());
    (!scaled.is_empty()).then(|| {
        format!(
            "{} multiply the whole stream at their end, and so what is written there: that is not part of these directions",
            named(&scaled)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn layers_that_follow_each_other_are_a_range() {
        assert_eq!(named(&[3]), "layer 3");
        assert_eq!(named(&[0, 1, 2]), "layers 0 to 2");
        assert_eq!(named(&[0, 2, 5, 6, 7]), "layers 0, 2 and 5 to 7");
        assert_eq!(named(&[1, 2, 4]), "layers 1, 2 and 4");
    }
}
