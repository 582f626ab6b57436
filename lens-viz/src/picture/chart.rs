//! Lines from layer to layer, in panels that share their layers.

use super::{
    Fonts, Picture, PictureError,
    axis::{decades, linear_ticks, short},
    canvas::{Canvas, FAINT, Frame, GREY, INK, Pen, page},
    fonts::Face,
    head::{Head, MARGIN},
    lines::lines,
    text::Shown,
};
use crate::ramp::Rgb;

/// One statistic of every line.
pub(super) struct Panel {
    pub(super) name: String,
    /// The values that the axis shows.
    pub(super) range: (f64, f64),
    pub(super) logarithmic: bool,
    /// Whether small values stand at the top.
    pub(super) downwards: bool,
    /// For each line, a value for each place; none where it is not known.
    pub(super) values: Vec<Vec<Option<f64>>>,
    /// For each line, the interval of each of its values; empty where values have none.
    pub(super) bands: Vec<Vec<Option<(f64, f64)>>>,
    /// A value that all lines are compared with.
    pub(super) level: Option<f64>,
}

/// Panels, one below the other.
pub(super) struct Chart {
    pub(super) head: Head,
    /// The places, ascending; `None` is `embed`, before the first layer.
    pub(super) places: Vec<Option<u16>>,
    /// What the lines stand for.
    pub(super) lines: Vec<Shown>,
    pub(super) panels: Vec<Panel>,
    /// The layer at which the prediction is made.
    pub(super) decided: Option<u16>,
    pub(super) notes: Vec<String>,
    pub(super) fonts: Fonts,
    pub(super) width: f64,
}

/// Okabe and Ito's colours, which stay apart for every kind of colour vision, without the yellow, which is lost
/// on white.
const COLOURS: [Rgb; 8] = [
    Rgb(0, 114, 178),
    Rgb(213, 94, 0),
    Rgb(0, 158, 115),
    Rgb(204, 121, 167),
    Rgb(230, 159, 0),
    Rgb(86, 180, 233),
    Rgb(0, 0, 0),
    Rgb(127, 127, 127),
];

/// The most lines that can be told apart.
pub(super) const MOST_LINES: usize = COLOURS.len();

const PANEL: f64 = 190.0;
const GAP: f64 = 16.0;
/// Room for the numbers and the name of an axis, at least.
const AXIS: f64 = 54.0;
const SIZE: f64 = 10.0;
const LINE: f64 = 15.0;
/// Of names and notes.
const NAME: Pen = Pen::new(Face::Mono, SIZE, INK);
const NOTE: Pen = Pen::new(Face::Sans, SIZE - 0.5, GREY);
/// Lines that the name of a line or of an axis, and a note may take.
const MOST_NAME: usize = 4;
const MOST_AXIS: usize = 2;
const MOST_NOTE: usize = 8;
/// A picture narrower than this has its legend from edge to edge, and not below the panels alone.
const NARROW: f64 = 450.0;
/// Names of axes, and from one line of such a name to the next.
const AXIS_NAME: Pen = Pen::new(Face::Sans, SIZE, INK);
const AXIS_LINE: f64 = 12.0;
/// White at both ends of the layers' axis, so that no point stands on the frame.
const INSET: f64 = 8.0;
/// How much of what is below it a band hides.
const BAND: f64 = 0.22;
/// Points that are marked one by one; of more, some are.
const MARKED: usize = 40;

impl Chart {
    pub(super) fn draw(&self) -> Result<Picture, PictureError> {
        let top = self.head.bottom(0) + 4.0;
        let panels = self.panels.len() as f64 * (PANEL + GAP);
        let (rows, notes) = (self.legend_rows(), self.notes());
        let legend = top + panels + 2.0 * LINE + 4.0;
        let below = rows.iter().map(|row| self.row_lines(row)).sum::<usize>() + notes.len();
        let height = legend + below as f64 * LINE + MARGIN;
        page((self.width, height), self.head.title(), |canvas| {
            self.head.draw(canvas, None);
            for (i, panel) in self.panels.iter().enumerate() {
                let (x, y) = (MARGIN + self.axis(), top + i as f64 * (PANEL + GAP));
                let frame = Frame { x, y, width: self.plot(), height: PANEL };
                self.draw_panel(canvas, panel, frame, i + 1 == self.panels.len());
            }
            self.draw_legend(canvas, (&rows, &notes), legend);
        })
    }

