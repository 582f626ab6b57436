//! Pieces of SentencePiece's vocabularies.

/// A piece of a SentencePiece vocabulary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    pub(crate) score: f32,
}
