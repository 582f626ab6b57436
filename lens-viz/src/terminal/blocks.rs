//! Layers down, positions across, in blocks of as many positions as stand side by side.

use std::ops::Range;

use lens_core::TopTrace;

use super::header::told;
use crate::context::in_sequence;
use crate::source::{Place, Source};
use crate::{
    picture::scale::Scale,
    sheet::{
        label::Label,
        line::{Line, Sheet, Span, cut},
        paint::Ink,
    },
};

/// Columns of the names on the left: the longest is `pos`, a component's, or `embed`.
const LAYER: usize = 6;
const COMPONENT: usize = 11;
/// Columns of a token's text.
const LABEL: Range<usize> = 5..12;

/// A cell: token, sign and number.
pub(super) struct Cell<'a> {
    /// The token.
    pub(super) top: Option<&'a TopTrace>,
    /// A sign one column wide that says something of the token; a blank for none.
    pub(super) sign: &'static str,
    /// The measured number in digits.
    pub(super) number: String,
    /// The measured number itself, for the colour.
    pub(super) value: Option<f64>,
    /// Whether the token only repeats what stands at its position.
    pub(super) echoes: bool,
}

/// Cells in rows and columns.
pub(super) struct Blocks<'a> {
    pub(super) source: &'a Source<'a>,
    /// The rows.
    pub(super) places: &'a [Place],
    /// The columns, as positions of `source`.
    pub(super) positions: &'a [usize],
    /// `[places][positions]`, `None` where there is nothing to show.
    pub(super) cells: Vec<Vec<Option<Cell<'a>>>>,
    pub(super) scale: Scale,
    /// The most columns of a number.
    pub(super) number: usize,
    pub(super) sheet: &'a Sheet,
}

