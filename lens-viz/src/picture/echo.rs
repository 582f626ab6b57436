//! Tokens that only repeat what is read.

use lens_core::TopTrace;

use crate::source::Source;

/// Whether the token is the one that stands at the position itself.
pub(crate) fn is_echo(source: &Source<'_>, top: Option<&TopTrace>, position: usize) -> bool {
    top.zip(source.trace.tokens.get(position)).is_some_and(|(top, token)| top.id == token.id)
}

/// What is said of a token that is the position's own.
pub(crate) const ECHO: &str = "pale, in italics: the top-1 token is the input token of that position";
