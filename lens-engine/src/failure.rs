//! A prompt of many that could not be read.

use serde::Serialize;

use crate::advice;

/// A prompt that could not be read.
#[derive(Serialize)]
pub(crate) struct Failure<'a> {
    /// Where every line is an event, so is this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<&'static str>,
    pub(crate) prompt_index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<&'a str>,
    pub(crate) error: String,
}

/// An error on one line, with what may help.
pub(crate) fn said(error: &anyhow::Error) -> String {
    match advice::of(error) {
        Some(advice) => format!("{error:#}; {advice}"),
        None => format!("{error:#}"),
    }
}
