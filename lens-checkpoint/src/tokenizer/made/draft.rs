//! The parts of a tokenizer.json that is made here.

use serde_json::{Map, Value, json};

use super::{merges::of_scores, piece::Piece, pre::PreTokenizer};

/// A token that is found in texts before they are cut into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) id: u32,
    pub(crate) text: String,
    /// Whether it is left out where special tokens are.
    pub(crate) special: bool,
    /// Whether it takes the white space after it along.
    pub(crate) strips_after: bool,
}

impl Added {
    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "content": self.text,
            "single_word": false,
            "lstrip": false,
            "rstrip": self.strips_after,
            "normalized": false,
            "special": self.special,
        })
    }
}

/// Byte pairs over GPT-2's alphabet of bytes.
#[derive(Debug)]
pub(crate) struct ByteLevelBpe {
    /// Tokens and their ids.
    pub(crate) vocab: Map<String, Value>,
    pub(crate) merges: Vec<[String; 2]>,
    pub(crate) pre: PreTokenizer,
    pub(crate) prefix_space: bool,
    pub(crate) added: Vec<Added>,
    /// Tokens before and after a text: see [`around`].
    pub(crate) around: Value,
}

impl ByteLevelBpe {
    /// The text of a tokenizer.json.
    pub(crate) fn into_json(self) -> Vec<u8> {
        let model = json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": self.pre.ignores_merges,
            "vocab": self.vocab,
            "merges": self.merges,
        });
        file([
            added(self.added),
            ("normalizer", self.pre.normalizer()),
            ("pre_tokenizer", self.pre.pre_tokenizer(self.prefix_space)),
            ("post_processor", self.around),
            (
                "decoder",
                json!({
                    "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false,
                }),
            ),
            ("model", model),
        ])
    }
}

/// Byte pairs over SentencePiece's alphabet, merged in the order of scores.
#[derive(Debug)]
pub(crate) struct PieceBpe<'a> {
    /// The pieces, by id.
    pub(crate) pieces: Vec<Piece<'a>>,
    pub(crate) unknown: Option<&'a str>,
    pub(crate) byte_fallback: bool,
    pub(crate) added: Vec<Added>,
    pub(crate) normalizer: Value,
    pub(crate) pre_tokenizer: Value,
    pub(crate) decoder: Value,
    pub(crate) around: Value,
}

impl PieceBpe<'_> {
    /// The text of a tokenizer.json.
    ///
    /// # Errors
    /// When a score is not a number; the reason.
    pub(crate) fn into_json(self) -> Result<Vec<u8>, String> {
        let merges = of_scores(&self.pieces)?;
        let ids = self.pieces.iter().enumerate();
        let vocab: Map<String, Value> = ids.map(|(id, piece)| (piece.text.to_owned(), json!(id))).collect();
        let model = json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": self.unknown,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": true,
            "byte_fallback": self.byte_fallback,
            "ignore_merges": false,
            "vocab": vocab,
            "merges": merges,
        });
        Ok(file([
            added(self.added),
            ("normalizer", self.normalizer),
            ("pre_tokenizer", self.pre_tokenizer),
            ("post_processor", self.around),
            ("decoder", self.decoder),
            ("model", model),
        ]))
    }
}

pub(super) fn added(mut added: Vec<Added>) -> (&'static str, Value) {
    added.sort_by_key(|token| token.id);
    ("added_tokens", added.iter().map(Added::json).collect())
}

/// The sections of a tokenizer.json as its text.
pub(super) fn file(sections: [(&str, Value); 6]) -> Vec<u8> {
    let head = [("version", json!("1.0")), ("truncation", Value::Null), ("padding", Value::Null)];
    let all: Map<String, Value> =
        head.into_iter().chain(sections).map(|(key, value)| (key.to_owned(), value)).collect();
    Value::Object(all).to_string().into_bytes()
}

/// A post-processing that puts tokens, each an id and its text, around texts; null where there are none.
pub(crate) fn around(before: Option<(u32, &str)>, after: Option<(u32, &str)>) -> Value {
    if before.is_none() && after.is_none() {
        return Value::Null;
    }
    let token = |token: Option<(u32, &str)>, kind: u8| {
        token.map(|(_, text)| json!({"SpecialToken": {"id": text, "type_id": kind}}))
    };
    let side = |id: &str, kind: u8| {
        let text = json!({"Sequence": {"id": id, "type_id": kind}});
        token(before, kind).into_iter().chain([text]).chain(token(after, kind)).collect::<Vec<_>>()
    };
    let special: Map<String, Value> = [before, after]
        .into_iter()
        .flatten()
        .map(|(id, text)| (text.to_owned(), json!({"id": text, "ids": [id], "tokens": [text]})))
        .collect();
    let pair = [side("A", 0), side("B", 1)].concat();
    json!({
        "type": "TemplateProcessing",
        "single": side("A", 0),
        "pair": pair,
        "special_tokens": special,
    })
}
