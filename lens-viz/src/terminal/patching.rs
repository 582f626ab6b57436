//! What becomes of an answer when activations are others: a table for each site, layers down.

use lens_core::patch::{Experiment, GridColumns, PatchTrace, PatchedAnswer, PatchedToken, PatchingGrid};

use unicode_width::UnicodeWidthStr as _;

use super::{
    TableOptions,
    header::{NAMES, model_lines, named, said, told},
};
use crate::{
    digits::{percent, signed},
    patching::{cells_say, columns, of_range, tables},
    sheet::{
        label::Label,
        line::{Line, Sheet, Span},
        paint::{Ink, Paint},
    },
};

/// Columns of a number with its sign, and of a token with its probability.
const NUMBER: usize = 8;
const TOKEN: usize = 15;

/// Columns of the number of a layer.
const LAYER: usize = 6;

/// A sweep as text: the model, both prompts and their answers, and a table for each site with layers down and positions,
/// heads or layers across; where the terminal has colours, blue below zero and red above it. The tables of a patchscope hold
/// the most probable token of every place with its probability.
///
/// Of `options`, width, colours and ASCII count. Every text of the trace goes through [`crate::display_safe`], no line
/// is wider than `options.width`, and every line ends in a line feed.
pub fn patching(trace: &PatchTrace, options: &TableOptions) -> String {
    let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
    let mut lines = model_lines(&trace.head(), &sheet);
    for run in trace.source.iter().chain([&trace.changed]) {
        lines.push(said(&run.name, &run.prompt, Ink::Plain, &sheet));
        lines.extend(run.answer.as_ref().map(|answer| answered(answer, trace, &sheet)));
    }
    lines.push(judged(trace, &sheet));
    lines.extend(told("self-check", &checked(trace), &sheet));
    lines.extend(trace.notes.iter().flat_map(|note| told("note", note, &sheet)));
    let range = of_range(trace);
    for table in tables(trace) {
        lines.extend(grid(&table, trace, range, &sheet));
    }
    let mut text = String::new();
    for line in lines {
        line.write(&sheet, &mut text);
    }
    text
}

/// The most probable token of a run, and its metric.
fn answered(answer: &PatchedAnswer, trace: &PatchTrace, sheet: &Sheet) -> Line {
    let mut line = named("", sheet);
    line.pad(NAMES);
    line.push(sheet.span("answers ", Ink::Faint));
    line.push(token(&answer.top.text, 24, Ink::Focus, sheet));
    line.push(sheet.span(&format!(" {} %", percent(answer.top.prob, true)), Ink::Plain));
    if let Some(value) = answer.value {
        line.push(sheet.span(&format!("   {} {value:.4}", trace.metric), Ink::Plain));
    }
    line
}

fn token(text: &str, width: usize, ink: Ink, sheet: &Sheet) -> Span {
    sheet.span(&Label::new(text, sheet).fit(width, sheet.ellipsis()).plain(), ink)
}

/// Which tokens and which number.
fn judged(trace: &PatchTrace, sheet: &Sheet) -> Line {
    let mut line = named("metric", sheet);
    line.pad(NAMES);
    line.push(sheet.span(trace.metric.name(), Ink::Strong));
    let mut push = |says: &str, named: &PatchedToken| {
        line.push(sheet.span(says, Ink::Faint));
        line.push(token(&named.text, 24, Ink::Plain, sheet));
    };
    trace.target.iter().for_each(|target| push(" of ", target));
    trace.versus.iter().for_each(|versus| push(" against ", versus));
    line
}

fn checked(trace: &PatchTrace) -> String {
    let check = &trace.self_check;
    format!(
        "{}: logits are off by {:.1e} from the plain product, and by {:.1e} in a run that changes nothing",
        if check.passed { "ok" } else { "FAILED, do not believe these numbers" },
        check.max_abs_logit_error,
        check.unchanged_error
    )
}

