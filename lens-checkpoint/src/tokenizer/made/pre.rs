//! How texts are cut into words before byte pairs are merged.

use serde_json::{Value, json};

/// Llama 3's words.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The same with digits one by one.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Those of GPT-4o (o200k).
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Those of Mistral's Tekken.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEEPSEEK3: &[&str] = &[
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
];

const DEEPSEEK_CODER: &[&str] = &["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\u{D7FF}]+", r"\p{N}"];

/// DeepSeek LLM's: lines, letters that have a case (in the Unicode of its day), punctuation of two scripts, space at the
/// end, what is written without spaces, and digits.
const DEEPSEEK_LLM: &[&str] = &[
    "[\r\n]",
    DEEPSEEK_LETTERS,
    "\\s?[!-/:-~\u{ff01}-\u{ff0f}\u{ff1a}-\u{ff5e}\u{2018}-\u{201f}\u{3000}-\u{3002}]+",
    "\\s+$",
    "[\u{4e00}-\u{9fa5}\u{800}-\u{4e00}\u{ac00}-\u{d7ff}]+",
    r"\p{N}",
];

const DEEPSEEK_LETTERS: &str = "\\s?[A-Za-z\u{b5}\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{1ba}\u{1bc}-\u{1bf}\u{1c4}-\u{293}\u{295}-\u{2af}\
     \u{370}-\u{373}\u{376}\u{377}\u{37b}-\u{37d}\u{37f}\u{386}\u{388}-\u{38a}\u{38c}\u{38e}-\u{3a1}\
     \u{3a3}-\u{3f5}\u{3f7}-\u{481}\u{48a}-\u{52f}\u{531}-\u{556}\u{10a0}-\u{10c5}\u{13a0}-\u{13f5}\
     \u{13f8}-\u{13fd}\u{1c90}-\u{1cba}\u{1cbd}-\u{1cbf}\u{1d00}-\u{1d2b}\u{1d6b}-\u{1d77}\u{1d79}-\u{1d9a}\
     \u{1e00}-\u{1f15}\u{1f18}-\u{1f1d}\u{1f20}-\u{1f45}\u{1f48}-\u{1f4d}\u{1f50}-\u{1f57}\u{1f59}\u{1f5b}\
     \u{1f5d}\u{1f5f}-\u{1f7d}\u{1f80}-\u{1fb4}\u{1fb6}-\u{1fbc}\u{1fbe}\u{1fc2}-\u{1fc4}\u{1fc6}-\u{1fcc}\
     \u{1fd0}-\u{1fd3}\u{1fd6}-\u{1fdb}\u{1fe0}-\u{1fec}\u{1ff2}-\u{1ff4}\u{1ff6}-\u{1ffc}\u{2102}\u{2107}\
     \u{210a}-\u{2113}\u{2115}\u{2119}-\u{211d}\u{2124}\u{2126}\u{2128}\u{212a}-\u{212d}\u{212f}-\u{2134}\
     \u{2139}\u{213c}-\u{213f}\u{2145}-\u{2149}\u{214e}\u{2183}\u{2184}\u{2c00}-\u{2c7b}\u{2c7e}-\u{2ce4}\
     \u{2ceb}-\u{2cee}\u{2cf2}\u{2cf3}\u{a640}-\u{a66d}\u{a680}-\u{a69b}\u{a722}-\u{a76f}\u{a771}-\u{a787}\
     \u{a78b}-\u{a78e}\u{ab70}-\u{abbf}\u{fb00}-\u{fb06}\u{fb13}-\u{fb17}\u{ff21}-\u{ff3a}\u{ff41}-\u{ff5a}\
     \u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\
     \u{118a0}-\u{118df}\u{1e900}-\u{1e943}]+";

/// What is done to a text before byte pairs are merged in its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PreTokenizer {
    words: Words,
    /// Whether characters are composed first (NFC).
    composes: bool,
    /// Whether a word that is a token stays one, whatever the merges make of it.
    pub(super) ignores_merges: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Words {
    /// GPT-2's, which are part of the byte level.
    Gpt2,
    /// The same, after every digit has become a word.
    Gpt2Digits,
    /// The same between runs of punctuation; in these words, as they are spelled in bytes, numbers stand apart, and
    /// three digits of them at a time.
    Falcon,
    /// Expressions, one after the other.
    Cut(Vec<String>),
}

impl PreTokenizer {
    const fn new(words: Words, composes: bool, ignores_merges: bool) -> Self {
        Self { words, composes, ignores_merges }
    }

    /// GPT-2's.
    pub(crate) const fn gpt2() -> Self {
        Self::new(Words::Gpt2, false, false)
    }

    /// That of Qwen 2 and 3.
    pub(crate) fn qwen2() -> Self {
        Self::new(cut(&[QWEN2]), true, false)
    }

    /// By one expression, with words that are tokens taken as they are.
    pub(super) fn by(expression: &str) -> Self {
        Self::new(cut(&[expression]), false, true)
    }

