//! A continuation, read while it is written: every token is sampled from the readout that is shown.

use std::num::NonZeroUsize;

use super::{After, Lens, LensError, Plan, Reading, Rows, Sampling, plan::Scope, sampling::Chooser};
use crate::{
    backend::{Backend, BackendError, Next},
    choice::Choice,
    readout::TokenScore,
    token::TokenId,
    trace::Stopped,
};

/// How much room caches get at once: a sequence may be announced much longer than it becomes.
const ROOM: usize = 256;

/// How a continuation is to be written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Generate {
    /// The most tokens to write.
    pub max_new_tokens: NonZeroUsize,
    /// How each token is chosen.
    pub sampling: Sampling,
    /// Tokens that end a text: the first of them that is sampled ends the continuation, and is part of it.
    pub end_of_text: Vec<TokenId>,
    /// The longest sequence, prompt included and in tokens, that the model was made to read, if known. The continuation
    /// ends before a longer one would have to be read.
    pub max_length: Option<usize>,
}

impl Generate {
    /// A greedy continuation of up to `max_new_tokens` tokens, which nothing else ends.
    pub fn greedy(max_new_tokens: NonZeroUsize) -> Self {
        Self { max_new_tokens, sampling: Sampling::default(), end_of_text: Vec::new(), max_length: None }
    }

    crate::setters! {
        /// How each token is chosen.
        with_sampling => sampling: Sampling,
        /// Tokens that end a text: the first of them that is sampled ends the continuation, and is part of it.
        with_end_of_text => end_of_text: Vec<TokenId>,
        /// The longest sequence, prompt included and in tokens, that the model was made to read, if known. The
        /// continuation ends before a longer one would have to be read.
        with_max_length => max_length: Option<usize>,
    }
}

/// A token that was sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampledStep {
    /// The position from whose final readout it was sampled: the one before its own.
    pub position: usize,
    /// The token, with its logit and probability in that readout, before temperature and truncation.
    pub token: TokenScore,
}

/// A step that was just read.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StepReading<'a> {
    /// The number of the step, from 0.
    pub step: usize,
    /// What was sampled, and where.
    pub sampled: SampledStep,
    /// Everything read so far; the last of its positions is this step's.
    pub reading: &'a Reading,
}

/// The tokens that a model wrote.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Continuation {
    /// The steps, in order.
    pub steps: Vec<SampledStep>,
    /// Why it ended.
    pub stopped: Stopped,
}

/// A continuation and its readouts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Generated {
    /// The tokens of the prompt and, after them, those that were written.
    pub tokens: Vec<TokenId>,
    /// The readouts of the prompt's positions that were asked for, and of every step's.
    pub reading: Reading,
    /// What was sampled.
    pub continuation: Continuation,
}