/// A table with its columns in as many blocks as the width takes.
fn grid(table: &[&PatchingGrid], trace: &PatchTrace, range: f64, sheet: &Sheet) -> Vec<Line> {
    let Some(first) = table.first() else { return Vec::new() };
    let is_scope = trace.experiment == Experiment::Patchscope;
    let width = if is_scope { TOKEN } else { NUMBER };
    let columns = columns(table, trace);
    let at_once = (sheet.width.saturating_sub(LAYER) / (width + 1)).max(1);
    let indices: Vec<usize> = (0..columns.len()).collect();
    let mut lines = vec![Line::default(), heading(table, trace, sheet)];
    for block in indices.chunks(at_once) {
        let mut name = |caption: &str, ink: Ink, of: &dyn Fn(usize) -> Option<String>| {
            if block.iter().all(|column| of(*column).is_none()) {
                return;
            }
            let mut line = Line::default();
            line.push(sheet.span(&format!("{caption:>LAYER$}"), Ink::Faint));
            for column in block {
                let label = |text: String| Label::new(&text, sheet).fit(width, sheet.ellipsis()).plain();
                let label = of(*column).map(label).unwrap_or_default();
                line.space(1 + width.saturating_sub(label.width()));
                line.push(sheet.span(&label, ink));
            }
            lines.push(line);
        };
        name("other", Ink::Faint, &|column| columns[column].source.clone());
        name("token", Ink::Faint, &|column| columns[column].token.clone());
        name("layer", Ink::Strong, &|column| Some(columns[column].name.clone()));
        for (row, layer) in first.layers.iter().enumerate() {
            let mut line = Line::default();
            line.push(sheet.span(&format!("{layer:>LAYER$}"), Ink::Plain));
            for column in block {
                line.space(1);
                let (grid, column) = columns[*column].place;
                line.push(match is_scope {
                    true => said_there(table[grid], row, column, sheet),
                    false => number(value(&table[grid].shares, row, column), range, sheet),
                });
            }
            lines.push(line);
        }
    }
    lines
}

fn heading(table: &[&PatchingGrid], trace: &PatchTrace, sheet: &Sheet) -> Line {
    let sites: Vec<&str> = table.iter().map(|grid| &*grid.site).collect();
    let mut line = Line::default();
    line.push(sheet.span(&sites.join(", "), Ink::Strong));
    let says = match table.first().map(|grid| (grid.columns, grid.source_positions.as_slice())) {
        Some((GridColumns::Layers, [source])) => {
            format!(" of position {source} of the source: from layer (down) into layer (across)")
        }
        Some((GridColumns::Heads | GridColumns::All, _)) => {
            format!(" at {}: {}", positions(table[0]), cells_say(trace))
        }
        _ => format!(": {}", cells_say(trace)),
    };
    line.push(sheet.span(&says, Ink::Faint));
    line
}

/// The positions that were changed at once, in words.
fn positions(grid: &PatchingGrid) -> String {
    match grid.changed_positions.as_slice() {
        [one] => format!("position {one}"),
        many => format!("{} positions at once", many.len()),
    }
}

fn value<T: Copy>(matrix: &[Vec<Option<T>>], row: usize, column: usize) -> Option<T> {
    matrix.get(row).and_then(|row| row.get(column)).copied().flatten()
}

fn number(value: Option<f64>, range: f64, sheet: &Sheet) -> Span {
    let Some(value) = value else { return sheet.span(&" ".repeat(NUMBER), Ink::Plain) };
    let share = if range > 0.0 { (value / range + 1.0) / 2.0 } else { 0.5 };
    sheet.span(&format!("{:>NUMBER$}", signed(value)), Ink::Signed(share.clamp(0.0, 1.0) as f32))
}

/// The most probable token of a place, with its probability.
fn said_there(grid: &PatchingGrid, row: usize, column: usize, sheet: &Sheet) -> Span {
    let top = grid.top.get(row).and_then(|row| row.get(column)).and_then(Option::as_ref);
    let Some(top) = top else { return sheet.span(&" ".repeat(TOKEN), Ink::Plain) };
    let number = percent(top.prob, true);
    let label = Label::new(&top.text, sheet).fit(TOKEN - 5, sheet.ellipsis()).plain();
    let pad = TOKEN.saturating_sub(label.width() + number.len());
    sheet.span(&format!("{label}{}{number}", " ".repeat(pad)), Ink::Chip(top.prob))
}
