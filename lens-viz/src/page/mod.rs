//! One HTML file that shows a whole trace and needs nothing else: no server, no network, no installation.
//!
//! The file holds its style, its program and its data. A content security policy with the digests of the first
//! two keeps anything else from running or loading, so a trace of hostile tokens stays text. Without
//! JavaScript it shows a table.
//!
//! ```
//! use lens_core::{Backend, Lens, LensTrace, Plan, TokenId, TraceContext, toy::ToyBackend};
//! use lens_viz::page::{PageOptions, page};
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let tokens: Vec<TokenId> = [3, 14, 15, 9].map(TokenId).to_vec();
//! let reading = Lens::new(&mut model).read(&tokens, &Plan::default())?;
//! let trace = LensTrace::new(&reading, &TraceContext::new(("example", "1.0"), model.info(), &tokens, &()));
//!
//! let html = page(&trace, &PageOptions::default())?;
//! assert!(html.starts_with("<!DOCTYPE html>"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assets;
mod attribution;
mod colours;
mod compact;
mod corpus;
mod document;
mod escape;
mod faithfulness;
mod head;
mod heads;
mod live;
mod models;
mod number;
mod opening;
mod pairs;
mod places;
mod plain;
mod visible;
mod vocabulary;

use std::borrow::Cow;

use lens_core::{ByteSize, LensTrace, TraceError, sink::Awaited};

pub use attribution::attribution;
pub use corpus::corpus;
pub use live::{LivePage, data, live, tokens};
pub use models::diff;

use crate::named::Named;

/// Limits on the size of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageOptions {
    /// The largest file, in bytes. A page beyond it is refused: browsers grow slow before they fail.
    pub max_bytes: usize,
    /// The most tokens kept of each readout; `None` keeps those that the trace has.
    pub top_k: Option<usize>,
    /// The most cells of the table that is shown without JavaScript.
    pub plain_cells: usize,
}

impl Default for PageOptions {
    /// 64 MiB, every token, 1,500 cells without JavaScript.
    fn default() -> Self {
        Self { max_bytes: 64 << 20, top_k: None, plain_cells: 1500 }
    }
}

impl PageOptions {
    lens_core::setters! {
        /// The largest file, in bytes. A page beyond it is refused: browsers grow slow before they fail.
        with_max_bytes => max_bytes: usize,
        /// The most tokens kept of each readout; `None` keeps those that the trace has.
        with_top_k => top_k: Option<usize>,
        /// The most cells of the table that is shown without JavaScript.
        with_plain_cells => plain_cells: usize,
    }
}

/// A page that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// A trace has a value that cannot be true.
    #[error("the trace cannot be shown: {0}")]
    Trace(#[from] TraceError),
    /// The trace has no readout, or no trace was given.
    #[error("the trace holds no readout: there is nothing to show")]
    Empty,
    /// The file would be too large.
    #[error(
        "the page would take {}, over the limit of {}: keep fewer tokens of each readout \
         ({top_k} now), read fewer positions ({positions}) or points ({points}), or raise the limit",
        ByteSize(*bytes as u64),
        ByteSize(*limit as u64)
    )]
    TooLarge {
        /// Bytes that the page needs, at least.
        bytes: usize,
        /// [`PageOptions::max_bytes`].
        limit: usize,
        /// Tokens kept of a readout, at most.
        top_k: usize,
        /// Positions read, at most over the traces.
        positions: usize,
        /// Points read, at most over the traces.
        points: usize,
    },
    /// The data could not be written as JSON.
    #[error("the trace cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// The page of one trace, as HTML.
///
/// # Errors
/// When the trace cannot be [true](LensTrace::validate) or holds no readout, and when the page would be larger than
/// `options` allows.
pub fn page(trace: &LensTrace, options: &PageOptions) -> Result<String, PageError> {
    pages(&[Named::new("", trace)], options)
}

/// One page with several traces to choose from by their names, such as the trials of one prompt, as HTML. The first is
/// shown. A trace of several lenses can be chosen once for each of them. The page also shows what differs between any
/// two that have a point and a position in common, unless there are more than 64 traces.
///
/// # Errors
/// When no trace is given, or one cannot be [true](LensTrace::validate) or has no readout, and when the page would be
/// larger than `options` allows.
pub fn pages(traces: &[Named<'_>], options: &PageOptions) -> Result<String, PageError> {
    let parts = shown(traces)?;
    let traces: Vec<Named<'_>> = parts.iter().map(Part::named).collect();
    let data = compact::compact(&traces, options)?;
    let html = document::document(&traces, &data, options);
    if html.len() > options.max_bytes {
        return Err(compact::too_large(&traces, options, html.len()));
    }
    Ok(html)
}

/// A trace as it is read by one lens.
struct Part<'a> {
    name: String,
    trace: Cow<'a, LensTrace>,
    awaited: Vec<Awaited>,
}

impl Part<'_> {
    fn named(&self) -> Named<'_> {
        Named::new(&self.name, &self.trace).with_awaited(&self.awaited)
    }
}

/// The traces as a page shows them, if they can be true.
fn shown<'a>(traces: &[Named<'a>]) -> Result<Vec<Part<'a>>, PageError> {
    if traces.is_empty() {
        return Err(PageError::Empty);
    }
    for named in traces {
        named.trace.validate()?;
    }
    Ok(by_lens(traces))
}

/// Every trace, once for each of its lenses, which then is part of its name.
fn by_lens<'a>(traces: &[Named<'a>]) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for Named { name, trace, awaited } in traces {
        let lenses = trace.lens_names();
        for lens in &lenses {
            let Ok(part) = trace.of_lens(Some(lens)) else { continue };
            let name = match (lenses.len(), name.as_str()) {
                (1, name) => name.to_owned(),
                (_, "") => format!("{lens} lens"),
                (_, name) => format!("{name}, {lens} lens"),
            };
            let is_own = |one: &&Awaited| one.lens.as_deref().is_none_or(|of| of == *lens);
            let awaited = awaited.iter().filter(is_own).cloned().collect();
            parts.push(Part { name, trace: part, awaited });
        }
    }
    parts
}
