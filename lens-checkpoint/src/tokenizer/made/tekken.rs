//! tekken.json: Mistral's vocabularies of bytes by rank, as `mistral-common` reads them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    draft::{Added, ByteLevelBpe, around},
    merges::of_ranks,
    pre::PreTokenizer,
};
use crate::limits;
use crate::tokenizer::{bounds::base64, spelling::spell_bytes};

#[derive(Deserialize)]
struct Tekken {
    config: Config,
    vocab: Vec<Token>,
    #[serde(default)]
    special_tokens: Option<Vec<Special>>,
}

#[derive(Deserialize)]
struct Config {
    pattern: String,
    default_vocab_size: usize,
    default_num_special_tokens: usize,
}

#[derive(Deserialize)]
struct Token {
    rank: usize,
    token_bytes: String,
}

#[derive(Deserialize)]
struct Special {
    rank: usize,
    token_str: String,
}

/// Special tokens of files that do not list them.
const EARLY: [&str; 16] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
];

/// The text of the tokenizer.json that a tekken.json means.
///
/// # Errors
/// When the file is broken; the reason.
pub(crate) fn of_tekken(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let file: Tekken = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let (size, specials) = (file.config.default_vocab_size, file.config.default_num_special_tokens);
    let inner = size.checked_sub(specials).filter(|_| size <= limits::tokenizer::MOST_TOKENS);
    let inner = inner.ok_or_else(|| format!("it claims {size} tokens, {specials} of them special"))?;
    if inner > file.vocab.len() {
        return Err(format!("it claims {inner} tokens that are not special, and lists {}", file.vocab.len()));
    }
    let mut tokens = Vec::with_capacity(inner);
    for (rank, token) in file.vocab.iter().take(inner).enumerate() {
        if token.rank != rank {
            return Err(format!("its token {rank} has the rank {}", token.rank));
        }
        let bytes = base64(&token.token_bytes);
        if bytes.is_empty() {
            return Err(format!("its token {rank} stands for no bytes"));
        }
        tokens.push(bytes);
    }
    let special = special(file.special_tokens, specials)?;
    let mut vocab: Map<String, Value> = Map::new();
    for (rank, token) in tokens.iter().enumerate() {
        vocab.insert(spell_bytes(token), json!(specials + rank));
    }
    if vocab.len() != tokens.len() {
        return Err("two of its tokens stand for the same bytes".to_owned());
    }
    for token in &special {
        vocab.entry(token.text.clone()).or_insert_with(|| json!(token.id));
    }
    let bos = special.iter().find(|token| token.text == "<s>").map(|token| (token.id, "<s>"));
    Ok(ByteLevelBpe {
        vocab,
        merges: of_ranks(&tokens, spell_bytes),
        pre: PreTokenizer::by(&file.config.pattern),
        prefix_space: false,
        around: around(bos, None),
        added: special.clone(),
    }
    .into_json())
}

/// The special tokens by rank, with names for those that have none.
fn special(listed: Option<Vec<Special>>, n: usize) -> Result<Vec<Added>, String> {
    let mut names: Vec<String> = (0..n).map(|i| format!("<SPECIAL_{i}>")).collect();
    match listed {
        Some(listed) => {
            for special in listed {
                let n = names.len();
                let place = names.get_mut(special.rank);
                *place.ok_or_else(|| format!("its special token {} is one of {n}", special.rank))? =
                    special.token_str;
            }
        }
        None => names.iter_mut().zip(EARLY).for_each(|(name, early)| early.clone_into(name)),
    }
    let added = |(id, text)| Added { id: id as u32, text, special: true, strips_after: false };
    Ok(names.into_iter().enumerate().map(added).collect())
}
