//! Runs a template, which comes with a checkpoint and is not trusted, within limits.

use std::{
    collections::BTreeSet,
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use jiff::{Timestamp, ZonedDateTime, fmt::strtime, tz::TimeZone};
use minijinja::{Environment, Error, ErrorKind, State, Value, syntax::SyntaxConfig};

use super::{
    ChatError, Extras, Json, Message, guard, tags,
    thread::{self, Lost},
    tojson::tojson,
};
use crate::limits;

/// The parser recurses along chains of operators, filters and attributes: at most 900 bytes of stack were seen for a
/// byte of template. Pages of a stack that are not used are not there.
const STACK_PER_BYTE: usize = 2 << 10;
/// minijinja recurses into values to compare, write and drop them: at most 1,900 bytes were seen for a level, and a
/// level takes more than one fuel to build.
const STACK_PER_FUEL: usize = 3 << 9;
/// What everything else needs.
const STACK: usize = 16 << 20;

/// The name that a template has for minijinja.
const NAME: &str = "chat_template";

/// A template, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    environment: Environment<'static>,
    /// Variables that every rendering has: `bos_token` and its like.
    variables: Vec<(String, String)>,
    /// The names of the variables that the template reads.
    pub(super) reads: BTreeSet<String>,
    /// What time it is for the template, in UTC; `None` for that of the machine, in its own time zone.
    pub(super) now: Option<SystemTime>,
    /// Bytes of stack for it, without values.
    stack: usize,
    /// How long it may take, with few messages.
    patience: Duration,
}

/// A rendered text.
pub(super) struct Output {
    pub(super) text: String,
    /// Whether the template asked what day it is.
    pub(super) dated: bool,
}

impl Engine {
    pub(super) fn new(source: &str, variables: Vec<(String, String)>) -> Result<Self, ChatError> {
        if source.len() > limits::chat::LONGEST_SOURCE {
            let reason = format!("it has {} bytes, far more than any chat template", source.len());
            return Err(ChatError::Syntax { line: None, reason });
        }
        let stack = STACK + source.len() * STACK_PER_BYTE;
        let source = tags::without_generation(source);
        let read = move || {
            let environment = environment(source)?;
            let template = environment.get_template(NAME).map_err(|error| explain(&error, 0))?;
            let reads = template.undeclared_variables(false).into_iter().collect();
            Ok((environment, reads))
        };
        let (environment, reads) = match thread::run(stack, limits::chat::PATIENCE, read) {
            Ok(read) => read?,
            Err(lost) => return Err(explain_loss(lost, 0)),
        };
        Ok(Self { environment, variables, reads, now: None, stack, patience: limits::chat::PATIENCE })
    }

