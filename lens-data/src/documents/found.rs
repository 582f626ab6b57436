//! The files of a corpus, before they are read.

use std::{path::PathBuf, sync::Arc};

use object_store::path::Path as ObjectPath;

use crate::{
    prompts::PromptFormat,
    store::remote::{Pin, Remote},
};

/// Files, in their order, and what was left out.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) inputs: Vec<Input>,
    pub(super) notes: Vec<String>,
}

/// One file.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) at: Where,
    pub(super) name: Arc<str>,
    /// What it is if nothing else is said.
    pub(super) format: PromptFormat,
    /// The file is one document.
    pub(super) whole: bool,
}

#[derive(Debug)]
pub(super) enum Where {
    Stdin,
    /// A path, and the length of a plain file.
    File(PathBuf, Option<u64>),
    Object {
        remote: Arc<Remote>,
        at: ObjectPath,
        pin: Pin,
    },
}

impl Input {
    /// Bytes, where the file is no stream.
    pub(super) fn size(&self) -> Option<u64> {
        match &self.at {
            Where::Stdin => None,
            Where::File(_, size) => *size,
            Where::Object { pin, .. } => Some(pin.size),
        }
    }
}
