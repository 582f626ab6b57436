//! Layers down, positions across: what differs between two traces.

use super::{
    TableOptions,
    blocks::{Blocks, Cell},
    header,
};
use crate::{
    difference::{Contrast, Difference},
    digits::signed,
    picture::{
        PictureError, PictureOptions,
        cells::{Cells, Pair},
    },
    sheet::{
        line::{Line, Sheet},
        paint::Paint,
    },
};

/// Columns of a difference with its sign.
const NUMBER: usize = 6;

/// What differs between two traces at every layer and position, as signed digits beside the first trace's top-1 token
/// and, where the terminal has colours, blue below zero and red above it. A cell that one of the traces lacks is blank.
///
/// Of `what`, the positions, components, layers, stride and range count, and are those of the first trace; of
/// `options`, width, colours and ASCII. Every text of the traces goes through [`crate::display_safe`], no line is wider
/// than `options.width`, and every line ends in a line feed.
///
/// # Errors
/// When the traces have nothing in common that could be compared, or what was asked for was not read.
pub fn difference(
    difference: &Difference<'_>,
    contrast: Contrast,
    what: &PictureOptions,
    options: &TableOptions,
) -> Result<String, PictureError> {
    what.check()?;
    let cells = Cells::new(difference, contrast, what)?;
    let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
    let sign = sheet.glyph("≠", "!");
    let (first, second) = (&difference.first.name, &difference.second.name);
    let mut notes = vec![format!("in cells: the top-1 token of {first}")];
    if cells.pairs().any(|pair| !pair.is_same_top) {
        notes.push(format!("{sign} the top-1 token of {second} is another"));
    }
    notes.extend(cells.notes.iter().cloned());
    let positions: Vec<usize> = cells.columns.iter().map(|(position, _)| *position).collect();
    let blocks = Blocks {
        source: &difference.sources[0],
        places: &cells.places,
        positions: &positions,
        cells: cells
            .rows
            .iter()
            .map(|row| row.iter().map(|pair| pair.as_ref().map(|pair| cell(pair, sign))).collect())
            .collect(),
        scale: cells.scale,
        number: NUMBER,
        sheet: &sheet,
    };
    let mut lines = header::of_several(&[difference.first.clone(), difference.second.clone()], &sheet);
    lines.extend(difference.notes().iter().flat_map(|note| header::told("note", note, &sheet)));
    lines.push(Line::default());
    lines.extend(blocks.lines());
    lines.extend(blocks.legend(&notes));
    let mut text = String::new();
    for line in lines {
        line.write(&sheet, &mut text);
    }
    Ok(text)
}

fn cell<'a>(pair: &Pair<'a>, sign: &'static str) -> Cell<'a> {
    Cell {
        top: pair.first.top.first(),
        sign: if pair.is_same_top { " " } else { sign },
        number: signed(pair.value),
        value: Some(pair.value),
        echoes: false,
    }
}
