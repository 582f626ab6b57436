//! Layers down, positions across: what differs between two traces, centred at zero.

use super::{
    Picture, PictureError, PictureOptions,
    cells::{Cells, Pair},
    grid::column,
    head::Heading,
    heatmap::{Cell, Column, Heatmap, Row, note_on_written},
    legend::Legend,
    step::rows,
    text::{Names, TokenLabel},
};
use crate::source::only_component;
use crate::{
    difference::{Contrast, Difference},
    digits::signed,
};

const WIDTH: u32 = 1000;

/// The sign of a cell whose top-1 token is another one in the second trace.
const DIFFERS: char = '≠';

/// Draws what differs between two traces: layers down, the first at the top, positions across, the first trace's top-1 token in the cell, the
/// difference as the colour. Zero has no colour, what is above is red, what is below is blue, and a cell that one of
/// the traces lacks is blank. There is at least one page.
///
/// Of `options`, positions, layers and components are those of the first trace; a `range` has to be centred at zero.
///
/// # Errors
/// When the traces have nothing in common that could be compared, when an option asks for what was not read, and when
/// the picture would not fit a reasonable number of pages.
pub fn difference(
    difference: &Difference<'_>,
    contrast: Contrast,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    options.check()?;
    let fonts = options.fonts;
    let cells = Cells::new(difference, contrast, options)?;
    let source = &difference.sources[0];
    let names = Names::new(fonts, cells.pairs().filter_map(|pair| pair.first.top.first()));
    let cell = |pair: &Pair<'_>| Cell {
        label: pair.first.top.first().map_or_else(TokenLabel::none, |token| names.label(token)),
        value: Some(pair.value),
        number: fonts.words(&signed(pair.value)),
        sign: (!pair.is_same_top).then_some(DIFFERS),
        echoes: false,
    };
    let columns: Vec<Column> =
        cells.columns.iter().map(|(position, _)| column(source, *position, fonts)).collect();
    let written = note_on_written(&columns);
    let title = || contrast.describe(difference, only_component(&cells.places));
    let heatmap = Heatmap {
        heading: Heading {
            source,
            title: options.title.clone().unwrap_or_else(|| capital(&title())),
            position: None,
            rule: None,
            against: Some(difference),
            fonts,
        }
        .into(),
        // What differs says nothing of how far either lens can be trusted.
        rows: rows(source, &cells.places, None, fonts)
            .into_iter()
            .map(|row| Row { trusted: true, ..row })
            .collect(),
        columns,
        columns_are: "position",
        above_is: "next token",
        cells: cells
            .rows
            .iter()
            .map(|row| row.iter().map(|pair| pair.as_ref().map(cell)).collect())
            .collect(),
        legend: Legend {
            notes: notes(difference, &cells).into_iter().chain(written).collect(),
            scale: cells.scale,
        },
        fonts,
        width: options.width_or(WIDTH),
        is_width_asked: options.width.is_some(),
        advice: "fewer positions, fewer layers, a larger stride, fewer components or a wider page",
    };
    heatmap.draw()
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// Notes for the legend on the tokens and the signs that occur.
fn notes(difference: &Difference<'_>, cells: &Cells<'_>) -> Vec<String> {
    let (first, second) = (&difference.first.name, &difference.second.name);
    let mut notes = vec![format!("in cells: the top-1 token of {first} (· is a space)")];
    if cells.pairs().any(|pair| !pair.is_same_top) {
        notes.push(format!("{DIFFERS} the top-1 token of {second} is another"));
    }
    notes.extend(cells.notes.iter().cloned());
    notes
}
