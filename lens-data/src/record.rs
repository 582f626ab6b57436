//! One prompt of a file.

use lens_core::TokenId;

/// One prompt of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptRecord {
    /// Its number in the file, from 0; records that cannot be read count too.
    pub index: u64,
    /// The name that the file gives it.
    pub id: Option<String>,
    /// What to read.
    pub input: PromptInput,
}

/// What a prompt is. The enum is exhaustive on purpose: a kind that a reader of prompts passes over would be a silent
/// gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptInput {
    /// A text.
    Text(String),
    /// A conversation: roles and contents.
    Messages(Vec<(String, String)>),
    /// Tokens as they are.
    Tokens(Vec<TokenId>),
}

/// The id and the prompt of a record, or the id and what is wrong.
pub(crate) type Parsed = Result<(Option<String>, PromptInput), (Option<String>, String)>;

pub(crate) fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
