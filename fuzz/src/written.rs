//! What a user, or a script of somebody else's, writes on the command line.

use std::str::FromStr as _;

use lens_core::{ComponentSelection, Intervention, Point, Selection};

/// An intervention.
///
/// What is accepted is written as a text that means the same. What is not has its place in the text.
pub fn steer_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Intervention::from_str(text) {
        Ok(intervention) => {
            let written = intervention.to_string();
            let again = Intervention::from_str(&written);
            assert_eq!(again.as_ref(), Ok(&intervention), "{text:?} is written as {written:?}");
        }
        Err(error) => assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}"),
    }
}

/// Selections of layers and positions, of components, and points.
///
/// What is accepted is written as a text that means the same. What is selected is in range, in order, and each once.
pub fn selection_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(selection) = Selection::from_str(text) {
        assert_eq!(Selection::from_str(&selection.to_string()), Ok(selection.clone()), "{text:?}");
        for n in [0, 1, 7, 300] {
            if let Ok(indices) = selection.resolve(n, "layer") {
                assert!(!indices.is_empty() && indices.iter().all(|index| *index < n));
                assert!(indices.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }
    if let Ok(components) = ComponentSelection::from_str(text) {
        assert!(components.is_all() || components.all_heads() || !components.as_slice().is_empty());
    }
    if let Ok(point) = Point::from_str(text) {
        assert_eq!(Point::from_str(&point.to_string()).as_ref(), Ok(&point));
    }
    drop(lens_core::patch::PatchSites::from_str(text));
}