    fn draw_panel(&self, canvas: &mut Canvas<'_>, panel: &Panel, frame: Frame, is_last: bool) {
        let small = Pen::new(Face::Sans, SIZE - 1.0, GREY);
        for tick in panel.ticks() {
            let y = panel.y(tick, frame);
            canvas.line(&[(frame.x, y), (frame.right(), y)], FAINT, 0.8);
            canvas.text(&self.fonts.words(&short(tick)), (frame.x - 6.0, y), small.to_the_left());
        }
        for (layer, name) in self.layer_ticks() {
            let x = self.x(layer, frame);
            canvas.line(&[(x, frame.y), (x, frame.bottom())], FAINT, 0.8);
            canvas.line(&[(x, frame.bottom()), (x, frame.bottom() + 3.5)], GREY, 0.8);
            if is_last {
                canvas.text(&self.fonts.words(&name), (x, frame.bottom() + 11.0), small.centred());
            }
        }
        if let Some(decided) = self.decided {
            let x = self.x(f64::from(decided), frame);
            canvas.line(&[(x, frame.y), (x, frame.bottom())], GREY, 1.4);
        }
        for (line, bands) in panel.bands.iter().enumerate() {
            self.draw_band(canvas, panel, frame, (line, bands));
        }
        if let Some(level) = panel.level {
            let y = panel.y(level, frame);
            canvas.line(&[(frame.x, y), (frame.right(), y)], GREY, 1.4);
        }
        for (line, values) in panel.values.iter().enumerate() {
            self.draw_line(canvas, panel, frame, (line, values));
        }
        let (x, y) = (frame.x, frame.y);
        let border =
            [(x, y), (frame.right(), y), (frame.right(), frame.bottom()), (x, frame.bottom()), (x, y)];
        canvas.line(&border, GREY, 0.8);
        let upright = Pen { upright: true, ..AXIS_NAME.centred() };
        for (i, line) in self.axis_name(panel).iter().enumerate() {
            canvas.text(line, (MARGIN + 6.0 + AXIS_LINE * i as f64, frame.middle().1), upright);
        }
        if is_last {
            let pen = Pen::new(Face::Sans, SIZE, INK).centred();
            canvas.text(&self.fonts.words("layer"), (frame.middle().0, frame.bottom() + 25.0), pen);
        }
    }

    /// The intervals of a line's values, as an area through which the other lines can be seen.
    fn draw_band(
        &self,
        canvas: &mut Canvas<'_>,
        panel: &Panel,
        frame: Frame,
        (line, bands): (usize, &[Option<(f64, f64)>]),
    ) {
        let colour = COLOURS[line % COLOURS.len()];
        let place = |(place, band): (&Option<u16>, &Option<(f64, f64)>)| {
            let (low, high) = band.filter(|(low, high)| low.is_finite() && high.is_finite())?;
            let x = self.x(self.number(*place), frame);
            Some([(x, panel.y(high, frame)), (x, panel.y(low, frame))])
        };
        let ends: Vec<Option<[(f64, f64); 2]>> = self.places.iter().zip(bands).map(place).collect();
        for run in ends.split(Option::is_none) {
            let ends: Vec<[(f64, f64); 2]> = run.iter().copied().flatten().collect();
            if let [alone] = ends.as_slice() {
                canvas.line(alone, colour, 1.2);
                continue;
            }
            let above = ends.iter().map(|[high, _]| *high);
            let below = ends.iter().rev().map(|[_, low]| *low);
            canvas.veil(&above.chain(below).collect::<Vec<_>>(), colour, BAND);
        }
    }

