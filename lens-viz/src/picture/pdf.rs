//! From SVG to PDF: lines, areas and text in fonts that lie in the file.
//!
//! The tree is the one that pixels are drawn from, so both say the same. Text stays text, in glyphs of the same fonts: it
//! can be searched, marked and copied. Pictures have nothing but filled and stroked shapes, of some opacity, and text; what else
//! an SVG may have (gradients, masks, images) is refused rather than left out.

use std::{collections::HashMap, ops::Range};

use krilla::{
    Data, Document, SerializeSettings,
    color::rgb,
    geom::{Path, PathBuilder, Point, Transform},
    metadata::Metadata,
    num::NormalizedF32,
    page::PageSettings,
    paint::{Fill, FillRule, LineCap, LineJoin, Stroke, StrokeDash},
    surface::Surface,
    text::{Font, GlyphId, KrillaGlyph},
};
use resvg::{
    tiny_skia,
    usvg::{self, Node, fontdb},
};

use super::{Picture, PictureError, paper::LONGEST, runs};

/// Points in a pixel: 72 and 96 are an inch.
const POINTS: f32 = 0.75;

/// The pages as one PDF, each as large as it is meant to be printed.
///
/// Fonts are embedded with the glyphs that are used; colours are RGB as in the SVG. The same pages make the same bytes, with
/// the same fonts installed.
///
/// # Errors
/// When a page is not an SVG, has what a PDF is not drawn with here, or is larger than readers take.
pub fn pdf(pages: &[Picture]) -> Result<Vec<u8>, PictureError> {
    let mut document = Document::new_with(SerializeSettings { enable_tagging: false, ..Default::default() });
    let title = pages.first().map_or("", |page| &page.title);
    document.set_metadata(Metadata::new().title(title.to_owned()).creator("lens".to_owned()));
    for page in pages {
        let (svg, options) = runs::with_fonts(&page.svg);
        let tree = usvg::Tree::from_str(&svg, &options)
            .map_err(|source| PictureError::NoSvg { message: source.to_string() })?;
        let (width, height) = (tree.size().width(), tree.size().height());
        let settings = PageSettings::from_wh(width * POINTS, height * POINTS)
            .filter(|_| f64::from(width.max(height)) <= LONGEST);
        let settings = settings.ok_or(PictureError::Pdf {
            message: format!("a page of {width:.0} x {height:.0} pixels is larger than readers of PDF take"),
        })?;
        let mut sheet = document.start_page_with(settings);
        Painter { surface: sheet.surface(), fonts: HashMap::new(), tree: &tree }.page()?;
        sheet.finish();
    }
    document.finish().map_err(|source| PictureError::Pdf { message: source.to_string() })
}

/// What a page is painted with.
struct Painter<'a> {
    surface: Surface<'a>,
    fonts: HashMap<fontdb::ID, Option<Font>>,
    tree: &'a usvg::Tree,
}

fn unknown(what: &str) -> PictureError {
    PictureError::Pdf { message: format!("it has {what}, which is not drawn in a PDF") }
}

impl Painter<'_> {
    fn page(mut self) -> Result<(), PictureError> {
        self.surface.push_transform(&Transform::from_scale(POINTS, POINTS));
        let done = self.group(self.tree.root());
        // A surface is left as it was taken, whatever came of it.
        self.surface.pop();
        self.surface.finish();
        done
    }

    fn group(&mut self, group: &usvg::Group) -> Result<(), PictureError> {
        let is_plain = group.blend_mode() == usvg::BlendMode::Normal
            && group.clip_path().is_none()
            && group.mask().is_none()
            && group.filters().is_empty();
        if !is_plain {
            return Err(unknown("a group with effects"));
        }
        self.surface.push_transform(&transform(group.transform()));
        self.surface.push_opacity(opacity(group.opacity()));
        let done = group.children().iter().try_for_each(|node| match node {
            Node::Group(group) => self.group(group),
            Node::Path(path) => self.path(path),
            Node::Text(text) => self.text(text),
            Node::Image(_) => Err(unknown("an image")),
        });
        self.surface.pop();
        self.surface.pop();
        done
    }

    fn path(&mut self, path: &usvg::Path) -> Result<(), PictureError> {
        let fill = path.fill().map(fill).transpose()?;
        let stroke = path.stroke().map(stroke).transpose()?;
        // What has neither would be black.
        if !path.is_visible() || (fill.is_none() && stroke.is_none()) {
            return Ok(());
        }
        if let Some(outline) = outline(path.data()) {
            self.surface.set_fill(fill);
            self.surface.set_stroke(stroke);
            self.surface.draw_path(&outline);
        }
        Ok(())
    }

    fn text(&mut self, text: &usvg::Text) -> Result<(), PictureError> {
        for span in text.layouted().iter().filter(|span| span.visible) {
            self.surface.set_fill(span.fill.as_ref().map(fill).transpose()?);
            self.surface.set_stroke(span.stroke.as_ref().map(stroke).transpose()?);
            for run in runs_of(&span.positioned_glyphs) {
                self.run(&span.positioned_glyphs[run])?;
            }
        }
        Ok(())
    }

    /// Writes glyphs of one font on one line.
    fn run(&mut self, glyphs: &[usvg::layout::PositionedGlyph]) -> Result<(), PictureError> {
        let Some(first) = glyphs.first() else { return Ok(()) };
        let font = self.font(first.font)?;
        let (size, upem) = (first.font_size(), font.units_per_em());
        // usvg's transforms are those of outlines in units of the font: this one is that of the line alone.
        let place = first.transform().pre_scale(upem / size, upem / size);
        let Some(back) = place.invert() else { return Ok(()) };
        let places: Vec<tiny_skia::Point> = glyphs.iter().map(|glyph| origin(glyph, back)).collect();
        let mut text = String::new();
        let mut written = Vec::with_capacity(glyphs.len());
        for (i, glyph) in glyphs.iter().enumerate() {
            let start = text.len();
            text.push_str(&glyph.text);
            let here = places[i];
            let next = places.get(i + 1).copied().unwrap_or(here);
            written.push(KrillaGlyph::new(
                GlyphId::new(glyph.id.0),
                (next.x - here.x) / size,
                0.0,
                // Upwards, as fonts count.
                -here.y / size,
                0.0,
                start..text.len(),
                None,
            ));
        }
        self.surface.push_transform(&transform(place));
        self.surface.draw_glyphs(Point::from_xy(0.0, 0.0), &written, font, &text, size, false);
        self.surface.pop();
        Ok(())
    }

    fn font(&mut self, id: fontdb::ID) -> Result<Font, PictureError> {
        let database = self.tree.fontdb();
        let read = || {
            let data = database.with_face_data(id, |data, index| (data.to_vec(), index));
            data.and_then(|(data, index)| Font::new(Data::from(data), index))
        };
        let font = self.fonts.entry(id).or_insert_with(read).clone();
        font.ok_or_else(|| PictureError::Pdf { message: "a font of this machine cannot be read".to_owned() })
    }
}

