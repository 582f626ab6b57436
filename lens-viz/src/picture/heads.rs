//! One position: layers down, heads across, and what each head would say.

use lens_core::{Component, ReadoutTrace, Site};

use super::{
    Picture, PictureError, PictureOptions,
    echo::{ECHO, is_echo},
    grid::cell,
    head::Heading,
    heatmap::{Column, Heatmap, Row},
    legend::Legend,
    scale::Scale,
    text::Names,
};
use crate::{measure::Measure, source::Source};

const WIDTH: u32 = 1000;

pub(super) fn heads(
    source: &Source<'_>,
    measure: Measure,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    let (fonts, width) = (options.fonts, options.width_or(WIDTH));
    let position = source.position(options.position)?;
    let components = source.components(&options.components)?;
    let heads: Vec<u16> = components.iter().filter_map(|component| component.head()).collect();
    let of = |head| Component::Site(Site::Head(head));
    let mut layers: Vec<u16> = source
        .places(&heads.iter().copied().map(of).collect::<Vec<_>>(), options)?
        .into_iter()
        .filter_map(|(layer, _)| layer)
        .collect();
    layers.dedup();
    let at = |layer: u16| heads.iter().map(move |head| source.at(position, (Some(layer), of(*head))));
    let readouts: Vec<Vec<Option<&ReadoutTrace>>> = layers.iter().map(|layer| at(*layer).collect()).collect();
    let all = || readouts.iter().flatten().flatten();
    if all().next().is_none() {
        return Err(PictureError::Empty { what: "readout of a head".to_owned() });
    }
    let values = || all().filter_map(|readout| measure.value(readout));
    if values().next().is_none() {
        return Err(PictureError::Empty { what: measure.missing() });
    }
    let names = Names::new(fonts, all().filter_map(|readout| readout.top.first()));
    let cells = readouts.iter().map(|row| {
        let cell = |readout: &Option<&ReadoutTrace>| {
            readout.map(|readout| cell(source, readout, position, measure, &names, fonts))
        };
        row.iter().map(cell).collect()
    });
    let title =
        options.title.clone().unwrap_or_else(|| format!("Top-1 token of every head, position {position}"));
    let row = |layer: &u16| Row {
        group: fonts.words(&layer.to_string()),
        name: fonts.words(""),
        marked: false,
        trusted: true,
    };
    let column = |head: &u16| Column {
        name: fonts.words(&head.to_string()),
        below: None,
        above: None,
        written: false,
    };
    let scale = Scale::new(measure, source.trace.model.n_vocab, values(), options)?;
    let mut notes = vec!["in cells: the top-1 token (· is a space)".to_owned()];
    if all().any(|readout| is_echo(source, readout.top.first(), position)) {
        notes.push(ECHO.to_owned());
    }
    let heatmap = Heatmap {
        heading: Heading { source, title, position: Some(position), rule: None, against: None, fonts }.into(),
        rows: layers.iter().map(row).collect(),
        columns: heads.iter().map(column).collect(),
        columns_are: "head",
        above_is: "next token",
        cells: cells.collect(),
        legend: Legend {
            scale: scale.named(&format!("{} of what a head adds", measure.describe(None))),
            notes,
        },
        fonts,
        width,
        is_width_asked: options.width.is_some(),
        advice: "fewer layers, a larger stride, fewer heads or a wider page",
    };
    heatmap.draw()
}
