//! Layers down, positions across: what the model would say at every place.

use lens_core::{ReadoutTrace, TopTrace};

use super::{
    Fonts, Picture, PictureError, PictureOptions,
    echo::{ECHO, is_echo},
    head::Heading,
    heatmap::{Cell, Column, Heatmap, note_on_written},
    legend::Legend,
    scale::Scale,
    step::rows,
    text::{Names, TokenLabel},
};
use crate::context::in_sequence;
use crate::measure::Measure;
use crate::source::{Place, Source, VIRTUAL, only_component};

const WIDTH: u32 = 1000;

pub(super) fn grid(
    source: &Source<'_>,
    measure: Measure,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    let (fonts, width) = (options.fonts, options.width_or(WIDTH));
    let positions = source.positions(&options.positions)?;
    let places = source.places(&source.stream(&options.components)?, options)?;
    let readouts: Vec<Vec<Option<&ReadoutTrace>>> =
        places.iter().map(|place| positions.iter().map(|p| source.at(*p, *place)).collect()).collect();
    let all = || readouts.iter().flatten().flatten();
    let values = || all().filter_map(|readout| measure.value(readout));
    if values().next().is_none() {
        return Err(PictureError::Empty { what: measure.missing() });
    }
    let names = Names::new(fonts, all().filter_map(|readout| readout.top.first()));
    let cells = readouts.iter().map(|row| {
        let cell = |(readout, position): (&Option<&ReadoutTrace>, &usize)| {
            readout.map(|readout| cell(source, readout, *position, measure, &names, fonts))
        };
        row.iter().zip(&positions).map(cell).collect()
    });
    let title = options.title.clone().unwrap_or_else(|| default_title(&places, measure));
    let scale = Scale::new(measure, source.trace.model.n_vocab, values(), options)?;
    let scale = scale.named(&measure.describe(only_component(&places)));
    let columns: Vec<Column> = positions.iter().map(|position| column(source, *position, fonts)).collect();
    let written = note_on_written(&columns);
    let heatmap = Heatmap {
        heading: Heading { source, title, position: None, rule: None, against: None, fonts }.into(),
        rows: rows(source, &places, None, fonts),
        columns,
        columns_are: "position",
        above_is: "next token",
        cells: cells.collect(),
        legend: Legend {
            scale,
            notes: notes(source, all().copied())
                .into_iter()
                .chain(written)
                .chain(source.note_on_trust(&places))
                .collect(),
        },
        fonts,
        width,
        is_width_asked: options.width.is_some(),
        advice: "fewer positions, fewer layers, a larger stride, fewer components or a wider page",
    };
    heatmap.draw()
}

fn default_title(places: &[Place], measure: Measure) -> String {
    let of = only_component(places).map_or(String::new(), |only| format!(" of {only}"));
    match measure {
        Measure::Probability => format!("Top-1 token{of} and its probability"),
        Measure::Logit => format!("Top-1 token{of} and its logit"),
        Measure::Of(statistic) => format!("Top-1 token{of} and {}", statistic.title()),
    }
}

pub(super) fn cell(
    source: &Source<'_>,
    readout: &ReadoutTrace,
    position: usize,
    measure: Measure,
    names: &Names<'_>,
    fonts: Fonts,
) -> Cell {
    let top = readout.top.first();
    Cell {
        label: top.map_or_else(TokenLabel::none, |token| names.label(token)),
        value: measure.value(readout),
        number: fonts.words(&measure.digits(readout)),
        sign: is_right(source, top, position).then_some('*'),
        echoes: is_echo(source, top, position),
    }
}

/// Whether the token is the one that actually comes next.
pub(crate) fn is_right(source: &Source<'_>, top: Option<&TopTrace>, position: usize) -> bool {
    top.zip(source.next_token(position)).is_some_and(|(top, next)| top.id == next.id)
}

pub(super) fn column(source: &Source<'_>, position: usize, fonts: Fonts) -> Column {
    let token = source.trace.tokens.get(position);
    let said = |position: Option<usize>| in_sequence(&source.trace.tokens, position?);
    Column {
        name: fonts.words(&position.to_string()),
        below: said(Some(position)).map(|text| fonts.token(&text)),
        above: said(position.checked_add(1)).map(|text| fonts.token(&text)),
        written: token.is_some_and(|token| token.generated),
    }
}

/// Notes for the legend on the signs that occur.
fn notes<'a>(source: &Source<'_>, readouts: impl Iterator<Item = &'a ReadoutTrace> + Clone) -> Vec<String> {
    let mut notes = vec!["in cells: the top-1 token (· is a space)".to_owned()];
    if readouts.clone().any(|readout| is_right(source, readout.top.first(), readout.position)) {
        notes.push("* it is the token that actually comes next".to_owned());
    }
    if readouts.clone().any(|readout| is_echo(source, readout.top.first(), readout.position)) {
        notes.push(ECHO.to_owned());
    }
    let mut readouts = readouts;
    if readouts.any(|readout| readout.is_virtual) {
        notes.push(VIRTUAL.to_owned());
    }
    notes
}
