//! Drawing the parts of a page of a heatmap.

use std::ops::Range;

use super::{
    Cell, Heatmap,
    layout::{LINE, Layout, NAMES, PADDING, SEAM, SIGN_ROOM},
};
use crate::{
    picture::{
        canvas::{Canvas, Frame, GREY, INK, Pen},
        fonts::Face,
        head::MARGIN,
        ink::Ink,
        legend::empty_cell,
    },
    ramp::Rgb,
};

/// The title of the axis of layers.
const AXIS: &str = "layer, the first at the top";

impl Heatmap<'_> {
    pub(super) fn draw_columns(
        &self,
        canvas: &mut Canvas<'_>,
        layout: &Layout,
        columns: &Range<usize>,
        (top, body): (f64, f64),
    ) {
        let caption = Pen::new(Face::Sans, NAMES, GREY).to_the_left();
        let side = layout.left - 8.0;
        let above = top - LINE / 2.0 - 1.0;
        let below = top + body + LINE / 2.0;
        let has_next = self.lines_above() > 1.0;
        canvas.text(&self.fonts.words(self.columns_are), (side, above), caption);
        if has_next {
            canvas.text(&self.fonts.words(self.above_is), (side, above - LINE), caption);
        }
        if self.has_tokens_below() {
            canvas.text(&self.fonts.words("token"), (side, below), caption);
        }
        for (at, column) in columns.clone().zip(&self.columns[columns.clone()]) {
            let room = layout.widths[at] - SEAM - 2.0;
            let x = layout.x(columns, at) + (layout.widths[at] - SEAM) / 2.0;
            canvas.text(&column.name, (x, above), Pen::new(Face::Sans, NAMES - 1.0, GREY).centred());
            for (label, y) in [(&column.below, below), (&column.above, above - LINE)] {
                let Some((text, size)) = label.as_ref().map(|label| label.fit(room, NAMES)) else { continue };
                canvas.text(&text, (x, y), Pen::new(Face::Mono, size, INK).centred());
            }
        }
    }

    fn draw_sign(&self, canvas: &mut Canvas<'_>, sign: char, (x, y): (f64, f64), size: f64, colour: Rgb) {
        canvas.text(
            &self.fonts.words(sign.encode_utf8(&mut [0; 4])),
            (x, y),
            Pen::new(Face::Mono, size, colour),
        );
    }

    pub(super) fn draw_rows(
        &self,
        canvas: &mut Canvas<'_>,
        layout: &Layout,
        rows: &Range<usize>,
        columns: &Range<usize>,
        top: f64,
    ) {
        let height = layout.row;
        let size = NAMES.min(layout.text);
        let right = layout.x(columns, columns.end) - SEAM;
        self.draw_axis(canvas, top, height * rows.len() as f64);
        for (i, row) in self.rows[rows.clone()].iter().enumerate() {
            let y = top + i as f64 * height;
            let middle = y + (height - SEAM) / 2.0;
            let begins = i == 0 || self.rows[rows.start + i - 1].group != row.group;
            let has_name = !row.name.as_str().is_empty();
            if begins && has_name && i > 0 {
                canvas.line(&[(MARGIN, y - SEAM / 2.0), (right, y - SEAM / 2.0)], GREY, 0.5);
            }
            let pen = Pen::new(Face::Sans, size, INK).to_the_left();
            canvas.text(&row.name, (layout.left - 6.0, middle), pen.coloured(GREY));
            if begins {
                let x = if has_name { MARGIN + 14.0 + self.group_width(size) } else { layout.left - 6.0 };
                canvas.text(&row.group, (x, middle), pen);
                if row.marked {
                    let mark = Pen::new(Face::Sans, size, INK);
                    let x = x - row.group.width(Face::Sans, size) - 10.0;
                    canvas.text(&self.fonts.words("▸"), (x, middle), mark);
                }
            }
        }
    }

    /// What the rows are and where they begin, written along them.
    fn draw_axis(&self, canvas: &mut Canvas<'_>, top: f64, body: f64) {
        let pen = Pen { upright: true, ..Pen::new(Face::Sans, NAMES - 1.0, GREY).centred() };
        let says = [AXIS, "layer"].map(|says| self.fonts.words(says));
        if let Some(says) = says.iter().find(|says| says.width(Face::Sans, pen.size) <= body) {
            canvas.text(says, (MARGIN / 2.0 + 1.0, top + body / 2.0), pen);
        }
    }

    fn group_width(&self, size: f64) -> f64 {
        self.rows.iter().map(|row| row.group.width(Face::Sans, size)).fold(0.0, f64::max)
    }

    pub(super) fn draw_cell(
        &self,
        canvas: &mut Canvas<'_>,
        layout: &Layout,
        frame: Frame,
        cell: Option<&Cell>,
        trusted: bool,
    ) {
        let Some(cell) = cell else {
            empty_cell(canvas, frame, self.legend.scale.is_diverging());
            return;
        };
        let ink = Ink::new(cell.value.map(|value| self.legend.scale.colour(value)), trusted, cell.echoes);
        canvas.rect(frame, ink.ground);
        let (middle_x, y) = frame.middle();
        let (mut left, mut right) = (frame.x + PADDING, frame.right() - PADDING);
        if let Some(sign) = cell.sign {
            self.draw_sign(canvas, sign, (frame.x + 1.5, y), layout.text, ink.sign);
            left = frame.x + SIGN_ROOM + 1.5;
        }
        if layout.has_numbers && !cell.number.as_str().is_empty() {
            let size = layout.text * 0.82;
            let pen = Pen::new(Face::Sans, size, ink.number).to_the_left();
            canvas.text(&cell.number, (right, y), pen);
            right -= cell.number.width(Face::Sans, size) + 3.0;
        }
        let (text, size) = cell.label.fit(right - left, layout.text);
        let pen = Pen { slanted: cell.echoes, ..Pen::new(Face::Mono, size, ink.token) };
        if layout.has_numbers {
            canvas.text(&text, (left, y), pen);
        } else {
            // In the middle of the cell, unless the star is in the way.
            let half = text.width(Face::Mono, size) / 2.0;
            canvas.text(&text, (middle_x.max(left + half), y), pen.centred());
        }
    }
}
