//! How large a finished picture is: on paper, and its text.

use super::{Picture, PictureError, canvas, options::WIDTHS};

/// Pixels in an inch.
const INCH: f64 = 96.0;

/// Pixels of the text of names, axes and facts before a picture is made larger or smaller.
const TEXT: f64 = 10.0;

/// The longest side of a finished picture, in pixels: 200 inches, which is all that readers of PDF take.
pub(super) const LONGEST: f64 = 19_200.0;

/// A unit of length, as one says how wide a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Millimetres.
    Millimetre,
    /// Centimetres.
    Centimetre,
    /// Inches.
    Inch,
    /// Points, 72 to an inch.
    Point,
    /// Pixels, 96 to an inch.
    Pixel,
}

impl Unit {
    /// Each with its sign.
    pub const ALL: [(&'static str, Self); 5] = [
        ("mm", Self::Millimetre),
        ("cm", Self::Centimetre),
        ("in", Self::Inch),
        ("pt", Self::Point),
        ("px", Self::Pixel),
    ];

    /// Pixels in one.
    pub fn pixels(self) -> f64 {
        match self {
            Self::Millimetre => INCH / 25.4,
            Self::Centimetre => INCH / 2.54,
            Self::Inch => INCH,
            Self::Point => INCH / 72.0,
            Self::Pixel => 1.0,
        }
    }

    /// Its sign.
    pub fn sign(self) -> &'static str {
        Self::ALL.iter().find(|(_, unit)| *unit == self).map_or("px", |(sign, _)| sign)
    }
}

/// How wide a finished picture is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PaperWidth {
    /// At most so many pixels, 96 to an inch.
    AtMost(u32),
    /// Exactly so much.
    Exactly(f64, Unit),
}

/// How large a finished picture is to be. The default is as large as it is drawn.
///
/// A picture is laid out around text of 10 pixels, 7.5 points: names, axes and facts. (Tokens in cells have from 7 to 11,
/// the legend 9.5, titles 14.) For another size of text it is laid out on a narrower or wider page, which is then made larger
/// or smaller as a whole, so that it has both the width and the size of text that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Paper {
    width: Option<PaperWidth>,
    /// Points of text.
    font_size: Option<f64>,
}

impl Paper {
    /// A picture of this width, if one is given, in which names, axes and facts have text of so many points.
    ///
    /// # Errors
    /// When such a picture would be too narrow to be laid out, or too large to be shown.
    pub fn new(width: Option<PaperWidth>, font_size: Option<f64>) -> Result<Self, PictureError> {
        let paper = Self { width, font_size };
        if let Some(points) = font_size.filter(|points| !(*points > 0.0 && points.is_finite())) {
            return Err(PictureError::FontSize { points });
        }
        if let Some(PaperWidth::Exactly(width, unit)) = width {
            let pixels = width * unit.pixels();
            // Written so that NaN is refused too.
            if !(pixels > 0.0 && pixels <= LONGEST) {
                let sign = unit.sign();
                return Err(PictureError::PaperWidth { width, sign, most: LONGEST / unit.pixels() });
            }
        }
        if font_size.is_some() || matches!(width, Some(PaperWidth::Exactly(..))) {
            paper.check_layout()?;
        }
        Ok(paper)
    }

    /// That the page can be laid out; a width in pixels alone is checked as such.
    fn check_layout(&self) -> Result<(), PictureError> {
        let Some(pixels) = self.pixels() else { return Ok(()) };
        let laid_out = pixels / self.factor();
        let (least, most) = (f64::from(WIDTHS.0), f64::from(WIDTHS.1));
        if (least..=most).contains(&laid_out) {
            return Ok(());
        }
        let (sign, unit) = match self.width {
            Some(PaperWidth::Exactly(_, unit)) => (unit.sign(), unit.pixels()),
            _ => ("px", 1.0),
        };
        let points = self.factor() * TEXT / Unit::Point.pixels();
        let share = if laid_out < least { least } else { most };
        Err(PictureError::Paper {
            width: pixels / unit,
            sign,
            points,
            is_narrow: laid_out < least,
            other_width: share * self.factor() / unit,
            other_points: points * laid_out / share,
        })
    }