impl Blocks<'_> {
    /// All blocks, an empty line after each.
    pub(super) fn lines(&self) -> Vec<Line> {
        let least = self.least_label();
        let per_block = self.columns(least);
        let label = self.label_width(per_block, least);
        let columns: Vec<usize> = (0..self.positions.len()).collect();
        let blocks = columns.chunks(per_block).flat_map(|columns| {
            let mut lines = self.block(columns, label);
            lines.push(Line::default());
            lines
        });
        blocks.collect()
    }

    /// Columns that a label needs to say which token it is: those of an id, where that is all there is.
    fn least_label(&self) -> usize {
        let tops = self.cells.iter().flatten().flatten().filter_map(|cell| Some(&*cell.top?.text));
        let tokens = self.positions.iter().filter_map(|at| Some(&*self.source.trace.tokens.get(*at)?.text));
        let next = self.positions.iter().filter_map(|at| Some(&*self.source.next_token(*at)?.text));
        let ids = tops.chain(tokens).chain(next).filter_map(|text| Label::new(text, self.sheet).id_width());
        ids.max().unwrap_or(0).clamp(LABEL.start, LABEL.end)
    }

    /// Whether rows say their component: there are several of one layer.
    fn has_components(&self) -> bool {
        self.places.windows(2).any(|pair| pair[0].0 == pair[1].0)
    }

    fn names(&self) -> usize {
        LAYER + if self.has_components() { COMPONENT } else { 0 }
    }

    /// Columns of the terminal beside the label: the sign, blanks, the value.
    fn beside(&self) -> usize {
        4 + self.number
    }

    /// The positions that stand side by side, at least one.
    fn columns(&self, least: usize) -> usize {
        let positions = self.positions.len();
        let room = self.sheet.width.saturating_sub(self.names());
        let most = (room / (least + self.beside())).clamp(1, positions.max(1));
        // As even as can be: a last block of one column is hard to read.
        positions.max(1).div_ceil(positions.max(1).div_ceil(most))
    }

    fn label_width(&self, columns: usize, least: usize) -> usize {
        let room = self.sheet.width.saturating_sub(self.names()) / columns.max(1);
        room.saturating_sub(self.beside()).clamp(least, LABEL.end)
    }

    fn block(&self, columns: &[usize], label: usize) -> Vec<Line> {
        let sheet = self.sheet;
        let width = label + self.beside();
        let header = |name: &str, column: &dyn Fn(usize) -> Span| {
            let mut line = Line::default();
            line.push(sheet.span(name, Ink::Faint));
            for (i, at) in columns.iter().enumerate() {
                line.pad(self.names() + i * width + 1);
                line.push(column(self.positions[*at]));
            }
            line
        };
        let fitted = |text: &str| Label::new(text, sheet).fit(label, sheet.ellipsis()).plain();
        let next = |position: usize| {
            let next = in_sequence(&self.source.trace.tokens, position + 1);
            sheet.span(&next.map_or(String::new(), |next| format!(" {}", fitted(&next))), Ink::Plain)
        };
        let token = |position: usize| {
            let token = in_sequence(&self.source.trace.tokens, position);
            sheet.span(&token.map_or(String::new(), |token| format!(" {}", fitted(&token))), Ink::Strong)
        };
        let mut lines = vec![
            header("next", &next),
            header("pos", &|position| sheet.span(&format!(" {position}"), Ink::Faint)),
        ];
        lines.extend((0..self.places.len()).map(|row| self.row(row, columns, label)));
        lines.push(header("token", &token));
        lines
    }

    fn row(&self, row: usize, columns: &[usize], label: usize) -> Line {
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
        for (i, column) in columns.iter().enumerate() {
            line.pad(self.names() + i * width + 1);
            if let Some(cell) = &self.cells[row][*column] {
                self.cell(&mut line, cell, label);
            }
        }
        line
    }

    fn cell(&self, line: &mut Line, cell: &Cell<'_>, label: usize) {
        let sheet = self.sheet;
        let share = cell.value.map(|value| self.scale.share(value) as f32);
        let (ink, faint, echo) = match share {
            None => (Ink::Plain, Ink::Faint, Ink::Faint),
            Some(share) if self.scale.is_diverging() => {
                (Ink::Signed(share), Ink::SignedFaint(share), Ink::SignedEcho(share))
            }
            Some(share) => (Ink::Chip(share), Ink::ChipFaint(share), Ink::Echo(share)),
        };
        let said = if cell.echoes { echo } else { ink };
        let text = cell.top.map(|top| Label::new(&top.text, sheet).fit(label, sheet.ellipsis()));
        line.push(sheet.span(cell.sign, ink));
        let mut used = 0;
        if let Some(text) = text {
            used = text.width();
            line.push(sheet.span(&text.lead, faint));
            line.push(sheet.span(&text.text, said));
            line.push(sheet.span(&text.trail, faint));
        }
        let room = self.number;
        let number = cut(&cell.number, room, "");
        let number = format!("{:1$} {number:>room$} ", "", label.saturating_sub(used));
        line.push(sheet.span(&number, ink));
    }

    /// The legend: what colours, numbers and signs mean.
    pub(super) fn legend(&self, notes: &[String]) -> Vec<Line> {
        let sheet = self.sheet;
        let name = if sheet.ascii { self.scale.name.replace('−', "-") } else { self.scale.name.clone() };
        let lines = told("cells", &name, sheet);
        let mut items: Vec<Vec<Span>> = Vec::new();
        if sheet.paint.has_ramp() {
            let ticks = self.scale.ends();
            let ink = |share| if self.scale.is_diverging() { Ink::Signed(share) } else { Ink::Ramp(share) };
            let steps = (0..12).map(|i| sheet.span(" ", ink(i as f32 / 11.0)));
            let mut item = vec![sheet.span(&format!("{} ", ticks.0), Ink::Faint)];
            item.extend(steps);
            item.push(sheet.span(&format!(" {}", ticks.1), Ink::Faint));
            items.push(item);
        }
        items.extend(notes.iter().map(|note| vec![sheet.span(note, Ink::Faint)]));
        lines.into_iter().chain(sheet.flow(&items, 0)).collect()
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
