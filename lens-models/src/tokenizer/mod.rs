//! The tokenizer of a checkpoint, and what its tokens say.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    path::{Path, PathBuf},
};

use lens_core::{TokenId, TokenText, TokenTexts};
use serde_json::Value;

/// A tokenizer.json is tens of megabytes at most; anything beyond this is a mistake.
const LARGEST_FILE: u64 = 512 << 20;

/// Stack for the tokenizers crate, whose parser and regular expressions recurse.
const STACK: usize = 64 << 20;

/// The name of the threads that the tokenizers crate and chat templates run on. A panic there is caught and becomes
/// an error.
pub const THREAD: &str = "tokenizer";

/// A tokenizer.json, ready to use.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    spelling: Spelling,
    added: BTreeSet<u32>,
}

/// How the strings of a vocabulary stand for bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Spelling {
    /// GPT-2's alphabet: every character is a byte.
    ByteLevel(HashMap<char, u8>),
    /// SentencePiece's: `▁` is a space, and `<0xE4>` a byte where bytes are the fallback.
    Metaspace { byte_fallback: bool },
    /// The string itself.
    Plain,
}

impl Tokenizer {
    /// Loads a tokenizer.json.
    ///
    /// # Errors
    /// When the file cannot be read or is no tokenizer.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        let unreadable = |source| TokenizerError::Read { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > LARGEST_FILE {
            return Err(TokenizerError::TooLarge { path: path.to_owned(), size });
        }
        Self::from_json(&std::fs::read(path).map_err(unreadable)?)
    }

    /// Loads the contents of a tokenizer.json.
    ///
    /// # Errors
    /// When it is no tokenizer.
    pub fn from_json(json: &[u8]) -> Result<Self, TokenizerError> {
        let broken = |reason: String| TokenizerError::Broken { reason };
        if json.starts_with(b"version https://git-lfs") {
            return Err(broken("it is a git-lfs pointer, run `git lfs pull`".to_owned()));
        }
        let value: Value = serde_json::from_slice(json).map_err(|error| broken(error.to_string()))?;
        let inner = isolated(|| tokenizers::Tokenizer::from_bytes(json))
            .ok_or_else(|| broken("its merges or vocabulary contradict themselves".to_owned()))?
            .map_err(|error| broken(error.to_string()))?;
        let added = inner.get_added_tokens_decoder().keys().copied().collect();
        Ok(Self { inner, spelling: Spelling::of(&value), added })
    }

    /// The tokens of `text`, with the special tokens that the tokenizer's own post-processing adds, or without.
    ///
    /// # Errors
    /// When the tokenizer fails on this text.
    pub fn encode(&self, text: &str, special_tokens: bool) -> Result<Vec<TokenId>, TokenizerError> {
        let encoding = isolated(|| self.inner.encode_fast(text, special_tokens))
            .ok_or_else(|| TokenizerError::Encode { reason: "it gave up on this text".to_owned() })?
            .map_err(|error| TokenizerError::Encode { reason: error.to_string() })?;
        Ok(encoding.get_ids().iter().copied().map(TokenId).collect())
    }

    /// The same tokens, each with the bytes of `text` that it stands for. Several tokens that share a character have
    /// all of its bytes, and a token that stands for nothing in the text has none.
    ///
    /// # Errors
    /// When the tokenizer fails on this text.
    pub fn encode_with_ranges(
        &self,
        text: &str,
        special_tokens: bool,
    ) -> Result<Vec<(TokenId, Range<usize>)>, TokenizerError> {
        let encoding = isolated(|| self.inner.encode(text, special_tokens))
            .ok_or_else(|| TokenizerError::Encode { reason: "it gave up on this text".to_owned() })?
            .map_err(|error| TokenizerError::Encode { reason: error.to_string() })?;
        let ranges = encoding.get_offsets().iter().map(|(start, end)| *start..*end);
        Ok(encoding.get_ids().iter().copied().map(TokenId).zip(ranges).collect())
    }

    /// Whether encoding a text puts the token `bos` in front.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn adds(&self, bos: TokenId) -> Result<bool, TokenizerError> {
        Ok(self.encode("a", true)?.first() == Some(&bos))
    }

    /// The bytes that a token stands for, or `None` for an id without a token.
    pub fn bytes(&self, id: TokenId) -> Option<Vec<u8>> {
        let token = self.inner.id_to_token(id.0)?;
        // Added tokens are found in the text as it is, before bytes become characters. SentencePiece's sign for
        // a space means one in them, too: Gemma's runs of spaces are added tokens.
        match self.spelling {
            Spelling::ByteLevel(_) if self.added.contains(&id.0) => Some(token.into_bytes()),
            _ => Some(self.spelling.bytes(&token)),
        }
    }

    /// How many ids have a token.
    pub fn len(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Whether no id has a token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl TokenTexts for Tokenizer {
    fn text(&self, id: TokenId) -> TokenText {
        self.bytes(id).map_or_else(|| TokenText::unnamed(id), |bytes| TokenText::from_bytes(&bytes))
    }
}

impl Spelling {
    /// The spelling of a tokenizer.json, from its decoder or, without one, its pre-tokenizer.
    fn of(json: &Value) -> Self {
        let mut parts = Vec::new();
        for section in ["decoder", "pre_tokenizer", "normalizer"] {
            collect_parts(&json[section], &mut parts);
        }
        let has = |kind: &str| parts.iter().any(|part| part["type"] == kind);
        let replaces_space = parts.iter().any(|part| part["type"] == "Replace" && part["content"] == " ");
        if has("ByteLevel") {
            Self::ByteLevel(byte_alphabet().map(|(byte, c)| (c, byte)).collect())
        } else if has("Metaspace") || has("ByteFallback") || replaces_space {
            Self::Metaspace { byte_fallback: has("ByteFallback") || json["model"]["byte_fallback"] == true }
        } else {
            Self::Plain
        }
    }

    fn bytes(&self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel(alphabet) => {
                let mut bytes = Vec::with_capacity(token.len());
                for c in token.chars() {
                    match alphabet.get(&c) {
                        Some(byte) => bytes.push(*byte),
                        None => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                }
                bytes
            }
            Self::Metaspace { byte_fallback } => match fallback_byte(token).filter(|_| *byte_fallback) {
                Some(byte) => vec![byte],
                None => token.replace('▁', " ").into_bytes(),
            },
            Self::Plain => token.as_bytes().to_vec(),
        }
    }
}

/// The byte of `<0xE4>`.
fn fallback_byte(token: &str) -> Option<u8> {
    let hex = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (hex.len() == 2).then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}

/// GPT-2's alphabet: printable bytes are themselves, the others follow from U+0100 on (`bytes_to_unicode`).
fn byte_alphabet() -> impl Iterator<Item = (u8, char)> {
    let mut next = 0x100;
    (0..=255u8).map(move |byte| match byte {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => (byte, char::from(byte)),
        _ => {
            next += 1;
            (byte, char::from_u32(next - 1).expect("U+0100 to U+0143 are characters"))
        }
    })
}

/// A section of tokenizer.json and what its sequences are made of.
fn collect_parts<'a>(section: &'a Value, parts: &mut Vec<&'a Value>) {
    parts.push(section);
    for key in ["decoders", "pretokenizers", "normalizers"] {
        for part in section[key].as_array().into_iter().flatten() {
            collect_parts(part, parts);
        }
    }
}