impl<B: Backend> Lens<'_, B> {
    /// Runs `prompt` once and then one token at a time, reads what `plan` asks for at the prompt's positions and at
    /// every step, and samples each token from the final readout that is kept for its step.
    ///
    /// The first token is sampled at the prompt's last position, so that position is always read. `each` is called
    /// after every step; if it returns a reason, the continuation ends there. Where [`Lens::with_steps`] breaks while
    /// the prompt is run, nothing is written, and the continuation is [`Stopped::Interrupted`].
    ///
    /// # Errors
    /// As for [`Lens::read`], and when `ask.sampling` has a number that describes no distribution.
    pub fn generate(
        &mut self,
        prompt: &[TokenId],
        plan: &Plan,
        ask: &Generate,
        mut each: impl FnMut(&StepReading<'_>) -> Option<Stopped>,
    ) -> Result<Generated, LensError> {
        ask.sampling.validate()?;
        let scope = Scope::new(self.backend.info(), self.backend.step_budget(), prompt, plan)?
            .with_last(prompt.len());
        let limit = ask.max_length.into_iter().chain(self.backend.info().max_positions).min();
        let left = limit.map_or(usize::MAX, |limit| limit.saturating_sub(prompt.len()));
        scope.check_results(self.backend.info(), plan, ask.max_new_tokens.get().min(left))?;
        let mut reading = scope.empty_reading(plan);
        let mut tokens = prompt.to_vec();
        let mut steps: Vec<SampledStep> = Vec::new();
        let mut chooser = Chooser::new(ask.sampling);

        let Some(mut captured) = self.run_prompt(&tokens, ask, &scope, plan, &mut reading)? else {
            let continuation = Continuation { steps, stopped: Stopped::Interrupted };
            return Ok(Generated { tokens, reading, continuation });
        };
        loop {
            let position = tokens.len() - 1;
            let token = if ask.sampling.is_greedy() {
                // The readout's own top-1: no need to look for it first.
                self.decode(&captured, &[position], &[Next::Top1], &scope, plan, &mut reading)?;
                reading
                    .finals
                    .last()
                    .and_then(|last| last.readout.top.first().copied())
                    .ok_or_else(no_vocabulary)?
            } else {
                self.choose(&captured, position, &mut chooser, &scope, plan, &mut reading)?
            };
            tokens.push(token.id);
            steps.push(SampledStep { position, token });

            let stopped = if ask.end_of_text.contains(&token.id) { Some(Stopped::EndOfText) } else { None };
            let step = StepReading {
                step: steps.len() - 1,
                sampled: SampledStep { position, token },
                reading: &reading,
            };
            let asked = each(&step);
            let full = limit.is_some_and(|limit| tokens.len() > limit).then_some(Stopped::Context);
            let enough = (steps.len() == ask.max_new_tokens.get()).then_some(Stopped::Length);
            let stopped = stopped.or(asked).or(enough).or(full);
            if steps.len() == 1 || stopped.is_some() {
                let last = captured.last().expect("the last block's output is always captured");
                self.check_last(last, &[position], &mut reading)?;
            }
            if let Some(stopped) = stopped {
                return Ok(Generated { tokens, reading, continuation: Continuation { steps, stopped } });
            }
            captured = self.extend(&tokens, ask.room(tokens.len() - prompt.len(), tokens.len()), &scope)?;
        }
    }

    /// Runs the prompt, reads what is asked of it but its last position, and returns what was captured there;
    /// `None` if the run was ended before.
    fn run_prompt(
        &mut self,
        prompt: &[TokenId],
        ask: &Generate,
        scope: &Scope,
        plan: &Plan,
        reading: &mut Reading,
    ) -> Result<Option<Vec<B::Hidden>>, LensError> {
        let last = prompt.len() - 1;
        let room = ask.room(0, prompt.len());
        // The last position is read by itself, once its token is chosen. Where others are read too, it is run
        // by itself as well.
        let head = if scope.positions.len() > 1 { last } else { 0 };
        for step in scope.steps(0..head) {
            let end = step.end;
            let read = self.read_step(prompt, step, room, scope, plan, reading)?;
            if read.is_break() || self.report(reading, end, prompt.len()).is_break() {
                return Ok(None);
            }
        }
        let mut captured = Vec::new();
        for step in scope.steps(head..prompt.len()) {
            let rows: &[usize] = if step.contains(&last) { &[last] } else { &[] };
            captured = self.forward(prompt, step.clone(), room, scope, rows)?;
            if self.report(reading, step.end, prompt.len()).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(captured))
    }

    /// Runs the newest token, or everything again where the tokens before it do not stand as they were run.
    fn extend(
        &mut self,
        tokens: &[TokenId],
        room: usize,
        scope: &Scope,
    ) -> Result<Vec<B::Hidden>, LensError> {
        let last = tokens.len() - 1;
        if self.backend.continues(last, tokens.len()) {
            return self.forward(tokens, last..tokens.len(), room, scope, &[last]);
        }
        let mut captured = Vec::new();
        for step in scope.steps(0..tokens.len()) {
            let rows: &[usize] = if step.contains(&last) { &[last] } else { &[] };
            captured = self.forward(tokens, step, room, scope, rows)?;
        }
        Ok(captured)
    }

    /// Reads what was captured at `position`, and chooses the token that comes after it from its final readout.
    fn choose(
        &self,
        captured: &[B::Hidden],
        position: usize,
        chooser: &mut Chooser,
        scope: &Scope,
        plan: &Plan,
        reading: &mut Reading,
    ) -> Result<TokenScore, LensError> {
        let candidates = chooser.candidates(self.backend.info().n_vocab);
        let mut token = None;
        let mut choose = |top: &[TokenScore]| {
            token = chooser.choose(top);
            token.map(|token| token.id)
        };
        let choice = Choice::new(candidates, &mut choose);
        let rows = Rows::new(captured, std::slice::from_ref(&position));
        self.readouts(&rows, After::Chosen(choice), &scope.decoded, scope, plan)?.keep(&[position], reading);
        token.ok_or_else(no_vocabulary)
    }
}

fn no_vocabulary() -> LensError {
    BackendError::Other("the model has no vocabulary".into()).into()
}

impl Generate {
    /// How many tokens caches should have room for when the sequence has `length`, `written` of them by the
    /// model.
    fn room(&self, written: usize, length: usize) -> usize {
        length + self.max_new_tokens.get().saturating_sub(written).min(ROOM)
    }
}
