//! Tables, pages and viewers' JSON as [sinks](lens_core::sink::Sink).

use std::io::Write;

use lens_core::{
    Component, LensTrace, PositionTrace, StepTrace, TokenTrace,
    sink::{End, Sink, SinkError, rendered},
};

use crate::{
    logitlenskit,
    page::{PageOptions, page},
    terminal::{StepsView, TableError, TableOptions, table},
};

/// A sink that writes a table for every position of every run, and of every lens there, with `rule` between two of them.
pub fn tables<W: Write>(out: W, options: TableOptions, rule: String) -> impl Sink {
    rendered("the tables", out, move |trace| {
        let lenses: Vec<Option<String>> = match trace.lens_names().as_slice() {
            [_] => vec![options.lens.clone()],
            several => several.iter().map(|name| Some((*name).to_owned())).collect(),
        };
        let of = |(position, lens): (usize, &Option<String>)| {
            table(trace, &options.clone().with_position(Some(position)).with_lens(lens.clone()))
        };
        let places = trace.finals.iter().flat_map(|last| lenses.iter().map(|lens| (last.position, lens)));
        let tables = places.map(of);
        Ok::<_, TableError>(tables.collect::<Result<Vec<_>, _>>()?.join(&rule))
    })
}

/// A sink that writes every run as an HTML page of its own.
pub fn html<W: Write>(out: W, options: PageOptions) -> impl Sink {
    rendered("the page", out, move |trace| page(trace, &options))
}

/// A sink that writes the readouts of `component` of every run as a line of JSON in the form of logitlenskit.
pub fn logitlenskit_v2<W: Write>(out: W, component: Component) -> impl Sink {
    rendered("logitlenskit's V2", out, move |trace| -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let v2 = logitlenskit::to_v2(trace, component)?;
        Ok(serde_json::to_string(&v2)? + "\n")
    })
}

/// A sink that writes a continuation while the model writes it: what is read, a line for every token, and how it ended.
pub struct Steps<W> {
    out: W,
    max_new_tokens: usize,
    options: TableOptions,
    /// The view, with the run as it is known so far, without its readouts.
    run: Option<(StepsView, LensTrace)>,
    newest: Option<PositionTrace>,
}

impl<W: Write> Steps<W> {
    /// A sink that writes to `out`, for continuations of at most `max_new_tokens` tokens.
    pub fn new(out: W, max_new_tokens: usize, options: TableOptions) -> Self {
        Self { out, max_new_tokens, options, run: None, newest: None }
    }

    fn write(&mut self, text: &str) -> Result<(), SinkError> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| SinkError::new("the steps", error))
    }
}

impl<W: Write> Sink for Steps<W> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        let view = StepsView::new(head, self.max_new_tokens, &self.options);
        self.write(&view.header(head))?;
        self.run = Some((view, head.clone()));
        Ok(())
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        self.newest = Some(position);
        Ok(())
    }

    fn step(&mut self, step: StepTrace, token: TokenTrace) -> Result<(), SinkError> {
        let (Some((view, trace)), Some(newest)) = (&mut self.run, &self.newest) else { return Ok(()) };
        let line = view.step(&step, &newest.last, &newest.readouts);
        trace.steps.push(step);
        trace.tokens.push(token);
        self.write(&line)
    }

    fn end(&mut self, end: End) -> Result<(), SinkError> {
        let Some((view, mut trace)) = self.run.take() else { return Ok(()) };
        (trace.generation, trace.self_check) = (end.generation, end.self_check);
        self.write(&view.footer(&trace))
    }
}