    fn draw_line(
        &self,
        canvas: &mut Canvas<'_>,
        panel: &Panel,
        frame: Frame,
        (line, values): (usize, &[Option<f64>]),
    ) {
        let colour = COLOURS[line % COLOURS.len()];
        let place = |(place, value): (&Option<u16>, &Option<f64>)| {
            let value = value.filter(|value| value.is_finite())?;
            Some((self.x(self.number(*place), frame), panel.y(value, frame)))
        };
        let points: Vec<Option<(f64, f64)>> = self.places.iter().zip(values).map(place).collect();
        for run in points.split(Option::is_none) {
            let run: Vec<(f64, f64)> = run.iter().copied().flatten().collect();
            if run.len() > 1 {
                canvas.line(&run, colour, 1.6);
            }
        }
        let every = points.len().div_ceil(MARKED).max(1);
        let alone =
            |i: usize| (i == 0 || points[i - 1].is_none()) && points.get(i + 1).copied().flatten().is_none();
        for (i, point) in points.iter().enumerate() {
            if let Some(point) = point.filter(|_| i % every == 0 || i + 1 == points.len() || alone(i)) {
                marker(canvas, line, point);
            }
        }
    }

    /// Layers that have a number under the axis.
    fn layer_ticks(&self) -> Vec<(f64, String)> {
        let embed = self.places.contains(&None).then(|| (self.number(None), "embed".to_owned()));
        let layers: Vec<f64> = self.places.iter().flatten().map(|layer| f64::from(*layer)).collect();
        let (Some(first), Some(last)) = (layers.first().copied(), layers.last().copied()) else {
            return embed.into_iter().collect();
        };
        let wanted = ((self.plot() / 42.0) as usize).clamp(2, 24);
        let mut ticks = linear_ticks(first, last, wanted);
        ticks.retain(|tick| tick.fract() == 0.0);
        let crowded = |tick: &f64| last - *tick > 0.0 && (last - *tick) * 24.0 < (last - first);
        // The first and the last layer are what a reader looks for.
        ticks.retain(|tick| !crowded(tick));
        if ticks.last().is_none_or(|tick| *tick < last) {
            ticks.push(last);
        }
        let clear = |tick: &f64| embed.is_none() || self.spacing() * (*tick - first + 1.0) > 34.0;
        let named = ticks.into_iter().filter(clear).map(|tick| (tick, short(tick)));
        embed.clone().into_iter().chain(named).collect()
    }

    /// Pixels from one layer to the next.
    fn spacing(&self) -> f64 {
        let (low, high) = self.span();
        (self.plot() - 2.0 * INSET) / (high - low).max(1.0)
    }

    /// Where a place stands on the axis of layers.
    fn number(&self, place: Option<u16>) -> f64 {
        let first = self.places.iter().flatten().next().copied().unwrap_or(0);
        place.map_or(f64::from(first) - 1.0, f64::from)
    }

    fn span(&self) -> (f64, f64) {
        let low = self.places.first().map_or(0.0, |place| self.number(*place));
        let high = self.places.last().map_or(0.0, |place| self.number(*place));
        if low < high { (low, high) } else { (low - 0.5, low + 0.5) }
    }

    fn x(&self, layer: f64, frame: Frame) -> f64 {
        let (low, high) = self.span();
        let share = ((layer - low) / (high - low)).clamp(0.0, 1.0);
        frame.x + INSET + share * (frame.width - 2.0 * INSET)
    }

    /// The name of a panel's axis in lines.
    fn axis_name(&self, panel: &Panel) -> Vec<Shown> {
        lines(&self.fonts.words(&panel.name), PANEL, AXIS_NAME.face, AXIS_NAME.size, MOST_AXIS)
    }

    /// Pixels for the numbers and the names of the axes.
    fn axis(&self) -> f64 {
        let of = |panel: &Panel| {
            let width = |tick: &f64| self.fonts.words(&short(*tick)).width(Face::Sans, SIZE - 1.0);
            let numbers = panel.ticks().iter().map(width).fold(0.0, f64::max);
            numbers + AXIS_LINE * self.axis_name(panel).len() as f64 + 8.0
        };
        self.panels.iter().map(of).fold(AXIS, f64::max)
    }

    /// Pixels that panels are wide.
    fn plot(&self) -> f64 {
        self.width - 2.0 * MARGIN - self.axis()
    }

    /// The left edge of the legend.
    fn legend_left(&self) -> f64 {
        if self.width < NARROW { MARGIN } else { MARGIN + self.axis() }
    }

