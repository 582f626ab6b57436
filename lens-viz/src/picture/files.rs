//! Which pictures belong to a run.

use lens_core::LensTrace;

use super::{PictureKind, PictureOptions};

/// A picture that is written for a run without being asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureFile {
    /// The file's name without folder and ending, e.g. `all_layers_step_0`.
    pub stem: String,
    /// What it shows.
    pub kind: PictureKind,
    /// The options to draw it with: the position, where it shows one.
    pub options: PictureOptions,
}

/// The pictures that a run writes by default: for each step that was read, all layers and the important ones,
/// the heads where they were read, and a grid where more than one position was read. A run without a continuation has one step, at the last position read.
///
/// Draw each with [`svg`](super::svg), giving it width and fonts, and name its pages with
/// [`Picture::file_stem`](super::Picture::file_stem).
pub fn files(trace: &LensTrace) -> Vec<PictureFile> {
    let mut positions: Vec<usize> = trace.readouts.iter().map(|readout| readout.position).collect();
    positions.sort_unstable();
    positions.dedup();
    let mut steps: Vec<(usize, usize)> = trace
        .steps
        .iter()
        .filter(|step| positions.binary_search(&step.position).is_ok())
        .map(|step| (step.step, step.position))
        .collect();
    if trace.steps.is_empty() {
        steps.extend(positions.last().map(|position| (0, *position)));
    }
    let of_step = |(step, position): (usize, usize)| {
        [PictureKind::AllLayers, PictureKind::ImportantLayers].map(|kind| PictureFile {
            stem: format!("{}_step_{step}", kind.name().replace('-', "_")),
            kind,
            options: PictureOptions { position: Some(position), ..PictureOptions::default() },
        })
    };
    let heads = trace.readouts.iter().any(|readout| readout.component.head().is_some());
    let of_heads = |(step, position): &(usize, usize)| PictureFile {
        stem: format!("heads_step_{step}"),
        kind: PictureKind::default_heads(),
        options: PictureOptions { position: Some(*position), ..PictureOptions::default() },
    };
    let heads: Vec<PictureFile> = if heads { steps.iter().map(of_heads).collect() } else { Vec::new() };
    let grid = (positions.len() > 1).then(|| PictureFile {
        stem: "grid".to_owned(),
        kind: PictureKind::default_grid(),
        options: PictureOptions::default(),
    });
    let of_first: Vec<PictureFile> = steps.into_iter().flat_map(of_step).chain(heads).chain(grid).collect();
    by_lens(trace, of_first)
}

/// The same pictures for each lens of a trace; those of the first keep their names.
fn by_lens(trace: &LensTrace, pictures: Vec<PictureFile>) -> Vec<PictureFile> {
    let names = trace.lens_names();
    if names.len() < 2 {
        return pictures;
    }
    let of_lens = |(index, name): (usize, &&str)| {
        let named = |picture: &PictureFile| PictureFile {
            stem: if index == 0 { picture.stem.clone() } else { format!("{}_{name}", picture.stem) },
            options: picture.options.clone().with_lens(Some((*name).to_owned())),
            kind: picture.kind,
        };
        pictures.iter().map(named).collect::<Vec<_>>()
    };
    names.iter().enumerate().flat_map(of_lens).collect()
}
