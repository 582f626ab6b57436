//! What goes on around an output while the model runs: the bar on stderr, and the user's signals.

use lens_cli::{output::Stdout, progress::Running, signals};
use lens_core::{
    LensTrace, PositionTrace, Progress, StepTrace, TokenTrace,
    sink::{End, Sink, SinkError},
};

/// An output that is written while the model runs, with a bar on stderr, which a signal ends.
pub(crate) struct Watched<'a> {
    output: &'a mut dyn Sink,
    out: &'a Stdout,
    /// Whether the run matters even if nobody reads stdout any more.
    keeps_files: bool,
    bar: Bar,
    running: Option<Running>,
}

/// What becomes of the bar when the model writes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// It counts tokens, up to so many where that is known.
    Counts(Option<usize>),
    /// It goes, because lines take its place.
    Goes,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(output: &'a mut dyn Sink, out: &'a Stdout, bar: Bar, keeps_files: bool) -> Self {
        Self { output, out, keeps_files, bar, running: None }
    }
}

impl Sink for Watched<'_> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.output.begin(head)?;
        self.running = Some(Running::new("reading"));
        Ok(())
    }

    fn progress(&mut self, progress: Progress) -> Result<(), SinkError> {
        self.running.iter().for_each(|running| running.report(progress));
        self.output.progress(progress)
    }

    fn stop(&mut self) -> bool {
        // Without a reader and without files, nobody wants the rest.
        let unread = self.out.is_closed() && !self.keeps_files;
        unread || signals::seen().is_some() || self.output.stop()
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        signals::hold();
        self.output.position(position)
    }

    fn step(&mut self, step: StepTrace, token: TokenTrace) -> Result<(), SinkError> {
        match (self.bar, &self.running) {
            (Bar::Goes, _) => self.running = None,
            (Bar::Counts(Some(total)), Some(running)) => running.write(step.step + 1, total),
            (Bar::Counts(_), _) => {}
        }
        self.output.step(step, token)
    }

    fn end(&mut self, end: End) -> Result<(), SinkError> {
        self.running = None;
        self.output.end(end)
    }
}
