//! What texts, conversations and targets are in a checkpoint's tokens, for comparison with other software.
//!
//! ```text
//! cargo run -p lens-checkpoint --example tokens -- FOLDER < questions.jsonl
//! ```
//!
//! Each line of the input is `{"text": "…"}`, `{"messages": [{"role": "…", "content": "…"}]}` or `{"target": "…"}`; beside
//! messages may stand `variables` (an object), `tools` (a list) and `continues` (whether the last message goes on). Each line
//! of the output is `{"ids": […]}`, of messages with the `text` that the template makes, or `{"error": "…"}`. Notes go to
//! stderr.

use std::{
    error::Error,
    io::{BufRead, Write},
};

use lens_checkpoint::{
    ChatError, ChatTemplate, Checkpoint, Message, Tokenizer,
    chat::{Extras, Json, Rendered},
    source::{self, Silent, SourceOptions},
};
use lens_core::TokenId;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(untagged)]
enum Question {
    Text { text: String },
    Target { target: String },
    Messages(Conversation),
}

#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Said>,
    variables: Option<Json>,
    tools: Option<Json>,
    #[serde(default)]
    continues: bool,
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give the folder of a checkpoint")?;
    let files = source::locate(&folder, &SourceOptions::from_lookup(|_| None), &mut Silent)?;
    let checkpoint = Checkpoint::open(&files)?;
    let tokenizer = checkpoint.tokenizer()?.ok_or("the checkpoint has no tokenizer.json")?;
    let template = checkpoint.chat_template();
    tokenizer.notes().iter().for_each(|note| eprintln!("note: {note}"));
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = ask(&serde_json::from_str(&line?)?, &tokenizer, template.as_ref());
        let answer = answer.unwrap_or_else(|error| json!({"error": error.to_string()}));
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn ask<E: Error + Clone + 'static>(
    question: &Question,
    tokenizer: &Tokenizer,
    template: Result<&ChatTemplate, &E>,
) -> Result<Value, Box<dyn Error>> {
    Ok(match question {
        Question::Text { text } => json!({ "ids": tokenizer.encode(text, true)? }),
        Question::Messages(said) => {
            let rendered = said.rendered(template.map_err(Clone::clone)?)?;
            json!({ "text": rendered.text, "ids": rendered.encode(tokenizer)?.0 })
        }
        Question::Target { target } => {
            let named = tokenizer.named(target)?;
            let ids: Vec<TokenId> =
                named.into_iter().flat_map(|names| std::iter::once(names.best).chain(names.others)).collect();
            json!({ "ids": ids })
        }
    })
}

impl Conversation {
    fn rendered(&self, template: &ChatTemplate) -> Result<Rendered, ChatError> {
        let variables = match &self.variables {
            Some(Json::Object(variables)) => variables.clone(),
            _ => Vec::new(),
        };
        let extras = Extras { variables, tools: self.tools.clone(), continues: self.continues };
        let messages: Vec<Message> =
            self.messages.iter().map(|said| Message::new(&said.role, &said.content)).collect();
        template.clone().with(extras)?.render(&messages, true)
    }
}