    /// Pixels of the finished picture's width, where that is asked for.
    fn pixels(&self) -> Option<f64> {
        self.width.map(|width| match width {
            PaperWidth::AtMost(pixels) => f64::from(pixels),
            PaperWidth::Exactly(width, unit) => width * unit.pixels(),
        })
    }

    /// How many times as large as it is laid out a picture is in the end.
    fn factor(&self) -> f64 {
        self.font_size.map_or(1.0, |points| points * Unit::Point.pixels() / TEXT)
    }

    /// The width that the picture is laid out in: see [`PictureOptions::width`](super::PictureOptions::width).
    pub fn layout_width(&self) -> Option<u32> {
        match (self.width, self.font_size) {
            (Some(PaperWidth::AtMost(pixels)), None) => Some(pixels),
            // Never wider than asked; what is left of a pixel is white.
            _ => self.pixels().map(|pixels| (pixels / self.factor()).floor().max(f64::from(WIDTHS.0)) as u32),
        }
    }

    /// Pages that were laid out in that width, as large as was asked.
    ///
    /// # Errors
    /// When a page is then larger than 200 inches.
    pub fn finish(&self, pages: Vec<Picture>) -> Result<Vec<Picture>, PictureError> {
        let exact = matches!(self.width, Some(PaperWidth::Exactly(..))).then(|| self.pixels()).flatten();
        if self.font_size.is_none() && exact.is_none() {
            return Ok(pages);
        }
        let factor = self.factor();
        let finished = |page: Picture| {
            let width = exact.unwrap_or(page.width * factor);
            let height = page.height * factor;
            if width.max(height) > LONGEST {
                return Err(PictureError::TooLarge { width, height });
            }
            Ok(canvas::resized(page, (width, height), factor))
        };
        pages.into_iter().map(finished).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(width: f64, unit: Unit, points: Option<f64>) -> Result<Paper, PictureError> {
        Paper::new(Some(PaperWidth::Exactly(width, unit)), points)
    }

    #[test]
    fn the_layout_is_as_wide_as_width_and_text_demand() {
        let layout = |paper: Result<Paper, PictureError>| paper.unwrap().layout_width();
        assert_eq!(layout(Paper::new(None, None)), None);
        assert_eq!(layout(Paper::new(Some(PaperWidth::AtMost(700)), None)), Some(700));
        assert_eq!(layout(Paper::new(None, Some(7.0))), None);
        assert_eq!(layout(exactly(85.0, Unit::Millimetre, None)), Some(321));
        assert_eq!(layout(exactly(85.0, Unit::Millimetre, Some(7.0))), Some(344));
        assert_eq!(layout(exactly(18.0, Unit::Centimetre, Some(7.5))), Some(680));
        assert_eq!(layout(Paper::new(Some(PaperWidth::AtMost(700)), Some(3.75))), Some(1400));
        assert_eq!(layout(exactly(72.0 * 5.0, Unit::Point, None)), layout(exactly(5.0, Unit::Inch, None)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        let says = |paper: Result<Paper, PictureError>| paper.unwrap_err().to_string();
        for width in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(says(exactly(width, Unit::Inch, None)).contains("up to 200 in"));
        }
        for points in [0.0, -7.0, f64::NAN, f64::INFINITY] {
            assert!(says(Paper::new(None, Some(points))).contains("above 0"));
        }
        assert_eq!(
            says(exactly(30.0, Unit::Millimetre, Some(10.0))),
            "a picture 30 mm wide with text of 10 points cannot be laid out: choose at least 56.45 mm, or text of at \
             most 5.314 points"
        );
        assert!(says(exactly(5.0, Unit::Millimetre, None)).contains("at least 42.34 mm"));
        assert!(says(exactly(85.0, Unit::Millimetre, Some(0.1))).contains("text of at least 0.241"));
        assert!(says(Paper::new(Some(PaperWidth::AtMost(1000)), Some(1000.0))).contains("at most 46.8"));
    }
}
