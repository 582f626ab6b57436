//! Bounds on what a tokenizer makes of a text, which is known before the tokenizers crate takes the memory.

use serde_json::Value;
use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper, Tokenizer};

use super::{
    TokenizerError,
    parts::{Parts, leaves},
};
use crate::limits;

/// The steps that may make a text longer.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    normalizers: Vec<Step>,
    pre_tokenizers: Vec<Step>,
}

/// The most that a step makes of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    /// Bytes for each byte.
    factor: f64,
    /// Bytes more for each part of the text. There are at most as many as it has bytes, and one.
    more: f64,
}

impl Bounds {
    /// Those of a tokenizer.
    ///
    /// # Errors
    /// When it puts an absurd number of tokens around a text; the reason.
    pub(super) fn of(parts: &Parts) -> Result<Self, String> {
        check_processor(&parts.post_processor)?;
        let steps = |part| leaves(part).into_iter().map(Step::of).collect();
        Ok(Self { normalizers: steps(&parts.normalizer), pre_tokenizers: steps(&parts.pre_tokenizer) })
    }

    /// Refuses a text of which the tokenizer would make too much. Where the steps may do so, they are tried one by one.
    pub(super) fn check(&self, inner: &Tokenizer, text: &str) -> Result<(), TokenizerError> {
        let parts = text.len() as f64 + 1.0;
        let refuse = |size: f64, limit: u64| TokenizerError::TooLong {
            text: text.len() as u64,
            size: size as u64,
            limit,
        };
        if text.len() as u64 > limits::tokenizer::LONGEST_TEXT {
            return Err(refuse(text.len() as f64, limits::tokenizer::LONGEST_TEXT));
        }
        let grown = |steps: &[Step], from: f64| steps.iter().fold(from, |size, step| step.most(size, parts));
        let limit = (text.len() as u64 * limits::tokenizer::MOST_GROWTH)
            .clamp(limits::tokenizer::ANY_FORM, limits::tokenizer::LONGEST_FORM);
        let most = grown(&self.pre_tokenizers, grown(&self.normalizers, text.len() as f64));
        if most <= limit as f64 {
            return Ok(());
        }
        let size = self.try_steps(inner, text, limit as f64).map_err(|size| refuse(size, limit))?;
        let most = grown(&self.pre_tokenizers, size);
        if most <= limits::tokenizer::LONGEST_FORM as f64 {
            Ok(())
        } else {
            Err(refuse(most, limits::tokenizer::LONGEST_FORM))
        }
    }

    /// How long the normalised text is; the length at which it went too far.
    fn try_steps(&self, inner: &Tokenizer, text: &str, limit: f64) -> Result<f64, f64> {
        let mut form = NormalizedString::from(text);
        let parts = text.len() as f64 + 1.0;
        let mut wrappers = Vec::new();
        inner.get_normalizer().into_iter().for_each(|normalizer| flatten(normalizer, &mut wrappers));
        for (wrapper, step) in wrappers.into_iter().zip(&self.normalizers) {
            match exact_growth(wrapper, form.get()) {
                Some(size) if size > limit => return Err(size),
                Some(_) => {}
                None => {
                    let most = step.most(form.get().len() as f64, parts);
                    if most > limits::tokenizer::LONGEST_FORM as f64 {
                        return Err(most);
                    }
                }
            }
            // A step that fails changes nothing, and fails again where it counts.
            drop(wrapper.normalize(&mut form));
            let size = form.get().len() as f64;
            if size > limit {
                return Err(size);
            }
        }
        Ok(form.get().len() as f64)
    }
}

/// The exact length after a replacement of one text by another.
fn exact_growth(wrapper: &NormalizerWrapper, form: &str) -> Option<f64> {
    let NormalizerWrapper::Replace(replace) = wrapper else { return None };
    let value = serde_json::to_value(replace).ok()?;
    let pattern = value["pattern"]["String"].as_str().filter(|pattern| !pattern.is_empty())?;
    let content = value["content"].as_str()?;
    let grown = content.len() as f64 - pattern.len() as f64;
    Some(form.len() as f64 + grown * form.matches(pattern).count() as f64)
}

