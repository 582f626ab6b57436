//! Who looks on while a model runs, and the trace that grows meanwhile.

use std::ops::ControlFlow;

use lens_core::{
    GenerationTrace, LensTrace, PositionTrace, Progress, Reading, SelfCheck, StepReading, StepTrace, Stopped,
    Timing, Tracer,
};

/// Sees a run as it happens. Every method has a default that does nothing.
pub trait Observer {
    /// What is about to be run: the trace without any readout.
    fn begin(&mut self, head: &LensTrace) {
        let _ = head;
    }

    /// How far the prompt was run.
    fn progress(&mut self, progress: Progress) {
        let _ = progress;
    }

    /// Whether to end the run here; asked after every step of the prompt. What was read until then is kept.
    fn stop(&mut self) -> bool {
        false
    }

    /// What was read at one more position.
    fn position(&mut self, position: &PositionTrace) {
        let _ = position;
    }

    /// A token was sampled from the position that was seen last. What is returned ends the continuation.
    fn step(&mut self, step: &StepTrace, position: &PositionTrace) -> Option<Stopped> {
        let _ = (step, position);
        None
    }
}

/// Nobody looks on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// Builds the trace and shows each part of it.
pub(super) struct Watch<'a, 'b> {
    trace: LensTrace,
    tracer: Tracer<'a>,
    observer: &'b mut dyn Observer,
}

impl<'a, 'b> Watch<'a, 'b> {
    pub(super) fn new(head: LensTrace, tracer: Tracer<'a>, observer: &'b mut dyn Observer) -> Self {
        Self { trace: head, tracer, observer }
    }

    /// Takes over the positions that are new in `reading`.
    pub(super) fn positions(&mut self, reading: &Reading) -> Option<PositionTrace> {
        let mut newest = None;
        for index in self.trace.finals.len()..reading.finals.len() {
            let position = self.tracer.position(reading, index);
            self.observer.position(&position);
            self.trace.finals.push(position.last.clone());
            self.trace.readouts.extend(position.readouts.iter().cloned());
            newest = Some(position);
        }
        newest
    }

    /// Takes over what a step of the prompt has read, and asks whether to go on.
    pub(super) fn prompt(&mut self, reading: &Reading, progress: Progress) -> ControlFlow<()> {
        self.positions(reading);
        self.observer.progress(progress);
        if !self.observer.stop() {
            return ControlFlow::Continue(());
        }
        let Progress { done, total } = progress;
        if done < total {
            self.trace.notes.push(format!(
                "interrupted after {done} of {total} tokens of the prompt: positions from {done} on were not read"
            ));
        }
        ControlFlow::Break(())
    }

    pub(super) fn step(&mut self, step: &StepReading<'_>) -> Option<Stopped> {
        let position = self.positions(step.reading)?;
        let written = self.tracer.step(step.step, &step.sampled);
        self.trace.tokens.push(self.tracer.token(step.sampled.token.id, true));
        let asked = self.observer.step(&written, &position);
        self.trace.steps.push(written);
        asked
    }

    pub(super) fn generation(&mut self, generation: GenerationTrace) {
        self.trace.generation = Some(generation);
    }

    pub(super) fn timing(&mut self, timing: Option<Timing>) {
        self.trace.timing = timing.map(Into::into);
    }

    pub(super) fn end(mut self, check: Option<SelfCheck>) -> LensTrace {
        self.trace.self_check = check.map(Into::into);
        self.trace
    }
}
