//! Brings one file of the hub into the cache: resumed where it broke off, and verified before it gets its
//! name.

use std::io::Read;
use std::path::Path;

use ureq::http::{Method, StatusCode};

use super::SourceError;
use super::address::shown;
use super::client::{Answer, Client, Follow, Subject, unreachable};
use super::draft::Draft;
use super::headers::ContentRange;
use super::meta::{FileMeta, is_plain};
use super::progress::{Event, Progress};
use super::retry::Retry;
use crate::limits;

/// One download.
pub(super) struct Download<'a> {
    pub(super) client: &'a Client,
    pub(super) url: &'a str,
    pub(super) subject: Subject<'a>,
    pub(super) file: &'a str,
    pub(super) meta: &'a FileMeta,
}

impl Download<'_> {
    /// Fetches into `blob`, trying again by `retry` for as long as that says so.
    pub(super) fn run(
        &self,
        blob: &Path,
        retry: &mut Retry,
        progress: &mut dyn Progress,
    ) -> Result<(), SourceError> {
        let mut draft = Draft::open(blob, self.meta)?;
        let mut inherited = draft.done > 0;
        loop {
            let before = draft.done;
            match self.attempt(&mut draft, progress).and_then(|()| draft.verify(self.file, self.meta)) {
                Ok(()) => break,
                // What an earlier run left was not the beginning of this file.
                Err(SourceError::HashMismatch { .. } | SourceError::SizeMismatch { .. }) if inherited => {
                    progress.event(Event::Note("an earlier partial download was damaged: starting anew"));
                    inherited = false;
                    draft.restart()?;
                }
                Err(error) => retry.wait_after(error, draft.done.saturating_sub(before), progress)?,
            }
        }
        draft.publish(blob)?;
        progress.event(Event::Finish { file: self.file });
        Ok(())
    }

    fn attempt(&self, draft: &mut Draft, progress: &mut dyn Progress) -> Result<(), SourceError> {
        if !draft.resumable || self.meta.size.is_some_and(|size| draft.done > size) {
            draft.restart()?;
        }
        if draft.done > 0 && self.meta.size == Some(draft.done) {
            return Ok(());
        }
        let mut answer = self.ask_from(draft.done)?;
        if draft.done > 0 && !self.continues(&answer, draft.done) {
            draft.restart()?;
            if answer.reply.status() != StatusCode::OK {
                answer = self.ask_from(0)?;
            }
        }
        if answer.reply.status() != StatusCode::OK && !self.continues(&answer, draft.done) {
            return Err(
                answer.bad(format!("it answered {} to a request for a whole file", answer.reply.status()))
            );
        }
        if !is_plain(&answer) {
            return Err(answer.bad("it sends the file packed, which was not asked for"));
        }
        let own_length = || answer.reply.body().content_length().map(|n| n + draft.done);
        let size = self.meta.size.or_else(own_length);
        progress.event(Event::Start { file: self.file, size, done: draft.done });
        self.receive(answer, size, draft, progress)
    }

    fn ask_from(&self, start: u64) -> Result<Answer, SourceError> {
        let range = (start > 0).then(|| format!("bytes={start}-"));
        self.client.send(&Method::GET, self.url, range.as_deref(), Follow::Anywhere, self.subject)
    }

    /// Whether an answer is the part of the file that begins at `start`, unencoded, and says so.
    fn continues(&self, answer: &Answer, start: u64) -> bool {
        let part = answer.header("content-range").and_then(ContentRange::parse);
        answer.reply.status() == StatusCode::PARTIAL_CONTENT
            && is_plain(answer)
            && part.is_some_and(|part| {
                part.first == start
                    && (self.meta.size.is_none() || part.size.is_none() || part.size == self.meta.size)
            })
    }

    fn receive(
        &self,
        mut answer: Answer,
        size: Option<u64>,
        draft: &mut Draft,
        progress: &mut dyn Progress,
    ) -> Result<(), SourceError> {
        let mut reader = answer.reply.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 20];
        let short = |draft: &Draft, expected| SourceError::ShortBody {
            file: self.file.to_owned(),
            received: draft.done,
            expected,
            resumable: draft.resumable,
        };
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    draft.push(&buffer[..n])?;
                    progress.event(Event::Advance { bytes: n as u64 });
                    if size.is_some_and(|size| draft.done > size) {
                        break;
                    }
                    if size.is_none() && draft.done > limits::hub::LARGEST_OF_UNKNOWN_SIZE {
                        return Err(SourceError::BadReply {
                            url: shown(&answer.url),
                            reason: "it does not say how long the file is, and it goes on and on".to_owned(),
                        });
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => match size {
                    Some(size) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                        return Err(short(draft, size));
                    }
                    _ => return Err(unreachable(&answer.url, error)),
                },
            }
        }
        match size {
            Some(size) if draft.done < size => Err(short(draft, size)),
            _ => Ok(()),
        }
    }
}
