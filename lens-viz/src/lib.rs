//! Pictures and tables from a trace.
//!
//! Everything here starts from a [`lens_core::LensTrace`], fresh or read back from JSON, and ends in text or an
//! image; no model is needed. Each way of showing a trace is a module:
//!
//! - [`picture`]: heatmaps, grids and curves as SVG and PNG.
//! - [`terminal`]: a table for one position, layers down and components across; a heatmap of layers and positions; runs
//!   side by side, and a line for each token of a continuation.
//! - [`tui`]: a trace on the screen of a terminal, to walk about in while the model runs or afterwards.
//! - [`page`]: one HTML file that needs neither a server nor a network, to look into every position and layer.
//! - [`sink`]: tables, pages and JSON as outputs that are written while a model runs.
//! - [`difference`]: what differs between two traces, as a picture and on the terminal.
//! - [`logitlenskit`]: the JSON of logitlenskit's viewer, from a trace and back.
//!
//! [`excerpt()`] leaves out of a trace what is not to be shown. All share [`display_safe`], through which every text of
//! a trace goes before it is shown, and [`Ramp`], the colours that stand for probabilities.

mod context;
pub mod difference;
mod digits;
mod excerpt;
pub mod logitlenskit;
mod measure;
mod models;
mod named;
pub mod page;
mod patching;
pub mod picture;
pub mod ramp;
mod safe;
mod sheet;
pub mod sink;
mod source;
pub mod terminal;
pub mod tui;

pub use excerpt::excerpt;
pub use measure::{Measure, ParseKindError};
pub use named::Named;
pub use ramp::{Ramp, Rgb};
pub use safe::display_safe;
