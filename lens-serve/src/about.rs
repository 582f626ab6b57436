//! What a page is told of a model before anything is asked.

use lens_core::{EditOperation, Intervention, Message};
use serde::Serialize;

use crate::limits::Limits;

/// What is known of a model, and what a page may change of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct About {
    /// Its name.
    pub model: String,
    /// Whether texts have tokens; otherwise prompts are token ids.
    pub texts: bool,
    /// Whether a prompt can be a message that the model answers.
    pub chat: bool,
    /// Whether prompts are such messages until the page says otherwise.
    pub asks: bool,
    /// What the system message before such a message says.
    pub system: Option<String>,
    /// How the answer to such a message begins.
    pub prefill: Option<String>,
    /// The messages between the system message and such a message.
    pub before: Vec<Message>,
    /// The prompt that the page begins with.
    pub prompt: Option<String>,
    /// How many lenses it is read through.
    pub lenses: usize,
    /// Whether it can be patched.
    pub patch: bool,
    /// Changes that a page may switch on.
    pub steer: Vec<Intervention>,
}

impl About {
    /// A model with texts, read through the plain lens alone.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            texts: true,
            chat: false,
            asks: false,
            system: None,
            prefill: None,
            before: Vec::new(),
            prompt: None,
            lenses: 1,
            patch: false,
            steer: Vec::new(),
        }
    }

    lens_core::setters! {
        /// Whether texts have tokens.
        with_texts => texts: bool,
        /// Whether a prompt can be a message that the model answers.
        with_chat => chat: bool,
        /// Whether prompts are such messages until the page says otherwise.
        with_asks => asks: bool,
        /// What the system message before such a message says.
        with_system => system: Option<String>,
        /// How the answer to such a message begins.
        with_prefill => prefill: Option<String>,
        /// The messages between the system message and such a message.
        with_before => before: Vec<Message>,
        /// The prompt that the page begins with.
        with_prompt => prompt: Option<String>,
        /// How many lenses it is read through.
        with_lenses => lenses: usize,
        /// Whether it can be patched.
        with_patch => patch: bool,
        /// Changes that a page may switch on.
        with_steer => steer: Vec<Intervention>,
    }

    /// The conversation that a message of the user stands in.
    pub fn conversation(&self, text: &str) -> Vec<Message> {
        let system = self.system.iter().map(|system| Message::new("system", system));
        let prefill = self.prefill.iter().map(|prefill| Message::new("assistant", prefill));
        let said = self.before.iter().cloned().chain([Message::new("user", text)]);
        system.chain(said).chain(prefill).collect()
    }

    /// As the page's program reads it.
    pub(crate) fn json(&self, limits: &Limits) -> Result<String, serde_json::Error> {
        let changes =
            self.steer.iter().map(|change| Change { text: change.to_string(), scales: scales(change) });
        serde_json::to_string(&Told {
            model: &self.model,
            texts: self.texts,
            chat: self.chat,
            asks: self.chat && self.asks,
            system: self.system.as_deref(),
            prefill: self.prefill.as_deref(),
            lenses: self.lenses,
            patch: self.patch,
            steer: changes.collect(),
            limits: ToldLimits { prompt: limits.prompt, written: limits.written, top_k: limits.top_k },
        })
    }
}

/// A change that a page may switch on.
#[derive(Serialize)]
struct Change {
    /// The change as it is written.
    text: String,
    /// Whether there is more and less of it.
    scales: bool,
}

#[derive(Serialize)]
struct Told<'a> {
    model: &'a str,
    texts: bool,
    chat: bool,
    asks: bool,
    system: Option<&'a str>,
    prefill: Option<&'a str>,
    lenses: usize,
    patch: bool,
    steer: Vec<Change>,
    limits: ToldLimits,
}

#[derive(Serialize)]
struct ToldLimits {
    prompt: usize,
    written: usize,
    top_k: usize,
}

/// Whether there is more and less of a change: what is set to zero, or projected out, is so or is not.
fn scales(change: &Intervention) -> bool {
    matches!(change.operation, EditOperation::Scale(_) | EditOperation::Add(_) | EditOperation::Replace(_))
}

/// A change `strength` times as strong: what is added is multiplied by it, a factor moves that much farther from 1.
pub(crate) fn stronger(change: &Intervention, strength: f64) -> Intervention {
    let mut change = change.clone();
    match &mut change.operation {
        EditOperation::Add(terms) | EditOperation::Replace(terms) => {
            terms.iter_mut().for_each(|term| term.coefficient *= strength);
        }
        EditOperation::Scale(factor) => *factor = 1.0 + (*factor - 1.0) * strength,
        EditOperation::Zero | EditOperation::Project(_) => {}
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stands_in_its_conversation() {
        let roles = |about: &About| -> Vec<String> {
            about.conversation("hello").into_iter().map(|said| said.role + " " + &said.content).collect()
        };
        let about = About::new("m");
        assert_eq!(roles(&about), ["user hello"]);
        let about = about.with_system(Some("be brief".into())).with_prefill(Some("It is".into()));
        assert_eq!(roles(&about), ["system be brief", "user hello", "assistant It is"]);
        let about = about.with_before(vec![Message::new("user", "hi"), Message::new("assistant", "yes?")]);
        let said = ["system be brief", "user hi", "assistant yes?", "user hello", "assistant It is"];
        assert_eq!(roles(&about), said);
    }

    #[test]
    fn a_change_grows_from_nothing() {
        let at = |written: &str, strength| {
            stronger(&written.parse::<Intervention>().unwrap(), strength).to_string()
        };
        assert_eq!(at("L1.attn_out *= 1.5", 2.0), "L1.attn_out *= 2");
        assert_eq!(at("L1.attn_out *= 1.5", 0.0), "L1.attn_out *= 1");
        assert_eq!(at("L1.resid_post += 4*@'love' - 2*@'hate'", 0.5), "L1.resid_post += 2*@'love' - @'hate'");
        assert_eq!(at("L1.z.h1 = 0", 0.3), "L1.z.h1 = 0");
    }
}
