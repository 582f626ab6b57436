//! What is unusual about a prompt without being wrong.

use lens_core::TokenId;

use super::{Prepared, Speech};
use crate::Outline;

/// What a reader of the results has to know about the tokens of `prompt`, as sentences.
pub(super) fn of_prompt(prompt: &Prepared, outline: &Outline, speech: &Speech) -> Vec<String> {
    [beyond_context(prompt, outline), bos(prompt, outline, speech)].into_iter().flatten().collect()
}

fn beyond_context(prompt: &Prepared, outline: &Outline) -> Option<String> {
    let length = prompt.tokens.len();
    // Past learned positions there is no guess: the run will be refused.
    let most = outline.spec.embed.positions.as_ref().map_or(usize::MAX, |positions| positions.n);
    let context = outline.spec.context.filter(|context| (context + 1..=most).contains(&length))?;
    Some(format!(
        "the prompt has {length} tokens, the model was made for {context}: what it says beyond is guesswork"
    ))
}

/// Whether the prompt begins as the model's sequences do.
fn bos(prompt: &Prepared, outline: &Outline, speech: &Speech) -> Option<String> {
    prompt.text.as_ref()?;
    let begins = outline.bos_token_ids();
    let bos = begins.first()?;
    let count = prompt.tokens.iter().take_while(|token| begins.contains(&token.0)).count();
    let name = speech.texts().text(TokenId(*bos)).text;
    match count {
        0 => {
            Some(format!("the config begins sequences with {name} (id {bos}), the tokenizer does not add it"))
        }
        1 if speech.adds_bos() == Some(false) => Some(format!(
            "tokenizer.json puts {name} (id {bos}) in front, and tokenizer_config.json says add_bos_token = false: \
             transformers may leave it out"
        )),
        1 => None,
        _ => Some(format!("the prompt begins with {name} {count} times: the tokenizer adds it")),
    }
}
