//! What each head adds, as a picture: layers and heads of the last position that was read.

use lens_core::LensTrace;

use crate::{
    measure::Measure,
    picture::{self, PictureKind, PictureOptions},
};

/// The picture below the head of a trace in which heads were read; nothing for any other.
pub(super) fn heads(trace: &LensTrace) -> String {
    let read = |position: &usize| {
        let of_heads = trace.readouts.iter().filter(|readout| readout.component.head().is_some());
        of_heads.map(|readout| readout.position).any(|other| other == *position)
    };
    let Some(position) = trace.finals.iter().map(|last| last.position).filter(read).max() else {
        return String::new();
    };
    let options = PictureOptions::default().with_position(Some(position));
    let Ok(pages) = picture::svg(trace, PictureKind::Heads(Measure::default()), &options) else {
        return String::new();
    };
    let figures: String = pages.iter().map(|page| format!("<figure>{}</figure>\n", page.svg)).collect();
    format!(
        "<details class=\"heads\" open>\n<summary>What each head adds, position {position}</summary>\n{figures}</details>\n"
    )
}
