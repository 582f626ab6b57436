//! The user's words, wherever they come from.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, Result, bail};
use lens_cli::{
    args::{ChatArgs, InputArgs},
    values::TemplateVar,
};
use lens_data::PromptInput;
use lens_models::{
    Message,
    chat::{Extras, Json},
    session::Input,
};
use serde::Deserialize;

/// A text beyond this is a mistake.
const LONGEST_TEXT: u64 = 64 << 20;

/// What the user wants the model to read, and the tools that a file of messages tells it of.
pub(crate) fn input(args: &InputArgs, chat: &ChatArgs) -> Result<(Input, Option<Json>)> {
    if let Some(path) = &args.messages {
        return of_file(path, chat);
    }
    Ok((plain(args, chat)?, None))
}

/// The conversation of a file, and the tools that it tells the model of.
pub(crate) fn of_file(path: &Path, chat: &ChatArgs) -> Result<(Input, Option<Json>)> {
    let Messages { messages, tools } = Messages::open(path)?;
    Ok((Input::Chat(conversation(messages, chat)), tools))
}

/// Texts that are typed one after the other: each by itself, or in the place of the last message of a conversation.
pub(crate) struct Turns<'a> {
    chat: &'a ChatArgs,
    /// The messages of a file, of which there is at least one.
    messages: Vec<Message>,
}

impl<'a> Turns<'a> {
    /// Those of a file, if there is one, and the tools that it tells the model of.
    pub(crate) fn of_file(path: Option<&Path>, chat: &'a ChatArgs) -> Result<(Self, Option<Json>)> {
        let Messages { messages, tools } = path.map(Messages::open).transpose()?.unwrap_or_default();
        Ok((Self { chat, messages }, tools))
    }

    /// Whether what is asked is a conversation.
    pub(crate) fn is_conversation(&self) -> bool {
        self.chat.is_chat() || !self.messages.is_empty()
    }

    /// What the last message of the file says.
    pub(crate) fn last(&self) -> Option<&str> {
        self.messages.last().map(|message| message.content.as_str())
    }

    /// The messages that stand before what a user says next, and what a last message of the user says.
    pub(crate) fn before(&self) -> (&[Message], Option<&str>) {
        match self.messages.split_last() {
            Some((last, before)) if last.role == "user" => (before, Some(&last.content)),
            _ => (&self.messages, None),
        }
    }

    /// What the model reads where `text` was typed.
    pub(crate) fn ask(&self, text: String) -> Input {
        let Some((last, before)) = self.messages.split_last() else { return of_text(text, self.chat) };
        let typed = Message::new(last.role.clone(), text);
        let messages = before.iter().cloned().chain([typed]).collect();
        Input::Chat(conversation(messages, self.chat))
    }
}

/// What the user wants the model to read where it is no file of messages.
fn plain(args: &InputArgs, chat: &ChatArgs) -> Result<Input> {
    if let Some(ids) = &args.token_ids {
        return Ok(Input::Tokens(ids.0.clone()));
    }
    let text = match (&args.prompt, &args.prompt_file) {
        (Some(dash), _) if dash == "-" => {
            from_reader(io::stdin().lock()).context("cannot read the prompt from stdin")?
        }
        (Some(text), _) => text.clone(),
        (None, Some(path)) => {
            from_file(path).with_context(|| format!("cannot read the prompt from {}", path.display()))?
        }
        (None, None) => bail!("there is no prompt"),
    };
    Ok(of_text(text, chat))
}

/// A text as it is, or as what a user asks.
pub(crate) fn of_text(text: String, chat: &ChatArgs) -> Input {
    if !chat.is_chat() {
        return Input::Text(text);
    }
    Input::Chat(conversation(vec![Message::new("user", text)], chat))
}

/// The messages, with what the options put before and after them.
fn conversation(messages: Vec<Message>, chat: &ChatArgs) -> Vec<Message> {
    let system = chat.system.iter().map(|system| Message::new("system", system));
    let prefill = chat.prefill.iter().map(|text| Message::new("assistant", text));
    system.chain(messages).chain(prefill).collect()
}

/// What the chat template sees beside the messages.
pub(crate) fn extras(chat: &ChatArgs, tools: Option<Json>) -> Extras {
    let variables =
        chat.template_vars.iter().map(|TemplateVar(name, value)| (name.clone(), value.clone())).collect();
    Extras { variables, tools, continues: chat.prefill.is_some() }
}

/// A file of messages: a list of them, or an object with the list and the tools that the model may call.
#[derive(Default)]
struct Messages {
    messages: Vec<Message>,
    tools: Option<Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    role: String,
    content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithTools {
    messages: Vec<Said>,
    #[serde(default)]
    tools: Option<Json>,
}

impl Messages {
    /// Those of a file, or of stdin.
    fn open(path: &Path) -> Result<Self> {
        let what = || format!("cannot read messages from {}", path.display());
        let text = if path.as_os_str() == "-" {
            from_reader(io::stdin().lock()).context("cannot read messages from stdin")?
        } else {
            from_file(path).with_context(what)?
        };
        Self::parse(&text).with_context(what)
    }

    fn parse(text: &str) -> Result<Self> {
        let WithTools { messages, tools } = if text.trim_start().starts_with('[') {
            WithTools { messages: serde_json::from_str(text)?, tools: None }
        } else {
            serde_json::from_str(text)?
        };
        if messages.is_empty() {
            bail!("there are none in it");
        }
        if tools.as_ref().is_some_and(|tools| !matches!(tools, Json::List(_) | Json::Null)) {
            bail!("its tools are not a list");
        }
        let messages = messages.into_iter().map(|said| Message::new(said.role, said.content)).collect();
        Ok(Self { messages, tools: tools.filter(|tools| *tools != Json::Null) })
    }
}

/// What a record of a file of prompts has the model read.
pub(crate) fn of_record(record: PromptInput, chat: &ChatArgs) -> Input {
    match record {
        PromptInput::Text(text) if chat.is_chat() => {
            Input::Chat(conversation(vec![Message::new("user", text)], chat))
        }
        PromptInput::Text(text) => Input::Text(text),
        PromptInput::Messages(messages) => {
            let own = messages.into_iter().map(|(role, content)| Message::new(role, content));
            Input::Chat(conversation(own.collect(), chat))
        }
        PromptInput::Tokens(tokens) => Input::Tokens(tokens),
    }
}

fn from_file(path: &Path) -> io::Result<String> {
    from_reader(File::open(path)?)
}

/// A text without the line feed that editors and `echo` put at its end, and without the mark that some editors put at the
/// beginning of UTF-8.
fn from_reader(reader: impl Read) -> io::Result<String> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut bytes = Vec::new();
    reader.take(LONGEST_TEXT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_TEXT {
        return Err(invalid("the text is longer than 64 MiB"));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| invalid("the text is not valid UTF-8"))?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
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
    fn a_line_feed_at_the_end_and_a_mark_at_the_beginning_are_not_part_of_the_text() {
        let read = |text: &str| from_reader(text.as_bytes()).unwrap();
        assert_eq!(read("a b\n"), "a b");
        assert_eq!(read("a\r\n"), "a");
        assert_eq!(read("a\n\n"), "a\n");
        assert_eq!(read(" a "), " a ");
        assert_eq!(read("\u{feff}a\u{feff}\n"), "a\u{feff}");
        assert!(from_reader(&b"\xff"[..]).is_err());
    }
}
