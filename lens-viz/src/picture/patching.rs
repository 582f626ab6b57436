//! Layers down, positions or heads across: what became of an answer when activations were others, centred at zero.

use lens_core::{
    LensTrace,
    patch::{Experiment, GridColumns, PatchTrace, PatchingGrid},
};

use super::{
    Fonts, Picture, PictureError, PictureOptions,
    fonts::Face,
    head::Heading,
    heatmap::{Cell, Column, Heatmap, Row},
    legend::Legend,
    scale::Scale,
    text::Shown,
};
use crate::{
    digits::{percent, signed},
    measure::Measure,
    patching::{cells_say, columns, tables},
    source::Source,
};

const WIDTH: u32 = 1000;
/// Pixels of the other prompt that are shown.
const SOURCE: f64 = 560.0;

/// A picture of one table of a sweep.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PatchPicture {
    /// The file's name without folder and ending, such as `attn_out` or `heads`.
    pub stem: String,
    /// Its pages, at least one.
    pub pages: Vec<Picture>,
}

/// Draws a sweep: a picture for each site, layers down and positions or heads across; sites at all positions at once stand
/// side by side. Zero has no colour, what is above is red, what is below is blue. All pictures have one scale. Those of a
/// patchscope have the most probable token in each cell, coloured by its probability, source layers down and target layers
/// across.
///
/// Of `options`, layers, stride, range, ramp, width, title and fonts count; a `range` has to be centred at zero.
///
/// # Errors
/// When there is no result, a layer is asked for that was not changed, and when a picture would not fit a reasonable
/// number of pages.
pub fn patching(trace: &PatchTrace, options: &PictureOptions) -> Result<Vec<PatchPicture>, PictureError> {
    options.check()?;
    let head = trace.head();
    let tables = tables(trace);
    if tables.is_empty() {
        return Err(PictureError::Empty { what: "changed place".to_owned() });
    }
    let drawn = tables.iter().map(|table| {
        let pages = picture(table, trace, &head, options)?;
        Ok(PatchPicture { stem: stem(table), pages })
    });
    drawn.collect()
}

/// What a table is about, as a file's name.
fn stem(table: &[&PatchingGrid]) -> String {
    let sites: Vec<String> = table.iter().map(|grid| grid.site.replace('.', "_")).collect();
    let source = table.first().filter(|grid| grid.columns == GridColumns::Layers);
    let source = source.and_then(|grid| grid.source_positions.first());
    match source {
        Some(position) => format!("{}_of_position_{position}", sites.join("_")),
        None => sites.join("_"),
    }
}