fn flatten<'a>(normalizer: &'a NormalizerWrapper, all: &mut Vec<&'a NormalizerWrapper>) {
    match normalizer {
        NormalizerWrapper::Sequence(sequence) => {
            sequence.as_ref().iter().for_each(|inner| flatten(inner, all));
        }
        other => all.push(other),
    }
}

impl Step {
    fn of(part: &Value) -> Self {
        let length = |value: &Value| value.as_str().map_or(0.0, |text| text.len() as f64);
        let (factor, more) = match part["type"].as_str().unwrap_or_default() {
            "Replace" => {
                let (pattern, content) = (&part["pattern"], length(&part["content"]));
                match pattern["String"].as_str().filter(|pattern| !pattern.is_empty()) {
                    Some(pattern) => ((content / pattern.len() as f64).max(1.0), 0.0),
                    // An expression may match at every byte, and where there is nothing.
                    None => (1.0 + content, content),
                }
            }
            "Prepend" => (1.0, length(&part["prepend"])),
            // No character becomes more than eighteen, and few of those need more than three bytes.
            "NFD" | "NFC" | "NFKD" | "NFKC" => (12.0, 0.0),
            "BertNormalizer" => (6.0, 0.0),
            "Precompiled" => (longest_replacement(&part["precompiled_charsmap"]), 0.0),
            "ByteLevel" => (2.0, 1.0),
            "Lowercase" => (2.0, 0.0),
            "Metaspace" => (4.0, 4.0),
            _ => (1.0, 0.0),
        };
        Self { factor, more }
    }

    fn most(self, size: f64, parts: f64) -> f64 {
        size * self.factor + self.more * parts
    }
}

/// The longest text by which SentencePiece's table replaces a character: after its trie, they end with zeros.
fn longest_replacement(table: &Value) -> f64 {
    let bytes = base64(table.as_str().unwrap_or_default());
    let Some((size, rest)) = bytes.split_first_chunk::<4>() else { return 1.0 };
    let texts = rest.get(u32::from_le_bytes(*size) as usize..).unwrap_or(rest);
    texts.split(|byte| *byte == 0).map(<[u8]>::len).max().map_or(1.0, |longest| longest.max(1) as f64)
}

/// The bytes of a text in base 64; what is not of its alphabet is left out.
pub(super) fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        (bits, held) = (bits << 6 | u32::from(digit), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

/// Bytes as a text in base 64.
pub(super) fn in_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0, |bits: u32, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Refuses a post-processing that repeats a text, or puts more around it than any model needs.
fn check_processor(processor: &Value) -> Result<(), String> {
    let (mut copies, mut around) = (1_u64, 0_u64);
    for part in leaves(processor) {
        let pieces = part["single"].as_array().map_or(&[][..], Vec::as_slice);
        if pieces.is_empty() {
            continue;
        }
        let texts = pieces.iter().filter(|piece| piece.get("Sequence").is_some()).count() as u64;
        let tokens = pieces.iter().map(|piece| {
            let id = piece["SpecialToken"]["id"].as_str().unwrap_or_default();
            part["special_tokens"][id]["ids"].as_array().map_or(0, Vec::len) as u64
        });
        copies = copies.saturating_mul(texts.max(1));
        around = around.saturating_mul(texts.max(1)).saturating_add(tokens.sum());
    }
    if copies > limits::tokenizer::MOST_COPIES {
        return Err(format!("its post-processing repeats a text {copies} times"));
    }
    if around > limits::tokenizer::MOST_AROUND {
        return Err(format!("its post-processing puts {around} tokens around a text"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_read() {
        assert_eq!(base64("TWFu"), b"Man");
        assert_eq!(base64("TWE="), b"Ma");
        assert_eq!(base64(""), b"");
    }

    #[test]
    fn base_64_is_written() {
        for bytes in [&b""[..], b"M", b"Ma", b"Man", b"\xff\x00\xfe\x01"] {
            assert_eq!(base64(&in_base64(bytes)), bytes);
        }
        assert_eq!((in_base64(b"Man"), in_base64(b"Ma")), ("TWFu".to_owned(), "TWE=".to_owned()));
    }

    #[test]
    fn the_longest_replacement_of_a_table_is_known() {
        // No trie, then "ab" and "c".
        assert_eq!(longest_replacement(&Value::from("AAAAAGFiAGMA")), 2.0);
    }
}
