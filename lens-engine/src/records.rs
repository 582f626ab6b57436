//! Prompts as they come: from a file at once, from a pipe when they are written.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
    vec,
};

use anyhow::{Context, Result};
use lens_cli::{
    packed::{self, Packing},
    signals,
};
use lens_data::{PromptError, PromptFormat, PromptRecord, Prompts};

/// How many prompts are read together at most.
pub(crate) const GROUP: usize = 64;

/// How often a wait for the next prompt looks for Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) type Record = Result<PromptRecord, PromptError>;

/// The prompts of a file or of a pipe, in groups: what is there already is one group, so that nobody waits for prompts
/// that are not written yet. The groups of a file are always the same.
pub(crate) enum Records {
    File(Prompts<'static>),
    /// Read ahead by a thread, which waits where this program does not.
    Pipe(Receiver<Record>),
    /// That were read before.
    Known(vec::IntoIter<Record>),
}

impl Records {
    /// Opens `path`; `-` is stdin. What is not a plain file may be written while it is read, as stdin is.
    pub(crate) fn open(path: &Path, format: Option<PromptFormat>, column: Option<&str>) -> Result<Self> {
        if path.is_file() {
            return Ok(Self::File(self::open(path, format, column, What::Prompts)?));
        }
        let (opened, outcome) = sync_channel(1);
        let (sender, records) = sync_channel(GROUP);
        let (path, column) = (path.to_owned(), column.map(str::to_owned));
        let reader = thread::Builder::new().name("prompts".to_owned());
        reader
            .spawn(move || read_ahead(&path, format, column.as_deref(), &opened, &sender))
            .context("no thread to read the prompts")?;
        outcome.recv().context("cannot read the prompts")??;
        Ok(Self::Pipe(records))
    }

    /// The next prompts, at most [`GROUP`]: waits for the first, and takes those that are there after it. None at the
    /// end, or when Ctrl-C was pressed.
    pub(crate) fn group(&mut self) -> Vec<Record> {
        match self {
            Self::File(prompts) => prompts.by_ref().take(GROUP).collect(),
            Self::Known(records) => records.by_ref().take(GROUP).collect(),
            Self::Pipe(records) => {
                let Some(first) = wait(records) else { return Vec::new() };
                [first].into_iter().chain(records.try_iter()).take(GROUP).collect()
            }
        }
    }
}

fn wait(records: &Receiver<Record>) -> Option<Record> {
    loop {
        match records.recv_timeout(LOOK) {
            Ok(record) => return Some(record),
            Err(RecvTimeoutError::Timeout) if signals::seen().is_none() => {}
            Err(_) => return None,
        }
    }
}

fn read_ahead(
    path: &Path,
    format: Option<PromptFormat>,
    column: Option<&str>,
    opened: &SyncSender<Result<()>>,
    records: &SyncSender<Record>,
) {
    let (prompts, outcome) = match open(path, format, column, What::Prompts) {
        Ok(prompts) => (Some(prompts), Ok(())),
        Err(error) => (None, Err(error)),
    };
    // Whoever no longer listens needs nothing more.
    if opened.send(outcome).is_ok() {
        let _ = prompts.into_iter().flatten().try_for_each(|record| records.send(record));
    }
}

/// What a file is to those who read it, in messages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Prompts,
    Text,
}

/// The records of a file: Parquet, or a text of some form, packed or not; `-` is stdin.
pub(crate) fn open(
    path: &Path,
    format: Option<PromptFormat>,
    column: Option<&str>,
    what: What,
) -> Result<Prompts<'static>> {
    let format = format.unwrap_or_else(|| PromptFormat::of(Packing::of(path).1));
    let read = || {
        let reader = if path == Path::new("-") {
            packed::unpacked(BufReader::new(io::stdin()))
        } else {
            File::open(path).and_then(|file| packed::unpacked(BufReader::with_capacity(1 << 16, file)))
        };
        Ok::<_, anyhow::Error>(Prompts::new(reader?, format, column)?)
    };
    Prompts::of_file(path, column, read).with_context(|| match what {
        What::Prompts => format!("cannot read prompts from {}", path.display()),
        What::Text => format!("cannot read the text {}", path.display()),
    })
}