fn picture(
    table: &[&PatchingGrid],
    trace: &PatchTrace,
    head: &LensTrace,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    let fonts = options.fonts;
    let source = Source::of_head(head);
    let Some(first) = table.first() else {
        return Err(PictureError::Empty { what: "changed place".to_owned() });
    };
    let columns = columns(table, trace);
    let chosen = source.chosen_layers(options)?;
    let rows: Vec<usize> = (0..first.layers.len()).filter(|i| chosen.contains(&first.layers[*i])).collect();
    if rows.is_empty() {
        return Err(PictureError::Empty { what: "changed place in these layers".to_owned() });
    }
    let is_scope = trace.experiment == Experiment::Patchscope;
    let cell = |row: usize, column: usize| {
        let (grid, column) = columns[column].place;
        if is_scope { said(table[grid], row, column, fonts) } else { number(table[grid], row, column, fonts) }
    };
    let cells: Vec<Vec<Option<Cell>>> =
        rows.iter().map(|row| (0..columns.len()).map(|column| cell(*row, column)).collect()).collect();
    let values = || trace.grids.iter().flat_map(|grid| grid.shares.iter().flatten().flatten().copied());
    let scale = if is_scope {
        Scale::new(Measure::Probability, trace.model.n_vocab, std::iter::empty(), options)?
    } else {
        Scale::diverging(&cells_say(trace), values(), options)?
    };
    let row = |i: &usize| Row {
        group: fonts.words(&first.layers[*i].to_string()),
        name: fonts.words(""),
        marked: false,
        trusted: true,
    };
    let column = |column: &crate::patching::Column| Column {
        name: fonts.words(&column.name),
        below: column.token.as_ref().map(|token| fonts.token(token)),
        above: column.source.as_ref().map(|token| fonts.token(token)),
        written: false,
    };
    let heatmap = Heatmap {
        heading: Heading {
            source: &source,
            title: options.title.clone().unwrap_or_else(|| title(table, trace)),
            position: None,
            rule: Some(rule(trace, fonts)),
            against: None,
            fonts,
        }
        .into(),
        rows: rows.iter().map(row).collect(),
        columns: columns.iter().map(column).collect(),
        columns_are: match first.columns {
            GridColumns::Heads => "head",
            GridColumns::Layers => "into layer",
            GridColumns::All => "site",
            _ => "position",
        },
        above_is: match trace.source.as_ref().map(|source| &*source.name) {
            Some("clean") => "clean token",
            Some("corrupted") => "corrupted token",
            _ => "other token",
        },
        cells,
        legend: Legend { scale, notes: notes(trace, is_scope) },
        fonts,
        width: options.width_or(WIDTH),
        is_width_asked: options.width.is_some(),
        advice: "fewer layers, a larger stride, fewer positions or a wider page",
    };
    heatmap.draw()
}

fn number(grid: &PatchingGrid, row: usize, column: usize, fonts: Fonts) -> Option<Cell> {
    let value = grid.shares.get(row)?.get(column).copied().flatten()?;
    Some(Cell {
        label: fonts.token(&signed(value)),
        value: Some(value),
        number: Shown::default(),
        sign: None,
        echoes: false,
    })
}

fn said(grid: &PatchingGrid, row: usize, column: usize, fonts: Fonts) -> Option<Cell> {
    let top = grid.top.get(row)?.get(column)?.as_ref()?;
    Some(Cell {
        label: fonts.token(&top.text),
        value: Some(f64::from(top.prob)),
        number: fonts.words(&percent(top.prob, false)),
        sign: None,
        echoes: false,
    })
}

fn notes(trace: &PatchTrace, is_scope: bool) -> Vec<String> {
    let rows =
        "rows: the layer that a state is taken from; columns: the layer that it is put into".to_owned();
    is_scope.then_some(rows).into_iter().chain(trace.notes.iter().cloned()).collect()
}

fn title(table: &[&PatchingGrid], trace: &PatchTrace) -> String {
    let sites: Vec<&str> = table.iter().map(|grid| &*grid.site).collect();
    let sites = sites.join(", ");
    match trace.experiment {
        Experiment::Patching { direction } => {
            let into =
                if direction.name() == "denoise" { "clean into corrupted" } else { "corrupted into clean" };
            format!("Activation patching of {sites}: {into}")
        }
        Experiment::Ablation { with } => format!("Ablation of {sites} ({})", with.name()),
        _ => format!("Patchscope: what {sites} of a layer says in another"),
    }
}

/// The other prompt, and what both runs answer.
fn rule(trace: &PatchTrace, fonts: Fonts) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(source) = &trace.source {
        let prompt = fonts.words(&format!("{}: {}", source.name, source.prompt));
        // What follows it is not to be lost after a long one.
        parts.push(prompt.start(SOURCE, Face::Sans, 10.0).as_str().to_owned());
    }
    for run in trace.source.iter().chain([&trace.changed]) {
        let Some(answer) = &run.answer else { continue };
        let token = fonts.token(&answer.top.text).whole().as_str().to_owned();
        let value = answer.value.map_or(String::new(), |value| format!(", {} {value:.2}", trace.metric));
        parts.push(format!("{} answers {token}{value}", run.name));
    }
    parts.join(" · ")
}