    /// Those that llama.cpp knows by name (`tokenizer.ggml.pre`), as the tokenizer.json of the models that it gives the
    /// name to has them; `None` for another name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gpt-2" | "phi-2" => Self::gpt2(),
            "olmo" | "mpt" => Self::new(Words::Gpt2, true, false),
            "falcon" => Self::new(Words::Falcon, false, false),
            "smollm" | "starcoder" | "refact" => Self::new(Words::Gpt2Digits, false, false),
            "command-r" => Self::new(Words::Gpt2Digits, true, false),
            "llama-bpe" | "llama3" | "llama-v3" => Self::by(LLAMA3),
            "dbrx" => Self::new(cut(&[LLAMA3]), false, false),
            "qwen2" => Self::qwen2(),
            "deepseek-r1-qwen" => Self::new(cut(&[QWEN2]), false, false),
            "gpt-4o" => Self::by(GPT4O),
            "tekken" => Self::by(TEKKEN),
            "deepseek-llm" => Self::new(cut(DEEPSEEK_LLM), false, false),
            "deepseek-coder" => Self::new(cut(DEEPSEEK_CODER), false, false),
            "deepseek-v3" => Self::new(cut(DEEPSEEK3), false, false),
            _ => return None,
        })
    }

    /// The names that [`named`](Self::named) knows.
    pub(crate) const NAMES: &str = "gpt-2, phi-2, olmo, mpt, falcon, smollm, starcoder, refact, command-r, llama-bpe, dbrx, \
         qwen2, deepseek-r1-qwen, deepseek-llm, deepseek-coder, deepseek-v3, gpt-4o, tekken";

    pub(super) fn normalizer(&self) -> Value {
        if self.composes { json!({"type": "NFC"}) } else { Value::Null }
    }

    pub(super) fn pre_tokenizer(&self, prefix_space: bool) -> Value {
        let bytes = |use_regex: bool| {
            json!({
                "type": "ByteLevel",
                "add_prefix_space": prefix_space,
                "trim_offsets": false,
                "use_regex": use_regex,
            })
        };
        match &self.words {
            Words::Gpt2 => bytes(true),
            Words::Gpt2Digits => json!({
                "type": "Sequence",
                "pretokenizers": [{"type": "Digits", "individual_digits": true}, bytes(true)],
            }),
            Words::Falcon => json!({
                "type": "Sequence",
                "pretokenizers": [
                    {"type": "Punctuation", "behavior": "Contiguous"},
                    bytes(true),
                    {"type": "Digits", "individual_digits": false},
                    split("[0-9][0-9][0-9]"),
                ],
            }),
            Words::Cut(expressions) => {
                let steps = expressions.iter().map(|expression| split(expression));
                let steps: Vec<Value> = steps.chain([bytes(false)]).collect();
                json!({"type": "Sequence", "pretokenizers": steps})
            }
        }
    }
}

fn split(expression: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": false})
}

fn cut(expressions: &[&str]) -> Words {
    Words::Cut(expressions.iter().map(|expression| (*expression).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use tokenizers::{
        OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _, PreTokenizerWrapper,
    };

    use super::*;

    /// The words of a text, as bytes are spelled, with a bar between them.
    fn words(name: &str, text: &str) -> String {
        let pre = PreTokenizer::named(name).expect("a known name").pre_tokenizer(false);
        let pre: PreTokenizerWrapper = serde_json::from_value(pre).expect("a pre-tokenizer");
        let mut cut = PreTokenizedString::from(text);
        pre.pre_tokenize(&mut cut).expect("every text is cut");
        let splits = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
        splits.iter().map(|(word, _, _)| *word).collect::<Vec<_>>().join("|")
    }

    /// Punctuation first, then GPT-2's words, then numbers, and three digits at a time from the left.
    #[test]
    fn falcon_cuts_numbers_after_bytes() {
        assert_eq!(words("falcon", "Hello, world!! 12"), "Hello|,|Ġworld|!!|Ġ|12");
        assert_eq!(words("falcon", "price: 12,345.67"), "price|:|Ġ|12|,|345|.|67");
        assert_eq!(words("falcon", "1234567"), "123|456|7");
        assert_eq!(words("falcon", "a+b=$5"), "a|+|b|=$|5");
        // A byte of this letter is spelled as a fraction, which is a number.
        assert_eq!(words("falcon", "м"), "Ð|¼");
    }

    /// Letters with a case and the space before them are a word, so are punctuation and what is written without spaces; a
    /// digit is alone. What no expression takes stays between.
    #[test]
    fn deepseek_llm_cuts_by_six_expressions() {
        assert_eq!(words("deepseek-llm", "Hello, world 123"), "Hello|,|Ġworld|Ġ|1|2|3");
        assert_eq!(words("deepseek-llm", "a\nb  "), "a|Ċ|b|ĠĠ");
        assert_eq!(words("deepseek-llm", "a  b"), "a|Ġ|Ġb");
        assert_eq!(words("deepseek-llm", "\u{4f60}\u{597d}ab"), "ä½łå¥½|ab");
        // An e with an accent is a letter with a case, the ordinal indicator is none; the expression for punctuation takes
        // ASCII's letters as well, and cuts within words what the one for letters left whole.
        assert_eq!(words("deepseek-llm", "\u{e9}\u{e9}\u{aa}"), "Ã©Ã©|Âª");
        assert_eq!(words("deepseek-llm", "caf\u{e9}"), "caf|Ã©");
        assert_eq!(words("deepseek-coder", "x\u{aa}").split('|').count(), 1);
    }

    #[test]
    fn every_name_that_is_listed_is_known() {
        for name in PreTokenizer::NAMES.split(", ") {
            assert!(PreTokenizer::named(name).is_some(), "{name}");
            assert!(!words(name, "It's 12 a\u{301}\u{4f60}\r\n \t!").is_empty());
        }
        assert_eq!(PreTokenizer::named("superbpe"), None);
    }
}