    /// The lines on each row of the legend, with the place where each begins.
    fn legend_rows(&self) -> Vec<LegendRow> {
        let mut rows: Vec<Vec<(usize, f64)>> = Vec::new();
        let mut x = f64::INFINITY;
        for line in 0..self.lines.len() {
            let widths = self.legend_name(line).into_iter().map(|name| name.width(NAME.face, NAME.size));
            let needed = SAMPLE + widths.fold(0.0, f64::max) + 18.0;
            if x + needed > self.width - MARGIN {
                rows.push(Vec::new());
                x = self.legend_left();
            }
            if let Some(row) = rows.last_mut() {
                row.push((line, x));
            }
            x += needed;
        }
        rows
    }

    /// How many lines of text a row of the legend takes.
    fn row_lines(&self, row: &[(usize, f64)]) -> usize {
        row.iter().map(|(line, _)| self.legend_name(*line).len()).max().unwrap_or(0)
    }

    /// The name of a line in the legend, in lines.
    fn legend_name(&self, line: usize) -> Vec<Shown> {
        let room = self.width - MARGIN - self.legend_left() - SAMPLE;
        lines(&self.lines[line], room, NAME.face, NAME.size, MOST_NAME)
    }

    /// The notes in lines.
    fn notes(&self) -> Vec<Shown> {
        let room = self.width - MARGIN - self.legend_left();
        let broken = |note: &String| lines(&self.fonts.words(note), room, NOTE.face, NOTE.size, MOST_NOTE);
        self.notes.iter().flat_map(broken).collect()
    }

    fn draw_legend(&self, canvas: &mut Canvas<'_>, (rows, notes): (&[LegendRow], &[Shown]), top: f64) {
        let mut y = top + LINE / 2.0;
        for row in rows {
            for (line, x) in row {
                let sample = [(*x, y), (x + SAMPLE - 6.0, y)];
                canvas.line(&sample, COLOURS[line % COLOURS.len()], 1.6);
                marker(canvas, *line, (x + (SAMPLE - 6.0) / 2.0, y));
                for (i, name) in self.legend_name(*line).iter().enumerate() {
                    canvas.text(name, (x + SAMPLE, y + LINE * i as f64), NAME);
                }
            }
            y += LINE * self.row_lines(row) as f64;
        }
        for note in notes {
            canvas.text(note, (self.legend_left(), y), NOTE);
            y += LINE;
        }
    }
}

/// The lines named in a row of the legend, each with where its name begins from the left.
type LegendRow = Vec<(usize, f64)>;

/// Length of the piece of line in the legend.
const SAMPLE: f64 = 30.0;

impl Panel {
    fn y(&self, value: f64, frame: Frame) -> f64 {
        let of = |value: f64| if self.logarithmic { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let (low, high) = (of(self.range.0), of(self.range.1));
        let share = ((of(value) - low) / (high - low)).clamp(0.0, 1.0);
        let share = if self.downwards { share } else { 1.0 - share };
        frame.y + PAD + share * (frame.height - 2.0 * PAD)
    }

    fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.range;
        if self.logarithmic { decades(low, high) } else { linear_ticks(low, high, 6) }
    }
}

/// White above the highest and below the lowest value.
const PAD: f64 = 5.0;

/// The sign of a line, which tells it from others without any colour.
fn marker(canvas: &mut Canvas<'_>, line: usize, (x, y): (f64, f64)) {
    let colour = COLOURS[line % COLOURS.len()];
    let r = 3.0;
    match line % 4 {
        0 => canvas.dot((x, y), r, colour),
        1 => canvas.rect(Frame { x: x - 2.6, y: y - 2.6, width: 5.2, height: 5.2 }, colour),
        2 => canvas.polygon(&[(x, y - 3.6), (x + 3.4, y + 2.6), (x - 3.4, y + 2.6)], colour),
        _ => canvas.polygon(&[(x, y - 3.8), (x + 3.8, y), (x, y + 3.8), (x - 3.8, y)], colour),
    }
    if line % 8 >= 4 {
        canvas.dot((x, y), 1.3, Rgb::WHITE);
    }
}
