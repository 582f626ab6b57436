//! Layers down, components or heads across: where two models compute something else.

use lens_core::diff::DiffTrace;

use super::{
    Picture, PictureError, PictureOptions,
    head::Above,
    heatmap::{Cell, Column, Heatmap, Row},
    legend::Legend,
    scale::Scale,
    text::Shown,
};
use crate::models::{self, Grid, SHOWN, describe, number};

const WIDTH: u32 = 1000;

/// A picture of one number of a comparison.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DiffPicture {
    /// The file's name without folder and ending, such as `own` or `heads_kl`.
    pub stem: String,
    /// Its pages, at least one.
    pub pages: Vec<Picture>,
}

/// Draws a comparison of two models: layers down, components across, as means over positions. There is a picture for what
/// begins in each component, for what shows there, and for the divergence of the readouts, and the same for heads where
/// they were read. The darker, the further apart; each picture has a scale of its own.
///
/// Of `options`, ramp, range, width, title and fonts count.
///
/// # Errors
/// When nothing was compared, and when a picture would not fit a reasonable number of pages.
pub fn diff(trace: &DiffTrace, options: &PictureOptions) -> Result<Vec<DiffPicture>, PictureError> {
    options.check()?;
    let mut pictures = Vec::new();
    for (heads, start) in [(false, ""), (true, "heads_")] {
        for measure in SHOWN {
            let Some(grid) = Grid::new(trace, measure, heads) else { continue };
            let pages = draw(trace, &grid, heads, options)?;
            pictures.push(DiffPicture { stem: format!("{start}{}", measure.name()), pages });
        }
    }
    if pictures.is_empty() {
        return Err(PictureError::Empty { what: "point of a block".to_owned() });
    }
    Ok(pictures)
}

fn draw(
    trace: &DiffTrace,
    grid: &Grid,
    heads: bool,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    let fonts = options.fonts;
    let values = || grid.values.iter().flatten().flatten().copied();
    let scale = Scale::from_zero(describe(grid.measure), values(), options);
    let title = match options.title.clone() {
        Some(title) => title,
        None => title(trace, grid, heads),
    };
    let cell = |value: &Option<f64>| {
        value.map(|value| Cell {
            label: fonts.token(&number(value)),
            value: Some(value),
            number: Shown::default(),
            sign: None,
            echoes: false,
        })
    };
    let row = |layer: &u16| Row {
        group: fonts.words(&layer.to_string()),
        name: fonts.words(""),
        marked: false,
        trusted: true,
    };
    let column = |component: &lens_core::Component| Column {
        name: fonts.words(&match component.head() {
            Some(head) => head.to_string(),
            None => component.to_string(),
        }),
        below: None,
        above: None,
        written: false,
    };
    let heatmap = Heatmap {
        heading: Above::Facts { title, facts: facts(trace), fonts },
        rows: grid.layers.iter().map(row).collect(),
        columns: grid.columns.iter().map(column).collect(),
        columns_are: if heads { "head" } else { "component" },
        above_is: "",
        cells: grid.values.iter().map(|row| row.iter().map(cell).collect()).collect(),
        legend: Legend { scale, notes: notes(trace, grid) },
        fonts,
        width: options.width_or(WIDTH),
        is_width_asked: options.width.is_some(),
        advice: "fewer layers, fewer components or a wider page",
    };
    heatmap.draw()
}

fn title(trace: &DiffTrace, grid: &Grid, heads: bool) -> String {
    let of = if heads { "heads" } else { "components" };
    let what = match grid.measure {
        lens_core::diff::DiffMeasure::Own => "Where a difference begins",
        lens_core::diff::DiffMeasure::Relative => "Where a difference shows",
        _ => "How far readouts are apart",
    };
    let names = [&trace.a, &trace.b].map(|model| &*model.id);
    match names[0] == names[1] {
        true => format!("{what}: {of} of {} in {} and {}", names[0], trace.a.dtype, trace.b.dtype),
        false => format!("{what}: {of} of {} and {}", names[0], names[1]),
    }
}

fn facts(trace: &DiffTrace) -> Vec<String> {
    let [a, b] =
        [("A", &trace.a), ("B", &trace.b)].map(|(side, model)| format!("{side}: {}", models::model(model)));
    vec![a, b, models::text(trace)]
}

fn notes(trace: &DiffTrace, grid: &Grid) -> Vec<String> {
    let embed = grid.embed.map(|value| format!("embed: {}", number(value)));
    let changed = models::changed(trace).map(|says| format!("changed: {says}"));
    let finals = models::finals(trace).into_iter().next();
    let finals = finals.map(|(name, says)| format!("final readouts: {name} {says}"));
    embed.into_iter().chain(changed).chain(finals).collect()
}
