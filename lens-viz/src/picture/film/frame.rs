//! One picture of a film.

use std::ops::Range;

use lens_core::StepTrace;

use super::{
    super::{
        Picture, PictureError,
        canvas::{Canvas, Frame, GREY, INK, NOTHING, Pen, page},
        echo::{ECHO, is_echo},
        fonts::Face,
        head::{MARGIN, model_facts, self_check},
        heatmap::Row,
        ink::Ink,
        legend::Legend,
        lines::lines,
        step::rows,
        text::{Names, Shown, TokenLabel},
    },
    Area, Film,
};
use crate::{
    context::{in_sequence, running},
    digits::percent,
    measure::Measure,
    ramp::Rgb,
    source::{Place, VIRTUAL},
};

const TITLE: f64 = 15.0;
const FACTS: f64 = 10.5;
const FACT: f64 = 15.0;
/// Lines that the title or a fact may take.
const MOST_LINES: usize = 8;
const NAMES: f64 = 11.0;
const TOKEN: f64 = 12.0;
const TEXT: f64 = 13.0;
const NUMBER: f64 = 9.0;
/// Height of a row of cells: the most, and the least.
const ROW: (f64, f64) = (19.0, 15.5);
/// Height that all rows have together before they are made lower.
const BODY: f64 = 380.0;
const SEAM: f64 = 1.0;
/// The narrowest column.
const COLUMN: f64 = 92.0;
/// Lines of what was written that are seen.
const LINES: usize = 2;
const LINE: f64 = 19.0;
/// From the left edge to the text beside its name.
const BESIDE: f64 = 60.0;

/// Where everything stands in the pictures of a film: the same in each.
pub(super) struct Stage<'a> {
    film: &'a Film<'a>,
    rows: Vec<Row>,
    names: Names<'a>,
    whole_title: Shown,
    /// The title in lines, and so facts.
    title: Vec<Shown>,
    facts: Vec<(Shown, Rgb)>,
    prompt: Shown,
    width: f64,
    height: f64,
    /// Left edge of the cells.
    left: f64,
    /// Top edge of the cells.
    top: f64,
    /// Height of a row, and width of a column, with their seams.
    row: f64,
    column: f64,
    columns: usize,
    legend: Legend,
}

impl<'a> Stage<'a> {
    pub(super) fn new(film: &'a Film<'a>, width: f64) -> Self {
        let (trace, fonts) = (film.source.trace, film.options.fonts);
        let rows = rows(&film.source, &film.places, None, fonts);
        let tops = film.steps.iter().flat_map(|step| {
            film.places.iter().filter_map(|place| film.source.at(step.position, *place)?.top.first())
        });
        let names = Names::new(fonts, tops);
        let widest = |name: fn(&Row) -> &Shown| {
            rows.iter().map(|row| name(row).width(Face::Sans, NAMES)).fold(0.0, f64::max)
        };
        let (groups, parts) = (widest(|row| &row.group), widest(|row| &row.name));
        let between = if parts > 0.0 { 8.0 } else { 0.0 };
        let left = (MARGIN + 16.0 + groups + between + parts + 6.0).max(MARGIN + BESIDE);
        let room = width - left - MARGIN;
        let columns = ((room / COLUMN).floor() as usize).clamp(1, film.steps.len());
        // Few tokens do not make wide columns.
        let column = (room / columns as f64).floor().min(1.6 * COLUMN);
        let row = (BODY / rows.len() as f64).floor().clamp(ROW.1, ROW.0);
        let title = film.options.title.as_deref().unwrap_or("How each token was formed");
        let title = fonts.words(title);
        let mut stage = Self {
            film,
            names,
            title: lines(&title, width - 2.0 * MARGIN, Face::Bold, TITLE, MOST_LINES),
            whole_title: title,
            facts: facts(film, width),
            prompt: fonts.words(&running(trace.tokens.iter().filter(|token| !token.generated))),
            width,
            height: 0.0,
            left,
            top: 0.0,
            row,
            column,
            columns,
            legend: Legend { scale: film.scale.clone(), notes: notes(film, &rows) },
            rows,
        };
        stage.top = stage.text_top() + (1 + LINES) as f64 * LINE + 8.0 + 16.0;
        stage.height = (stage.legend_top() + stage.legend.height(fonts, width)).ceil();
        stage
    }

