//! Layers up, positions across: the top-1 token of every place, coloured by a statistic.

use std::ops::Range;

use lens_core::{LensTrace, ReadoutTrace};

use super::{
    TableOptions,
    header::{self, named},
};
use crate::measure::Measure;
use crate::picture::{
    PictureError, PictureOptions,
    grid::is_right,
    scale::Scale,
    source::{Place, Source, only_component},
};
use crate::sheet::{
    label::Label,
    line::{Line, Sheet, Span, cut},
    paint::{Ink, Paint},
};

/// Columns of the names on the left: the longest is `pos`, a component's, or `embed`.
const LAYER: usize = 6;
const COMPONENT: usize = 11;
/// Columns of a token's text.
const LABEL: Range<usize> = 5..12;
/// Columns of a value.
const NUMBER: usize = 5;

/// The top-1 token at every layer and position, with a statistic in digits and, where the terminal has them,
/// colours. Positions that do not fit side by side follow below.
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
    let mut places = source.places(&source.stream(&what.components)?, what)?;
    places.reverse();
    let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
    let readouts = || places.iter().flat_map(|place| positions.iter().filter_map(|p| source.at(*p, *place)));
    let values = || readouts().filter_map(|readout| measure.value(readout));
    if values().next().is_none() {
        return Err(PictureError::Empty { what: measure.missing() });
    }
    let scale = Scale::new(measure, trace.model.n_vocab, values(), what)?;
    let scale = scale.named(&measure.describe(only_component(&places)));
    let least = least_label(&source, &positions, readouts(), &sheet);
    let has_star = readouts().any(|readout| is_right(&source, readout.top.first(), readout.position));
    let heatmap =
        Heatmap { source: &source, measure, scale, places: &places, least, has_star, sheet: &sheet };
    let mut lines = header::of_all(trace, &sheet);
    lines.push(Line::default());
    let per_block = heatmap.columns(positions.len());
    let label = heatmap.label_width(per_block);
    for block in positions.chunks(per_block) {
        lines.extend(heatmap.block(block, label));
        lines.push(Line::default());
    }
    lines.extend(heatmap.legend());
    let mut text = String::new();
    for line in lines {
        line.write(&sheet, &mut text);
    }
    Ok(text)
}

struct Heatmap<'a> {
    source: &'a Source<'a>,
    measure: Measure,
    scale: Scale,
    places: &'a [Place],
    /// The fewest columns of a token's text.
    least: usize,
    /// Whether any token shown is the one that comes next.
    has_star: bool,
    sheet: &'a Sheet,
}

/// Columns that a label needs to say which token it is: those of an id, where that is all there is.
fn least_label<'a>(
    source: &Source<'_>,
    positions: &[usize],
    readouts: impl Iterator<Item = &'a ReadoutTrace>,
    sheet: &Sheet,
) -> usize {
    let tops = readouts.filter_map(|readout| Some(&*readout.top.first()?.text));
    let tokens = positions.iter().filter_map(|position| Some(&*source.trace.tokens.get(*position)?.text));
    let next = positions.iter().filter_map(|position| Some(&*source.next_token(*position)?.text));
    let ids = tops.chain(tokens).chain(next).filter_map(|text| Label::new(text, sheet).id_width());
    ids.max().unwrap_or(0).clamp(LABEL.start, LABEL.end)
}

