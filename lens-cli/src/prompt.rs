//! From the user's words to token ids.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, Result, anyhow, bail};
use lens_core::{TokenId, TokenTexts};
use lens_models::{Outline, Tokenizer};

use crate::{args::InputArgs, style::Console, values::Target};

/// A text beyond this is a mistake.
const LONGEST_TEXT: u64 = 64 << 20;

/// Tokens of a split target that a message names.
const NAMED: usize = 8;

/// What the model is to read.
pub(crate) struct Prompt {
    /// The text, if it was one.
    pub(crate) text: Option<String>,
    pub(crate) tokens: Vec<TokenId>,
}

impl Prompt {
    /// Reads the text or the ids that the user gave.
    pub(crate) fn read(input: &InputArgs, outline: &Outline, tokenizer: Option<&Tokenizer>) -> Result<Self> {
        if let Some(ids) = &input.token_ids {
            return Ok(Self { text: None, tokens: ids.0.clone() });
        }
        let text = match (&input.prompt, &input.prompt_file) {
            (Some(dash), _) if dash == "-" => {
                from_reader(io::stdin().lock()).context("cannot read the prompt from stdin")?
            }
            (Some(text), _) => text.clone(),
            (None, Some(path)) => {
                from_file(path).with_context(|| format!("cannot read the prompt from {}", path.display()))?
            }
            (None, None) => bail!("there is no prompt"),
        };
        Self::of_text(text, outline, tokenizer)
    }

    /// The tokens of a text, with the special tokens that the tokenizer adds.
    pub(crate) fn of_text(text: String, outline: &Outline, tokenizer: Option<&Tokenizer>) -> Result<Self> {
        let tokens = named(outline, tokenizer)?.encode(&text, true)?;
        if tokens.is_empty() {
            bail!("the prompt {text:?} has no tokens: there is no position to read");
        }
        Ok(Self { text: Some(text), tokens })
    }

    /// Tells what is unusual about the prompt without being wrong.
    pub(crate) fn notes(&self, outline: &Outline, tokenizer: Option<&Tokenizer>, console: &Console) {
        let length = self.tokens.len();
        if let Some(context) = outline.spec.context.filter(|context| length > *context) {
            console.note(&format!(
                "the prompt has {length} tokens, the model was made for {context}: what it says beyond is guesswork"
            ));
        }
        let begins = outline.bos_token_ids();
        if let (Some(bos), Some(tokenizer), true) = (begins.first(), tokenizer, self.text.is_some()) {
            let bos = TokenId(*bos);
            let count = self.tokens.iter().take_while(|token| begins.contains(&token.0)).count();
            let name = tokenizer.text(bos).text;
            match count {
                0 => console.note(&format!(
                    "the config begins sequences with {name} (id {bos}), the tokenizer does not add it"
                )),
                1 => {}
                _ => console
                    .note(&format!("the prompt begins with {name} {count} times: the tokenizer adds it")),
            }
        }
    }
}

/// The token of a target: an id as it is, or a text that is exactly one token.
pub(crate) fn target(target: &Target, outline: &Outline, tokenizer: Option<&Tokenizer>) -> Result<TokenId> {
    let text = match target {
        Target::Id(id) => return Ok(*id),
        Target::Text(text) => text,
    };
    let tokenizer = named(outline, tokenizer)?;
    let tokens = tokenizer.encode(text, false)?;
    let name = |id: &TokenId| format!("{:?} (id {id})", tokenizer.text(*id).text);
    match tokens.as_slice() {
        [] => Err(anyhow!("--target {text:?} has no tokens")),
        // A tokenizer may put a space in front, and it replaces what it does not know.
        [id] if tokenizer.text(*id).text.trim_start() == text.trim_start() => Ok(*id),
        [id] => {
            Err(anyhow!("--target {text:?} reads as the token {}: if that is meant, give its id", name(id)))
        }
        several => {
            let mut names = several.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
            if several.len() > NAMED {
                names.push_str(&format!(" and {} more", several.len() - NAMED));
            }
            let spaced = format!(" {text}");
            let hint = match tokenizer.encode(&spaced, false)?.as_slice() {
                [id] if !text.starts_with(' ') => {
                    format!("; with a space in front, {spaced:?} is one token (id {id})")
                }
                _ => String::new(),
            };
            Err(anyhow!("--target {text:?} is not one token but {}: {names}{hint}", several.len()))
        }
    }
}

/// The tokenizer, which a text cannot do without.
fn named<'a>(outline: &Outline, tokenizer: Option<&'a Tokenizer>) -> Result<&'a Tokenizer> {
    tokenizer.with_context(|| {
        format!(
            "{} has no tokenizer.json, so texts have no tokens: give ids, with --token-ids 1,2,3",
            outline.id
        )
    })
}

fn from_file(path: &Path) -> io::Result<String> {
    from_reader(File::open(path)?)
}

/// A text without the line feed that editors and `echo` put at its end.
fn from_reader(reader: impl Read) -> io::Result<String> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut bytes = Vec::new();
    reader.take(LONGEST_TEXT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_TEXT {
        return Err(invalid("the text is longer than 64 MiB"));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| invalid("the text is not valid UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_feed_at_the_end_is_not_part_of_the_text() {
        let read = |text: &str| from_reader(text.as_bytes()).unwrap();
        assert_eq!(read("a b\n"), "a b");
        assert_eq!(read("a\r\n"), "a");
        assert_eq!(read("a\n\n"), "a\n");
        assert_eq!(read(" a "), " a ");
        assert!(from_reader(&b"\xff"[..]).is_err());
    }
}