    /// Columns of a page.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// That a GIF can have this many pixels, and memory too.
    pub(super) fn check(&self, times: f32) -> Result<(), PictureError> {
        let side = |length: f64| length * f64::from(times);
        let (width, height) = (self.width, self.height);
        // Written so that NaN is refused too.
        let fits = side(width.max(height)) <= LONGEST && side(width) * side(height) <= MOST_PIXELS;
        if side(width.min(height)) >= 1.0 && fits {
            return Ok(());
        }
        Err(PictureError::Film { scale: times, width, height, longest: LONGEST, most: MOST_PIXELS / 1e6 })
    }

    /// The areas of a column's cells in so many parts, from the first layer to the last, with the number above it.
    pub(super) fn parts(&self, column: usize, parts: usize, times: f32) -> Vec<Area> {
        let pixels = |length: f64| (length * f64::from(times)).round().max(0.0) as usize;
        let (x, n) = (self.x(column), self.rows.len());
        let (left, right) = (pixels(x), pixels(x + self.column));
        let at = |part: usize| pixels(self.top + self.row * (n * part / parts) as f64);
        (0..parts)
            .map(|part| {
                let top = if part == 0 { pixels(self.top - 16.0) } else { at(part) };
                Area { left, right, top, bottom: at(part + 1) }
            })
            .collect()
    }

    /// The picture with so many of the tokens in the text, and these in the columns.
    pub(super) fn draw(&self, written: usize, columns: Range<usize>) -> Result<Picture, PictureError> {
        page((self.width, self.height), &self.whole_title, |canvas| {
            self.draw_head(canvas);
            self.draw_text(canvas, written);
            self.draw_rows(canvas);
            for step in columns.clone() {
                self.draw_column(canvas, step, step - columns.start);
            }
            self.legend.draw(canvas, self.film.options.fonts, self.legend_top(), self.width);
        })
    }

    fn facts_top(&self) -> f64 {
        MARGIN + 22.0 + LINE * (self.title.len() - 1) as f64
    }

    fn text_top(&self) -> f64 {
        self.facts_top() + self.facts.len() as f64 * FACT + 8.0
    }

    fn legend_top(&self) -> f64 {
        self.top + self.row * self.rows.len() as f64 + 30.0
    }

    fn x(&self, column: usize) -> f64 {
        self.left + self.column * column as f64
    }

    fn draw_head(&self, canvas: &mut Canvas<'_>) {
        for (i, line) in self.title.iter().enumerate() {
            canvas.text(line, (MARGIN, MARGIN + 7.0 + LINE * i as f64), Pen::new(Face::Bold, TITLE, INK));
        }
        for (i, (fact, colour)) in self.facts.iter().enumerate() {
            let y = self.facts_top() + FACT * (i as f64 + 0.4);
            canvas.text(fact, (MARGIN, y), Pen::new(Face::Sans, FACTS, *colour));
        }
    }

