//! A loaded model as the server asks it.

use std::ops::ControlFlow;

use lens_cli::args::ServeArgs;
use lens_core::{
    Backend as _, LensSet, Prepared, Request, Sink, TokenId,
    attribution::{AttributionRequest, AttributionTrace},
    patch::{PatchContext, PatchPrompt, PatchTrace},
};
use lens_models::Session;
use lens_serve::{About, Failure, Model, sweep};

use crate::{advice, lenses::Lenses, machine, prompt::Turns, run::GENERATOR, weights};

/// A model, and what the command line said of how to read it.
pub(super) struct Served<'a> {
    pub(super) session: Session,
    lenses: Lenses,
    turns: &'a Turns<'a>,
    args: &'a ServeArgs,
}

impl<'a> Served<'a> {
    pub(super) fn new(session: Session, lenses: Lenses, turns: &'a Turns<'a>, args: &'a ServeArgs) -> Self {
        Self { session, lenses, turns, args }
    }
}

impl Model for Served<'_> {
    fn about(&self) -> About {
        let speech = self.session.speech();
        let texts = speech.tokenizer().is_ok();
        let chat = &self.args.chat;
        let (before, prompt) = self.turns.before();
        let about = About::new(self.session.outline().id.clone())
            .with_asks(self.turns.is_conversation())
            .with_system(chat.system.clone())
            .with_prefill(chat.prefill.clone())
            .with_before(before.to_vec())
            .with_prompt(prompt.map(str::to_owned));
        let converses = texts && speech.converse(&about.conversation("a")).is_ok();
        about
            .with_texts(texts)
            .with_chat(converses)
            .with_lenses(self.lenses.set.iter().count().max(1))
            .with_patch(true)
            .with_steer(self.args.steer.clone())
    }

    fn lenses(&self) -> LensSet {
        self.lenses.set.clone()
    }

    fn prepare(&mut self, request: &Request) -> Result<Prepared, Failure> {
        let mut prepared = self.session.prepare(request).map_err(said)?;
        prepared.notes.extend(self.lenses.notes.iter().cloned());
        prepared.notes.extend(weights::changed_weights());
        Ok(prepared)
    }

    fn run(&mut self, prepared: &Prepared, sink: &mut dyn Sink) -> Result<(), Failure> {
        machine::suit(&self.args.machine, &self.session.outline().spec, prepared.tokens.len());
        self.session.run_prepared_into(prepared, sink).map_err(said)
    }

    fn attribute(
        &mut self,
        prepared: &Prepared,
        ask: &AttributionRequest,
    ) -> Result<AttributionTrace, Failure> {
        self.session.attribute(prepared, ask).map_err(said)
    }

    fn patch(
        &mut self,
        clean: &[TokenId],
        corrupted: &[TokenId],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<PatchTrace, Failure> {
        let model = self.session.model().map_err(said)?;
        let patched = sweep(model, [clean, corrupted], go_on)?;
        let info = model.info().clone();
        let context = PatchContext::new(
            GENERATOR,
            &info,
            self.session.speech().texts(),
            PatchPrompt::new(corrupted, None),
        )
        .with_source(Some(PatchPrompt::new(clean, None)));
        Ok(PatchTrace::new(&patched, &context))
    }
}

/// An error in words, with what to do about it.
fn said(error: impl Into<anyhow::Error>) -> Failure {
    let error = error.into();
    let failure = Failure::new(format!("{error:#}"));
    match advice::of(&error) {
        Some(help) => failure.with_help(help),
        None => failure,
    }
}