/// Runs `work` on a thread of its own with a deep stack; `None` if it panicked. The tokenizers crate panics on
/// contradictory merges and on texts that exhaust its regular expressions.
fn isolated<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

/// A tokenizer that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is absurdly large.
    #[error("{} has {size} bytes, far more than any tokenizer", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How large.
        size: u64,
    },
    /// The file is no tokenizer.
    #[error("tokenizer.json cannot be used: {reason}")]
    Broken {
        /// Why.
        reason: String,
    },
    /// A text cannot be encoded.
    #[error("the tokenizer cannot encode the text: {reason}")]
    Encode {
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_alphabet_is_gpt2s() {
        let alphabet: Vec<char> = byte_alphabet().map(|(_, c)| c).collect();
        assert_eq!((alphabet[usize::from(b' ')], alphabet[usize::from(b'\n')]), ('Ġ', 'Ċ'));
        assert_eq!(alphabet.iter().collect::<BTreeSet<_>>().len(), 256);
        assert_eq!(alphabet[0xAD], '\u{143}');
    }

    #[test]
    fn a_broken_tokenizer_is_an_error_and_not_a_panic() {
        for json in ["", "{}", "[1]", "version https://git-lfs.github.com/spec/v1"] {
            assert!(Tokenizer::from_json(json.as_bytes()).is_err(), "{json:?} was accepted");
        }
    }
}
