//! Readouts and tokens as flat tables in a folder.

use anyhow::Result;
use lens_core::{LensTrace, sink::Sink};
use lens_data::{Format, ReadoutSink, TokenSink};

use crate::{
    output::{Folder, Growing},
    record::TABLES,
    show::cause,
};

/// `readouts.parquet` and `tokens.parquet` of a folder, written trace by trace.
pub(crate) struct Tables {
    readouts: ReadoutSink<Growing>,
    tokens: TokenSink<Growing>,
}

impl Tables {
    pub(crate) fn begin(folder: &Folder, place: &str) -> Result<Self> {
        let [readouts, tokens] = TABLES.map(|name| folder.begin(&format!("{place}{name}")));
        Ok(Self {
            readouts: ReadoutSink::new(readouts?, Format::Parquet)?,
            tokens: TokenSink::new(tokens?, Format::Parquet)?,
        })
    }

    pub(crate) fn push(&mut self, trace: &LensTrace) -> Result<()> {
        self.readouts.whole(trace).and_then(|()| self.tokens.whole(trace)).map_err(cause)
    }

    pub(crate) fn finish(self, folder: &mut Folder) -> Result<()> {
        folder.finish(self.readouts.finish()?)?;
        folder.finish(self.tokens.finish()?)
    }
}
