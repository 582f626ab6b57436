//! What is read where the user does not say.

use std::collections::BTreeSet;

use anyhow::Result;
use lens_core::{ComponentSelection, LensSet, Point, Site, Translator};

/// The components that the lenses have maps for; the plain lens alone reads the output of every block.
pub(crate) fn of(lenses: &LensSet) -> Result<ComponentSelection> {
    let translators = lenses.iter().filter_map(|(_, lens)| lens.translator());
    let mut names: BTreeSet<String> =
        translators.flat_map(Translator::points).map(|point: Point| point.component().to_string()).collect();
    if names.is_empty() {
        names.insert(Site::ResidPost.to_string());
    }
    Ok(names.into_iter().collect::<Vec<_>>().join(",").parse()?)
}
