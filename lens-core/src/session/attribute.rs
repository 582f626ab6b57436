//! A logit of a prompt, taken apart.

use super::{Prepared, Session, SessionError, Texts, pack};
use crate::{
    attribution::{AttributionRequest, AttributionTrace, Dissect, attribute},
    steer::Steering,
};

impl<B: Dissect, T: Texts> Session<'_, B, T> {
    /// Runs a prompt, with its interventions, and takes the logit that `ask` names apart. Of what was prepared, tokens,
    /// interventions and notes count.
    ///
    /// # Errors
    /// As for [`attribute`], and when an intervention does not fit the model.
    pub fn attribute(
        &mut self,
        prepared: &Prepared,
        ask: &AttributionRequest,
    ) -> Result<AttributionTrace, SessionError> {
        self.steered(prepared, |session, Steering { traces, notes, .. }| {
            let parts = attribute(session.backend, &prepared.tokens, ask)?;
            let info = session.backend.info();
            let context = pack::context(session.generator, session.texts, prepared, info);
            let mut trace = AttributionTrace::new(&parts, &context);
            let before = prepared.notes.iter().chain(&info.notes).cloned();
            trace.notes = before.chain(notes).chain(trace.notes).collect();
            trace.interventions = traces;
            (trace.prompt_index, trace.id) = prepared.label.clone();
            Ok(trace)
        })
    }
}
