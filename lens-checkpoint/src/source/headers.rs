//! The headers of safetensors files, without the tensors: from disk, or a few kilobytes from the hub.
//!
//! A file starts with the length of its header, eight bytes, little-endian, and the header itself, JSON.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ureq::http::{Method, StatusCode};

use crate::gguf::{Header, HeaderError};
use crate::limits;

use super::SourceError;
use super::beside::{AdapterFiles, with_given};
use super::client::{Client, Follow, Subject, unreachable};
use super::gguf::is_gguf;

/// What is asked for first: enough for the length and for most headers.
const FIRST_PIECE: u64 = 128 << 10;

/// The same of a GGUF file, whose header holds a vocabulary.
const FIRST_GGUF_PIECE: u64 = 4 << 20;

/// A checkpoint's config and the headers of its weights: all that is known without its tensors.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckpointHeaders {
    /// The hub id, or the folder as it was given.
    pub id: String,
    /// The commit, where it is known.
    pub revision: Option<String>,
    /// The path of config.json.
    pub config: PathBuf,
    /// The headers, in the order of the shards.
    pub shards: Vec<ShardHeader>,
    /// The adapters that are merged into the model, all of them on this machine.
    pub adapters: Vec<AdapterFiles>,
    /// What was assumed to find them, as [`CheckpointFiles::notes`](super::CheckpointFiles::notes) says.
    pub notes: Vec<String>,
}

impl CheckpointHeaders {
    /// The same with these adapters, if there are any, as [`super::CheckpointFiles::with_adapters`].
    #[must_use]
    pub fn with_adapters(mut self, given: Vec<AdapterFiles>) -> Self {
        (self.adapters, self.notes) = with_given(self.adapters, self.notes, given);
        self
    }
}

/// The header of one safetensors file, not yet parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardHeader {
    /// The file's name.
    pub file: String,
    /// The length of the whole file in bytes.
    pub file_size: u64,
    /// The file's first bytes: eight of length, and the header. It is not yet parsed.
    pub bytes: Vec<u8>,
    /// Where the whole file lies, if it is a pickle: it has no header.
    pub whole: Option<PathBuf>,
}

/// Reads the header of a file on disk.
pub(super) fn read_local_header(path: &Path) -> Result<ShardHeader, SourceError> {
    if path.to_str().is_some_and(is_gguf) {
        return read_local_gguf_header(path);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut file = File::open(path).map_err(SourceError::io("open", path))?;
    let file_size = file.metadata().map_err(SourceError::io("read", path))?.len();
    if name.ends_with(super::layout::TORCH_END) {
        return Ok(ShardHeader { file: name, file_size, bytes: Vec::new(), whole: Some(path.to_owned()) });
    }
    let mut bytes = Vec::new();
    file.by_ref().take(8).read_to_end(&mut bytes).map_err(SourceError::io("read", path))?;
    let end = header_end(&name, &bytes, file_size)?;
    file.take(end - 8).read_to_end(&mut bytes).map_err(SourceError::io("read", path))?;
    Ok(ShardHeader { file: name, file_size, bytes, whole: None })
}

/// A GGUF file does not say how long its header is, which holds a vocabulary: pieces are read until it is whole, each
/// twice as long as what was read before. `read` reads so many bytes from a place on.
fn grow(
    file_size: u64,
    mut read: impl FnMut(u64, u64) -> Result<Vec<u8>, SourceError>,
) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    loop {
        let at = bytes.len() as u64;
        let piece = (2 * at).max(FIRST_GGUF_PIECE).min(file_size - at);
        let more = read(at, piece)?;
        let is_last = more.is_empty();
        bytes.extend(more);
        // What is wrong with a whole header is said where it is read.
        if is_last
            || bytes.len() as u64 >= limits::gguf::LONGEST_HEADER
            || bytes.len() as u64 >= file_size
            || !is_cut_off(&bytes, file_size)
        {
            return Ok(bytes);
        }
    }
}

/// Whether a header goes on after these bytes.
fn is_cut_off(start: &[u8], file_size: u64) -> bool {
    matches!(Header::read(start, file_size), Err(HeaderError::CutOff))
}

fn read_local_gguf_header(path: &Path) -> Result<ShardHeader, SourceError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut file = File::open(path).map_err(SourceError::io("open", path))?;
    let file_size = file.metadata().map_err(SourceError::io("read", path))?.len();
    let bytes = grow(file_size, |_, n| {
        let mut piece = Vec::new();
        file.by_ref().take(n).read_to_end(&mut piece).map_err(SourceError::io("read", path))?;
        Ok(piece)
    })?;
    Ok(ShardHeader { file: name, file_size, bytes, whole: None })
}

