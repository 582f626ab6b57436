//! Checkpoints from folders, from the hub's cache, and from a hub of the test's own on loopback.

// The helpers of the tests are tests, too.
#![allow(clippy::unwrap_used)]

mod adapter;
mod cache;
mod download;
mod drip;
mod folder;
mod full_disk;
mod gguf;
mod lens;
mod lies;
mod options;
mod processes;
mod raw;
mod refusal;
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lens_checkpoint::source::{CheckpointFiles, Event, Silent, SourceError, SourceOptions, Token, locate};
use server::{ID, Server};
use tempfile::TempDir;

/// Appears in no output.
const SENTINEL: &str = "hf_SENTINELsentinelSENTINEL";

/// A cache of its own and options that lead to a test's server, with a token and without patience.
struct Bench {
    dir: TempDir,
    options: SourceOptions,
}

impl Bench {
    fn new(server: &Server) -> Self {
        let dir = TempDir::new().unwrap();
        let mut options = SourceOptions::from_lookup(|_| None);
        options.cache = Some(dir.path().join("hub"));
        options.endpoint = server.url.clone();
        options.token = Token::new(SENTINEL);
        options.retries = 0;
        options.retry_wait = Duration::ZERO;
        Self { dir, options }
    }

    fn locate(&self) -> Result<CheckpointFiles, SourceError> {
        locate(ID, &self.options, &mut Silent)
    }

    /// The error of a call, after a look at everything it says.
    fn fail(&self) -> SourceError {
        let error = self.locate().unwrap_err();
        assert_says_no_secret(&error);
        error
    }

    fn model_dir(&self) -> PathBuf {
        self.dir.path().join("hub/models--owner--model")
    }

    fn blob(&self, name: &str) -> PathBuf {
        self.model_dir().join("blobs").join(name)
    }

    /// The names in blobs/.
    fn blobs(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.model_dir().join("blobs")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn assert_says_no_secret(error: &(dyn std::error::Error + 'static)) {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        assert!(!format!("{error} {error:?} {error:#?}").contains("SENTINEL"), "{error:?}");
        cause = error.source();
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Collects the events as text.
fn listen(into: &mut Vec<String>) -> impl FnMut(Event<'_>) {
    move |event| into.push(format!("{event:?}"))
}
