//! Layers down, positions across: the top-1 token of every place, coloured by a statistic.

use lens_core::{LensTrace, ReadoutTrace};

use super::{
    TableOptions,
    blocks::{Blocks, Cell},
    header,
};
use crate::measure::Measure;
use crate::picture::{
    PictureError, PictureOptions,
    echo::{ECHO, is_echo},
    grid::is_right,
    scale::Scale,
};
use crate::sheet::{
    line::{Line, Sheet},
    paint::{ColorLevel, Paint},
};
use crate::source::{Source, only_component};

/// Columns of a value.
const NUMBER: usize = 5;

/// The top-1 token at every layer and position, with `measure` in digits and, where the terminal has colours, as the
/// colour. Positions that do not fit side by side follow below.
///
/// Of `what`, the lens, positions, components, layers, stride and range count; of `options`, width, colours and ASCII.
/// Every text of the trace goes through [`crate::display_safe`], no line is wider than `options.width`, and every
/// line ends in a line feed.
///
/// # Errors
/// When the trace lacks the statistic, or what was asked for was not read.
pub fn heatmap(
    trace: &LensTrace,
    measure: Measure,
    what: &PictureOptions,
    options: &TableOptions,
) -> Result<String, PictureError> {
    what.check()?;
    let trace = &*trace.of_lens(what.lens.as_deref())?;
    let source = Source::new(trace)?;
    let positions = source.positions(&what.positions)?;
    let places = source.places(&source.stream(&what.components)?, what)?;
    let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
    let readouts = || places.iter().flat_map(|place| positions.iter().filter_map(|p| source.at(*p, *place)));
    let values = || readouts().filter_map(|readout| measure.value(readout));
    if values().next().is_none() {
        return Err(PictureError::Empty { what: measure.missing() });
    }
    let scale = Scale::new(measure, trace.model.n_vocab, values(), what)?;
    let scale = scale.named(&measure.describe(only_component(&places)));
    let is_next = |readout: &ReadoutTrace| is_right(&source, readout.top.first(), readout.position);
    let repeats = |readout: &ReadoutTrace| is_echo(&source, readout.top.first(), readout.position);
    let star = readouts().any(is_next).then(|| "* the token that actually comes next".to_owned());
    // Without colours and styles there is nothing that says so.
    let is_dressed = options.color != ColorLevel::None;
    let echo = (is_dressed && readouts().any(repeats)).then(|| ECHO.to_owned());
    let notes: Vec<String> = star.into_iter().chain(echo).collect();
    let cells = places.iter().map(|place| {
        let cell = |position: &usize| {
            let readout = source.at(*position, *place)?;
            Some(Cell {
                top: readout.top.first(),
                sign: if is_next(readout) { "*" } else { " " },
                number: measure.digits(readout),
                value: measure.value(readout),
                echoes: repeats(readout),
            })
        };
        positions.iter().map(cell).collect()
    });
    let cells = cells.collect();
    let blocks = Blocks {
        source: &source,
        places: &places,
        positions: &positions,
        cells,
        scale,
        number: NUMBER,
        sheet: &sheet,
    };
    let mut lines = header::of_all(trace, &sheet);
    lines.push(Line::default());
    lines.extend(blocks.lines());
    lines.extend(blocks.legend(&notes));
    let mut text = String::new();
    for line in lines {
        line.write(&sheet, &mut text);
    }
    Ok(text)
}
