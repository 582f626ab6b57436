//! How the strings of a vocabulary stand for bytes.

use std::collections::HashMap;

use serde_json::Value;

use super::parts::{Parts, leaves};

/// How the strings of a vocabulary stand for bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spelling {
    /// GPT-2's alphabet: every character is a byte.
    ByteLevel(HashMap<char, u8>),
    /// SentencePiece's: `▁` is a space, and `<0xE4>` a byte where bytes are the fallback.
    Metaspace { byte_fallback: bool },
    /// The string itself.
    Plain,
}

impl Spelling {
    /// The spelling of a tokenizer, from its decoder or, without one, its pre-tokenizer.
    pub(super) fn of(json: &Parts) -> Self {
        let parts: Vec<&Value> =
            [&json.decoder, &json.pre_tokenizer, &json.normalizer].into_iter().flat_map(leaves).collect();
        let has = |kind: &str| parts.iter().any(|part| part["type"] == kind);
        let replaces_space = parts.iter().any(|part| part["type"] == "Replace" && part["content"] == " ");
        if has("ByteLevel") {
            Self::ByteLevel(byte_alphabet().map(|(byte, c)| (c, byte)).collect())
        } else if has("Metaspace") || has("ByteFallback") || replaces_space {
            Self::Metaspace { byte_fallback: has("ByteFallback") || json.byte_fallback }
        } else {
            Self::Plain
        }
    }

    /// Whether a token of the vocabulary stands for a byte that the vocabulary has no better token for.
    pub(super) fn is_fallback(&self, token: &str) -> bool {
        matches!(self, Self::Metaspace { byte_fallback: true }) && fallback_byte(token).is_some()
    }

    /// The bytes that a token of the vocabulary stands for.
    pub(super) fn bytes(&self, token: &str) -> Vec<u8> {
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

/// Bytes in GPT-2's alphabet.
pub(super) fn spell_bytes(bytes: &[u8]) -> String {
    static LETTERS: std::sync::LazyLock<Vec<char>> =
        std::sync::LazyLock::new(|| byte_alphabet().map(|(_, letter)| letter).collect());
    bytes.iter().map(|byte| LETTERS[usize::from(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::byte_alphabet;

    #[test]
    fn the_byte_alphabet_is_gpt2s() {
        let alphabet: Vec<char> = byte_alphabet().map(|(_, c)| c).collect();
        assert_eq!((alphabet[usize::from(b' ')], alphabet[usize::from(b'\n')]), ('Ġ', 'Ċ'));
        assert_eq!(alphabet.iter().collect::<BTreeSet<_>>().len(), 256);
        assert_eq!(alphabet[0xAD], '\u{143}');
    }
}
