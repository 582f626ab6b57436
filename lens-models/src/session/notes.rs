//! What is unusual about a prompt without being wrong.

use lens_core::TokenId;

use super::{Prepared, Speech};
use crate::Outline;

/// What a reader of the results has to know about the tokens of `prompt`, as sentences.
pub(super) fn of_prompt(
    prompt: &Prepared,
    origin: Option<Origin>,
    outline: &Outline,
    speech: &Speech,
) -> Vec<String> {
    let of_files = speech.notes().iter().filter(|_| origin.is_some()).cloned();
    let bos = origin.and_then(|origin| bos(prompt, origin, outline, speech));
    let others = [beyond_context(prompt, outline), bos, own_end(prompt, speech)];
    of_files.chain(others.into_iter().flatten()).collect()
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

/// Where the tokens of a prompt are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A text, for which the tokenizer adds what it adds.
    Text,
    /// A conversation, all of which the chat template writes.
    Chat,
}

/// Whether the prompt begins as the model's sequences do: with the token that the config names, or the tokenizer.
fn bos(prompt: &Prepared, origin: Origin, outline: &Outline, speech: &Speech) -> Option<String> {
    let tokenizer = speech.tokenizer().ok()?;
    let named = outline.bos_token_ids();
    let configured = named.first().map(|id| TokenId(*id));
    let name = |id: TokenId| format!("{} (<id {id}>)", speech.texts().text(id).text);
    let added: Vec<TokenId> = match tokenizer.encode("a", true).ok()?.first() {
        Some(first) if configured == Some(*first) || tokenizer.bos() == Some(*first) => vec![*first],
        _ => Vec::new(),
    };
    let begins = |id: &TokenId| named.contains(&id.0) || tokenizer.bos() == Some(*id);
    let count = prompt.tokens.iter().take_while(|id| begins(id)).count();
    match (count, prompt.tokens.first(), configured) {
        (0, _, None) => None,
        (0, _, Some(bos)) => Some(match (origin, added.first()) {
            (Origin::Text, _) => {
                format!("the config begins sequences with {}, the tokenizer does not add it", name(bos))
            }
            (Origin::Chat, Some(id)) => format!(
                "the conversation begins without {}: the chat template does not write it, and the tokenizer adds it to \
                 plain texts only",
                name(*id)
            ),
            (Origin::Chat, None) => format!(
                "the config begins sequences with {}: neither the chat template nor the tokenizer puts it there",
                name(bos)
            ),
        }),
        (1, Some(first), Some(bos)) if !named.contains(&first.0) => Some(format!(
            "the prompt begins with {}, which the tokenizer's files name; config.json names {}",
            name(*first),
            name(bos)
        )),
        (1, ..) | (_, None, _) => None,
        (_, Some(first), _) => {
            let why = match (origin, added.is_empty()) {
                (Origin::Text, false) => ": the tokenizer adds one, the text has the rest",
                (Origin::Text, true) => ": the text has them, the tokenizer adds none",
                (Origin::Chat, _) => ": the chat template writes one, the messages or the template the rest",
            };
            Some(format!("the prompt begins with {} {count} times{why}", name(*first)))
        }
    }
}

/// What ends a continuation beyond the configs.
fn own_end(prompt: &Prepared, speech: &Speech) -> Option<String> {
    let end = prompt.generate.as_ref().and(speech.own_end())?;
    Some(format!(
        "the continuation ends at {} (<id {end}>), too, which the tokenizer's files name as the end of a text and the \
         configs do not",
        speech.texts().text(end).text
    ))
}
