//! Pictures of a trace: SVG, and PDF, PNG, WebP or JPEG made from it; and a film of what a model wrote.
//!
//! What is drawn is chosen by a [`PictureKind`]: heatmaps of one position, grids of layers and positions, and
//! curves from layer to layer. Rows are layers as a model runs: the first at the top, which is how the terminal's tables
//! and the page have them. Positions that do not fit side by side go on in a band below. Each picture fits a page; what does
//! not fit one is split into several, and what would need too many is refused with advice. Colours mean the same in every picture of a kind, whatever the
//! trace: the scales are fixed.
//!
//! ```
//! use lens_core::{Backend, Lens, LensTrace, Plan, TokenId, TraceContext, toy::ToyBackend};
//! use lens_viz::picture::{PictureKind, PictureOptions, png, svg};
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let tokens: Vec<TokenId> = [3, 14, 15, 9].map(TokenId).to_vec();
//! let reading = Lens::new(&mut model).read(&tokens, &Plan::default())?;
//! // Without a tokenizer, `&()`, tokens are shown as <id 3>.
//! let context = TraceContext::new(("example", "1.0"), model.info(), &tokens, &());
//! let trace = LensTrace::new(&reading, &context);
//!
//! let pages = svg(&trace, PictureKind::AllLayers, &PictureOptions::default())?;
//! assert!(pages[0].svg.starts_with("<svg "));
//! assert!(png(&pages[0].svg, 2.0)?.starts_with(&b"\x89PNG"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attribution;
mod axis;
mod by_layer;
mod canvas;
pub(crate) mod cells;
mod chart;
mod corpus;
mod curves;
mod density;
mod difference;
pub(crate) mod echo;
pub(crate) mod error;
mod evaluation;
mod files;
mod film;
mod fonts;
mod format;
pub(crate) mod grid;
mod head;
mod heads;
mod heatmap;
mod ink;
mod installed;
mod kind;
mod legend;
mod lines;
mod models;
pub(crate) mod options;
mod pages;
mod paper;
mod patching;
mod pdf;
mod raster;
mod runs;
pub(crate) mod scale;
mod select;
mod spread;
pub(crate) mod step;
mod text;
mod trajectories;

use lens_core::LensTrace;

pub use attribution::attribution;
pub use corpus::{CorpusPicture, corpus};
pub use difference::difference;
pub use error::PictureError;
pub use evaluation::evaluation;
pub use files::{PictureFile, files};
pub use film::{Film, FilmError};
pub use format::RasterFormat;
pub use kind::PictureKind;
pub use models::{DiffPicture, diff};
pub use options::{Importance, PictureOptions};
pub use paper::{Paper, PaperWidth, Unit};
pub use patching::{PatchPicture, patching};
pub use pdf::pdf;
pub use raster::{png, pngs, raster};
pub use spread::Spread;
pub use text::Fonts;

use crate::source::Source;

/// One page of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Its title, which is also the SVG's `<title>`.
    pub title: String,
    /// The page, from 1.
    pub page: usize,
    /// How many pages the picture has.
    pub pages: usize,
    /// Width in pixels, 96 to an inch.
    pub width: f64,
    /// Height in pixels, 96 to an inch.
    pub height: f64,
    /// The picture: SVG 1.1, UTF-8, self-contained.
    pub svg: String,
    /// The characters that no font of this machine has, ascending: their code points stand in the picture. Empty unless
    /// it was drawn for [`Fonts::Installed`].
    pub missing: Vec<char>,
}

impl Picture {
    /// The name of the page's file without its ending: `stem`, and `stem_page_2` from the second page on.
    pub fn file_stem(&self, stem: &str) -> String {
        if self.page > 1 { format!("{stem}_page_{}", self.page) } else { stem.to_owned() }
    }
}

/// Draws a trace. There is at least one page.
///
/// Every text of the trace goes through [`crate::display_safe`]. The same trace and options give the same SVG on
/// every machine, unless the options ask for the fonts that are installed.
///
/// # Errors
/// When the trace lacks what the picture is about, when an option asks for what was not read, and when the
/// picture would not fit a reasonable number of pages.
pub fn svg(
    trace: &LensTrace,
    kind: PictureKind,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    options.check()?;
    let trace = trace.of_lens(options.lens.as_deref())?;
    let source = Source::new(&trace)?;
    match kind {
        PictureKind::AllLayers => step::all_layers(&source, options),
        PictureKind::ImportantLayers => step::important_layers(&source, options),
        PictureKind::Grid(measure) => grid::grid(&source, measure, options),
        PictureKind::Heads(measure) => heads::heads(&source, measure, options),
        PictureKind::Trajectories => trajectories::trajectories(&source, options),
        PictureKind::Curves => curves::curves(&source, options),
    }
}
