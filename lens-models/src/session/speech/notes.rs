//! What is unusual about a prompt without being wrong.

use lens_core::{Origin, PromptTokens, TokenId};

use super::Speech;

/// What a reader of the results has to know about the tokens of `prompt`, as sentences.
pub(super) fn of_prompt(prompt: &PromptTokens<'_>, speech: &Speech) -> Vec<String> {
    let of_files = speech.notes().iter().filter(|_| prompt.origin.is_some()).cloned();
    let bos = prompt.origin.and_then(|origin| bos(prompt, origin, speech));
    let of_chat = prompt.origin.filter(|origin| *origin == Origin::Chat).map(|_| speech.notes_on_chat());
    of_files.chain(bos).chain(of_chat.into_iter().flatten()).chain(own_end(prompt, speech)).collect()
}

/// Whether the prompt begins as the model's sequences do: with the token that the config names, or the tokenizer.
fn bos(prompt: &PromptTokens<'_>, origin: Origin, speech: &Speech) -> Option<String> {
    let tokenizer = speech.tokenizer().ok()?;
    let named = speech.bos();
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

/// What is read where the text is empty: what the tokenizer puts around any text.
pub(super) fn on_prompt(prompt: &PromptTokens<'_>, speech: &Speech) -> Option<String> {
    prompt.origin.filter(|origin| *origin == Origin::Text)?;
    let around = speech.tokenizer().ok()?.encode("", true).ok()?;
    if around.is_empty() || around != prompt.tokens {
        return None;
    }
    let names: Vec<String> =
        around.iter().map(|id| format!("{} (<id {id}>)", speech.texts().text(*id).text)).collect();
    Some(format!("the text is empty: the model reads {} alone", names.join(" ")))
}

/// What ends a continuation beyond the configs.
fn own_end(prompt: &PromptTokens<'_>, speech: &Speech) -> Option<String> {
    let end = speech.own_end().filter(|_| prompt.generates)?;
    Some(format!(
        "the continuation ends at {} (<id {end}>), too, which the tokenizer's files name as the end of a text and the \
         configs do not",
        speech.texts().text(end).text
    ))
}
