//! Events of a download, for whoever shows its progress.

/// One thing that happened during a download.
///
/// File names are plain names; a [`Note`](Self::Note) may quote a server and is to be shown as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A file's download begins, or begins anew; `done` of `size` bytes are here already.
    Start {
        /// The file's name.
        file: &'a str,
        /// The whole file in bytes, where the server says.
        size: Option<u64>,
        /// Bytes that an earlier download left.
        done: u64,
    },
    /// More bytes of the file that began last have arrived.
    Advance {
        /// How many.
        bytes: u64,
    },
    /// The file is whole and verified.
    Finish {
        /// The file's name.
        file: &'a str,
    },
    /// Something that the user may want to read while it lasts: a retry, a wait. What was assumed about the files
    /// themselves stands in [`CheckpointFiles::notes`](super::CheckpointFiles::notes).
    Note(&'a str),
}

/// A listener to the events of downloads. Any `FnMut(Event)` is one.
pub trait Progress {
    /// Takes note of one event.
    fn event(&mut self, event: Event<'_>);
}

impl<F: FnMut(Event<'_>)> Progress for F {
    fn event(&mut self, event: Event<'_>) {
        self(event);
    }
}

/// A listener that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&mut self, _: Event<'_>) {}
}
