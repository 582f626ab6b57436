//! Several sinks as one.

use std::{ops::ControlFlow, time::Duration};

use super::{End, LayersTrace, Sink, SinkError};
use crate::{
    lens::Progress,
    trace::{LensTrace, PositionTrace, StepTrace, TokenTrace},
};

/// A sink that passes everything on to several sinks, in their order. The first that fails ends the run; any of them
/// may stop it.
pub struct Tee<'a> {
    sinks: Vec<&'a mut dyn Sink>,
}

impl<'a> Tee<'a> {
    /// A sink that feeds all of `sinks`.
    pub fn new(sinks: impl IntoIterator<Item = &'a mut dyn Sink>) -> Self {
        Self { sinks: sinks.into_iter().collect() }
    }
}

impl Tee<'_> {
    fn each(
        &mut self,
        mut tell: impl FnMut(&mut dyn Sink) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        self.sinks.iter_mut().try_for_each(|sink| tell(&mut **sink))
    }

    /// The last sink takes the value itself, those before it copies.
    fn each_with<T: Clone>(
        &mut self,
        value: T,
        mut tell: impl FnMut(&mut dyn Sink, T) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let Some((last, others)) = self.sinks.split_last_mut() else { return Ok(()) };
        others.iter_mut().try_for_each(|sink| tell(&mut **sink, value.clone()))?;
        tell(&mut **last, value)
    }
}

impl Sink for Tee<'_> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.each(|sink| sink.begin(head))
    }

    fn progress(&mut self, progress: Progress) -> Result<(), SinkError> {
        self.each(|sink| sink.progress(progress))
    }

    fn stop(&mut self) -> bool {
        // Each is asked: some look after something when they are.
        self.sinks.iter_mut().fold(false, |stop, sink| sink.stop() | stop)
    }

    fn layers_every(&self) -> Option<Duration> {
        self.sinks.iter().filter_map(|sink| sink.layers_every()).min()
    }

    fn layers(&mut self, layers: LayersTrace) -> Result<ControlFlow<()>, SinkError> {
        let mut flow = ControlFlow::Continue(());
        for sink in self.sinks.iter_mut().filter(|sink| sink.layers_every().is_some()) {
            if sink.layers(layers.clone())?.is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        self.each_with(position, |sink, position| sink.position(position))
    }

    fn step(&mut self, step: StepTrace, token: TokenTrace) -> Result<(), SinkError> {
        self.each_with((step, token), |sink, (step, token)| sink.step(step, token))
    }

    fn end(&mut self, end: End) -> Result<(), SinkError> {
        self.each_with(end, |sink, end| sink.end(end))
    }

    fn whole(&mut self, trace: &LensTrace) -> Result<(), SinkError> {
        self.each(|sink| sink.whole(trace))
    }
}
