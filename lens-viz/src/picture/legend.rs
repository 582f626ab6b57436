//! What colours and signs mean, below a picture.

use super::{
    Fonts,
    canvas::{Canvas, FAINT, Frame, GREY, INK, NOTHING, Pen},
    fonts::Face,
    head::MARGIN,
    lines::lines,
    scale::Scale,
    text::Shown,
};

const BAR: f64 = 220.0;
const BAR_HEIGHT: f64 = 9.0;
/// Patches that a bar of colours is made of.
const PATCHES: usize = 110;
const SIZE: f64 = 9.5;
const LINE: f64 = 13.0;
const GAP: f64 = 28.0;
/// White between two numbers at the bar.
const CLEAR: f64 = 3.0;
/// Lines that a note may take.
const MOST_LINES: usize = 8;

/// The bar of colours, and notes beside it.
pub(super) struct Legend {
    pub(super) scale: Scale,
    pub(super) notes: Vec<String>,
}

/// Where the parts of a legend stand, on a page of some width.
struct Laid {
    /// What the bar measures, in lines.
    name: Vec<Shown>,
    /// Pixels of the bar.
    bar: f64,
    /// Left edge of the notes, where they stand beside the bar and not below it.
    beside: Option<f64>,
    notes: Vec<Shown>,
}

impl Laid {
    /// Pixels of the bar with its name and numbers.
    fn bar_height(&self) -> f64 {
        (2 + self.name.len()) as f64 * LINE
    }
}

impl Legend {
    /// Notes stand beside the bar where all of them fit there, and else below it.
    fn lay_out(&self, fonts: Fonts, width: f64) -> Laid {
        let room = width - 2.0 * MARGIN;
        let bar = BAR.min(room);
        let name = lines(&fonts.words(&self.scale.name), room, Face::Sans, SIZE, MOST_LINES);
        let widest = name.iter().map(|line| line.width(Face::Sans, SIZE)).fold(bar, f64::max);
        let notes: Vec<Shown> = self.notes.iter().map(|note| fonts.words(note)).collect();
        let beside = room - widest - GAP;
        if notes.iter().all(|note| note.width(Face::Sans, SIZE) <= beside) {
            return Laid { name, bar, beside: Some(MARGIN + widest + GAP), notes };
        }
        let broken = notes.iter().flat_map(|note| lines(note, room, Face::Sans, SIZE, MOST_LINES));
        Laid { name, bar, beside: None, notes: broken.collect() }
    }

    /// Pixels from the top of the legend to the bottom of the page.
    pub(super) fn height(&self, fonts: Fonts, width: f64) -> f64 {
        let laid = self.lay_out(fonts, width);
        let (notes, bar) = (laid.notes.len() as f64 * LINE, laid.bar_height());
        MARGIN + if laid.beside.is_some() { notes.max(bar) } else { notes + bar + 4.0 }
    }

    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, fonts: Fonts, top: f64, width: f64) {
        let pen = Pen::new(Face::Sans, SIZE, GREY);
        let laid = self.lay_out(fonts, width);
        for (i, line) in laid.name.iter().enumerate() {
            canvas.text(line, (MARGIN, top + LINE * (i as f64 + 0.5)), pen.coloured(INK));
        }
        let y = top + LINE * laid.name.len() as f64 + 1.0;
        let bar = Frame { x: MARGIN, y, width: laid.bar, height: BAR_HEIGHT };
        self.draw_bar(canvas, fonts, bar);
        let (x, mut y) = match laid.beside {
            Some(x) => (x, top + LINE / 2.0),
            None => (MARGIN, top + laid.bar_height() + LINE / 2.0 + 4.0),
        };
        for note in &laid.notes {
            canvas.text(note, (x, y), pen);
            y += LINE;
        }
    }

    /// The colours, and numbers below them.
    fn draw_bar(&self, canvas: &mut Canvas<'_>, fonts: Fonts, bar: Frame) {
        let pen = Pen::new(Face::Sans, SIZE, GREY);
        let patch = bar.width / PATCHES as f64;
        for i in 0..PATCHES {
            let share = (i as f64 + 0.5) / PATCHES as f64;
            // Each patch reaches under the next one, so that no seam shows between them.
            let x = bar.x + i as f64 * patch;
            let overlap = Frame { x, width: bar.right() - x, ..bar };
            canvas.rect(overlap, self.scale.at_share(share));
        }
        let ticks = self.scale.ticks().into_iter().map(|(share, tick)| {
            let text = fonts.words(&tick);
            // The outermost numbers stay within the page's margin.
            let half = text.width(Face::Sans, SIZE) / 2.0;
            let at = bar.x + share * bar.width;
            (at, at.max(MARGIN + half), half, text)
        });
        let ticks: Vec<_> = ticks.collect();
        let is_clear = |step: &usize| {
            let ends = |(_, x, half, _): &(f64, f64, f64, Shown)| (x - half, x + half);
            let mut ends: Vec<(f64, f64)> = ticks.iter().step_by(*step).map(ends).collect();
            ends.sort_by(|a, b| a.0.total_cmp(&b.0));
            ends.windows(2).all(|pair| pair[0].1 + CLEAR <= pair[1].0)
        };
        // Of numbers that would run into each other, one in so many is left: both ends, and the same steps between them.
        let last = ticks.len().saturating_sub(1).max(1);
        let step = (1..=last).filter(|step| last % step == 0).find(is_clear).unwrap_or(last);
        for (at, x, _, text) in ticks.iter().step_by(step) {
            canvas.line(&[(*at, bar.bottom()), (*at, bar.bottom() + 3.0)], GREY, 0.8);
            canvas.text(text, (*x, bar.bottom() + 3.0 + LINE / 2.0), pen.centred());
        }
    }
}

/// Draws what stands for a place that was not read. Among differences it is crossed out, because pale grey
/// there means that nothing differs.
pub(super) fn empty_cell(canvas: &mut Canvas<'_>, frame: Frame, crossed: bool) {
    if crossed {
        canvas.line(&[(frame.x, frame.bottom()), (frame.right(), frame.y)], FAINT, 0.8);
    } else {
        canvas.rect(frame, NOTHING);
    }
}
