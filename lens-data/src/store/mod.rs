//! Where results of a corpus lie: a folder of named blobs, on this machine or in an object store.
//!
//! ```
//! use lens_data::Store;
//!
//! # let folder = tempfile::tempdir()?;
//! # let place = folder.path().join("parts");
//! # let place = place.to_str().expect("the name of a temporary folder is text");
//! let store = Store::open(place)?;
//! store.put("part-0.json", b"{}".to_vec())?;
//! assert_eq!(store.get("part-0.json", 1 << 20)?.as_deref(), Some(&b"{}"[..]));
//! assert_eq!(store.list()?[0].size, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connector;
mod error;
mod local;
mod place;
pub(crate) mod remote;

use std::fmt;

pub use error::{Reason, StoreError};

use self::{local::Local, remote::Remote};
pub(crate) use place::Place;

/// A folder of named blobs, on this machine or in an object store.
///
/// Its calls block, and may come from several threads at once; not from within an asynchronous runtime.
#[derive(Debug)]
pub struct Store {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Local(Local),
    Remote(Remote),
}

/// A blob of a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Store {
    /// The store at `place`: a folder of this machine, which is made when something is first put there, or
    /// `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `http(s)://host/folder` (WebDAV).
    /// Credentials, endpoints and the like come from the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
    ///
    /// Nothing is asked of an object store yet.
    ///
    /// # Errors
    /// When the place cannot be understood, or the environment says something that cannot be.
    pub fn open(place: &str) -> Result<Self, StoreError> {
        let kind = match place.parse()? {
            Place::Local(folder) => Kind::Local(Local::new(folder)),
            Place::Remote(place) => Kind::Remote(Remote::open(&place)?),
        };
        Ok(Self { kind })
    }

    /// Whether it is a folder of this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.kind, Kind::Local(_))
    }

    /// Keeps `bytes` under `name`, in the place of what was there: whole, or not at all. On this machine they are on the
    /// disk when this returns.
    ///
    /// # Errors
    /// When the name is none, or the store cannot be written to.
    pub fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        named(name)?;
        match &self.kind {
            Kind::Local(local) => local.put(name, &bytes),
            Kind::Remote(remote) => remote.put(name, bytes),
        }
    }

    /// Keeps `bytes` under `name` if there is nothing yet: of several writers one wins. Over HTTP, where no server is
    /// asked for that, whether there is something is looked up first.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is something, and as for [`Store::put`].
    pub fn put_new(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        named(name)?;
        match &self.kind {
            Kind::Local(local) => local.put_new(name, &bytes),
            Kind::Remote(remote) => remote.put_new(name, bytes),
        }
    }

    /// What `name` holds, at most `most` bytes; `None` if there is nothing.
    ///
    /// # Errors
    /// When it is larger, or the store cannot be read. A bucket that is not there is an error, too.
    pub fn get(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        named(name)?;
        match &self.kind {
            Kind::Local(local) => local.get(name, most),
            Kind::Remote(remote) => remote.get(name, most),
        }
    }

    /// Its blobs in the order of their names. What has a name that [`Store::put`] does not take, and what lies in folders
    /// of the store, is not among them.
    ///
    /// # Errors
    /// When the store cannot be read. A folder that is not there has no blobs.
    pub fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = match &self.kind {
            Kind::Local(local) => local.list(),
            Kind::Remote(remote) => remote.list(),
        }?;
        entries.retain(|entry| named(&entry.name).is_ok());
        entries.sort_unstable();
        Ok(entries)
    }

    /// Removes `name`. It is no error if there is nothing.
    ///
    /// # Errors
    /// When the store cannot be written to.
    pub fn delete(&self, name: &str) -> Result<(), StoreError> {
        named(name)?;
        match &self.kind {
            Kind::Local(local) => local.delete(name),
            Kind::Remote(remote) => remote.delete(name),
        }
    }
}

/// Where it is, without credentials.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Local(local) => local.fmt(f),
            Kind::Remote(remote) => remote.fmt(f),
        }
    }
}

/// Names are plain on every system and in every store; one that begins with a dot is a file that is being written.
fn named(name: &str) -> Result<(), StoreError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > 200 || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(StoreError::Name { name: name.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
