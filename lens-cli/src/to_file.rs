//! One file that takes what would go to stdout, packed if its name says so.

use std::{io, io::Write, path::Path, path::PathBuf};

use anyhow::{Context, Result};

use crate::{
    folder::{Folder, Growing},
    packed::{Packer, Packing},
    style::Console,
};

/// A file that grows, and has its name once it is whole.
pub(crate) struct ToFile {
    path: PathBuf,
    folder: Folder,
    out: Packer<Growing>,
    is_empty: bool,
}

impl ToFile {
    pub(crate) fn begin(path: &Path) -> Result<Self> {
        let (folder, name) = Folder::of_file(path)?;
        let growing = folder.begin(&name)?;
        let (packing, _) = Packing::of(path);
        let out =
            Packer::new(packing, growing).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), folder, out, is_empty: true })
    }

    pub(crate) fn print(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        self.is_empty = false;
        write(&mut self.out)
    }

    /// Gives the file its name, if anything was written and nothing failed, and says so.
    pub(crate) fn finish(self, failure: Option<io::Error>, console: &Console) -> Result<()> {
        let path = self.path.clone();
        if self.finish_quietly(failure)? {
            console.note(&format!("results in {}", path.display()));
        }
        Ok(())
    }

    /// The same without a word; whether there is a file is returned.
    pub(crate) fn finish_quietly(mut self, failure: Option<io::Error>) -> Result<bool> {
        let failed = || format!("cannot write {}", self.path.display());
        if let Some(error) = failure {
            return Err(error).with_context(failed);
        }
        if self.is_empty {
            return Ok(false);
        }
        let growing = self.out.finish().with_context(failed)?;
        self.folder.finish(growing)?;
        Ok(true)
    }
}
