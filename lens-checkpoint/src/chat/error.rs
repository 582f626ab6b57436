//! What can go wrong between a list of messages and a prompt.

/// A chat template that is missing, or cannot be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The checkpoint has no template.
    #[error(
        "{id} has no chat template: it is a base model, which goes on with a text and knows no conversation (or its \
         template was left out: it belongs into chat_template.jinja or tokenizer_config.json). Give the prompt as \
         plain text, or use the instruction-tuned version of the model"
    )]
    NoTemplate {
        /// The checkpoint's id.
        id: String,
    },
    /// The checkpoint has several templates, and none is the default one.
    #[error(
        "{file} has several chat templates ({}) and none of them is called \"default\": put the one to use into \
         chat_template.jinja",
        names.join(", ")
    )]
    NoDefault {
        /// The file.
        file: &'static str,
        /// Their names.
        names: Vec<String>,
    },
    /// A file that the template is in, or that it needs, cannot be used.
    #[error("{file} cannot be used: {reason}")]
    BrokenFile {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The template cannot be read.
    #[error("the chat template cannot be read{}: {reason}", place(*line))]
    Syntax {
        /// Its line, from 1.
        line: Option<usize>,
        /// What is wrong there.
        reason: String,
    },
    /// A variable that the template gets anyway.
    #[error(
        "{name} is nothing that can be set for a chat template: it follows from the conversation and from what is asked"
    )]
    Reserved {
        /// Its name.
        name: String,
    },
    /// The last message is to go on, and the template does not write it.
    #[error(
        "the last message, of {role}, cannot go on: the chat template leaves it out or changes it, so that its end is not in \
         the text"
    )]
    NotContinued {
        /// Whose message it is.
        role: String,
    },
    /// The template itself refuses the messages (`raise_exception`).
    #[error("the chat template refuses these messages: {message}")]
    Refused {
        /// What it says.
        message: String,
    },
    /// The template takes more steps, text, depth or time than its messages can need.
    #[error(
        "the chat template was stopped{}: it takes more {what} than {n_messages} messages can need. It is broken or \
         made to do harm",
        place(*line)
    )]
    Unbounded {
        /// The line of the template, from 1.
        line: Option<usize>,
        /// What it takes.
        what: &'static str,
        /// How many messages there were.
        n_messages: usize,
    },
    /// The template fails on the messages.
    #[error("the chat template fails{}: {reason}", place(*line))]
    Render {
        /// The line of the template, from 1.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
    /// The messages are longer than anything that a model reads.
    #[error("the messages have {bytes} bytes, more than the {limit} that a chat template is given")]
    TooLong {
        /// Their length, in bytes.
        bytes: usize,
        /// The longest that they may be, in bytes.
        limit: usize,
    },
    /// There is nothing to render.
    #[error("a conversation has at least one message")]
    NoMessages,
}

fn place(line: Option<usize>) -> String {
    line.map(|line| format!(" in line {line}")).unwrap_or_default()
}
