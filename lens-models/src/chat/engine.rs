//! Runs a template, which comes with a checkpoint and is not trusted, within limits.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use jiff::{Timestamp, ZonedDateTime, fmt::strtime, tz::TimeZone};
use minijinja::{Environment, Error, ErrorKind, State, Value, syntax::SyntaxConfig};

use super::{ChatError, Message, tags, tojson::tojson};
use crate::tokenizer::isolated;

/// The longest template that is read. Published ones have up to thirty kilobytes.
const LONGEST_SOURCE: usize = 1 << 20;

/// What a template may do with no message at all: so many instructions, or 64 bytes written for each of them.
const FUEL: u64 = 500_000;
/// And for each message.
const FUEL_PER_MESSAGE: u64 = 5_000;
/// The text of a message may be copied so often: each copied byte costs a 64th.
const COPIES: usize = 64;

/// What a template may write around the messages.
const LONGEST_FRAME: usize = 1 << 20;
/// How often it may write the messages.
const REPETITIONS: usize = 8;

/// How deep blocks, macros and expressions may nest while they run.
const DEEPEST: usize = 100;

/// The name that a template has for minijinja.
const NAME: &str = "chat_template";

/// A template, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    environment: Environment<'static>,
    /// Variables that every rendering has: `bos_token` and its like.
    variables: Vec<(String, String)>,
    /// What time it is for the template, in UTC; `None` for that of the machine, in its own time zone.
    pub(super) now: Option<SystemTime>,
}

/// A rendered text.
pub(super) struct Output {
    pub(super) text: String,
    /// Whether the template asked what day it is.
    pub(super) dated: bool,
}

impl Engine {
    pub(super) fn new(source: &str, variables: Vec<(String, String)>) -> Result<Self, ChatError> {
        if source.len() > LONGEST_SOURCE {
            let reason = format!("it has {} bytes, far more than any chat template", source.len());
            return Err(ChatError::Syntax { line: None, reason });
        }
        let environment = isolated(|| environment(source)).unwrap_or_else(|| Err(panicked()))?;
        Ok(Self { environment, variables, now: None })
    }

    /// The text of a conversation.
    pub(super) fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Output, ChatError> {
        let said: usize = messages.iter().map(|message| message.role.len() + message.content.len()).sum();
        let mut environment = self.environment.clone();
        let fuel = FUEL + messages.len() as u64 * FUEL_PER_MESSAGE + (said * COPIES / 64) as u64;
        environment.set_fuel(Some(fuel));
        let dated = Arc::new(AtomicBool::new(false));
        let mut out = Limited { text: Vec::new(), left: LONGEST_FRAME + said * REPETITIONS };
        let rendered = isolated(|| {
            let context = self.context(messages, add_generation_prompt, dated.clone());
            let template = environment.get_template(NAME)?;
            template.render_captured_to(context, &mut out).map(drop)
        });
        match rendered {
            None => return Err(panicked()),
            Some(Err(error)) => return Err(explain(&error, messages.len())),
            Some(Ok(())) => {}
        }
        let text = String::from_utf8(out.text).map_err(|_| panicked())?;
        Ok(Output { text, dated: dated.load(Ordering::Relaxed) })
    }

    /// What transformers gives a template, for a conversation without tools and documents.
    fn context(&self, messages: &[Message], add_generation_prompt: bool, dated: Arc<AtomicBool>) -> Value {
        let mut context: Vec<(&str, Value)> =
            self.variables.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str()))).collect();
        let message = |message: &Message| {
            Value::from_pairs([("role", message.role.as_str()), ("content", message.content.as_str())])
        };
        context.push(("messages", messages.iter().map(message).collect()));
        context.push(("tools", Value::from(())));
        context.push(("documents", Value::from(())));
        context.push(("add_generation_prompt", Value::from(add_generation_prompt)));
        context.push(("strftime_now", strftime(self.now, dated)));
        Value::from_pairs(context)
    }
}

/// The environment that transformers makes, as far as a template can tell.
fn environment(source: &str) -> Result<Environment<'static>, ChatError> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|error| explain(&error, 0))?);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_recursion_limit(DEEPEST);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", |state: &State, value: &Value, indent, options| {
        let json = tojson(value, indent, options)?;
        // It is paid for as minijinja's own: many times what a copy costs.
        state.consume_fuel(json.len() as u64 / 4)?;
        Ok::<_, Error>(json)
    });
    environment.add_function("raise_exception", |message: &Value| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, "raise_exception")
            .with_source(Refusal(message.to_string())))
    });
    environment
        .add_template_owned(NAME, tags::without_generation(source))
        .map_err(|error| explain(&error, 0))?;
    Ok(environment)
}

/// The function `strftime_now`, which notes in `dated` that it was called.
fn strftime(now: Option<SystemTime>, dated: Arc<AtomicBool>) -> Value {
    Value::from_function(move |format: &str| {
        dated.store(true, Ordering::Relaxed);
        let now = match now {
            None => ZonedDateTime::now(),
            Some(now) => {
                Timestamp::try_from(now).map_err(|error| refuse(&error))?.to_zoned_datetime(TimeZone::UTC)
            }
        };
        strtime::format(format, &now).map_err(|error| refuse(&error))
    })
}

/// What a template says when it refuses.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Takes so many bytes and no more.
struct Limited {
    text: Vec<u8>,
    left: usize,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The longest part of a message from a template that is passed on.
const LONGEST_MESSAGE: usize = 500;

fn explain(error: &Error, n_messages: usize) -> ChatError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut innermost = error;
    while let Some(next) = cause {
        if let Some(Refusal(message)) = next.downcast_ref() {
            return ChatError::Refused { message: cut(message) };
        }
        if let Some(next) = next.downcast_ref::<Error>() {
            innermost = next;
        }
        cause = next.source();
    }
    let line = innermost.line().or(error.line());
    let reason = match innermost.detail() {
        None => innermost.kind().to_string(),
        Some(detail) => format!("{}: {}", innermost.kind(), cut(detail)),
    };
    match innermost.kind() {
        ErrorKind::OutOfFuel => ChatError::Unbounded { line, what: "steps", n_messages },
        ErrorKind::WriteFailure => ChatError::Unbounded { line, what: "text", n_messages },
        ErrorKind::SyntaxError | ErrorKind::BadEscape => ChatError::Syntax { line, reason },
        _ => ChatError::Render { line, reason },
    }
}

fn refuse(error: &jiff::Error) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {error}"))
}

/// minijinja has never been seen to panic on a template.
fn panicked() -> ChatError {
    ChatError::Render { line: None, reason: "the template engine gave up".to_owned() }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
