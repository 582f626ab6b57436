//! Results on stdout, or in the file that takes its place.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};

use crate::{folder::Folder, style::Console, to_file::ToFile};

/// Lets `write` fill stdout. A reader that has seen enough and closes the pipe is not a failure.
pub fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    told(fill_stdout(write))
}

/// Stdout over the time of a run, or the file that takes its place: after the first failure nothing is written any more,
/// and it is told at the end. What is written to it waits for [`Write::flush`], up to a size.
pub struct Stdout(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    file: Option<ToFile>,
    failure: Option<io::Error>,
}

/// Bytes that wait before they are handed on.
const MOST_WAITING: usize = 1 << 16;

impl Stdout {
    /// Stdout, or a file.
    pub fn new(file: Option<&Path>) -> Result<Self> {
        let file = file.map(ToFile::begin).transpose()?;
        Ok(Self(Mutex::new(Waiting { file, ..Waiting::default() })))
    }

    /// Lets `write` write at once.
    pub fn print(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        let mut out = self;
        if let Err(error) = write(&mut out) {
            self.waiting().failure.get_or_insert(error);
        }
        self.hand_on();
    }

    /// Writes what waits.
    pub fn hand_on(&self) {
        self.waiting().hand_on();
    }

    /// Whether nothing can be written any more.
    pub fn is_closed(&self) -> bool {
        self.waiting().failure.is_some()
    }

    /// Ends the file, if it is one, and tells the failure. A reader that has seen enough and closes the pipe is not one.
    pub fn end(&self, console: &Console) -> Result<()> {
        let mut waiting = std::mem::take(&mut *self.waiting());
        waiting.hand_on();
        if let Some(file) = waiting.file {
            return file.finish(waiting.failure, console);
        }
        waiting.failure.map_or(Ok(()), |error| told(Err(error)))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn hand_on(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if self.failure.is_none() && !bytes.is_empty() {
            self.failure = match &mut self.file {
                Some(file) => file.print(|out| out.write_all(&bytes)).err(),
                None => fill_stdout(|out| out.write_all(&bytes)).err(),
            };
        }
    }
}

/// Never fails: see [`Stdout::end`].
impl Write for &Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut waiting = self.waiting();
        if waiting.failure.is_none() {
            waiting.bytes.extend_from_slice(bytes);
            if waiting.bytes.len() >= MOST_WAITING {
                waiting.hand_on();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_on();
        Ok(())
    }
}

fn fill_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let result = write(&mut out).and_then(|()| out.flush());
    if result.is_err() {
        // What is left in the buffer has nowhere to go.
        drop(out.into_parts());
    }
    result
}

fn told(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to stdout"),
    }
}

/// Writes `value` as JSON and ends the line.
pub fn json(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Writes a file whole or not at all; folders that it lies in are created.
pub fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let (mut folder, name) = Folder::of_file(path)?;
    folder.write(&name, write)
}
