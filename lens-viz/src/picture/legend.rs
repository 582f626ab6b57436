//! What colours and signs mean, below a picture.

use super::{
    Fonts,
    canvas::{Canvas, FAINT, Frame, GREY, INK, NOTHING, Pen},
    fonts::Face,
    head::MARGIN,
    scale::Scale,
};

const BAR: f64 = 220.0;
const BAR_HEIGHT: f64 = 9.0;
/// Patches that a bar of colours is made of.
const PATCHES: usize = 110;
const SIZE: f64 = 9.5;
const LINE: f64 = 13.0;
const GAP: f64 = 28.0;

/// The bar of colours, and notes beside it.
pub(super) struct Legend {
    pub(super) scale: Scale,
    pub(super) notes: Vec<String>,
}

impl Legend {
    /// Pixels of the bar and of what it measures above it.
    fn bar_width(&self, fonts: Fonts) -> f64 {
        BAR.max(fonts.words(&self.scale.name).width(Face::Sans, SIZE))
    }

    /// Whether the notes stand beside the bar, and not below it.
    fn is_wide(&self, fonts: Fonts, width: f64) -> bool {
        let beside = width - 2.0 * MARGIN - self.bar_width(fonts) - GAP;
        self.notes.iter().all(|note| fonts.words(note).width(Face::Sans, SIZE) <= beside)
    }

    /// Pixels from the top of the legend to the bottom of the page.
    pub(super) fn height(&self, fonts: Fonts, width: f64) -> f64 {
        let notes = self.notes.len() as f64 * LINE;
        let bar = 3.0 * LINE;
        MARGIN + if self.is_wide(fonts, width) { notes.max(bar) } else { notes + bar + 4.0 }
    }

    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, fonts: Fonts, top: f64, width: f64) {
        let pen = Pen::new(Face::Sans, SIZE, GREY);
        canvas.text(&fonts.words(&self.scale.name), (MARGIN, top + LINE / 2.0), pen.coloured(INK));
        let bar = Frame { x: MARGIN, y: top + LINE + 1.0, width: BAR, height: BAR_HEIGHT };
        let patch = BAR / PATCHES as f64;
        for i in 0..PATCHES {
            let share = (i as f64 + 0.5) / PATCHES as f64;
            // Each patch reaches under the next one, so that no seam shows between them.
            let x = bar.x + i as f64 * patch;
            let overlap = Frame { x, width: bar.right() - x, ..bar };
            canvas.rect(overlap, self.scale.at_share(share));
        }
        for (share, tick) in self.scale.ticks() {
            let text = fonts.words(&tick);
            let x = bar.x + share * BAR;
            canvas.line(&[(x, bar.bottom()), (x, bar.bottom() + 3.0)], GREY, 0.8);
            // The outermost numbers stay within the page's margin.
            let half = text.width(Face::Sans, SIZE) / 2.0;
            let x = x.max(MARGIN + half);
            canvas.text(&text, (x, bar.bottom() + 3.0 + LINE / 2.0), pen.centred());
        }
        let (x, mut y) = match self.is_wide(fonts, width) {
            true => (MARGIN + self.bar_width(fonts) + GAP, top + LINE / 2.0),
            false => (MARGIN, top + 3.5 * LINE + 4.0),
        };
        for note in &self.notes {
            let note = fonts.words(note).start(width - MARGIN - x, Face::Sans, SIZE);
            canvas.text(&note, (x, y), pen);
            y += LINE;
        }
    }
}

/// Draws what stands for a place that was not read. Among differences it is crossed out: a pale grey is no difference
/// there.
pub(super) fn empty_cell(canvas: &mut Canvas<'_>, frame: Frame, crossed: bool) {
    if crossed {
        canvas.line(&[(frame.x, frame.bottom()), (frame.right(), frame.y)], FAINT, 0.8);
    } else {
        canvas.rect(frame, NOTHING);
    }
}
