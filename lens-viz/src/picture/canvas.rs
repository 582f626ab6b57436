//! Drawing in pixels, on plotters' SVG backend.
//!
//! plotters counts in whole units, so a pixel is ten of them: hairlines and curves need the tenths.

use std::{borrow::Cow, collections::BTreeSet, io};

use plotters::{
    coord::Shift,
    element::{Circle, PathElement, Polygon, Rectangle},
    prelude::{
        DrawingArea, DrawingAreaErrorKind, FontFamily, FontStyle, IntoDrawingArea, IntoTextStyle, RGBColor,
        SVGBackend, ShapeStyle,
    },
    style::{
        Color, FontTransform, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{Picture, PictureError, fonts::Face, text::Shown};
use crate::ramp::Rgb;

/// Units of plotters in a pixel.
const UNITS: f64 = 10.0;

/// Ordinary text.
pub(super) const INK: Rgb = Rgb(26, 26, 26);
/// Names of axes and what matters less.
pub(super) const GREY: Rgb = Rgb(96, 96, 96);
/// Grid lines, frames.
pub(super) const FAINT: Rgb = Rgb(226, 226, 226);
/// A cell without a value.
pub(super) const NOTHING: Rgb = Rgb(242, 242, 242);
/// The colour of warnings.
pub(super) const ALARM: Rgb = Rgb(176, 0, 32);

/// Face, size, colour and anchor of a text.
#[derive(Clone, Copy)]
pub(super) struct Pen {
    pub(super) face: Face,
    /// Pixels.
    pub(super) size: f64,
    pub(super) colour: Rgb,
    pub(super) anchor: HPos,
    /// Bottom to top.
    pub(super) upright: bool,
    /// In italics.
    pub(super) slanted: bool,
}

impl Pen {
    pub(super) const fn new(face: Face, size: f64, colour: Rgb) -> Self {
        Self { face, size, colour, anchor: HPos::Left, upright: false, slanted: false }
    }

    pub(super) const fn centred(self) -> Self {
        Self { anchor: HPos::Center, ..self }
    }

    pub(super) const fn to_the_left(self) -> Self {
        Self { anchor: HPos::Right, ..self }
    }

    pub(super) const fn sized(self, size: f64) -> Self {
        Self { size, ..self }
    }

    pub(super) const fn coloured(self, colour: Rgb) -> Self {
        Self { colour, ..self }
    }
}

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Frame {
    pub(super) fn right(self) -> f64 {
        self.x + self.width
    }

    pub(super) fn bottom(self) -> f64 {
        self.y + self.height
    }

    pub(super) fn middle(self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure = DrawingAreaErrorKind<io::Error>;

/// A white page. The first failure is kept and told at the end.
pub(super) struct Canvas<'a> {
    area: Area<'a>,
    failed: Option<Failure>,
    /// The characters of its texts that no font has.
    missing: BTreeSet<char>,
}

fn units(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

fn rgb(colour: Rgb) -> RGBColor {
    RGBColor(colour.0, colour.1, colour.2)
}

/// A stroke of so many pixels.
fn stroke(colour: Rgb, width: f64) -> ShapeStyle {
    rgb(colour).stroke_width((width * UNITS).round() as u32)
}

impl<'a> Canvas<'a> {
    fn new(svg: &'a mut String, width: f64, height: f64) -> Self {
        let size = (units(width).unsigned_abs(), units(height).unsigned_abs());
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        let mut canvas = Self { area, failed: None, missing: BTreeSet::new() };
        canvas.rect(Frame { x: 0.0, y: 0.0, width, height }, Rgb::WHITE);
        canvas
    }

    fn note(&mut self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.failed.get_or_insert(failure);
        }
    }

    pub(super) fn rect(&mut self, frame: Frame, fill: Rgb) {
        let corners = [(units(frame.x), units(frame.y)), (units(frame.right()), units(frame.bottom()))];
        let result = self.area.draw(&Rectangle::new(corners, rgb(fill).filled()));
        self.note(result);
    }

    pub(super) fn line(&mut self, points: &[(f64, f64)], colour: Rgb, width: f64) {
        let points: Vec<(i32, i32)> = points.iter().map(|(x, y)| (units(*x), units(*y))).collect();
        let result = self.area.draw(&PathElement::new(points, stroke(colour, width)));
        self.note(result);
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), radius: f64, fill: Rgb) {
        let result = self.area.draw(&Circle::new((units(x), units(y)), units(radius), rgb(fill).filled()));
        self.note(result);
    }

    pub(super) fn polygon(&mut self, points: &[(f64, f64)], fill: Rgb) {
        let points: Vec<(i32, i32)> = points.iter().map(|(x, y)| (units(*x), units(*y))).collect();
        let result = self.area.draw(&Polygon::new(points, rgb(fill).filled()));
        self.note(result);
    }

    /// An area through which what is below it can be seen: it hides a share of that.
    pub(super) fn veil(&mut self, points: &[(f64, f64)], fill: Rgb, hides: f64) {
        if points.is_empty() {
            return;
        }
        let points: Vec<(i32, i32)> = points.iter().map(|(x, y)| (units(*x), units(*y))).collect();
        let result = self.area.draw(&Polygon::new(points, rgb(fill).mix(hides).filled()));
        self.note(result);
    }

    /// Writes a line of text; `y` is where the middle of its small letters stands.
    pub(super) fn text(&mut self, text: &Shown, (x, y): (f64, f64), pen: Pen) {
        if text.as_str().is_empty() {
            return;
        }
        self.missing.extend(text.missing());
        let font_style = match pen.face {
            Face::Bold => FontStyle::Bold,
            _ if pen.slanted => FontStyle::Italic,
            _ => FontStyle::Normal,
        };
        let family = FontFamily::Name(pen.face.families());
        let transform = if pen.upright { FontTransform::Rotate270 } else { FontTransform::None };
        let colour = rgb(pen.colour);
        let style: TextStyle<'_> = (family, points(pen.size), font_style, &colour)
            .into_text_style(&self.area)
            .transform(transform)
            .pos(Pos::new(pen.anchor, VPos::Center));
        let result = self.area.draw_text(text.as_str(), &style, (units(x), units(y)));
        self.note(result);
    }

    /// Ends the page and says what no font has of it.
    fn finish(self) -> Result<Vec<char>, PictureError> {
        let result = self.area.present();
        match self.failed.or(result.err()) {
            None => Ok(self.missing.into_iter().collect()),
            Some(failure) => Err(PictureError::Draw { message: failure.to_string() }),
        }
    }
}

/// What plotters must be told for a font size of so many pixels: it divides by 1.24, and the quotient is to be
/// the short number that was meant.
fn points(size: f64) -> f64 {
    let wanted = (size * UNITS * 10.0).round() / 10.0;
    let guess = wanted * 1.24;
    let exact = |guess: &f64| guess / 1.24 == wanted;
    [guess, guess.next_up(), guess.next_down()].into_iter().find(exact).unwrap_or(guess)
}

/// A picture of one page, `width` by `height` pixels.
pub(super) fn page(
    (width, height): (f64, f64),
    title: &Shown,
    draw: impl FnOnce(&mut Canvas<'_>),
) -> Result<Picture, PictureError> {
    let mut raw = String::new();
    let mut canvas = Canvas::new(&mut raw, width, height);
    draw(&mut canvas);
    let missing = canvas.finish()?;
    let svg = tidy(&raw, width, height, title);
    Ok(Picture { title: title.as_str().to_owned(), page: 1, pages: 1, width, height, svg, missing })
}

/// plotters' SVG with its size in pixels, a title, and without what goes without saying. Every element of it is
/// on a line of its own, and no text in it begins with `<` or holds a quotation mark: those are escaped.
fn tidy(raw: &str, width: f64, height: f64, title: &Shown) -> String {
    let mono = format!(" font-family=\"{}\"", Face::Mono.families());
    let mut svg = String::with_capacity(raw.len());
    let mut in_text = false;
    for line in raw.lines() {
        if line.starts_with("<svg") {
            let opening = opening((width, height), (units(width), units(height)));
            svg.push_str(&format!(
                "{opening} role=\"img\"{mono}>\n<title>{}</title>\n",
                escape(title.as_str())
            ));
            continue;
        }
        in_text |= line.starts_with("<text");
        if line.starts_with('<') {
            let line = slanted(line);
            let short = line.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "").replace(&mono, "");
            svg.push_str(&short);
        } else {
            svg.push_str(line);
        }
        in_text &= !line.starts_with("</text");
        if !in_text {
            svg.push('\n');
        }
    }
    svg
}

/// A text in italics, as plotters writes it, slanted where it stands: few fonts have italics of every script, and the
/// embedded ones none.
fn slanted(line: &str) -> Cow<'_, str> {
    const ITALIC: &str = " font-style=\"italic\"";
    let place = line.strip_prefix("<text x=\"").and_then(|rest| {
        let (x, rest) = rest.split_once("\" y=\"")?;
        let (y, rest) = rest.split_once('"')?;
        rest.contains(ITALIC).then_some((x, y, rest))
    });
    let Some((x, y, rest)) = place else { return Cow::Borrowed(line) };
    let rest = rest.replacen(ITALIC, "", 1);
    Cow::Owned(format!("<text transform=\"translate({x},{y}) skewX({SLANT})\" x=\"0\" y=\"0\"{rest}"))
}

/// Degrees.
const SLANT: i32 = -14;

/// How an SVG of so many pixels begins, which shows so many units.
fn opening((width, height): (f64, f64), (across, down): (i32, i32)) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {across} {down}\""
    )
}

/// The page `factor` times as large, and white at the right up to this width.
pub(super) fn resized(page: Picture, (width, height): (f64, f64), factor: f64) -> Picture {
    let shown = (units(page.width), units(page.height));
    let Some(rest) = page.svg.strip_prefix(&opening((page.width, page.height), shown)) else { return page };
    let across = (units(width / factor)).max(shown.0);
    // Ten thousandths of a pixel are as good as exact.
    let [width, height] = [width, height].map(|length| (length * 1e4).round() / 1e4);
    let mut svg = opening((width, height), (across, shown.1)) + rest;
    let ground = |across: i32| format!("<rect x=\"0\" y=\"0\" width=\"{across}\" height=\"{}\"", shown.1);
    svg = svg.replacen(&ground(shown.0), &ground(across), 1);
    Picture { svg, width, height, ..page }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
