//! From readings that grow to what a sink is told.

use std::{ops::ControlFlow, time::Duration};

use crate::{
    lens::{LayersRead, Progress, Reading, StepReading},
    sink::{Sink, SinkError},
    trace::Stopped,
    tracer::Tracer,
};

/// Tells a sink what is new, and keeps what it fails with.
pub(super) struct Watch<'a, 'b> {
    tracer: Tracer<'a>,
    sink: &'b mut dyn Sink,
    /// Positions that were told.
    told: usize,
    pub(super) notes: Vec<String>,
    failure: Option<SinkError>,
}

impl<'a, 'b> Watch<'a, 'b> {
    pub(super) fn new(tracer: Tracer<'a>, sink: &'b mut dyn Sink) -> Self {
        Self { tracer, sink, told: 0, notes: Vec::new(), failure: None }
    }

    /// Hands over the positions that are new in `reading`.
    fn positions(&mut self, reading: &Reading) -> Result<(), SinkError> {
        for index in self.told..reading.finals.len() {
            self.sink.position(self.tracer.position(reading, index))?;
            self.told += 1;
        }
        Ok(())
    }

    /// Hands over what a step of the prompt has read, and asks whether to go on.
    pub(super) fn prompt(&mut self, reading: &Reading, progress: Progress) -> ControlFlow<()> {
        let told = self.positions(reading).and_then(|()| self.sink.progress(progress));
        if let Err(failure) = told {
            self.failure = Some(failure);
            return ControlFlow::Break(());
        }
        if !self.sink.stop() {
            return ControlFlow::Continue(());
        }
        let Progress { done, total } = progress;
        if done < total {
            self.notes.push(format!(
                "interrupted after {done} of {total} tokens of the prompt: positions from {done} on were not read"
            ));
        }
        ControlFlow::Break(())
    }

    /// How often the sink wants to hear of layers.
    pub(super) fn layers_every(&self) -> Option<Duration> {
        self.sink.layers_every()
    }

    /// Hands over layers of a step, and asks whether to go on.
    pub(super) fn layers(&mut self, read: &LayersRead<'_>) -> ControlFlow<()> {
        match self.sink.layers(self.tracer.layers(read)) {
            Err(failure) => {
                self.failure = Some(failure);
                ControlFlow::Break(())
            }
            Ok(ControlFlow::Continue(())) => ControlFlow::Continue(()),
            Ok(ControlFlow::Break(())) => {
                let from = read.reading.positions.first().copied().unwrap_or_default();
                self.notes.push(format!(
                    "interrupted while a step of the prompt was read: positions from {from} on were not read"
                ));
                ControlFlow::Break(())
            }
        }
    }

    /// Hands over a token that was written; what is returned ends the continuation.
    pub(super) fn step(&mut self, step: &StepReading<'_>) -> Option<Stopped> {
        let written = self.tracer.step(step.step, &step.sampled);
        let token = self.tracer.token(step.sampled.token.id, true);
        let told = self.positions(step.reading).and_then(|()| self.sink.step(written, token));
        if let Err(failure) = told {
            self.failure = Some(failure);
            return Some(Stopped::Interrupted);
        }
        self.sink.stop().then_some(Stopped::Interrupted)
    }

    /// The sink, and what is to be said at the end, unless the sink has failed.
    pub(super) fn end(self) -> Result<(&'b mut dyn Sink, Vec<String>), SinkError> {
        match self.failure {
            None => Ok((self.sink, self.notes)),
            Some(failure) => Err(failure),
        }
    }
}
