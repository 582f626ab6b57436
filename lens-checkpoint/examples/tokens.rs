//! What texts, conversations and targets are in a checkpoint's tokens, for comparison with other software.
//!
//! ```text
//! cargo run -p lens-checkpoint --example tokens -- FOLDER < questions.jsonl
//! ```
//!
//! Each line of the input is `{"text": "…"}`, `{"messages": [{"role": "…", "content": "…"}]}` or `{"target": "…"}`; each
//! line of the output is `{"ids": […]}` or `{"error": "…"}`. Notes go to stderr.

use std::{
    error::Error,
    io::{BufRead, Write},
};

use lens_checkpoint::{
    ChatTemplate, Checkpoint, Message, Tokenizer,
    source::{self, Silent, SourceOptions},
};
use lens_core::TokenId;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(untagged)]
enum Question {
    Text { text: String },
    Messages { messages: Vec<Said> },
    Target { target: String },
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
        let answer = match ask(&serde_json::from_str(&line?)?, &tokenizer, template.as_ref()) {
            Ok(ids) => json!({ "ids": ids }),
            Err(error) => json!({"error": error.to_string()}),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn ask<E: Error + Clone + 'static>(
    question: &Question,
    tokenizer: &Tokenizer,
    template: Result<&ChatTemplate, &E>,
) -> Result<Vec<TokenId>, Box<dyn Error>> {
    Ok(match question {
        Question::Text { text } => tokenizer.encode(text, true)?,
        Question::Messages { messages } => {
            let messages: Vec<Message> =
                messages.iter().map(|said| Message::new(&said.role, &said.content)).collect();
            template.map_err(Clone::clone)?.render(&messages, true)?.encode(tokenizer)?.0
        }
        Question::Target { target } => match tokenizer.named(target)? {
            Some(names) => std::iter::once(names.best).chain(names.others).collect(),
            None => Vec::new(),
        },
    })
}
