//! A request in the model's own terms.

use lens_core::{Generate, Intervention, LensError, Plan, RoleTrace, TokenId};

use super::{
    Conversation, Input, Request, SessionError, Speech,
    notes::{self, Origin},
    speech::Named,
};
use crate::Outline;

/// A request in tokens, ready to be run, as often as one likes.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The text, if the input was one.
    pub text: Option<String>,
    /// What the model reads.
    pub tokens: Vec<TokenId>,
    /// Who says which of them, in a conversation.
    pub roles: Vec<RoleTrace>,
    /// What was assumed, dropped or left out so far, of the checkpoint and of the prompt, as sentences for a person.
    pub notes: Vec<String>,
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
    pub(super) fn new(request: &Request, outline: &Outline, speech: &Speech) -> Result<Self, SessionError> {
        let (text, tokens, roles) = match &request.input {
            Input::Tokens(tokens) => (None, tokens.clone(), Vec::new()),
            Input::Text(text) => (Some(text.clone()), speech.encode(text)?, Vec::new()),
            Input::Chat(messages) => {
                let Conversation { text, tokens, roles } = speech.converse(messages)?;
                (Some(text), tokens, roles)
            }
        };
        if !request.threshold.is_finite() {
            return Err(LensError::Threshold { threshold: request.threshold }.into());
        }
        let mut plan = request.plan.clone();
        let mut notes = outline.notes.clone();
        plan.question.targets = Vec::new();
        for target in &request.targets {
            let Named { id, note } = speech.target(target)?;
            if !plan.question.targets.contains(&id) {
                plan.question.targets.push(id);
                notes.extend(note);
            }
        }
        if let Some(target) = &request.versus {
            let Named { id, note } = speech.target(target)?;
            plan.question.versus = Some(id);
            notes.extend(note);
        }
        if !request.stop.is_empty() {
            speech.tokenizer()?;
        }
        let generate = match request.max_new_tokens {
            None => None,
            Some(max_new_tokens) => Some(
                Generate::greedy(max_new_tokens)
                    .with_sampling(request.sampling)
                    .with_end_of_text(speech.end_of_text()?.to_vec())
                    .with_max_length(outline.spec.context),
            ),
        };
        let mut prepared = Self {
            text,
            tokens,
            roles,
            label: (None, None),
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
        prepared.notes.extend(notes::of_prompt(&prepared, origin, outline, speech));
        Ok(prepared.for_trial(request.trial))
    }

    /// The same with a number and a name, which its trace repeats.
    #[must_use]
    pub fn labelled(self, index: u64, id: Option<String>) -> Self {
        Self { label: (Some(index), id), ..self }
    }

    /// The same on the model as it is, without any intervention.
    #[must_use]
    pub fn without_interventions(&self) -> Self {
        Self { interventions: Vec::new(), ..self.clone() }
    }

    /// The same for another trial: its number is added to the seed.
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
