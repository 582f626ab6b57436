//! How far two models are apart: the answers, what changed most, and layers down with components across.

use lens_core::diff::{DiffMeasure, DiffTrace, Judged};

use super::{
    TableOptions,
    header::{NAMES, named, told},
};
use crate::{
    models::{self, Grid, SHOWN, describe, largest, number},
    sheet::{
        line::{Line, Sheet},
        paint::{Ink, Paint},
    },
};

/// Columns of a number, and of the space before it.
const NUMBER: usize = 10;

/// Columns of the number of a layer.
const LAYER: usize = 6;

/// A comparison of two models as text: the models and the text, the final readouts with their intervals, where the
/// computation became another one, conditions and what became of them, the `most` points that differ most, and a grid for
/// what begins in a component, for what shows there, and for the divergence of the readouts.
///
/// Of `options`, width, colours and ASCII count. Every text of the trace goes through [`crate::display_safe`], no line is
/// wider than `options.width`, and every line ends in a line feed.
pub fn diff(trace: &DiffTrace, most: usize, options: &TableOptions) -> String {
    let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
    let mut lines = told("A", &models::model(&trace.a), &sheet);
    lines.extend(told("B", &models::model(&trace.b), &sheet));
    lines.extend(told("text", &models::text(trace), &sheet));
    lines.extend(trace.notes.iter().flat_map(|note| told("note", note, &sheet)));
    lines.push(Line::default());
    lines.extend(finals(trace, &sheet));
    lines.extend(models::changed(trace).iter().flat_map(|says| told("changed", says, &sheet)));
    lines.extend(conditions(trace, &sheet));
    for measure in [DiffMeasure::Own, DiffMeasure::Kl] {
        lines.extend(most_different(trace, measure, most, &sheet));
    }
    for measure in SHOWN {
        lines.extend(Grid::new(trace, measure, false).iter().flat_map(|grid| table(grid, &sheet)));
    }
    lines.extend(Grid::new(trace, DiffMeasure::Own, true).iter().flat_map(|grid| table(grid, &sheet)));
    let mut text = String::new();
    for line in lines {
        line.write(&sheet, &mut text);
    }
    text
}

/// The final readouts.
fn finals(trace: &DiffTrace, sheet: &Sheet) -> Vec<Line> {
    let all = models::finals(trace);
    let widest = all.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(i, (name, says)): (usize, (&'static str, String))| {
        let mut line = self::named(if i == 0 { "final" } else { "" }, sheet);
        line.push(sheet.span(&format!("{name:<widest$}  "), Ink::Plain));
        line.push(sheet.span(&says, Ink::Strong));
        line
    };
    all.into_iter().enumerate().map(line).collect()
}

/// Conditions, with a mark for those that fail.
fn conditions(trace: &DiffTrace, sheet: &Sheet) -> Vec<Line> {
    let lines = |judged: &Judged| {
        let (mark, ink) = if judged.failed { ("fails", Ink::Bad) } else { ("passes", Ink::Good) };
        let mut first = named("gate", sheet);
        first.push(sheet.span(mark, ink));
        std::iter::once(first).chain(told("", &judged.to_string(), sheet)).collect::<Vec<_>>()
    };
    trace.conditions.iter().flat_map(lines).collect()
}

/// The points that differ most in one number.
fn most_different(trace: &DiffTrace, measure: DiffMeasure, most: usize, sheet: &Sheet) -> Vec<Line> {
    let rows = largest(trace, measure, most);
    if rows.is_empty() {
        return Vec::new();
    }
    let items: Vec<_> = rows
        .into_iter()
        .map(|(row, value)| {
            vec![
                sheet.span(&row.point.to_string(), Ink::Plain),
                sheet.span(&format!(" {}", number(value)), Ink::Strong),
            ]
        })
        .collect();
    let mut lines = vec![Line::default(), Line::default()];
    lines[1].push(sheet.span(&format!("most by {}", describe(measure)), Ink::Faint));
    lines.extend(sheet.flow(&items, NAMES.min(2)));
    lines
}

/// A grid with its columns in as many blocks as the width takes.
fn table(grid: &Grid, sheet: &Sheet) -> Vec<Line> {
    let (at_once, largest) = ((sheet.width.saturating_sub(LAYER) / (NUMBER + 1)).max(1), grid.largest());
    let mut lines = Vec::new();
    let columns: Vec<usize> = (0..grid.columns.len()).collect();
    for (i, block) in columns.chunks(at_once).enumerate() {
        lines.push(Line::default());
        if i == 0 {
            let mut line = Line::default();
            line.push(sheet.span(describe(grid.measure), Ink::Faint));
            lines.push(line);
        }
        let mut line = Line::default();
        line.push(sheet.span(&format!("{:>LAYER$}", "layer"), Ink::Faint));
        let names = block.iter().map(|i| grid.columns[*i].to_string());
        line.extend(names.map(|name| sheet.span(&format!(" {name:>NUMBER$}"), Ink::Strong)));
        lines.push(line);
        // As a model runs: the first layer at the top.
        for (layer, row) in grid.layers.iter().zip(&grid.values) {
            let mut line = Line::default();
            line.push(sheet.span(&format!("{layer:>LAYER$}"), Ink::Plain));
            for value in block.iter().map(|i| row[*i]) {
                line.space(1);
                let text = value.map(number).unwrap_or_default();
                let share = value.map_or(0.5, |value| 0.5 + value / largest.max(f64::MIN_POSITIVE) / 2.0);
                line.push(sheet.span(&format!("{text:>NUMBER$}"), Ink::Signed(share as f32)));
            }
            lines.push(line);
        }
        if let (0, Some(embed)) = (i, grid.embed) {
            let mut line = Line::default();
            line.push(sheet.span(&format!("{:>LAYER$}", "embed"), Ink::Plain));
            line.push(sheet.span(&format!(" {:>NUMBER$}", number(embed)), Ink::Plain));
            lines.push(line);
        }
    }
    lines
}
