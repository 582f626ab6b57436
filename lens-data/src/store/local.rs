//! A store that is a folder of this machine.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{Entry, error::StoreError};
use crate::shown::shown;

/// How the names of files that are being written begin. After a crash they may stay; nothing reads them.
const UNFINISHED: &str = ".lens-unfinished-";

/// A folder. It need not exist.
#[derive(Debug)]
pub(super) struct Local {
    folder: PathBuf,
}

impl Local {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn failed(&self, doing: String) -> impl FnOnce(io::Error) -> StoreError {
        let store = self.to_string();
        move |error| StoreError::io(store, doing, error)
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let put = || {
            let file = self.unfinished(bytes)?;
            file.persist(self.folder.join(name)).map_err(|error| error.error)?;
            synced(&self.folder)
        };
        put().map_err(self.failed(format!("write {name} to")))
    }

    pub(super) fn put_new(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let put = || {
            let file = self.unfinished(bytes)?;
            file.persist_noclobber(self.folder.join(name)).map_err(|error| error.error)?;
            synced(&self.folder)
        };
        match put() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.folder.is_dir() => {
                Err(StoreError::Exists { store: self.to_string(), name: name.to_owned() })
            }
            result => result.map_err(self.failed(format!("write {name} to"))),
        }
    }

    /// The bytes on the disk, under a name of its own beside those of the store.
    fn unfinished(&self, bytes: &[u8]) -> io::Result<NamedTempFile> {
        fs::create_dir_all(&self.folder)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // As any other file that is made: less what the user's mask takes away.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    pub(super) fn get(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let get = || {
            let file = match File::open(self.folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            let size = file.metadata()?.len();
            let mut bytes = Vec::new();
            if size <= most {
                file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
            }
            Ok(Some((size.max(bytes.len() as u64), bytes)))
        };
        match get().map_err(self.failed(format!("read {name} from")))? {
            Some((size, _)) if size > most => {
                Err(StoreError::TooLarge { store: self.to_string(), name: name.to_owned(), size, most })
            }
            read => Ok(read.map(|(_, bytes)| bytes)),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let list = || {
            let entries = match fs::read_dir(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let mut files = Vec::new();
            for entry in entries {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                match fs::metadata(entry.path()) {
                    Ok(about) if about.is_file() => files.push(Entry { name, size: about.len() }),
                    Ok(_) => {}
                    // It was removed meanwhile, or is a link to nowhere.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(files)
        };
        list().map_err(self.failed("list".to_owned()))
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), StoreError> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(self.failed(format!("delete {name} from"))),
        }
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.folder.to_string_lossy()))
    }
}

/// Puts a folder's new names on the disk. Only Unix can; and there are file systems that refuse it, and need it not.
fn synced(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        match File::open(folder)?.sync_all() {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
            result => result?,
        }
    }
    Ok(())
}
