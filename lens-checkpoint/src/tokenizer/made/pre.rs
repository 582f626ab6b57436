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
            "smollm" | "starcoder" => Self::new(Words::Gpt2Digits, false, false),
            "command-r" => Self::new(Words::Gpt2Digits, true, false),
            "llama-bpe" | "llama3" | "llama-v3" => Self::by(LLAMA3),
            "dbrx" => Self::new(cut(&[LLAMA3]), false, false),
            "qwen2" => Self::qwen2(),
            "deepseek-r1-qwen" => Self::new(cut(&[QWEN2]), false, false),
            "gpt-4o" => Self::by(GPT4O),
            "tekken" => Self::by(TEKKEN),
            "deepseek-coder" => Self::new(cut(DEEPSEEK_CODER), false, false),
            "deepseek-v3" => Self::new(cut(DEEPSEEK3), false, false),
            _ => return None,
        })
    }

    /// The names that [`named`](Self::named) knows.
    pub(crate) const NAMES: &str = "gpt-2, phi-2, olmo, mpt, smollm, starcoder, command-r, llama-bpe, dbrx, qwen2, \
         deepseek-r1-qwen, deepseek-coder, deepseek-v3, gpt-4o, tekken";

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
            Words::Cut(expressions) => {
                let split = |expression: &String| {
                    json!({
                        "type": "Split",
                        "pattern": {"Regex": expression},
                        "behavior": "Isolated",
                        "invert": false,
                    })
                };
                let steps: Vec<Value> = expressions.iter().map(split).chain([bytes(false)]).collect();
                json!({"type": "Sequence", "pretokenizers": steps})
            }
        }
    }
}

fn cut(expressions: &[&str]) -> Words {
    Words::Cut(expressions.iter().map(|expression| (*expression).to_owned()).collect())
}
