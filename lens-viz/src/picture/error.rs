//! What can be wrong with a picture.

use lens_core::{Component, TokenId};

use super::format::RasterFormat;

/// Why a picture cannot be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The trace has no such lens.
    #[error(transparent)]
    Lens(#[from] lens_core::UnknownLens),
    /// The trace holds nothing that the picture could show.
    #[error("the trace holds no {what}: there is nothing to draw")]
    Empty {
        /// What it lacks.
        what: String,
    },
    /// The position was not read.
    #[error("position {position} was not read; the trace holds {}", list(available))]
    PositionNotRead {
        /// The position asked for.
        position: usize,
        /// The positions of the trace.
        available: Vec<usize>,
    },
    /// The layer was not read.
    #[error("layer {layer} was not read; the trace holds {}", list(available))]
    LayerNotRead {
        /// The layer asked for.
        layer: u16,
        /// The layers of the trace.
        available: Vec<u16>,
    },
    /// The component was not read.
    #[error("{component} was not read; the trace holds {}", list(available))]
    ComponentNotRead {
        /// The component asked for.
        component: Component,
        /// The components of the trace.
        available: Vec<Component>,
    },
    /// A picture with one line for each token was asked for several components.
    #[error(
        "a token's way through the layers can be drawn in one component, not in {}: choose one",
        list(given)
    )]
    OneComponent {
        /// The components asked for.
        given: Vec<Component>,
    },
    /// There are more lines than an eye can tell apart.
    #[error("{given} lines in one chart cannot be told apart (at most {most}): choose fewer {what}")]
    TooManyLines {
        /// Number of lines.
        given: usize,
        /// The most lines that there may be.
        most: usize,
        /// What the lines stand for.
        what: &'static str,
    },
    /// A token was asked for that no readout says anything about.
    #[error(
        "token {id} is in no readout of position {position}: make it a target of the run, so that its rank and \
         probability are known everywhere"
    )]
    TokenNotRead {
        /// The token asked for.
        id: TokenId,
        /// The position.
        position: usize,
    },
    /// The picture would need very many pages.
    #[error(
        "{rows} rows by {columns} columns would need {pages} pages {width} pixels wide (at most {most}): choose \
         {advice}"
    )]
    TooManyPages {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
        /// Pages that this would need.
        pages: usize,
        /// Pages that there may be.
        most: usize,
        /// Width of a page.
        width: f64,
        /// What makes it smaller.
        advice: &'static str,
    },
    /// The threshold is not a probability.
    #[error("a threshold of {threshold} is not a probability: choose one from 0 to 1")]
    Threshold {
        /// The threshold asked for.
        threshold: f32,
    },
    /// The ends of the colour scale are not a range.
    #[error(
        "a colour scale from {low} to {high} cannot be drawn: choose two finite numbers, the smaller one first{}",
        least.map_or(String::new(), |least| format!(", of at least {least}"))
    )]
    Range {
        /// The lower end asked for.
        low: f32,
        /// The upper end asked for.
        high: f32,
        /// What the lower end may be at least, on a logarithmic scale.
        least: Option<f32>,
    },
    /// Logarithmic colours for what has none.
    #[error(
        "{what} is negative in places, and has no logarithmic colours: spread them by order, or as usual"
    )]
    Logarithm {
        /// The statistic.
        what: String,
    },
    /// Ends of a scale whose colours follow the order of what is shown.
    #[error("colours that follow the order of what is shown have its ends, and not {low} and {high}")]
    RangeOfOrder {
        /// The lower end asked for.
        low: f32,
        /// The upper end asked for.
        high: f32,
    },
    /// A colour scale of differences that does not have zero in its middle.
    #[error(
        "a colour scale of differences has zero in its middle, so it cannot go from {low} to {high}: choose e.g. -{0} to {0}",
        low.abs().max(high.abs())
    )]
    Uncentred {
        /// The lower end asked for.
        low: f32,
        /// The upper end asked for.
        high: f32,
    },
    /// The page is too narrow or too wide.
    #[error("a picture {width} pixels wide cannot be drawn: choose a width from {least} to {most}")]
    Width {
        /// The width asked for.
        width: u32,
        /// The narrowest that it may be, pixels.
        least: u32,
        /// The widest that it may be, pixels.
        most: u32,
    },
    /// The PNG would have no pixels, or too many.
    #[error(
        "a picture of {width} by {height} pixels cannot be drawn {scale} times as large: choose a scale above 0 \
         with which it has at most 100 million pixels"
    )]
    Scale {
        /// The scale asked for.
        scale: f32,
        /// Width at scale 1.
        width: f64,
        /// Height at scale 1.
        height: f64,
    },
    /// Text of no size.
    #[error("text of {points} points cannot be drawn: choose a number above 0")]
    FontSize {
        /// The size asked for.
        points: f64,
    },
    /// The finished picture is to have no width, or is wider than can be shown.
    #[error(
        "a picture {width} {sign} wide cannot be drawn: choose a width above 0 and up to {} {sign}", whole(*most, f64::floor))]
    PaperWidth {
        /// The width asked for.
        width: f64,
        /// The sign of its unit.
        sign: &'static str,
        /// The most that it may be.
        most: f64,
    },
    /// Width and size of text do not fit together.
    #[error(
        "a picture {} {sign} wide with text of {} points cannot be laid out: choose at {} {sign}, or text of at {} points",
        whole(*width, f64::round), whole(*points, f64::round),
        if *is_narrow { format!("least {}", whole(*other_width, f64::ceil)) } else { format!("most {}", whole(*other_width, f64::floor)) },
        if *is_narrow { format!("most {}", whole(*other_points, f64::floor)) } else { format!("least {}", whole(*other_points, f64::ceil)) },
    )]
    Paper {
        /// The width asked for.
        width: f64,
        /// The sign of its unit.
        sign: &'static str,
        /// Points of text.
        points: f64,
        /// Whether there is too little room, and not too much.
        is_narrow: bool,
        /// The width at which this text can be laid out.
        other_width: f64,
        /// The size of text that can be laid out at this width.
        other_points: f64,
    },
    /// The finished picture is larger than can be shown.
    #[error(
        "a picture of {width:.0} x {height:.0} pixels (96 an inch) is larger than 200 inches, which is more than is shown: \
         choose smaller text"
    )]
    TooLarge {
        /// Width.
        width: f64,
        /// Height.
        height: f64,
    },
    /// The film would have no pixels, or too many.
    #[error(
        "a film of {width:.0} x {height:.0} pixels cannot be drawn {scale} times as large: choose a scale above 0 with which \
         no side has more than {longest} pixels, and there are at most {most} million in all"
    )]
    Film {
        /// The scale asked for.
        scale: f32,
        /// Width at scale 1.
        width: f64,
        /// Height at scale 1.
        height: f64,
        /// The most pixels of a side.
        longest: f64,
        /// The most pixels of a picture, in millions.
        most: f64,
    },
    /// The PDF cannot be written.
    #[error("the picture cannot be a PDF: {message}")]
    Pdf {
        /// Why.
        message: String,
    },
    /// plotters could not draw.
    #[error("the picture could not be drawn: {message}")]
    Draw {
        /// What plotters says.
        message: String,
    },
    /// The text to be rasterised is not an SVG.
    #[error("the picture is not an SVG that can be rasterised: {message}")]
    NoSvg {
        /// What usvg says.
        message: String,
    },
    /// The format cannot have so many pixels in a row or column.
    #[error(
        "a {format} has at most {longest} pixels a side, and a picture of {width:.0} x {height:.0} at scale {scale} has more: make it \
         smaller, or write a PNG"
    )]
    Side {
        /// The format.
        format: RasterFormat,
        /// Pixels.
        longest: u32,
        /// Pixels for each pixel of the page.
        scale: f32,
        /// Pixels of the page.
        width: f64,
        /// Pixels of the page.
        height: f64,
    },
    /// The pixels could not be written.
    #[error("the {format} could not be encoded: {message}")]
    Encode {
        /// The format.
        format: RasterFormat,
        /// What the encoder says.
        message: String,
    },
}

/// A number with at most four digits that say something, rounded as `round` does.
fn whole(number: f64, round: fn(f64) -> f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let places = 10f64.powi(3 - number.abs().log10().floor() as i32);
    // What is a whole number but for the last bits stays one.
    let exact = number * places;
    if (exact - exact.round()).abs() < 1e-6 { exact.round() / places } else { round(exact) / places }
}

fn list(available: &[impl ToString]) -> String {
    const SHOWN: usize = 12;
    let mut text = available.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if available.len() > SHOWN {
        text.push_str(&format!(" and {} more", available.len() - SHOWN));
    }
    if text.is_empty() { "none".to_owned() } else { text }
}
