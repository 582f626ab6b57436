//! A request in tokens, ready to be run.

use super::{Conversation, Input, Named, Origin, PromptTokens, Request, SessionError, Texts};
use crate::{
    intervention::Intervention,
    lens::{Generate, LensError, Plan},
    token::TokenId,
    trace::RoleTrace,
};

/// What is known of a model before it is run, beyond its backend's [`ModelInfo`](crate::ModelInfo).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Known {
    /// What was assumed, dropped or left out on the way to the model, as sentences for a person.
    pub notes: Vec<String>,
    /// The longest sequence that the model was made for, in tokens.
    pub context: Option<usize>,
    /// The most positions that the model has at all, where there is such a bound.
    pub max_positions: Option<usize>,
}

impl Known {
    /// The note on a prompt that is longer than what the model was made for.
    fn beyond_context(&self, length: usize) -> Option<String> {
        // Past learned positions there is no guess: the run will be refused.
        let most = self.max_positions.unwrap_or(usize::MAX);
        let context = self.context.filter(|context| (context + 1..=most).contains(&length))?;
        Some(format!(
            "the prompt has {length} tokens, the model was made for {context}: what it says beyond is guesswork"
        ))
    }
}

/// A request in tokens, ready to be run any number of times.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The text, if the input was one.
    pub text: Option<String>,
    /// The tokens that the model reads.
    pub tokens: Vec<TokenId>,
    /// Which of the tokens each role says, where the input is a conversation.
    pub roles: Vec<RoleTrace>,
    /// What was assumed, dropped or left out so far, of the checkpoint and of the prompt, as sentences for a person.
    pub notes: Vec<String>,
    /// Those of the notes that are about this prompt alone.
    pub(super) own_notes: Vec<String>,
    /// Its number in a run of many prompts, and what their file calls it.
    pub(super) label: (Option<u64>, Option<String>),
    pub(super) plan: Plan,
    pub(super) threshold: f32,
    pub(super) generate: Option<Generate>,
    pub(super) seed: u64,
    pub(super) trial: usize,
    pub(super) stop: Vec<String>,
    pub(super) interventions: Vec<Intervention>,
    pub(super) timing: bool,
}

impl Prepared {
    /// Turns a request into tokens and a plan.
    ///
    /// # Errors
    /// When a text has no tokens, a conversation cannot be turned into tokens, a target is not one token, the threshold
    /// is not a finite number, or, for a continuation, it is unclear which tokens end a text or what tokens say.
    pub fn new<T: Texts>(request: &Request, texts: &T, known: &Known) -> Result<Self, T::Error> {
        let (text, tokens, roles) = match &request.input {
            Input::Tokens(tokens) => (None, tokens.clone(), Vec::new()),
            Input::Text(text) => (Some(text.clone()), texts.encode(text)?, Vec::new()),
            Input::Chat(messages) => {
                let Conversation { text, tokens, roles } = texts.converse(messages)?;
                (Some(text), tokens, roles)
            }
        };
        if !request.threshold.is_finite() {
            let error = LensError::Threshold { threshold: request.threshold };
            return Err(SessionError::from(error).into());
        }
        let mut plan = request.plan.clone();
        let mut notes = known.notes.clone();
        plan.question.targets = Vec::new();
        for target in &request.targets {
            let Named { id, note } = texts.target(target)?;
            if !plan.question.targets.contains(&id) {
                plan.question.targets.push(id);
                notes.extend(note);
            }
        }
        if let Some(target) = &request.versus {
            let Named { id, note } = texts.target(target)?;
            plan.question.versus = Some(id);
            notes.extend(note);
            if plan.question.targets.first() == Some(&id) {
                notes.push(format!("<id {id}> is compared with itself: logit_diff is zero everywhere"));
            }
        }
        if !request.stop.is_empty() {
            texts.knows_bytes()?;
        }
        let generate = match request.max_new_tokens {
            None => None,
            Some(max_new_tokens) => Some(
                Generate::greedy(max_new_tokens)
                    .with_sampling(request.sampling)
                    .with_end_of_text(texts.end_of_text()?)
                    .with_max_length(known.context),
            ),
        };
        let mut prepared = Self {
            text,
            tokens,
            roles,
            label: (None, None),
            own_notes: Vec::new(),
            notes,
            plan,
            threshold: request.threshold,
            generate,
            seed: request.sampling.seed,
            trial: 0,
            stop: request.stop.clone(),
            interventions: request.interventions.clone(),
            timing: request.timing,
        };
        let origin = match &request.input {
            Input::Tokens(_) => None,
            Input::Text(_) => Some(Origin::Text),
            Input::Chat(_) => Some(Origin::Chat),
        };
        prepared.own_notes.extend(known.beyond_context(prepared.tokens.len()));
        let prompt = PromptTokens::new(&prepared.tokens, origin, prepared.generate.is_some());
        prepared.own_notes.extend(texts.notes_on_prompt(&prompt));
        prepared.notes.extend(prepared.own_notes.iter().cloned());
        prepared.notes.extend(texts.notes(&prompt));
        Ok(prepared.for_trial(request.trial))
    }

    /// Those of its notes that are about this prompt alone: its length, or that its text is empty.
    pub fn own_notes(&self) -> &[String] {
        &self.own_notes
    }

    /// Its number in a run of many prompts, and what their file calls it.
    pub fn label(&self) -> (Option<u64>, Option<&str>) {
        (self.label.0, self.label.1.as_deref())
    }

    /// This request with the number of its prompt and the name that its file gives it, both of which its trace repeats.
    #[must_use]
    pub fn labelled(self, index: u64, id: Option<String>) -> Self {
        Self { label: (Some(index), id), ..self }
    }

    /// This request without its interventions: on the model as it is.
    #[must_use]
    pub fn without_interventions(&self) -> Self {
        Self { interventions: Vec::new(), ..self.clone() }
    }

    /// This request as another trial, whose number is added to the seed.
    #[must_use]
    pub fn for_trial(&self, trial: usize) -> Self {
        let mut other = Self { trial, ..self.clone() };
        if let Some(generate) = &mut other.generate {
            let seed = self.seed.wrapping_add(trial as u64);
            generate.sampling = generate.sampling.with_seed(seed);
        }
        other
    }
}
