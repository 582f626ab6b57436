//! Readouts and tokens as flat tables in a folder.

use anyhow::Result;
use lens_core::{LensTrace, sink::Sink};
use lens_data::{Format, ReadoutSink, TokenSink};

use crate::{
    folder::cause,
    folder::{Folder, Growing},
    record::TABLES,
};

/// `readouts.parquet` and `tokens.parquet` of a folder, written trace by trace.
pub struct Tables {
    readouts: ReadoutSink<Growing>,
    tokens: TokenSink<Growing>,
}

impl Tables {
    /// Begins both files below `place`, which is empty or ends in `/`.
    ///
    /// # Errors
    /// When a file cannot be created.
    pub fn begin(folder: &Folder, place: &str) -> Result<Self> {
        let [readouts, tokens] = TABLES.map(|name| folder.begin(&format!("{place}{name}")));
        Ok(Self {
            readouts: ReadoutSink::new(readouts?, Format::Parquet)?,
            tokens: TokenSink::new(tokens?, Format::Parquet)?,
        })
    }

    /// Adds a run.
    ///
    /// # Errors
    /// When a file cannot be written to.
    pub fn push(&mut self, trace: &LensTrace) -> Result<()> {
        self.readouts.whole(trace).and_then(|()| self.tokens.whole(trace)).map_err(cause)
    }

    /// Gives both files their names.
    ///
    /// # Errors
    /// When a file cannot be written to.
    pub fn finish(self, folder: &mut Folder) -> Result<()> {
        folder.finish(self.readouts.finish()?)?;
        folder.finish(self.tokens.finish()?)
    }
}
