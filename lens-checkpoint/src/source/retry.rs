//! When a failed request is worth another try.

use std::time::Duration;

use super::progress::{Event, Progress};
use super::{SourceError, SourceOptions};

/// So many new bytes count as a connection that works: the tries are counted anew.
const PROGRESS: u64 = 1 << 20;

/// The tries that are left.
pub(super) struct Retry {
    most: u32,
    failed: u32,
    first_wait: Duration,
}

impl Retry {
    pub(super) fn new(options: &SourceOptions) -> Self {
        Self { most: options.retries, failed: 0, first_wait: options.retry_wait }
    }

    /// Waits, so that the caller tries again; or gives the error back.
    pub(super) fn wait_after(
        &mut self,
        error: SourceError,
        new_bytes: u64,
        progress: &mut dyn Progress,
    ) -> Result<(), SourceError> {
        if new_bytes >= PROGRESS {
            self.failed = 0;
        }
        if !error.is_transient() || self.failed >= self.most {
            return Err(error);
        }
        let wait = self.first_wait * 2u32.saturating_pow(self.failed.min(6));
        self.failed += 1;
        progress.event(Event::Note(&format!("{error}; trying again in {wait:.1?}")));
        std::thread::sleep(wait);
        Ok(())
    }

    /// Repeats a request until it succeeds or is not worth another try.
    pub(super) fn run<T>(
        mut self,
        progress: &mut dyn Progress,
        mut request: impl FnMut() -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        loop {
            match request() {
                Ok(value) => return Ok(value),
                Err(error) => self.wait_after(error, 0, progress)?,
            }
        }
    }
}