    /// The prompt, and what was written after it: the end of each, where there is not room for all.
    fn draw_text(&self, canvas: &mut Canvas<'_>, written: usize) {
        let fonts = self.film.options.fonts;
        let room = self.width - 2.0 * MARGIN - BESIDE;
        let name = Pen::new(Face::Sans, NAMES, GREY);
        let mut y = self.text_top() + LINE / 2.0;
        canvas.text(&fonts.words("prompt"), (MARGIN, y), name);
        let prompt = self.prompt.end(room, Face::Sans, TEXT);
        canvas.text(&prompt, (MARGIN + BESIDE, y), Pen::new(Face::Sans, TEXT, GREY));
        y += LINE;
        canvas.text(&fonts.words("written"), (MARGIN, y), name);
        let steps = &self.film.steps[..written];
        let tokens = steps.iter().filter_map(|step| self.film.source.next_token(step.position));
        let lines = lines(&fonts.words(&running(tokens)), room, Face::Sans, TEXT, usize::MAX);
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            canvas.text(line, (MARGIN + BESIDE, y), Pen::new(Face::Sans, TEXT, INK));
            y += LINE;
        }
    }

    fn draw_rows(&self, canvas: &mut Canvas<'_>) {
        let fonts = self.film.options.fonts;
        let body = self.row * self.rows.len() as f64;
        let has_names = self.rows.iter().any(|row| !row.name.as_str().is_empty());
        let size = NAMES.min(self.row * 0.72);
        let groups = self.rows.iter().map(|row| row.group.width(Face::Sans, size)).fold(0.0, f64::max);
        for (i, row) in self.rows.iter().enumerate() {
            let y = self.top + self.row * (i as f64 + 0.5) - SEAM / 2.0;
            let pen = Pen::new(Face::Sans, size, INK).to_the_left();
            canvas.text(&row.name, (self.left - 6.0, y), pen.coloured(GREY));
            if i == 0 || self.rows[i - 1].group != row.group {
                let x = if has_names { MARGIN + 16.0 + groups } else { self.left - 6.0 };
                canvas.text(&row.group, (x, y), pen);
            }
        }
        let along = Pen { upright: true, ..Pen::new(Face::Sans, NAMES - 1.0, GREY).centred() };
        canvas.text(&fonts.words("layer"), (MARGIN / 2.0 + 2.0, self.top + body / 2.0), along);
        let beside = Pen::new(Face::Sans, NAMES - 1.0, GREY).to_the_left();
        canvas.text(&fonts.words("token"), (self.left - 6.0, self.top - 8.0), beside);
        canvas.text(&fonts.words("written"), (self.left - 6.0, self.top + body + 11.0), beside);
        for column in 0..self.columns {
            for i in 0..self.rows.len() {
                canvas.rect(self.cell(column, i), NOTHING);
            }
        }
    }

    fn cell(&self, column: usize, row: usize) -> Frame {
        Frame {
            x: self.x(column),
            y: self.top + self.row * row as f64,
            width: self.column - SEAM,
            height: self.row - SEAM,
        }
    }

    fn draw_column(&self, canvas: &mut Canvas<'_>, number: usize, column: usize) {
        let (film, fonts) = (self.film, self.film.options.fonts);
        let step = film.steps[number];
        let middle = self.x(column) + (self.column - SEAM) / 2.0;
        let name = fonts.words(&step.step.to_string());
        canvas.text(&name, (middle, self.top - 8.0), Pen::new(Face::Sans, NAMES - 1.0, GREY).centred());
        for (row, place) in film.places.iter().enumerate() {
            let Some(readout) = film.source.at(step.position, *place) else { continue };
            let top = readout.top.first();
            let colour = Measure::Probability.value(readout).map(|value| film.scale.colour(value));
            let trusted = self.rows[row].trusted;
            let echoes = trusted && is_echo(&film.source, top, step.position);
            let ink = Ink::new(colour, trusted, echoes);
            let frame = self.cell(column, row);
            canvas.rect(frame, ink.ground);
            let label = top.map_or_else(TokenLabel::none, |token| self.names.label(token));
            let (mut left, mut right) = (frame.x + 11.0, frame.right() - 4.0);
            if top.is_some_and(|top| top.id == step.token.id) {
                let pen = Pen::new(Face::Mono, TOKEN, ink.sign);
                canvas.text(&fonts.words("*"), (frame.x + 2.0, frame.middle().1), pen);
            }
            if let Some(top) = top.filter(|top| top.prob >= 0.000_5) {
                let number = fonts.words(&percent(top.prob, false));
                let pen = Pen::new(Face::Sans, NUMBER, ink.number).to_the_left();
                canvas.text(&number, (right, frame.middle().1), pen);
                right -= number.width(Face::Sans, NUMBER) + 3.0;
            }
            left = left.min(right);
            let (text, size) = label.fit(right - left, TOKEN.min(self.row * 0.72));
            let pen = Pen { slanted: echoes, ..Pen::new(Face::Mono, size, ink.token) };
            canvas.text(&text, (left, frame.middle().1), pen);
        }
        self.draw_written(canvas, step.position + 1, middle);
    }

    /// The token that was written, below its column.
    fn draw_written(&self, canvas: &mut Canvas<'_>, position: usize, middle: f64) {
        let Some(text) = in_sequence(&self.film.source.trace.tokens, position) else { return };
        let (text, size) = self.film.options.fonts.token(&text).fit(self.column - 6.0, TOKEN);
        let y = self.top + self.row * self.rows.len() as f64 + 11.0;
        canvas.text(&text, (middle, y), Pen::new(Face::Mono, size, INK).centred());
    }
}

