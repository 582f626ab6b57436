//! tokenizer.model: SentencePiece's vocabularies.

use serde_json::{Value, json};

use super::{
    draft::{Added, PieceBpe, added, file},
    piece::Piece,
    proto::{CONTROL, Kind, Model, USER_DEFINED},
};
use crate::tokenizer::bounds::in_base64;

/// How a class of transformers reads a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// `LlamaConverter`.
    Llama,
    /// `GemmaConverter`.
    Gemma,
    /// `SpmConverter`, for classes that have no manner of their own.
    Plain,
}

/// The special tokens of chats that Gemma's class knows by name.
const GEMMA_TURNS: [&str; 2] = ["<start_of_turn>", "<end_of_turn>"];

/// The text of the tokenizer.json that a tokenizer.model means for a class of transformers, and what was assumed.
/// `legacy` and `prefix_space` are what tokenizer_config.json says.
///
/// # Errors
/// When the file is broken or of a kind that is not read here; the reason.
pub(crate) fn of_sentencepiece(
    bytes: &[u8],
    class: &str,
    legacy: bool,
    prefix_space: bool,
) -> Result<(Vec<u8>, Vec<String>), String> {
    let model = Model::read(bytes)?;
    let mut notes = Vec::new();
    let manner = match class {
        "GemmaTokenizer" => Manner::Gemma,
        "LlamaTokenizer" | "CodeLlamaTokenizer" | "Phi3Tokenizer" => Manner::Llama,
        _ if model.byte_fallback => {
            notes.push(format!(
                "tokenizer.model is read as Llama's: the habits of {class} are not known here"
            ));
            Manner::Llama
        }
        _ => Manner::Plain,
    };
    let prefix_space = prefix_space && (manner == Manner::Gemma || model.dummy_prefix);
    let parts = Parts { manner, legacy, prefix_space };
    let mut pieces: Vec<Piece<'_>> =
        model.pieces.iter().map(|piece| Piece { text: piece.text, score: piece.score }).collect();
    if manner != Manner::Plain {
        pieces.iter_mut().take(3).for_each(|piece| piece.score = 0.0);
    }
    if manner == Manner::Gemma && !pieces.iter().any(|piece| piece.text == "\t") {
        // Early files of Gemma lack the tab, and have its byte in its place.
        if let Some(byte) = pieces.iter_mut().find(|piece| piece.text == "<0x09>") {
            *byte = Piece { text: "\t", score: 0.0 };
        }
    }
    let is_special =
        |kind: u64, text: &str| kind == CONTROL || (manner == Manner::Gemma && GEMMA_TURNS.contains(&text));
    let found =
        model.pieces.iter().enumerate().filter(|(_, piece)| [CONTROL, USER_DEFINED].contains(&piece.kind));
    let added_tokens = found
        .map(|(id, piece)| Added {
            id: id as u32,
            text: piece.text.to_owned(),
            special: is_special(piece.kind, piece.text),
            strips_after: false,
        })
        .collect();
    let unknown = if manner == Manner::Gemma { 3 } else { model.unknown };
    let unknown_text = pieces.get(unknown).map(|piece| piece.text);
    let unknown_text =
        unknown_text.ok_or_else(|| format!("its unknown piece is {unknown}, which it has not"))?;
    let json = match model.kind {
        Kind::Bpe => PieceBpe {
            pieces,
            unknown: Some(unknown_text),
            byte_fallback: manner != Manner::Plain,
            added: added_tokens,
            normalizer: parts.normalizer(model.charsmap),
            pre_tokenizer: parts.pre_tokenizer(),
            decoder: parts.decoder(),
            around: Value::Null,
        }
        .into_json()?,
        Kind::Unigram => {
            if let Some(piece) = pieces.iter().find(|piece| !piece.score.is_finite()) {
                return Err(format!("the score of its piece {:?} is not a number", piece.text));
            }
            let vocab: Vec<Value> = pieces.iter().map(|piece| json!([piece.text, piece.score])).collect();
            file([
                added(added_tokens),
                ("normalizer", parts.normalizer(model.charsmap)),
                ("pre_tokenizer", parts.pre_tokenizer()),
                ("post_processor", Value::Null),
                ("decoder", parts.decoder()),
                (
                    "model",
                    json!({
                        "type": "Unigram",
                        "unk_id": unknown,
                        "vocab": vocab,
                        "byte_fallback": manner != Manner::Plain,
                    }),
                ),
            ])
        }
    };
    Ok((json, notes))
}

/// What is done to a text around the vocabulary.
struct Parts {
    manner: Manner,
    legacy: bool,
    prefix_space: bool,
}

impl Parts {
    fn replace() -> Value {
        json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})
    }

    fn normalizer(&self, charsmap: &[u8]) -> Value {
        let steps = match self.manner {
            Manner::Gemma => return Self::replace(),
            Manner::Llama if !self.legacy => return Value::Null,
            Manner::Llama => {
                let prepend = self.prefix_space.then(|| json!({"type": "Prepend", "prepend": "▁"}));
                prepend.into_iter().chain([Self::replace()]).collect::<Vec<_>>()
            }
            Manner::Plain => {
                let table = (!charsmap.is_empty())
                    .then(|| json!({"type": "Precompiled", "precompiled_charsmap": in_base64(charsmap)}));
                let rest = [
                    json!({"type": "Strip", "strip_left": false, "strip_right": true}),
                    json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}),
                ];
                table.into_iter().chain(rest).collect()
            }
        };
        json!({"type": "Sequence", "normalizers": steps})
    }

    fn scheme(&self) -> &'static str {
        match (self.prefix_space, self.legacy) {
            (false, _) => "never",
            (true, true) => "always",
            (true, false) => "first",
        }
    }

    fn pre_tokenizer(&self) -> Value {
        let metaspace = |split: bool| {
            json!({
                "type": "Metaspace",
                "replacement": "▁",
                "prepend_scheme": self.scheme(),
                "split": split,
            })
        };
        match self.manner {
            Manner::Gemma => json!({
                "type": "Split",
                "pattern": {"String": " "},
                "behavior": "MergedWithPrevious",
                "invert": false,
            }),
            Manner::Llama if self.legacy => Value::Null,
            Manner::Llama => metaspace(false),
            Manner::Plain => metaspace(true),
        }
    }

    fn decoder(&self) -> Value {
        if self.manner == Manner::Plain {
            let scheme = self.scheme();
            return json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true});
        }
        let mut decoders = vec![
            json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
            json!({"type": "ByteFallback"}),
            json!({"type": "Fuse"}),
        ];
        if self.manner == Manner::Llama && self.prefix_space {
            decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        }
        json!({"type": "Sequence", "decoders": decoders})
    }
}
