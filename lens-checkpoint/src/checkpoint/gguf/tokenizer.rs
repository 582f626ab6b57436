//! The tokenizer of a GGUF file, as the files that transformers has for it.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::{
    gguf::{Header, Value},
    tokenizer::made::{Added, ByteLevelBpe, Piece, PieceBpe, PreTokenizer, around},
};

/// Kinds of tokens, by llama.cpp's numbers.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;

/// Names of models whose special tokens take the white space after them along, and the special tokens that do not;
/// llama.cpp knows both by their names, because files do not say it.
const STRIPPING: &[&str] = &["phi-3", "phi3"];
const NOT_STRIPPING: &[&str] = &["<unk>", "<s>", "<|endoftext|>"];

/// What a file says of its tokenizer.
#[derive(Debug)]
pub(super) struct TokenizerFiles {
    /// tokenizer.json.
    pub(super) json: Vec<u8>,
    /// What was assumed, as sentences.
    pub(super) notes: Vec<String>,
}

/// A vocabulary, by id.
struct Vocabulary<'h, 'a> {
    tokens: &'h [&'a str],
    /// As many as tokens.
    kinds: Vec<i64>,
}

/// tokenizer.json, if the file has a tokenizer.
///
/// # Errors
/// When it is of a kind that is not read here, or contradicts itself; the reason.
pub(super) fn tokenizer_files(header: &Header<'_>) -> Result<Option<TokenizerFiles>, String> {
    let Some(model) = header.text("tokenizer.ggml.model")? else { return Ok(None) };
    let mut notes = Vec::new();
    let json = match model {
        "none" | "no_vocab" => return Ok(None),
        "llama" => pieces(header, &mut notes)?,
        "gpt2" => byte_level(header, &mut notes)?,
        other => {
            return Err(format!(
                "its tokenizer is of the kind {:?}, which is not read here (read are \"llama\" and \"gpt2\")",
                crate::config::cut(other)
            ));
        }
    };
    Ok(Some(TokenizerFiles { json, notes }))
}

/// What tokenizer_config.json would say: the chat template, and special tokens by their names.
///
/// # Errors
/// When an entry is of another type than it should be; the reason.
pub(super) fn tokenizer_config(header: &Header<'_>) -> Result<Json, String> {
    let mut config = Map::new();
    let tokens = header.texts("tokenizer.ggml.tokens")?.unwrap_or_default();
    for (own, key) in
        [("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token")]
    {
        let token = id(header, own)?.and_then(|id| tokens.get(id as usize));
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            config.insert(key.to_owned(), json!(token));
        }
    }
    if let Some(template) = header.text("tokenizer.chat_template")? {
        config.insert("chat_template".to_owned(), json!(template));
    }
    config.insert("tokenizer_class".to_owned(), json!("PreTrainedTokenizerFast"));
    Ok(Json::Object(config))
}

/// The id of a special token.
fn id(header: &Header<'_>, name: &str) -> Result<Option<u32>, String> {
    let id = header.count(&format!("tokenizer.ggml.{name}_token_id"))?;
    // A file without such a token may say the largest number.
    Ok(id.and_then(|id| u32::try_from(id).ok()).filter(|id| *id != u32::MAX))
}

impl<'h, 'a> Vocabulary<'h, 'a> {
    fn read(header: &'h Header<'a>) -> Result<Self, String> {
        let tokens = header.texts("tokenizer.ggml.tokens")?.unwrap_or_default();
        if tokens.is_empty() {
            return Err("its tokenizer has no tokens (tokenizer.ggml.tokens)".to_owned());
        }
        let kinds = match header.get("tokenizer.ggml.token_type") {
            None => vec![1; tokens.len()],
            Some(Value::Ints(kinds)) if kinds.len() == tokens.len() => kinds.clone(),
            Some(other) => {
                return Err(format!(
                    "its tokenizer.ggml.token_type is {}, for {} tokens",
                    other.shown(),
                    tokens.len()
                ));
            }
        };
        Ok(Self { tokens, kinds })
    }

    /// The tokens that are found in texts as they are.
    fn added(&self, header: &Header<'_>, unknown_is_special: bool) -> Vec<Added> {
        let name = super::config::model_name(header).unwrap_or_default().to_lowercase();
        let architecture = header.text("general.architecture").ok().flatten().unwrap_or_default();
        let strips = STRIPPING.iter().any(|part| name.contains(part)) || architecture == "phi3";
        let kinds = self.kinds.iter().zip(self.tokens).enumerate();
        kinds
            .filter(|(_, (kind, token))| {
                !token.is_empty()
                    && (matches!(**kind, CONTROL | USER_DEFINED) || (**kind == UNKNOWN && unknown_is_special))
            })
            .map(|(id, (kind, token))| Added {
                id: id as u32,
                text: (*token).to_owned(),
                special: *kind != USER_DEFINED,
                strips_after: strips
                    && (*kind != USER_DEFINED || *token == "</s>")
                    && !NOT_STRIPPING.contains(token),
            })
            .collect()
    }

    /// Whether a token only fills a place of the embedding.
    fn is_filler(&self, id: usize) -> bool {
        self.kinds[id] == UNUSED && self.tokens[id] == format!("[PAD{id}]")
    }

