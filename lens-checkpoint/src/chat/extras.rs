//! What a template sees beside the messages.

use std::collections::BTreeSet;

use super::{ChatError, Json};

/// What a conversation has beside its messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extras {
    /// Variables for the template, such as `enable_thinking`.
    pub variables: Vec<(String, Json)>,
    /// The tools that the model may call, as JSON schemas.
    pub tools: Option<Json>,
    /// Whether the last message is not over: the text ends with it, and nothing of the template follows
    /// (`continue_final_message` of transformers).
    pub continues: bool,
}

/// What transformers itself hands to every template, or takes as something else.
const RESERVED: [&str; 14] = [
    "add_generation_prompt",
    "chat_template",
    "continue_final_message",
    "conversation",
    "max_length",
    "messages",
    "padding",
    "return_assistant_tokens_mask",
    "return_dict",
    "return_tensors",
    "tokenize",
    "tokenizer_kwargs",
    "tools",
    "truncation",
];

impl Extras {
    pub(super) fn check(&self) -> Result<(), ChatError> {
        match self.variables.iter().find(|(name, _)| RESERVED.contains(&name.as_str())) {
            Some((name, _)) => Err(ChatError::Reserved { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// What of it does nothing in a template that reads the variables `reads`.
    pub(super) fn notes(&self, reads: &BTreeSet<String>) -> Vec<String> {
        let mut notes = Vec::new();
        for (name, _) in &self.variables {
            if !reads.contains(name) {
                notes.push(format!("the chat template never reads the variable {name}: it changes nothing"));
            }
        }
        if self.tools.is_some() && !reads.contains("tools") {
            notes.push("the chat template never reads tools: the model is not told of them".to_owned());
        }
        if !self.continues && !reads.contains("add_generation_prompt") {
            notes.push(
                "the chat template has no generation prompt: what the model writes follows the last message as the \
                 template leaves it"
                    .to_owned(),
            );
        }
        notes
    }

    /// Bytes that are given to the template.
    pub(super) fn size(&self) -> usize {
        let variables = self.variables.iter().map(|(name, value)| name.len() + value.size());
        variables.chain(self.tools.iter().map(Json::size)).sum()
    }
}
