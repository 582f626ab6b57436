//! What the user called the model: a folder, or an id and a revision of the hub.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{SourceError, gguf::is_gguf};

/// What a model's name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A folder on this machine, which exists.
    Folder(PathBuf),
    /// A GGUF file on this machine, which exists.
    Gguf(PathBuf),
    /// A model of the hub.
    Hub(HubId),
    /// A GGUF file of a repository of the hub.
    HubGguf(HubId, String),
}

impl Source {
    /// Reads a model's name: a folder or a GGUF file if one of that name exists, or if it starts with `.`, `/` or `~`;
    /// else a hub id, which `:` and the name of a GGUF file may follow.
    ///
    /// # Errors
    /// A path at which there is no folder, or a name that is not a hub id either.
    pub fn parse(name: &str, home: Option<&Path>) -> Result<Self, SourceError> {
        let path = match (name.strip_prefix('~'), home) {
            (Some(""), Some(home)) => home.to_owned(),
            (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
            _ => PathBuf::from(name),
        };
        if path.is_dir() {
            return Ok(Self::Folder(path));
        }
        if path.is_file() && is_gguf(name) {
            return Ok(Self::Gguf(path));
        }
        if path.is_file() {
            return Err(SourceError::NotAFolder { path });
        }
        if name.starts_with(['.', '/', '~']) || path.is_absolute() {
            return Err(match is_gguf(name) {
                true => SourceError::UnknownPath { path },
                false => SourceError::UnknownFolder { path },
            });
        }
        match name.split_once(':').filter(|(_, file)| is_gguf(file)) {
            Some((id, file)) if is_file_name(file) => Ok(Self::HubGguf(id.parse()?, file.to_owned())),
            None if is_gguf(name) => Err(SourceError::UnknownPath { path }),
            _ => name.parse().map(Self::Hub),
        }
    }
}

/// Whether this is the name of a file in a repository: plain parts between slashes.
fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | ' ' | '(' | ')');
    name.len() <= 255
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain))
}

/// What a repository of the hub is for: each kind has addresses and a folder of the cache of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RepoKind {
    Model,
    /// An application; some publish files as well.
    Space,
}

/// The id of a model on the hub: `owner/name`, or the bare name of an old one such as `gpt2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    name: String,
    kind: RepoKind,
}

impl HubId {
    /// The id as it is written in addresses.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    pub(super) fn kind(&self) -> RepoKind {
        self.kind
    }

    /// The space of this id, instead of the model.
    pub(super) fn space(self) -> Self {
        Self { kind: RepoKind::Space, ..self }
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for HubId {
    type Err = SourceError;

    /// Applies the hub's own rules for names, which also keep an id from being a path.
    fn from_str(name: &str) -> Result<Self, SourceError> {
        let refuse = |reason: String| Err(SourceError::BadName { name: name.to_owned(), reason });
        let hosts = [
            "https://huggingface.co/",
            "http://huggingface.co/",
            "https://hf.co/",
            "huggingface.co/",
            "hf://",
        ];
        if let Some(rest) = hosts.iter().find_map(|host| name.strip_prefix(host)) {
            let id: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).take(2).collect();
            return refuse(format!("leave out the address and write {:?}", id.join("/")));
        }
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            [""] => return refuse("it is empty".into()),
            [.., ""] => {
                return refuse(format!(
                    "no such folder; as a hub id, write {:?}",
                    name.trim_end_matches('/')
                ));
            }
            [_] | [_, _] => {}
            _ => return refuse("no such folder, and a hub id has one slash at most".into()),
        }
        if let Some((id, revision)) = name.split_once(['@', ':']) {
            return refuse(format!("write {id:?} and ask for the revision {revision:?} by itself"));
        }
        for part in parts {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if let Some(bad) = part.chars().find(|c| !is_word(*c) && !matches!(c, '-' | '.')) {
                return refuse(format!("no such folder, and a hub id cannot hold {bad:?}"));
            }
            if part.len() > 96 || !part.starts_with(is_word) || !part.ends_with(is_word) {
                return refuse(
                    "each half is 1 to 96 characters and neither starts nor ends with '-' or '.'".into(),
                );
            }
        }
        if name.contains("--") || name.contains("..") || name.ends_with(".git") {
            return refuse("a hub id has no \"--\", no \"..\" and no \".git\" at its end".into());
        }
        Ok(Self { name: name.to_owned(), kind: RepoKind::Model })
    }
}

/// A branch, a tag or a commit, by git's own rules for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision(String);

impl Revision {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a whole commit hash, which can only ever mean one state of the files.
    pub(super) fn is_commit(&self) -> bool {
        is_commit(&self.0)
    }
}

/// Whether the text is a whole git commit hash in lower case.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl FromStr for Revision {
    type Err = SourceError;

    fn from_str(revision: &str) -> Result<Self, SourceError> {
        let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
        let reason = if revision.is_empty() {
            "it is empty"
        } else if revision.len() > 200 {
            "it is longer than 200 bytes"
        } else if revision.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c)) {
            "git names have no spaces, control characters or any of ~^:?*[\\"
        } else if revision.contains("..") || revision.contains("@{") || revision.starts_with('-') {
            "git names have no \"..\" or \"@{\" and start with no \"-\""
        } else if revision.split('/').any(bad_part) {
            "a part between slashes is empty, starts with '.' or ends in .lock"
        } else {
            return Ok(Self(revision.to_owned()));
        };
        Err(SourceError::BadRevision { revision: revision.to_owned(), reason })
    }
}