    /// Tokens that have the text of another one.
    fn note_on_duplicates(&self, notes: &mut Vec<String>) {
        let mut seen = HashMap::new();
        let twice = self
            .tokens
            .iter()
            .enumerate()
            .find_map(|(id, token)| seen.insert(*token, id).map(|first| (token, first, id)));
        if let Some((token, first, second)) = twice {
            notes.push(format!(
                "the file has tokens of the same text: of {token:?}, <id {first}> and <id {second}>, the last is taken, as \
                 in llama.cpp"
            ));
        }
    }

    /// The tokens around texts: what the file says, or else what llama.cpp takes.
    fn around(&self, header: &Header<'_>, begins: bool) -> Result<Json, String> {
        let token = |wanted: bool, name: &str| -> Result<Option<(u32, &'a str)>, String> {
            if !wanted {
                return Ok(None);
            }
            let id = id(header, name)?;
            let text = id.and_then(|id| self.tokens.get(id as usize));
            id.zip(text.copied()).map(Some).ok_or_else(|| {
                format!("its texts begin or end with its {name} token, and it has no such token")
            })
        };
        let says = |name: &str| header.flag(&format!("tokenizer.ggml.add_{name}_token"));
        let has = id(header, "bos")?.is_some();
        let begins = says("bos")?.unwrap_or(begins && has);
        Ok(around(token(begins, "bos")?, token(says("eos")?.unwrap_or(false), "eos")?))
    }
}

/// SentencePiece's byte pairs: tokens with scores.
fn pieces(header: &Header<'_>, notes: &mut Vec<String>) -> Result<Vec<u8>, String> {
    let vocabulary = Vocabulary::read(header)?;
    vocabulary.note_on_duplicates(notes);
    let scores = match header.get("tokenizer.ggml.scores") {
        Some(Value::Floats(scores)) if scores.len() == vocabulary.tokens.len() => scores,
        Some(other) => {
            return Err(format!(
                "its tokenizer.ggml.scores is {}, for {} tokens",
                other.shown(),
                vocabulary.tokens.len()
            ));
        }
        None => return Err("its tokenizer has no scores (tokenizer.ggml.scores)".to_owned()),
    };
    let unknown = id(header, "unknown")?.map_or_else(
        || vocabulary.kinds.iter().position(|kind| *kind == UNKNOWN),
        |id| Some(id as usize).filter(|id| *id < vocabulary.tokens.len()),
    );
    let prefix = header.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let normalizer = match prefix {
        true => json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace]}),
        false => replace,
    };
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    // Places that nothing fills are at the end, as a rule; in the middle they keep their place.
    let used =
        (0..vocabulary.tokens.len()).rev().find(|id| !vocabulary.is_filler(*id)).map_or(0, |id| id + 1);
    PieceBpe {
        pieces: vocabulary.tokens[..used]
            .iter()
            .zip(scores)
            .map(|(&text, &score)| Piece { text, score })
            .collect(),
        unknown: unknown.map(|id| vocabulary.tokens[id]),
        byte_fallback: true,
        added: vocabulary.added(header, true),
        normalizer,
        pre_tokenizer: Json::Null,
        decoder: json!({"type": "Sequence", "decoders": decoders}),
        around: vocabulary.around(header, true)?,
    }
    .into_json()
}

/// Byte pairs over bytes: tokens with merges.
fn byte_level(header: &Header<'_>, notes: &mut Vec<String>) -> Result<Vec<u8>, String> {
    let vocabulary = Vocabulary::read(header)?;
    vocabulary.note_on_duplicates(notes);
    let merges = header.texts("tokenizer.ggml.merges")?;
    let merges = merges.ok_or("its tokenizer has no merges (tokenizer.ggml.merges)")?;
    let name = header.text("tokenizer.ggml.pre")?;
    let name = name.ok_or_else(|| {
        format!(
            "it does not say how its tokenizer cuts texts into words (tokenizer.ggml.pre; known are {}): it was made \
             before llama.cpp wrote that. Convert the model again",
            PreTokenizer::NAMES
        )
    })?;
    let pre = PreTokenizer::named(name).ok_or_else(|| {
        format!(
            "its tokenizer cuts texts into words as {:?} does (tokenizer.ggml.pre), which is not known here; known are {}",
            crate::config::cut(name),
            PreTokenizer::NAMES
        )
    })?;
    let vocab: Map<String, Json> = vocabulary
        .tokens
        .iter()
        .enumerate()
        .filter(|(id, _)| !vocabulary.is_filler(*id))
        .map(|(id, token)| ((*token).to_owned(), json!(id)))
        .collect();
    let pair = |merge: &&str| {
        // A token may hold spaces only where it is no token of bytes; the first space cuts.
        let (left, right) = merge.split_once(' ').ok_or_else(|| format!("its merge {merge:?} is no pair"))?;
        let made = format!("{left}{right}");
        match [left, right, &made].into_iter().find(|token| !vocab.contains_key(*token)) {
            None => Ok([left.to_owned(), right.to_owned()]),
            Some(token) => Err(format!("its merge {merge:?} needs the token {token:?}, which it lacks")),
        }
    };
    let merges = merges.iter().map(pair).collect::<Result<_, String>>()?;
    let begins = matches!(name, "llama-bpe" | "llama3" | "llama-v3" | "tekken");
    Ok(ByteLevelBpe {
        merges,
        pre,
        prefix_space: header.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(false),
        added: vocabulary.added(header, false),
        around: vocabulary.around(header, begins)?,
        vocab,
    }
    .into_json())
}
