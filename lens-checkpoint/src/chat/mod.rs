//! Chat templates: from a list of messages to the text that a model was trained to answer, and who says what in it.
//!
//! A template is a program in Jinja2 that comes with the checkpoint. It is rendered by minijinja with what
//! transformers gives it (`messages`, `add_generation_prompt`, `bos_token`, `raise_exception`, `strftime_now`,
//! `tojson`, loop controls), and within limits: steps, text, depth and time are bounded by what the messages need, no
//! other file is reachable, and a template that goes beyond is an error.
//!
//! ```
//! use lens_checkpoint::{ChatTemplate, Message};
//!
//! let template = ChatTemplate::new(
//!     "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content | trim }}{{ eos_token }}\n{% endfor %}\
//!      {% if add_generation_prompt %}<|assistant|>\n{% endif %}",
//!     [("eos_token", "</s>")],
//! )?;
//! let chat = template.render(&[Message::new("user", " Who are you? ")], true)?;
//! assert_eq!(chat.text, "<|user|>\nWho are you?</s>\n<|assistant|>\n");
//! assert_eq!(&chat.text[chat.roles[1].bytes.clone()], "Who are you?");
//! assert_eq!(chat.roles[1].role, "user");
//! # Ok::<(), lens_checkpoint::ChatError>(())
//! ```

mod continued;
mod engine;
mod error;
mod extras;
mod files;
mod guard;
mod json;
mod place;
mod tags;
mod thread;
mod tojson;
mod tokens;

use std::{ops::Range, time::SystemTime};

pub use error::ChatError;
pub use extras::Extras;
pub use json::Json;
pub use lens_core::Message;
use serde_json::Value;

use crate::sidecar::Sidecars;

/// The role of what a template writes around the messages.
pub const TEMPLATE_ROLE: &str = "template";

/// A chat template, ready to render.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    engine: engine::Engine,
    source: String,
    extras: Extras,
}

/// A conversation as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rendered {
    /// The whole text, with the special tokens that belong to it: nothing is to be added when it is encoded.
    pub text: String,
    /// Who says which part. The parts follow each other without gaps and are the whole text.
    pub roles: Vec<RoleSpan>,
    /// The messages, by their index, whose place in the text cannot be told, because the template changes them or
    /// leaves them out. Their text, if it is there, counts as the template's.
    pub unplaced: Vec<usize>,
    /// Whether the template has asked for the date, so that the same messages may give another text tomorrow.
    pub dated: bool,
}

/// A part of a rendered text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSpan {
    /// The message's role, or [`TEMPLATE_ROLE`].
    pub role: String,
    /// The message, by its index; `None` for what the template writes.
    pub message: Option<usize>,
    /// The bytes of the text that it is.
    pub bytes: Range<usize>,
}

impl ChatTemplate {
    /// Reads a template. `tokens` are the variables that it names special tokens by, such as `bos_token`.
    ///
    /// # Errors
    /// [`ChatError::Syntax`].
    pub fn new<N, T>(source: &str, tokens: impl IntoIterator<Item = (N, T)>) -> Result<Self, ChatError>
    where
        N: Into<String>,
        T: Into<String>,
    {
        let tokens = tokens.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
        Ok(Self {
            engine: engine::Engine::new(source, tokens)?,
            source: source.to_owned(),
            extras: Extras::default(),
        })
    }

    pub(crate) fn of(id: &str, files: &Sidecars, config: &Value) -> Result<Self, ChatError> {
        let source = files::template(files)?.ok_or_else(|| ChatError::NoTemplate { id: id.to_owned() })?;
        Self::new(&source, files::tokens(files, config)?)
    }

    /// The template itself.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// This template with more than messages to see: variables, tools, and whether the last message goes on.
    ///
    /// # Errors
    /// [`ChatError::Reserved`], for a variable that the template gets anyway.
    pub fn with(mut self, extras: Extras) -> Result<Self, ChatError> {
        extras.check()?;
        self.extras = extras;
        Ok(self)
    }

    /// What of the extras the template does not read, and whether it has no generation prompt, as sentences.
    pub fn notes(&self) -> Vec<String> {
        self.extras.notes(&self.engine.reads)
    }

    /// Fixes what `strftime_now` says, in UTC. Without it, a template that writes the date reads the clock and the
    /// time zone of the machine, as in transformers.
    #[must_use]
    pub fn at(mut self, now: SystemTime) -> Self {
        self.engine.now = Some(now);
        self
    }

    /// Renders a conversation; with `add_generation_prompt`, up to where the assistant's answer begins. Where the extras
    /// say that the last message goes on, the text ends with it, and there is no generation prompt.
    ///
    /// # Errors
    /// When the template refuses the messages, fails on them, or goes beyond its limits.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<Rendered, ChatError> {
        if messages.is_empty() {
            return Err(ChatError::NoMessages);
        }
        let add_generation_prompt = add_generation_prompt && !self.extras.continues;
        let whole = |messages: &[Message]| self.engine.render(messages, add_generation_prompt, &self.extras);
        let output = |messages: &[Message]| match self.extras.continues {
            true => continued::continued(messages, whole),
            false => whole(messages),
        };
        let engine::Output { text, dated } = output(messages)?;
        let render = |messages: &[Message]| output(messages).map(|output| output.text);
        let (roles, unplaced) = place::place(messages, &text, &self.source, render);
        Ok(Rendered { text, roles, unplaced, dated })
    }
}