impl Heatmap<'_> {
    /// Whether rows say their component: there are several of one layer.
    fn has_components(&self) -> bool {
        self.places.windows(2).any(|pair| pair[0].0 == pair[1].0)
    }

    fn names(&self) -> usize {
        LAYER + if self.has_components() { COMPONENT } else { 0 }
    }

    /// Columns of the terminal beside the label: the star, blanks, the value.
    fn beside(&self) -> usize {
        4 + NUMBER
    }

    /// The positions that stand side by side, at least one.
    fn columns(&self, positions: usize) -> usize {
        let room = self.sheet.width.saturating_sub(self.names());
        let most = (room / (self.least + self.beside())).clamp(1, positions.max(1));
        // As even as can be: a last block of one column is hard to read.
        positions.max(1).div_ceil(positions.max(1).div_ceil(most))
    }

    fn label_width(&self, columns: usize) -> usize {
        let room = self.sheet.width.saturating_sub(self.names()) / columns.max(1);
        room.saturating_sub(self.beside()).clamp(self.least, LABEL.end)
    }

    fn block(&self, positions: &[usize], label: usize) -> Vec<Line> {
        let sheet = self.sheet;
        let width = label + self.beside();
        let header = |name: &str, column: &dyn Fn(usize) -> Span| {
            let mut line = Line::default();
            line.push(sheet.span(name, Ink::Faint));
            for (i, position) in positions.iter().enumerate() {
                line.pad(self.names() + i * width + 1);
                line.push(column(*position));
            }
            line
        };
        let fitted = |text: &str| Label::new(text, sheet).fit(label, sheet.ellipsis()).plain();
        let next = |position: usize| {
            let next = self.source.next_token(position);
            sheet.span(&next.map_or(String::new(), |next| format!(" {}", fitted(&next.text))), Ink::Plain)
        };
        let token = |position: usize| {
            let token = self.source.trace.tokens.get(position);
            sheet.span(&token.map_or(String::new(), |token| format!(" {}", fitted(&token.text))), Ink::Strong)
        };
        let mut lines = vec![
            header("next", &next),
            header("pos", &|position| sheet.span(&format!(" {position}"), Ink::Faint)),
        ];
        lines.extend((0..self.places.len()).map(|row| self.row(row, positions, label)));
        lines.push(header("token", &token));
        lines
    }

    fn row(&self, row: usize, positions: &[usize], label: usize) -> Line {
        let (sheet, place) = (self.sheet, self.places[row]);
        let mut line = Line::default();
        let layer = place.0.map_or_else(|| "embed".to_owned(), |layer| layer.to_string());
        let begins = row == 0 || self.places[row - 1].0 != place.0;
        line.push(sheet.span(&format!("{:>5}", if begins { &layer } else { "" }), Ink::Plain));
        if self.has_components() {
            let name = if place.0.is_some() { place.1.name() } else { "" };
            line.push(sheet.span(&format!(" {name}"), Ink::Faint));
        }
        let width = label + self.beside();
        for (i, position) in positions.iter().enumerate() {
            line.pad(self.names() + i * width + 1);
            if let Some(readout) = self.source.at(*position, place) {
                self.cell(&mut line, readout, *position, label);
            }
        }
        line
    }

    fn cell(&self, line: &mut Line, readout: &ReadoutTrace, position: usize, label: usize) {
        let sheet = self.sheet;
        let share = self.measure.value(readout).map(|value| self.scale.share(value) as f32);
        let (ink, faint) = share.map_or((Ink::Plain, Ink::Faint), |s| (Ink::Chip(s), Ink::ChipFaint(s)));
        let top = readout.top.first();
        let star = if is_right(self.source, top, position) { "*" } else { " " };
        let text = top.map(|top| Label::new(&top.text, sheet).fit(label, sheet.ellipsis()));
        line.push(sheet.span(star, ink));
        let mut used = 0;
        if let Some(text) = text {
            used = text.width();
            line.push(sheet.span(&text.lead, faint));
            line.push(sheet.span(&text.text, ink));
            line.push(sheet.span(&text.trail, faint));
        }
        let number = cut(&self.measure.digits(readout), NUMBER, "");
        let number = format!("{:1$} {number:>NUMBER$} ", "", label.saturating_sub(used));
        line.push(sheet.span(&number, ink));
    }

    /// What colours, numbers and signs mean.
    fn legend(&self) -> Vec<Line> {
        let sheet = self.sheet;
        let mut line = named("cells", sheet);
        line.push(sheet.span(&self.scale.name, Ink::Plain));
        let mut items: Vec<Vec<Span>> = Vec::new();
        if sheet.paint.has_ramp() {
            let ticks = self.scale.ends();
            let steps = (0..12).map(|i| sheet.span(" ", Ink::Ramp(i as f32 / 11.0)));
            let mut item = vec![sheet.span(&format!("{} ", ticks.0), Ink::Faint)];
            item.extend(steps);
            item.push(sheet.span(&format!(" {}", ticks.1), Ink::Faint));
            items.push(item);
        }
        if self.has_star {
            items.push(vec![sheet.span("* the token that actually comes next", Ink::Faint)]);
        }
        std::iter::once(line).chain(sheet.flow(&items, 0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_leave_room_for_the_longest() {
        let longest = lens_core::Component::READABLE.iter().map(|c| c.name().len()).max();
        assert!(longest.is_some_and(|longest| longest < COMPONENT));
    }
}
