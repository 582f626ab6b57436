//! Text in columns: what a token looks like, lines that know how wide they are, and the inks of a terminal.

pub(crate) mod label;
pub(crate) mod line;
pub(crate) mod paint;
