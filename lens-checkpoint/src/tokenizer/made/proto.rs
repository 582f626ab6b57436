//! The part of SentencePiece's model files (protocol buffers, `sentencepiece_model.proto`) that texts depend on.

use crate::limits::tokenizer::MOST_TOKENS;

/// A vocabulary and how texts are treated before they meet it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model<'a> {
    pub(super) pieces: Vec<Stored<'a>>,
    pub(super) kind: Kind,
    pub(super) byte_fallback: bool,
    pub(super) unknown: usize,
    /// SentencePiece's table of replacements; empty where there is none.
    pub(super) charsmap: &'a [u8],
    /// Whether a space is put before a text.
    pub(super) dummy_prefix: bool,
}

/// A piece of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stored<'a> {
    pub(super) text: &'a str,
    pub(super) score: f32,
    pub(super) kind: u64,
}

/// Kinds of pieces.
pub(super) const CONTROL: u64 = 3;
pub(super) const USER_DEFINED: u64 = 4;

/// How a text becomes pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unigram,
    Bpe,
}

impl<'a> Model<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is broken, or of a kind that is not read here; the reason.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut model = Self {
            pieces: Vec::new(),
            kind: Kind::Unigram,
            byte_fallback: false,
            unknown: 0,
            charsmap: &[],
            dummy_prefix: true,
        };
        let mut fields = Fields(bytes);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Wire::Bytes(piece)) => {
                    if model.pieces.len() == MOST_TOKENS {
                        return Err(format!("it has more than {MOST_TOKENS} pieces"));
                    }
                    model.pieces.push(Stored::read(piece)?);
                }
                (2, Wire::Bytes(trainer)) => model.trainer(trainer)?,
                (3, Wire::Bytes(normalizer)) => model.normalizer(normalizer)?,
                _ => {}
            }
        }
        if model.pieces.is_empty() {
            return Err("it has no pieces: it is not a SentencePiece model".to_owned());
        }
        Ok(model)
    }

    fn trainer(&mut self, bytes: &'a [u8]) -> Result<(), String> {
        let mut fields = Fields(bytes);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (3, Wire::Number(1)) => self.kind = Kind::Unigram,
                (3, Wire::Number(2)) => self.kind = Kind::Bpe,
                (3, Wire::Number(kind)) => {
                    let name = if kind == 3 { "words" } else { "characters" };
                    return Err(format!(
                        "it is a model of {name} (kind {kind}), not of unigrams or byte pairs"
                    ));
                }
                (24, Wire::Number(1)) => {
                    return Err("it writes spaces at the ends of words (treat_whitespace_as_suffix), which is not read here".to_owned());
                }
                (35, Wire::Number(flag)) => self.byte_fallback = flag != 0,
                (40, Wire::Number(id)) => {
                    self.unknown = usize::try_from(id).map_err(|_| "its unk_id is out of range")?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn normalizer(&mut self, bytes: &'a [u8]) -> Result<(), String> {
        let mut fields = Fields(bytes);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (2, Wire::Bytes(charsmap)) => self.charsmap = charsmap,
                (3, Wire::Number(flag)) => self.dummy_prefix = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'a> Stored<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut piece = Self { text: "", score: 0.0, kind: 1 };
        let mut fields = Fields(bytes);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Wire::Bytes(text)) => {
                    piece.text = std::str::from_utf8(text).map_err(|_| "a piece of it is not UTF-8")?;
                }
                (2, Wire::Four(bits)) => piece.score = f32::from_bits(bits),
                (3, Wire::Number(kind)) => piece.kind = kind,
                _ => {}
            }
        }
        Ok(piece)
    }
}

/// A value as it is written.
enum Wire<'a> {
    Number(u64),
    Four(u32),
    Eight,
    Bytes(&'a [u8]),
}

/// The fields of a message that were not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Wire<'a>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Wire::Number(self.number()?),
            1 => {
                self.take(8)?;
                Wire::Eight
            }
            2 => {
                let length = self.number()?;
                Wire::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => {
                let bytes = self.take(4)?;
                Wire::Four(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            }
            _ => return Err("it is no SentencePiece model, or broken".to_owned()),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("it ends in the middle of a field")?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number in pieces of seven bits, the lowest first.
    fn number(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("it has a number of more than 64 bits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_model_is_refused() {
        for (bytes, says) in [
            (&b""[..], "no pieces"),
            (b"\x0a\xff\xff\xff\xff\x0f", "ends in the middle"),
            (b"\x0a", "ends in the middle"),
            (b"\x0a\x03\x0a\x01\xff", "not UTF-8"),
            (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", "more than 64 bits"),
            (b"{\"version\": 1}", "no SentencePiece model"),
            (b"\x12\x02\x18\x04", "model of characters"),
            (b"\x12\x03\xc0\x01\x01", "treat_whitespace_as_suffix"),
        ] {
            let error = Model::read(bytes).unwrap_err();
            assert!(error.contains(says), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn pieces_have_texts_scores_and_kinds() {
        // A piece "ab" with the score 1 and the kind 4; then a trainer that falls back to bytes.
        let bytes = b"\x0a\x0b\x0a\x02ab\x15\x00\x00\x80\x3f\x18\x04\x12\x05\x18\x02\x98\x02\x01";
        let model = Model::read(bytes).unwrap();
        assert_eq!(model.pieces, [Stored { text: "ab", score: 1.0, kind: USER_DEFINED }]);
        assert_eq!((model.kind, model.byte_fallback, model.dummy_prefix), (Kind::Bpe, true, true));
    }
}
