//! What is shown while the model runs.

use anyhow::Result;
use lens_core::{GenerationTrace, LensTrace, PositionTrace, Progress, SelfCheckTrace, StepTrace, Stopped};
use lens_models::{SessionError, session::Observer};
use lens_viz::terminal::StepsView;
use serde::Serialize;

use crate::{
    output::{self, Sink},
    progress::Running,
    signals,
    style::Console,
    tables,
};

/// What to show of a run while it happens.
pub(crate) enum Style {
    /// A bar on stderr.
    Silent {
        /// How many tokens may be written.
        max_new_tokens: Option<usize>,
    },
    /// A line on stdout for every token that is written.
    Steps {
        /// How many there may be.
        max_new_tokens: usize,
    },
    /// A line of JSON on stdout for everything that happens.
    Lines,
}

/// Looks on while the model runs.
pub(crate) struct Live<'a> {
    style: Style,
    console: &'a Console,
    /// Whether the run matters even if nobody reads stdout any more.
    keeps_files: bool,
    out: &'a mut Sink,
    running: Option<Running>,
    view: Option<StepsView>,
}

/// A line of `--format jsonl`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// The trace's head: everything that is known before the model runs.
    Run(&'a LensTrace),
    /// What was read at a position.
    Position {
        position: usize,
        #[serde(flatten)]
        read: &'a PositionTrace,
    },
    /// A token that was written.
    Step(&'a StepTrace),
    End {
        #[serde(skip_serializing_if = "Option::is_none")]
        generation: Option<&'a GenerationTrace>,
        self_check: Option<&'a SelfCheckTrace>,
    },
}

impl<'a> Live<'a> {
    pub(crate) fn new(style: Style, console: &'a Console, out: &'a mut Sink, keeps_files: bool) -> Self {
        Self { style, console, keeps_files, out, running: None, view: None }
    }

    /// Ends the show with the run, and returns its trace.
    pub(crate) fn end(mut self, result: Result<LensTrace, SessionError>) -> Result<LensTrace> {
        self.running = None;
        let trace = result?;
        if let Some(view) = &self.view {
            let text = view.footer(&trace);
            self.out.print(|out| out.write_all(text.as_bytes()));
        }
        if matches!(self.style, Style::Lines) {
            self.line(&Event::End {
                generation: trace.generation.as_ref(),
                self_check: trace.self_check.as_ref(),
            });
        }
        Ok(trace)
    }

    fn line(&mut self, event: &Event<'_>) {
        self.out.print(|out| output::json(out, event));
    }
}

impl Observer for Live<'_> {
    fn begin(&mut self, head: &LensTrace) {
        match self.style {
            Style::Silent { .. } => {}
            Style::Steps { max_new_tokens } => {
                let view = StepsView::new(head, max_new_tokens, &tables::options(self.console));
                let text = view.header(head);
                self.out.print(|out| out.write_all(text.as_bytes()));
                self.view = Some(view);
            }
            Style::Lines => self.line(&Event::Run(head)),
        }
        self.running = Some(Running::new("reading"));
    }

    fn progress(&mut self, progress: Progress) {
        if let Some(running) = &self.running {
            running.report(progress);
        }
    }

    fn stop(&mut self) -> bool {
        // Without a reader and without files, nobody wants the rest.
        let unread = self.out.is_closed() && !self.keeps_files;
        unread || signals::seen().is_some()
    }

    fn position(&mut self, position: &PositionTrace) {
        signals::hold();
        if matches!(self.style, Style::Lines) {
            self.line(&Event::Position { position: position.last.position, read: position });
        }
    }

    fn step(&mut self, step: &StepTrace, position: &PositionTrace) -> Option<Stopped> {
        match (&self.style, &self.view) {
            (Style::Steps { .. }, Some(view)) => {
                // The bar would stand in the line's place.
                self.running = None;
                let text = view.step(step, &position.last, &position.readouts);
                self.out.print(|out| out.write_all(text.as_bytes()));
            }
            (Style::Lines, _) => self.line(&Event::Step(step)),
            (Style::Silent { max_new_tokens }, _) => {
                if let (Some(running), Some(total)) = (&self.running, max_new_tokens) {
                    running.write(step.step + 1, *total);
                }
            }
            (Style::Steps { .. }, None) => {}
        }
        self.stop().then_some(Stopped::Interrupted)
    }
}
