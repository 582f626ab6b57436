//! A folder of results, and its files, which are written whole or not at all.

use std::{
    fs::{File, TryLockError},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use lens_core::{
    LensTrace,
    sink::{Sink, SinkError},
};

use crate::{
    record::{Cleared, Hashing, Record},
    signals::Leftover,
    temporary::{self, Temporary},
};

/// A file of a folder that is being written.
pub struct Growing {
    name: String,
    out: Hashing<BufWriter<File>>,
    file: Temporary,
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A folder for results.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Folders that did not exist before, outermost first; they go again when nothing was written.
    created: Vec<(PathBuf, Leftover)>,
    /// For the results of runs: what was written, and what earlier runs have left.
    record: Option<Record>,
    /// Locked for the results of this run, where the system can.
    _lock: Option<File>,
    cleared: Option<Cleared>,
}

impl Folder {
    /// Creates the folder if need be and makes sure that files can be created in it.
    pub fn prepare(path: &Path) -> Result<Self> {
        let mut created: Vec<_> = path
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
            .map(Path::to_owned)
            .collect();
        created.reverse();
        let created = created.into_iter().map(|path| (path.clone(), Leftover::new(&path))).collect();
        let folder = Self { path: path.to_owned(), created, record: None, _lock: None, cleared: None };
        std::fs::create_dir_all(path)
            .with_context(|| format!("cannot create the folder {}", path.display()))?;
        temporary::sweep(path);
        Temporary::new(path)?;
        Ok(folder)
    }

    /// The folder of a file, prepared, and the file's name in it.
    pub fn of_file(path: &Path) -> Result<(Self, String)> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok((Self::prepare(folder)?, name))
    }

    /// The same for all results of a run, which has the folder to itself. With its first file, those of earlier runs in
    /// that folder go.
    pub fn for_results(path: &Path) -> Result<Self> {
        let mut folder = Self::prepare(path)?;
        folder._lock = lock(path)?;
        folder.record = Some(Record::of(path));
        Ok(folder)
    }

    /// Writes a file: beside its final name first, and under it once all bytes are on the disk. `name` may begin
    /// with folders, with `/` between.
    pub fn write(&mut self, name: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let mut file = self.begin(name)?;
        write(&mut file).with_context(|| format!("cannot write {}", self.path.join(name).display()))?;
        self.finish(file)
    }

    /// Writes the file of a run that is over, by the output that `sink` makes.
    pub fn write_whole(
        &mut self,
        name: &str,
        trace: &LensTrace,
        sink: impl for<'w> FnOnce(&'w mut Growing) -> Box<dyn Sink + 'w>,
    ) -> Result<()> {
        let mut file = self.begin(name)?;
        let written = sink(&mut file).whole(trace);
        written.map_err(cause).with_context(|| format!("cannot write {}", self.path.join(name).display()))?;
        self.finish(file)
    }

    /// Begins a file that is written piece by piece; it gets its name with [`Folder::finish`], and goes without.
    pub fn begin(&self, name: &str) -> Result<Growing> {
        let path = self.path.join(name);
        let parent = path.parent().unwrap_or(&self.path);
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot create the folder {}", parent.display()))?;
        let file = Temporary::new(&self.path)?;
        let handle =
            file.as_file().try_clone().with_context(|| format!("cannot write {}", path.display()))?;
        let out = Hashing::new(BufWriter::with_capacity(1 << 16, handle));
        Ok(Growing { name: name.to_owned(), out, file })
    }

    /// Gives a file its name, once all bytes are on the disk.
    pub fn finish(&mut self, growing: Growing) -> Result<()> {
        let Growing { name, mut out, file } = growing;
        let path = self.path.join(&name);
        let failed = || format!("cannot write {}", path.display());
        out.flush().with_context(failed)?;
        let (bytes, sha256) = (out.bytes, out.sha256());
        file.as_file().sync_all().with_context(failed)?;
        if let Some(record) = &mut self.record {
            record.add(&name, bytes, sha256).with_context(failed)?;
        }
        file.persist(&path).with_context(failed)?;
        self.created.clear();
        if let (Some(record), None) = (&mut self.record, &self.cleared) {
            self.cleared = Some(record.clear_earlier());
        }
        // The name itself is on the disk once the folder is; not every system can say so.
        #[cfg(unix)]
        let _ = File::open(&self.path).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What became of the files of earlier runs: told once.
    pub fn cleared(&mut self) -> Cleared {
        self.cleared.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// Locks a folder until the file is closed or the process ends: two runs at a time would leave a mixture of their
/// results. `None` where the system or the file system has no locks of folders.
fn lock(path: &Path) -> Result<Option<File>> {
    let Ok(folder) = File::open(path) else { return Ok(None) };
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => bail!(
            "another run of lens writes its results into {}: wait for it to end, or choose another folder",
            path.display()
        ),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for (folder, _) in self.created.iter().rev() {
            // Only an empty folder goes.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// The failure of an output by itself: what cannot be written is plain from the command. What advice is looked up by keeps
/// its type, which is lost where a box is passed on.
pub fn cause(error: SinkError) -> anyhow::Error {
    let other = match error.into_cause().downcast::<io::Error>() {
        Ok(error) => return anyhow::Error::new(*error),
        Err(other) => other,
    };
    match other.downcast::<serde_json::Error>() {
        Ok(error) => anyhow::Error::new(*error),
        Err(other) => anyhow::Error::from_boxed(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_absent() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        {
            let mut folder = Folder::prepare(&path).unwrap();
            let failing = |out: &mut dyn Write| {
                out.write_all(b"half")?;
                Err(io::Error::other("no more"))
            };
            assert!(folder.write("x", failing).is_err());
            assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        }
        assert!(!root.path().join("a").exists(), "a folder was left");

        let mut folder = Folder::prepare(&path).unwrap();
        folder.write("x", |out| out.write_all(b"whole")).unwrap();
        drop(folder);
        assert_eq!(std::fs::read(path.join("x")).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    }
}
