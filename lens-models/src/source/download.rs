//! Brings one file of the hub into the cache: resumed where it broke off, and verified before it gets its
//! name.

use std::io::Read;
use std::path::Path;

use ureq::http::{Method, StatusCode};

use super::SourceError;
use super::cache::is_blob_name;
use super::client::{Answer, Client, Follow, Subject, unreachable};
use super::draft::Draft;
use super::headers::ContentRange;
use super::progress::{Event, Progress};
use super::retry::Retry;

/// What the hub says about a file before it is fetched.
pub(super) struct FileMeta {
    /// The name of the blob, not yet checked to be one.
    pub(super) etag: String,
    /// Bytes of the whole file.
    pub(super) size: Option<u64>,
    /// The sha256 of the content in lower-case hex, for files in large file storage.
    pub(super) sha256: Option<String>,
}

impl FileMeta {
    /// Asks the hub, without following it to the host that has the content.
    pub(super) fn ask(client: &Client, url: &str, subject: Subject<'_>) -> Result<Self, SourceError> {
        let answer = client.send(&Method::HEAD, url, None, Follow::AtHome, subject)?;
        let linked = answer.first_header("x-linked-etag").map(unquoted);
        let etag = linked.clone().or_else(|| answer.header("etag").map(unquoted));
        let etag = etag.ok_or_else(|| answer.bad("it sends no etag"))?;
        if !is_blob_name(&etag) {
            return Err(answer.bad(format!("its etag {etag:?} cannot be the name of a file")));
        }
        let is_content = answer.reply.status().is_success() && is_plain(&answer);
        let own_length = || answer.header("content-length").filter(|_| is_content);
        let size = answer.first_header("x-linked-size").or_else(own_length);
        let size = match size.map(str::parse) {
            Some(Ok(size)) => Some(size),
            Some(Err(_)) => return Err(answer.bad("its size is not a number")),
            None => None,
        };
        let is_sha256 = |etag: &String| etag.len() == 64 && etag.bytes().all(|b| b.is_ascii_hexdigit());
        let sha256 = linked.filter(is_sha256).map(|etag| etag.to_ascii_lowercase());
        Ok(Self { etag, size, sha256 })
    }
}

/// Whether the length of the body is the length of the file.
fn is_plain(answer: &Answer) -> bool {
    answer.header("content-encoding").is_none_or(|encoding| encoding == "identity")
}

fn unquoted(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

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
        let own_length =
            || answer.reply.body().content_length().filter(|_| is_plain(&answer)).map(|n| n + draft.done);
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
