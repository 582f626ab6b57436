//! Text for a terminal: [`table`], one position with layers down and components across; [`heatmap`], layers down and
//! positions across; [`difference()`] of two traces; [`attribution()`], what contributes to a logit; [`patching()`], what changes an answer; [`diff()`], where
//! two models compute something else; runs beside one
//! another, [`compare()`] and [`side_by_side()`]; and a line at a time, [`StepsView`] for every token of a continuation,
//! [`PromptsView`] for every prompt and [`DirectionsView`] for every decoded direction.
//!
//! ```
//! use lens_core::{Backend, Lens, LensTrace, Plan, TokenId, TraceContext, toy::ToyBackend};
//! use lens_viz::terminal::{ColorLevel, TableOptions, table};
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let tokens: Vec<TokenId> = [3, 14, 15, 9].map(TokenId).to_vec();
//! let reading = Lens::new(&mut model).read(&tokens, &Plan::default())?;
//! // Without a tokenizer, `&()`, tokens are shown as <id 3>.
//! let context = TraceContext::new(("example", "1.0"), model.info(), &tokens, &());
//! let trace = LensTrace::new(&reading, &context);
//!
//! let options = TableOptions::default().with_width(100).with_color(ColorLevel::None);
//! let text = table(&trace, &options)?;
//! assert!(text.contains("resid_post"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attribution;
mod blocks;
mod body;
mod compare;
mod difference;
mod directions;
mod grid;
mod header;
mod layout;
mod models;
mod patching;
mod positions;
mod prompts;
mod side_by_side;
mod steps;
mod summary;

use std::num::NonZeroUsize;

use lens_core::LensTrace;

use crate::sheet::{
    line::{Line, Sheet},
    paint::Paint,
};
use body::Body;
use grid::Grid;
use layout::Layout;

pub use crate::sheet::paint::ColorLevel;
pub use attribution::attribution;
pub use compare::compare;
pub use difference::difference;
pub use directions::{DirectionLine, DirectionsView};
pub use models::diff;
pub use patching::patching;
pub use positions::heatmap;
pub use prompts::PromptsView;
pub use side_by_side::side_by_side;
pub use steps::StepsView;

/// Width, colours and contents of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableOptions {
    /// Width of the terminal, in columns. No line is wider.
    pub width: usize,
    /// Colours of the terminal.
    pub color: ColorLevel,
    /// The most tokens in a cell; fewer where they do not fit.
    pub tokens_per_cell: NonZeroUsize,
    /// The most tokens of the final prediction.
    pub predictions: usize,
    /// Which lens, by its name; `None` is the trace's first. Lenses are never mixed in one table.
    pub lens: Option<String>,
    /// The position to show; `None` is the last one read.
    pub position: Option<usize>,
    /// Only printable ASCII, for consoles without UTF-8.
    pub ascii: bool,
}

impl Default for TableOptions {
    /// 80 columns, no colour, up to 3 tokens in a cell, 5 predictions, the last position.
    fn default() -> Self {
        Self {
            width: 80,
            color: ColorLevel::None,
            tokens_per_cell: const { NonZeroUsize::new(3).expect("three is not zero") },
            predictions: 5,
            lens: None,
            position: None,
            ascii: false,
        }
    }
}

impl TableOptions {
    lens_core::setters! {
        /// Width of the terminal, in columns. No line is wider.
        with_width => width: usize,
        /// Which lens, by its name; `None` is the trace's first.
        with_lens => lens: Option<String>,
        /// Colours of the terminal.
        with_color => color: ColorLevel,
        /// The most tokens in a cell; fewer where they do not fit.
        with_tokens_per_cell => tokens_per_cell: NonZeroUsize,
        /// The most tokens of the final prediction.
        with_predictions => predictions: usize,
        /// The position to show; `None` is the last one read.
        with_position => position: Option<usize>,
        /// Only printable ASCII, for consoles without UTF-8.
        with_ascii => ascii: bool,
    }
}

/// A table that cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The trace has no such lens.
    #[error(transparent)]
    Lens(#[from] lens_core::UnknownLens),
    /// The trace has no position at all.
    #[error("the trace holds no position: there is nothing to show")]
    Empty,
    /// The position was not read.
    #[error("position {position} was not read; the trace holds {}", list(available))]
    NotRead {
        /// The position asked for.
        position: usize,
        /// The positions of the trace.
        available: Vec<usize>,
    },
}

fn list(positions: &[usize]) -> String {
    const SHOWN: usize = 12;
    let mut text = positions.iter().take(SHOWN).map(usize::to_string).collect::<Vec<_>>().join(", ");
    if positions.len() > SHOWN {
        text.push_str(&format!(" and {} more", positions.len() - SHOWN));
    }
    text
}

/// The readouts of one position as text: the model, lens, prompt and position, the table, and the final prediction.
///
/// Every text of the trace goes through [`crate::display_safe`], no line is wider than `options.width`, and
/// every line ends in a line feed.
///
/// # Errors
/// When the trace does not have the position or the lens.
pub fn table(trace: &LensTrace, options: &TableOptions) -> Result<String, TableError> {
    let trace = &*trace.of_lens(options.lens.as_deref())?;
    let last = match options.position {
        None => trace.finals.last().ok_or(TableError::Empty)?,
        Some(position) => trace.finals.iter().find(|last| last.position == position).ok_or_else(|| {
            let available = trace.finals.iter().map(|last| last.position).collect();
            TableError::NotRead { position, available }
        })?,
    };
    let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
    let grid = Grid::new(trace, last);
    let mut lines = header::header(trace, last, &sheet);
    lines.push(Line::default());
    if !grid.rows.is_empty() {
        let asked = options.tokens_per_cell.get();
        let layout = Layout::new(&grid, &sheet, asked, last.targets.len());
        lines.extend(Body { grid: &grid, layout: &layout, last, sheet: &sheet }.lines());
        lines.extend(summary::legend(trace, &grid, &layout, &sheet));
        lines.push(Line::default());
    }
    lines.extend(summary::summary(trace, last, options.predictions, &sheet));
    let mut text = String::new();
    for line in lines {
        line.write(&sheet, &mut text);
    }
    Ok(text)
}