/// The longest side of a film and the most pixels of its picture: what is seen on a screen. While it is drawn some 64 bytes
/// are in memory for each pixel, so at most about 256 MB.
const LONGEST: f64 = 4000.0;
const MOST_PIXELS: f64 = 4e6;

/// What is said of the run, as many facts on a line as fit.
fn facts(film: &Film<'_>, width: f64) -> Vec<(Shown, Rgb)> {
    let trace = film.source.trace;
    let lens = [format!("{} lens", trace.lens.kind), format!("norm {}", trace.lens.norm.name())];
    let changed =
        (!trace.interventions.is_empty()).then(|| format!("changed at {} places", trace.interventions.len()));
    let all = model_facts(trace).into_iter().filter(|fact| !fact.is_empty()).chain(lens).chain(changed);
    let room = width - 2.0 * MARGIN;
    let mut flow = vec![String::new()];
    for fact in all {
        let line = flow.last().filter(|line| !line.is_empty());
        let longer = line.map_or(fact.clone(), |line| format!("{line} · {fact}"));
        let fits = film.options.fonts.words(&longer).width(Face::Sans, FACTS) <= room;
        match flow.last_mut() {
            Some(line) if fits || line.is_empty() => *line = longer,
            _ => flow.push(fact),
        }
    }
    let said = flow.iter().map(|line| (line.as_str(), GREY)).chain(self_check(trace));
    let broken = |(says, colour): (&str, Rgb)| {
        let lines = lines(&film.options.fonts.words(says), room, Face::Sans, FACTS, MOST_LINES);
        lines.into_iter().map(move |line| (line, colour))
    };
    said.flat_map(broken).collect()
}

/// What the signs mean.
fn notes(film: &Film<'_>, rows: &[Row]) -> Vec<String> {
    let mut notes = vec!["in cells: the top-1 token (· is a space) and its probability, %".to_owned()];
    notes.push("* it is the token that was written".to_owned());
    let echoes = |step: &&StepTrace| {
        let top = |place: &Place| film.source.at(step.position, *place)?.top.first();
        film.places.iter().any(|place| is_echo(&film.source, top(place), step.position))
    };
    notes.extend(film.steps.iter().any(echoes).then(|| ECHO.to_owned()));
    if film.stride > 1 {
        notes.push(format!("one row in {} is shown, and the last", film.stride));
    }
    let trust = film.source.note_on_trust(&film.places);
    let is_virtual = rows.iter().any(|row| row.name.as_str().ends_with('†'));
    notes.extend(is_virtual.then(|| VIRTUAL.to_owned()).into_iter().chain(trust));
    notes
}
