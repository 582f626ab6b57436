//! The tables as [sinks](lens_core::sink::Sink): rows are written while positions are read, whatever the number of
//! runs.

use std::io::Write;

use lens_core::{
    FinalTrace, LensKindTrace, LensTrace, PositionTrace, ReadoutTrace, RoleTrace, StepTrace, TokenTrace,
    sink::{End, Sink, SinkError},
};

use crate::{
    Prompt,
    format::{DataError, Format, TableWriter},
    readouts::Readouts,
    tokens::{TokenRow, Tokens},
};

/// Which run rows belong to.
#[derive(Debug, Default)]
struct Run {
    index: u64,
    id: Option<String>,
}

impl Run {
    fn of(trace: &LensTrace) -> Self {
        Self { index: trace.prompt_index.unwrap_or(0), id: trace.id.clone() }
    }

    fn prompt(&self) -> Prompt<'_> {
        Prompt { index: self.index, id: self.id.as_deref() }
    }
}

/// A sink that writes the table of readouts, with the rows of every run.
pub struct ReadoutSink<W: Write + Send> {
    table: TableWriter<Readouts, W>,
    run: Option<(Run, LensKindTrace)>,
}

impl<W: Write + Send> ReadoutSink<W> {
    /// Begins the table.
    ///
    /// # Errors
    /// When its head cannot be written.
    pub fn new(out: W, format: Format) -> Result<Self, DataError> {
        Ok(Self { table: TableWriter::new(out, format)?, run: None })
    }

    /// Ends the table; returns the writer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<W, DataError> {
        self.table.finish()
    }

    fn push(
        table: &mut TableWriter<Readouts, W>,
        prompt: Prompt<'_>,
        lens: &LensKindTrace,
        readouts: &[ReadoutTrace],
    ) -> Result<(), SinkError> {
        let pushed = readouts.iter().try_for_each(|readout| table.push(&(prompt, lens, readout)));
        pushed.map_err(|error| SinkError::new("the table of readouts", error))
    }
}

impl<W: Write + Send> Sink for ReadoutSink<W> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.run = Some((Run::of(head), head.lens.clone()));
        Ok(())
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        let Some((run, lens)) = &self.run else { return Ok(()) };
        Self::push(&mut self.table, run.prompt(), lens, &position.readouts)
    }

    fn whole(&mut self, trace: &LensTrace) -> Result<(), SinkError> {
        Self::push(&mut self.table, Run::of(trace).prompt(), &trace.lens, &trace.readouts)
    }
}

/// A sink that writes the table of tokens, with the rows of every run.
pub struct TokenSink<W: Write + Send> {
    table: TableWriter<Tokens, W>,
    /// What its rows are made of when the run is over.
    run: Run,
    tokens: Vec<TokenTrace>,
    roles: Vec<RoleTrace>,
    finals: Vec<FinalTrace>,
}

impl<W: Write + Send> TokenSink<W> {
    /// Begins the table.
    ///
    /// # Errors
    /// When its head cannot be written.
    pub fn new(out: W, format: Format) -> Result<Self, DataError> {
        let table = TableWriter::new(out, format)?;
        Ok(Self { table, run: Run::default(), tokens: Vec::new(), roles: Vec::new(), finals: Vec::new() })
    }

    /// Ends the table; returns the writer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<W, DataError> {
        self.table.finish()
    }

    fn push(
        table: &mut TableWriter<Tokens, W>,
        prompt: Prompt<'_>,
        tokens: &[TokenTrace],
        roles: &[RoleTrace],
        finals: &[FinalTrace],
    ) -> Result<(), SinkError> {
        let mut finals = finals.iter().peekable();
        for (position, token) in tokens.iter().enumerate() {
            let last = finals.next_if(|last| last.position == position);
            let role = roles.iter().find(|role| (role.start..role.end).contains(&position));
            let row = TokenRow { prompt, position, token, role, last };
            table.push(&row).map_err(|error| SinkError::new("the table of tokens", error))?;
        }
        Ok(())
    }
}

impl<W: Write + Send> Sink for TokenSink<W> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.run = Run::of(head);
        (self.tokens, self.roles) = (head.tokens.clone(), head.roles.clone());
        self.finals.clear();
        Ok(())
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        self.finals.push(position.last);
        Ok(())
    }

    fn step(&mut self, _: StepTrace, token: TokenTrace) -> Result<(), SinkError> {
        self.tokens.push(token);
        Ok(())
    }

    fn end(&mut self, _: End) -> Result<(), SinkError> {
        Self::push(&mut self.table, self.run.prompt(), &self.tokens, &self.roles, &self.finals)
    }

    fn whole(&mut self, trace: &LensTrace) -> Result<(), SinkError> {
        Self::push(&mut self.table, Run::of(trace).prompt(), &trace.tokens, &trace.roles, &trace.finals)
    }
}
