//! What transformers renders, in the forms of template that the main families use.

use lens_checkpoint::{ChatError, ChatTemplate, Message, Tokenizer, chat::TEMPLATE_ROLE};
use lens_core::{RoleTrace, TokenId};
use serde::Deserialize;

use crate::{
    files::{folder_with, open},
    fixtures, then,
};

const FAMILIES: [&str; 14] = [
    "corners",
    "deepseek_r1",
    "gemma",
    "gemma3",
    "generation",
    "llama2",
    "llama3",
    "llama3_date",
    "mistral",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm",
    "zephyr",
];

/// A conversation, and what transformers makes of it.
#[derive(Deserialize)]
struct Row {
    name: String,
    messages: Vec<Said>,
    add_generation_prompt: bool,
    text: Option<String>,
    #[serde(default)]
    ids: Vec<TokenId>,
    assistant: Option<Vec<usize>>,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Said {
    pub(crate) role: String,
    pub(crate) content: String,
}

impl Row {
    fn messages(&self) -> Vec<Message> {
        self.messages.iter().map(|said| Message::new(&said.role, &said.content)).collect()
    }
}

fn rows(family: &str) -> Vec<Row> {
    let json = std::fs::read(fixtures().join("chat").join(family).join("expected.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// The template of a checkpoint that has the family's files.
pub(crate) fn family(family: &str) -> ChatTemplate {
    let folder = fixtures().join("chat").join(family);
    let files =
        ["tokenizer_config.json", "chat_template.jinja"].map(|file| (file, std::fs::read(folder.join(file))));
    let files: Vec<(&str, Vec<u8>)> =
        files.into_iter().filter_map(|(file, bytes)| Some((file, bytes.ok()?))).collect();
    let dir = folder_with(&files);
    open(dir.path()).chat_template().unwrap().at(then())
}

#[test]
fn texts_and_refusals_are_those_of_transformers() {
    for name in FAMILIES {
        let template = family(name);
        for row in rows(name) {
            let context = format!("{name}, {}, {}", row.name, row.add_generation_prompt);
            match (template.render(&row.messages(), row.add_generation_prompt), row.text) {
                (Ok(rendered), Some(text)) => assert_eq!(rendered.text, text, "{context}"),
                (Err(ChatError::Refused { message }), None) => {
                    assert_eq!(Some(message), row.error, "{context}");
                }
                (other, _) => panic!("{context}: {other:?} where transformers says {:?}", row.error),
            }
        }
    }
}

#[test]
fn tokens_are_those_of_transformers() {
    let tokenizer = Tokenizer::from_file(&fixtures().join("chat/tokenizer.json")).unwrap();
    for name in FAMILIES {
        let template = family(name);
        for row in rows(name).iter().filter(|row| row.text.is_some()) {
            let rendered = template.render(&row.messages(), row.add_generation_prompt).unwrap();
            let (tokens, roles) = rendered.encode(&tokenizer).unwrap();
            assert_eq!(tokens, row.ids, "{name}, {}", row.name);
            if let Some(assistant) = &row.assistant {
                let said = |role: &RoleTrace| (role.role == "assistant").then_some(role.start..role.end);
                let own: Vec<usize> = roles.iter().filter_map(said).flatten().collect();
                assert_eq!(&own, assistant, "{name}, {}", row.name);
            }
        }
    }
}

#[test]
fn in_every_family_the_parts_cover_the_text_and_say_what_the_messages_say() {
    for name in FAMILIES {
        let template = family(name);
        for row in rows(name).iter().filter(|row| row.text.is_some()) {
            let messages = row.messages();
            let rendered = template.render(&messages, row.add_generation_prompt).unwrap();
            let mut end = 0;
            for part in &rendered.roles {
                assert_eq!(part.bytes.start, end);
                end = part.bytes.end;
                let Some(i) = part.message else {
                    assert_eq!(part.role, TEMPLATE_ROLE);
                    continue;
                };
                assert_eq!(part.role, messages[i].role);
                let (said, text) = (&messages[i].content, &rendered.text[part.bytes.clone()]);
                assert!(said.ends_with(text) || said.trim().ends_with(text), "{name}: {text:?} of {said:?}");
                assert!(
                    said.contains("</think>") || said.trim() == text.trim(),
                    "{name}: {text:?} of {said:?}"
                );
            }
            assert_eq!(end, rendered.text.len());
            // What cannot be placed is left out by the template, or is written with other words.
            for i in &rendered.unplaced {
                let said = messages[*i].content.trim();
                let dropped = !rendered.text.contains(said);
                assert!(
                    name == "corners" || dropped,
                    "{name}, {}: {said:?} in {:?}",
                    row.name,
                    rendered.text
                );
            }
        }
    }
}
