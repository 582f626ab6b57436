//! Many prompts at once.

use super::{Prepared, Session, SessionError, Texts};
use crate::{
    backend::{Backend, ModelInfo},
    lens::{Lens, Reading},
    steer::Steering,
    trace::LensTrace,
    tracer::{TraceContext, Tracer},
};

impl Prepared {
    /// Whether it can be run together with others that have the same plan: it asks for no continuation, no intervention
    /// and no timing.
    pub fn is_plain(&self) -> bool {
        self.generate.is_none() && self.interventions.is_empty() && !self.timing
    }
}

impl<B: Backend, T: Texts> Session<'_, B, T> {
    /// Runs what was prepared and returns the traces in the same order, as [`Session::run_prepared`] would make them.
    /// [Plain](Prepared::is_plain) prompts with the same plan are read together, in packs ([`Lens::read_many`]):
    /// numbers agree with those of single runs within rounding.
    ///
    /// All traces are kept until the last prompt is read: hand over a few dozen prompts at a time.
    ///
    /// # Errors
    /// Each prompt has its own result, with the errors of [`Session::run_prepared_into`].
    pub fn run_many_prepared(&mut self, prepared: &[Prepared]) -> Vec<Result<LensTrace, T::Error>> {
        let together =
            |first: &&Prepared| prepared.iter().all(|one| one.is_plain() && one.plan == first.plan);
        let Some(first) = prepared.first().filter(together) else {
            return prepared.iter().map(|one| self.run_prepared(one, &mut ())).collect();
        };
        let prompts: Vec<_> = prepared.iter().map(|one| one.tokens.as_slice()).collect();
        let readings = Lens::new(self.backend).read_many(&prompts, &first.plan);
        let info = self.backend.info().clone();
        let traces = prepared.iter().zip(readings).map(|(one, reading)| {
            let reading = reading.map_err(SessionError::from)?;
            Ok(self.trace_of(one, &reading, &info)?)
        });
        traces.collect()
    }

    /// The trace of a prompt that was read whole.
    fn trace_of(
        &self,
        prepared: &Prepared,
        reading: &Reading,
        info: &ModelInfo,
    ) -> Result<LensTrace, SessionError> {
        let context = context(self.generator, self.texts, prepared, info);
        let mut tracer = Tracer::new(&context).with_lenses(prepared.plan.lenses.clone());
        let mut trace = head(&mut tracer, prepared, info, Steering::default())?;
        for index in 0..reading.finals.len() {
            let position = tracer.position(reading, index);
            trace.finals.push(position.last);
            trace.readouts.extend(position.readouts);
        }
        trace.self_check = reading.self_check.map(Into::into);
        trace.judge_rows();
        Ok(trace)
    }
}

/// What a trace of this prompt says beside the reading.
pub(super) fn context<'c>(
    generator: (&'c str, &'c str),
    texts: &'c impl Texts,
    prepared: &'c Prepared,
    info: &'c ModelInfo,
) -> TraceContext<'c> {
    TraceContext::new(generator, info, &prepared.tokens, texts.names())
        .with_prompt(prepared.text.as_deref())
        .with_threshold(prepared.threshold)
}

/// The trace of a prompt before anything is read.
pub(super) fn head(
    tracer: &mut Tracer<'_>,
    prepared: &Prepared,
    info: &ModelInfo,
    steering: Steering,
) -> Result<LensTrace, SessionError> {
    let mut head = tracer.head(prepared.plan.question.norm);
    head.roles.clone_from(&prepared.roles);
    head.notes.clone_from(&prepared.notes);
    head.notes.extend(info.notes.iter().cloned());
    head.notes.extend(prepared.plan.notes(info)?);
    (head.prompt_index, head.id) = prepared.label.clone();
    head.versus = prepared.plan.question.versus.map(|id| tracer.named(id));
    head.interventions = steering.traces;
    head.notes.extend(steering.notes);
    Ok(head)
}