/// Fetches the header of a GGUF file at the hub.
pub(super) fn fetch_gguf_header(
    client: &Client,
    url: &str,
    subject: Subject<'_>,
) -> Result<ShardHeader, SourceError> {
    let file = subject.file.unwrap_or_default().to_owned();
    let (first, file_size) = fetch_piece(client, url, 0, FIRST_GGUF_PIECE, subject)?;
    let mut first = Some(first);
    let bytes = grow(file_size, |at, n| match first.take() {
        Some(first) => Ok(first),
        None => Ok(fetch_piece(client, url, at, n, subject)?.0),
    })?;
    Ok(ShardHeader { file, file_size, bytes, whole: None })
}

/// Fetches the header of a file at the hub.
pub(super) fn fetch_header(
    client: &Client,
    url: &str,
    subject: Subject<'_>,
) -> Result<ShardHeader, SourceError> {
    let file = subject.file.unwrap_or_default();
    let (mut bytes, file_size) = fetch_piece(client, url, 0, FIRST_PIECE, subject)?;
    let end = header_end(file, &bytes, file_size)?;
    if (bytes.len() as u64) < end {
        let start = bytes.len() as u64;
        let (rest, size) = fetch_piece(client, url, start, end - start, subject)?;
        if size != file_size {
            let received = size;
            return Err(SourceError::SizeMismatch { file: file.to_owned(), expected: file_size, received });
        }
        bytes.extend(rest);
    }
    if (bytes.len() as u64) < end {
        let received = bytes.len() as u64;
        return Err(SourceError::ShortBody {
            file: file.to_owned(),
            received,
            expected: end,
            resumable: false,
        });
    }
    bytes.truncate(end as usize);
    Ok(ShardHeader { file: file.to_owned(), file_size, bytes, whole: None })
}

/// The offset after the header, from the first eight bytes.
fn header_end(file: &str, bytes: &[u8], file_size: u64) -> Result<u64, SourceError> {
    let bad = |length| SourceError::BadHeaderLength { file: file.to_owned(), length };
    let length = bytes.first_chunk::<8>().map(|first| u64::from_le_bytes(*first)).ok_or_else(|| bad(0))?;
    match length.checked_add(8) {
        Some(end) if length <= limits::safetensors::LONGEST_HEADER && end <= file_size => Ok(end),
        _ => Err(bad(length)),
    }
}

/// At most `length` bytes from `start`, and the size of the whole file. A server that ignores ranges and
/// starts to send the whole file is read only as far as needed.
fn fetch_piece(
    client: &Client,
    url: &str,
    start: u64,
    length: u64,
    subject: Subject<'_>,
) -> Result<(Vec<u8>, u64), SourceError> {
    let range = format!("bytes={start}-{}", start + length - 1);
    let mut answer = client.send(&Method::GET, url, Some(&range), Follow::Anywhere, subject)?;
    let (skip, size) = match answer.reply.status() {
        StatusCode::PARTIAL_CONTENT => {
            let part = answer.header("content-range").and_then(ContentRange::parse);
            match part.filter(|part| part.first == start) {
                Some(part) => (0, part.size),
                None => return Err(answer.bad("it sent another range than it was asked for")),
            }
        }
        StatusCode::OK => (start, answer.reply.body().content_length()),
        status => return Err(answer.bad(format!("it answered {status} to a request for a range"))),
    };
    let size = size.ok_or_else(|| answer.bad("it does not say how long the file is"))?;
    let mut reader = answer.reply.body_mut().as_reader();
    let mut bytes = Vec::new();
    let skipped = std::io::copy(&mut reader.by_ref().take(skip), &mut std::io::sink());
    let read = skipped.and_then(|_| reader.take(length).read_to_end(&mut bytes));
    read.map_err(|source| unreachable(&answer.url, source))?;
    Ok((bytes, size))
}

/// The header `Content-Range: bytes first-last/size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    /// The size of the whole file; `None` where the server writes `*`.
    pub(super) size: Option<u64>,
}

impl ContentRange {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.trim().split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let size = if size == "*" { None } else { Some(size.parse().ok()?) };
        (first <= last && size.is_none_or(|size| last < size)).then_some(Self { first, size })
    }
}

#[cfg(test)]
mod tests {
    use super::ContentRange;

    #[test]
    fn a_content_range_is_parsed_strictly() {
        let range = |first, size| Some(ContentRange { first, size });
        assert_eq!(ContentRange::parse("bytes 5-9/10"), range(5, Some(10)));
        assert_eq!(ContentRange::parse("bytes 0-0/*"), range(0, None));
        for bad in ["", "bytes */10", "bytes 5-9/9", "bytes 9-5/10", "5-9/10", "bytes -1-9/10", "bytes 5-/10"]
        {
            assert_eq!(ContentRange::parse(bad), None, "{bad:?}");
        }
    }
}
