//! vocab.json and merges.txt: byte pairs as GPT-2 has them.

use serde_json::{Map, Value};

use super::{
    draft::{ByteLevelBpe, around},
    pre::PreTokenizer,
};

/// The classes of transformers that read these files, as far as they are known here.
const CLASSES: &str = "GPT2Tokenizer, CodeGenTokenizer, Qwen2Tokenizer";

/// What is wrong with one of the files, and with which.
type Wrong = (&'static str, String);

/// The text of the tokenizer.json that vocab.json and merges.txt mean for a class of transformers. `bos` is put before
/// texts; `prefix_space` is what tokenizer_config.json says.
///
/// # Errors
/// When a file is broken, or the class reads these files in a way that is not known here.
pub(crate) fn of_vocabulary(
    vocab: &[u8],
    merges: &[u8],
    class: &str,
    prefix_space: bool,
    bos: Option<&str>,
) -> Result<Vec<u8>, Wrong> {
    let pre = match class {
        "GPT2Tokenizer" | "CodeGenTokenizer" => PreTokenizer::gpt2(),
        "Qwen2Tokenizer" => PreTokenizer::qwen2(),
        other => {
            let other = crate::config::cut(other);
            return Err((
                "vocab.json",
                format!(
                    "how {other} reads it is not known here (known are {CLASSES}), and there is no tokenizer.json"
                ),
            ));
        }
    };
    let vocab: Map<String, Value> =
        serde_json::from_slice(vocab).map_err(|error| ("vocab.json", error.to_string()))?;
    let id = |text: &str| vocab.get(text).and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    if let Some((text, other)) = vocab.iter().find(|(text, _)| id(text).is_none()) {
        return Err(("vocab.json", format!("the id of {text:?} is {other}")));
    }
    let before = match bos {
        None => None,
        Some(text) => {
            let missing = || ("vocab.json", format!("texts begin with {text:?}, which it lacks"));
            Some((id(text).ok_or_else(missing)?, text))
        }
    };
    Ok(ByteLevelBpe {
        merges: pairs(merges, &vocab)?,
        pre,
        prefix_space,
        added: Vec::new(),
        around: around(before, None),
        vocab,
    }
    .into_json())
}

/// The pairs of merges.txt, one a line, the first line being a remark.
fn pairs(text: &[u8], vocab: &Map<String, Value>) -> Result<Vec<[String; 2]>, Wrong> {
    let wrong = |reason: String| ("merges.txt", reason);
    let text = std::str::from_utf8(text).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    let mut pairs = Vec::new();
    for (i, line) in text.split('\n').map(str::trim).enumerate() {
        if line.is_empty() || (i == 0 && line.starts_with("#version")) {
            continue;
        }
        let number = i + 1;
        let mut parts = line.split_whitespace();
        let (Some(left), Some(right), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong(format!("line {number} is no pair: {:?}", crate::config::cut(line))));
        };
        let made = format!("{left}{right}");
        if let Some(token) = [left, right, &made].into_iter().find(|token| !vocab.contains_key(*token)) {
            return Err(wrong(format!("line {number} needs the token {token:?}, which vocab.json lacks")));
        }
        pairs.push([left.to_owned(), right.to_owned()]);
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(vocab: &str, merges: &str, class: &str) -> Result<Vec<u8>, Wrong> {
        of_vocabulary(vocab.as_bytes(), merges.as_bytes(), class, false, Some("a"))
    }

    #[test]
    fn files_that_contradict_each_other_are_refused_by_line() {
        let vocab = r#"{"a": 0, "b": 1, "ab": 2}"#;
        assert!(made(vocab, "#version: 0.2\na b\n", "GPT2Tokenizer").is_ok());
        for (vocab, merges, class, file, says) in [
            (vocab, "#version: 0.2\na b c\n", "GPT2Tokenizer", "merges.txt", "line 2 is no pair"),
            (vocab, "a b\n\nb a\n", "GPT2Tokenizer", "merges.txt", "line 3 needs the token \"ba\""),
            ("[]", "", "GPT2Tokenizer", "vocab.json", "invalid type"),
            (r#"{"a": -1}"#, "", "GPT2Tokenizer", "vocab.json", "the id of \"a\" is -1"),
            (r#"{"b": 1}"#, "", "GPT2Tokenizer", "vocab.json", "begin with \"a\""),
            (vocab, "a b", "RobertaTokenizer", "vocab.json", "how RobertaTokenizer reads it is not known"),
        ] {
            let (found, reason) = made(vocab, merges, class).unwrap_err();
            assert_eq!(found, file, "{reason}");
            assert!(reason.contains(says), "{reason}");
        }
    }
}