    /// The text of a conversation.
    pub(super) fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        extras: &Extras,
    ) -> Result<Output, ChatError> {
        let n_messages = messages.len();
        let said = messages.iter().map(|message| message.role.len() + message.content.len()).sum::<usize>()
            + extras.size();
        if said > limits::chat::LONGEST_CONVERSATION {
            return Err(ChatError::TooLong { bytes: said, limit: limits::chat::LONGEST_CONVERSATION });
        }
        let fuel = limits::chat::FUEL
            + n_messages * limits::chat::FUEL_PER_MESSAGE
            + said / limits::chat::BYTES_PER_FUEL;
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(fuel as u64));
        let dated = Arc::new(AtomicBool::new(false));
        let context = self.context(messages, add_generation_prompt, extras, dated.clone());
        let mut out = Limited {
            text: Vec::new(),
            left: limits::chat::LONGEST_FRAME + said * limits::chat::REPETITIONS,
        };
        let patience =
            self.patience + limits::chat::MORE_PATIENCE * (said / limits::chat::LONGEST_FRAME) as u32;
        let rendered = thread::run(self.stack + fuel * STACK_PER_FUEL, patience, move || {
            environment.get_template(NAME)?.render_captured_to(context, &mut out)?;
            Ok(out.text)
        });
        let text = match rendered {
            Ok(Ok(text)) => String::from_utf8(text).map_err(|_| explain_loss(Lost::Panicked, 0))?,
            Ok(Err(error)) => return Err(explain(&error, n_messages)),
            Err(lost) => return Err(explain_loss(lost, n_messages)),
        };
        Ok(Output { text, dated: dated.load(Ordering::Relaxed) })
    }

    /// What transformers gives a template. What the user has set wins over special tokens.
    fn context(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        extras: &Extras,
        dated: Arc<AtomicBool>,
    ) -> Value {
        let mut context: Vec<(&str, Value)> =
            self.variables.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str()))).collect();
        let message = |message: &Message| {
            Value::from_pairs([("role", message.role.as_str()), ("content", message.content.as_str())])
        };
        context.push(("messages", messages.iter().map(message).collect()));
        context.push(("tools", extras.tools.as_ref().map_or(Value::from(()), Json::value)));
        context.push(("documents", Value::from(())));
        context.push(("add_generation_prompt", Value::from(add_generation_prompt)));
        context.push(("strftime_now", strftime(self.now, dated)));
        // Of a name that is there twice the last value counts.
        context.extend(extras.variables.iter().map(|(name, value)| (name.as_str(), value.value())));
        Value::from_pairs(context)
    }
}

/// The environment that transformers makes, as far as a template can tell.
fn environment(source: String) -> Result<Environment<'static>, ChatError> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|error| explain(&error, 0))?);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_recursion_limit(limits::chat::DEEPEST);
    environment.set_formatter(guard::format);
    environment.set_unknown_method_callback(guard::call_method);
    // What Jinja2 does not have: the one prints all there is, the others make much of little.
    environment.remove_global("debug");
    environment.remove_filter("chain");
    environment.remove_filter("zip");
    environment.add_filter("tojson", |state: &State, value: &Value, indent, options| {
        guard::weigh(state, value)?;
        tojson(state, value, indent, options)
    });
    environment.add_function("raise_exception", |state: &State, message: &Value| -> Result<Value, Error> {
        guard::weigh(state, message)?;
        Err(Error::new(ErrorKind::InvalidOperation, "raise_exception")
            .with_source(Refusal(message.to_string())))
    });
    environment.add_template_owned(NAME, source).map_err(|error| explain(&error, 0))?;
    Ok(environment)
}

/// The function `strftime_now`, which notes in `dated` that it was called.
fn strftime(now: Option<SystemTime>, dated: Arc<AtomicBool>) -> Value {
    Value::from_function(move |format: &str| {
        dated.store(true, Ordering::Relaxed);
        if format.len() > limits::chat::LONGEST_DATE {
            return Err(Error::new(ErrorKind::InvalidOperation, "strftime_now: the format is too long"));
        }
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
const SHOWN: usize = 500;

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

fn explain_loss(lost: Lost, n_messages: usize) -> ChatError {
    match lost {
        Lost::Late => ChatError::Unbounded { line: None, what: "time", n_messages },
        // minijinja has never been seen to panic on a template.
        Lost::NoThread => {
            ChatError::Render { line: None, reason: "there is no memory for its thread".to_owned() }
        }
        Lost::Panicked => ChatError::Render { line: None, reason: "the template engine gave up".to_owned() },
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fuel_does_not_see_is_stopped_by_the_clock() {
        // A list in itself, twenty-four times over: as text, seventeen million numbers at no price. It ends by itself
        // some time after the test.
        let source = "{% set ns = namespace(x=[1]) %}{% for i in range(24) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}\
                      {{ (ns.x ~ '') | length }}";
        let mut engine = Engine::new(source, Vec::new()).unwrap();
        engine.patience = Duration::ZERO;
        let error = engine
            .render(&[Message::new("user", "hi")], true, &Extras::default())
            .map(|output| output.text)
            .unwrap_err();
        assert_eq!(error, ChatError::Unbounded { line: None, what: "time", n_messages: 1 });
    }
}
