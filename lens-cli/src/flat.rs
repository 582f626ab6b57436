//! Readouts and tokens as flat tables: into a folder, and to stdout.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use lens_core::LensTrace;
use lens_data::{Format, Prompt, Readouts, TableWriter, TokenRow, Tokens};

use crate::{
    output::{Folder, Growing, Sink},
    record::TABLES,
};

/// Adds a trace's readouts to a table.
fn push_readouts<W: Write + Send>(table: &mut TableWriter<Readouts, W>, trace: &LensTrace) -> Result<()> {
    let prompt = prompt(trace);
    trace.readouts.iter().try_for_each(|readout| table.push(&(prompt, &trace.lens, readout)))?;
    Ok(())
}

fn prompt(trace: &LensTrace) -> Prompt<'_> {
    Prompt { index: trace.prompt_index.unwrap_or(0), id: trace.id.as_deref() }
}

/// `readouts.parquet` and `tokens.parquet` of a folder, written trace by trace.
pub(crate) struct Tables {
    readouts: TableWriter<Readouts, Growing>,
    tokens: TableWriter<Tokens, Growing>,
}

impl Tables {
    pub(crate) fn begin(folder: &Folder, place: &str) -> Result<Self> {
        let [readouts, tokens] = TABLES.map(|name| folder.begin(&format!("{place}{name}")));
        Ok(Self {
            readouts: TableWriter::new(readouts?, Format::Parquet)?,
            tokens: TableWriter::new(tokens?, Format::Parquet)?,
        })
    }

    pub(crate) fn push(&mut self, trace: &LensTrace) -> Result<()> {
        push_readouts(&mut self.readouts, trace)?;
        let mut finals = trace.finals.iter().peekable();
        for (position, token) in trace.tokens.iter().enumerate() {
            let last = finals.next_if(|last| last.position == position);
            let role = trace.roles.iter().find(|role| (role.start..role.end).contains(&position));
            self.tokens.push(&TokenRow { prompt: prompt(trace), position, token, role, last })?;
        }
        Ok(())
    }

    pub(crate) fn finish(self, folder: &mut Folder) -> Result<()> {
        folder.finish(self.readouts.finish()?)?;
        folder.finish(self.tokens.finish()?)
    }
}

/// A table of readouts on stdout.
pub(crate) struct OnStdout {
    table: TableWriter<Readouts, Shared>,
    written: Shared,
}

impl OnStdout {
    pub(crate) fn begin(format: Format) -> Result<Self> {
        let written = Shared::default();
        Ok(Self { table: TableWriter::new(written.clone(), format)?, written })
    }

    pub(crate) fn push(&mut self, trace: &LensTrace, out: &mut Sink) -> Result<()> {
        push_readouts(&mut self.table, trace)?;
        out.print(|out| out.write_all(&self.written.take()));
        Ok(())
    }

    pub(crate) fn finish(self, out: &mut Sink) -> Result<()> {
        let written = self.table.finish()?;
        out.print(|out| out.write_all(&written.take()));
        Ok(())
    }
}

/// Bytes on their way: a table writes them, stdout takes them, and tells its own failures.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