/// Where a glyph stands on the line of its run.
fn origin(glyph: &usvg::layout::PositionedGlyph, back: usvg::Transform) -> tiny_skia::Point {
    let place = glyph.transform();
    let mut point = tiny_skia::Point::from_xy(place.tx, place.ty);
    back.map_point(&mut point);
    point
}

/// Neighbours that have one font, size and direction.
fn runs_of(glyphs: &[usvg::layout::PositionedGlyph]) -> Vec<Range<usize>> {
    let same = |one: &usvg::layout::PositionedGlyph, other: &usvg::layout::PositionedGlyph| {
        let (a, b) = (one.transform(), other.transform());
        one.font == other.font && (a.sx, a.kx, a.ky, a.sy) == (b.sx, b.kx, b.ky, b.sy)
    };
    let mut start = 0;
    let chunk = |run: &[usvg::layout::PositionedGlyph]| {
        let range = start..start + run.len();
        start = range.end;
        range
    };
    glyphs.chunk_by(same).map(chunk).collect()
}

fn transform(it: usvg::Transform) -> Transform {
    Transform::from_row(it.sx, it.ky, it.kx, it.sy, it.tx, it.ty)
}

fn outline(data: &tiny_skia::Path) -> Option<Path> {
    let mut path = PathBuilder::new();
    for segment in data.segments() {
        match segment {
            tiny_skia::PathSegment::MoveTo(p) => path.move_to(p.x, p.y),
            tiny_skia::PathSegment::LineTo(p) => path.line_to(p.x, p.y),
            tiny_skia::PathSegment::QuadTo(p, q) => path.quad_to(p.x, p.y, q.x, q.y),
            tiny_skia::PathSegment::CubicTo(p, q, r) => path.cubic_to(p.x, p.y, q.x, q.y, r.x, r.y),
            tiny_skia::PathSegment::Close => path.close(),
        }
    }
    path.finish()
}

fn colour(paint: &usvg::Paint) -> Result<rgb::Color, PictureError> {
    match paint {
        usvg::Paint::Color(it) => Ok(rgb::Color::new(it.red, it.green, it.blue)),
        _ => Err(unknown("a gradient or a pattern")),
    }
}

fn opacity(it: usvg::Opacity) -> NormalizedF32 {
    NormalizedF32::new(it.get()).unwrap_or(NormalizedF32::ONE)
}

fn fill(it: &usvg::Fill) -> Result<Fill, PictureError> {
    let rule = match it.rule() {
        usvg::FillRule::NonZero => FillRule::NonZero,
        usvg::FillRule::EvenOdd => FillRule::EvenOdd,
    };
    Ok(Fill { paint: colour(it.paint())?.into(), opacity: opacity(it.opacity()), rule })
}

fn stroke(it: &usvg::Stroke) -> Result<Stroke, PictureError> {
    let line_cap = match it.linecap() {
        usvg::LineCap::Butt => LineCap::Butt,
        usvg::LineCap::Round => LineCap::Round,
        usvg::LineCap::Square => LineCap::Square,
    };
    let line_join = match it.linejoin() {
        usvg::LineJoin::Miter | usvg::LineJoin::MiterClip => LineJoin::Miter,
        usvg::LineJoin::Round => LineJoin::Round,
        usvg::LineJoin::Bevel => LineJoin::Bevel,
    };
    let dash = it.dasharray().map(|array| StrokeDash { array: array.to_vec(), offset: it.dashoffset() });
    Ok(Stroke {
        paint: colour(it.paint())?.into(),
        width: it.width().get(),
        miter_limit: it.miterlimit().get(),
        line_cap,
        line_join,
        opacity: opacity(it.opacity()),
        dash,
    })
}
