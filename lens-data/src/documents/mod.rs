//! The documents of a corpus, one after the other, from files, folders, stdin and object stores.

mod error;
mod found;
mod inputs;
mod object;

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub use error::DocumentError;

use self::{
    found::{Input, Where},
    object::{ObjectBytes, ObjectParts},
};
use crate::{
    packed,
    prompt_error::PromptError,
    prompts::{LONGEST_RECORD, MARK, NOT_UTF8, PARQUET, PromptFormat, Prompts},
    record::PromptInput,
};

/// One document of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its number in the corpus, from 0; those that cannot be read count too.
    pub index: u64,
    /// The file that it is in, as it was named or found; control characters are not taken out.
    pub source: Arc<str>,
    /// The name that its file gives it.
    pub id: Option<String>,
    /// What to read.
    pub input: PromptInput,
}

/// The documents of a corpus; memory does not grow with their number or with the length of files. What is kept is the
/// list of files.
///
/// Files come in the order in which they are named, those of a folder in the order of the bytes of their paths in it,
/// documents in the order of their files: the same on every machine, and for a folder and its copy in an object store.
///
/// A document that is broken is an error of its own, counts, and others follow it
/// ([`DocumentError::is_passing`]); a file that cannot be read to its end is the last item.
pub struct Documents {
    inputs: VecDeque<Input>,
    field: Option<String>,
    format: Option<PromptFormat>,
    current: Option<Current>,
    index: u64,
    ended: bool,
    notes: Vec<String>,
    total: Option<u64>,
    /// Bytes of the files that were read to their ends.
    done: u64,
}

struct Current {
    name: Arc<str>,
    /// Bytes, where that is known.
    size: Option<u64>,
    /// Bytes that were taken from the file, packed as they are.
    taken: Arc<AtomicU64>,
    content: Content,
}

enum Content {
    Records(Box<Prompts<'static>>),
    /// The whole file is one document.
    Whole(Box<dyn BufRead>),
    Ended,
}

impl Documents {
    /// The documents of `inputs`, each of which is a file, a folder, `-` for stdin, or a file or folder in an object
    /// store (`s3://bucket/folder/`). `field` is the field or column that holds the texts, `text` or `prompt` if it is
    /// not given.
    ///
    /// A file is lines, JSON lines (`.jsonl`, `.ndjson`), a table (`.csv`) or Parquet, packed with gzip or zstd or
    /// not. Of a folder, and of its folders, all files with those endings are read, and `.txt`: each as one document.
    /// With a `format`, all files are read in it (but for Parquet, which is known by how it begins), and a `.txt` is
    /// nothing special.
    ///
    /// # Errors
    /// When an input does not exist, cannot be read or has no such file. Files are opened only when it is their turn.
    pub fn open(
        inputs: &[String],
        field: Option<&str>,
        format: Option<PromptFormat>,
    ) -> Result<Self, DocumentError> {
        let mut found = inputs::found(inputs)?;
        if format.is_some() {
            found.inputs.iter_mut().for_each(|input| input.whole = false);
        }
        let total = found.inputs.iter().map(Input::size).sum();
        Ok(Self {
            inputs: found.inputs.into(),
            field: field.map(str::to_owned),
            format,
            current: None,
            index: 0,
            ended: false,
            notes: found.notes,
            total,
            done: 0,
        })
    }

    /// What was left out of folders, in words.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many files are left, without the one that is read.
    pub fn files_left(&self) -> usize {
        self.inputs.len()
    }

    /// Bytes of all files, as they are; `None` where one is a stream.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total
    }

    /// Bytes that were read so far, as they are in the files. Of Parquet, a share of the file as large as that of the rows
    /// that were read.
    pub fn bytes_read(&self) -> u64 {
        let of = |current: &Current| match (&current.content, current.size) {
            (Content::Records(prompts), Some(size)) => match prompts.rows() {
                Some((seen, rows)) => (u128::from(size) * u128::from(seen) / u128::from(rows.max(1))) as u64,
                None => current.taken.load(Ordering::Relaxed).min(size),
            },
            (_, size) => current.taken.load(Ordering::Relaxed).min(size.unwrap_or(u64::MAX)),
        };
        self.done + self.current.as_ref().map_or(0, of)
    }

    fn begin(&self, input: &Input) -> Result<Current, PromptError> {
        let taken = Arc::new(AtomicU64::new(0));
        let counted = Counted { taken: taken.clone() };
        let (reader, size): (Box<dyn BufRead>, _) = match &input.at {
            Where::Stdin => (Box::new(counted.over(io::stdin())), None),
            Where::File(path, _) => {
                let mut file = File::open(path)?;
                let about = file.metadata()?;
                if !about.is_file() {
                    (Box::new(counted.over(file)), None)
                } else if !input.whole && begins_as_parquet(&mut file)? {
                    let prompts = Prompts::parquet(File::open(path)?, self.field.as_deref())?;
                    return Ok(input.begun(Some(about.len()), taken, Content::Records(Box::new(prompts))));
                } else {
                    (Box::new(counted.over(File::open(path)?)), Some(about.len()))
                }
            }
            Where::Object { remote, at, pin } => {
                let mut bytes = ObjectBytes::new(remote.clone(), at.clone(), pin.clone());
                if !input.whole && bytes.fill_buf()?.starts_with(PARQUET) {
                    let parts = ObjectParts::new(remote.clone(), at.clone(), pin.clone());
                    let prompts = Prompts::parquet_of(parts, self.field.as_deref())?;
                    return Ok(input.begun(Some(pin.size), taken, Content::Records(Box::new(prompts))));
                }
                (Box::new(counted.over(bytes)), Some(pin.size))
            }
        };
        let unpacked = packed::unpacked(reader)?;
        let content = if input.whole {
            Content::Whole(unpacked)
        } else {
            let format = self.format.unwrap_or(input.format);
            Content::Records(Box::new(Prompts::new(unpacked, format, self.field.as_deref())?))
        };
        Ok(input.begun(size, taken, content))
    }

    fn end(&mut self, file: Arc<str>, source: PromptError) -> Option<Result<Document, DocumentError>> {
        self.ended = true;
        Some(Err(DocumentError::File { file, source }))
    }
}

impl Iterator for Documents {
    type Item = Result<Document, DocumentError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let Some(current) = &mut self.current else {
                let input = self.inputs.pop_front()?;
                match self.begin(&input) {
                    Ok(current) => self.current = Some(current),
                    Err(error) => return self.end(input.name, error),
                }
                continue;
            };
            let source = current.name.clone();
            let read = match &mut current.content {
                Content::Records(prompts) => prompts.next().map(|record| match record {
                    Ok(record) => Ok(Ok((record.id, record.input))),
                    Err(PromptError::Record { line, id, reason, .. }) => Ok(Err((Some(line), id, reason))),
                    Err(error) => Err(error),
                }),
                Content::Whole(reader) => {
                    let text = whole(reader).map_err(PromptError::Read);
                    current.content = Content::Ended;
                    Some(text.map(|text| match text {
                        Ok(text) => Ok((None, PromptInput::Text(text))),
                        Err(reason) => Err((None, None, reason)),
                    }))
                }
                Content::Ended => None,
            };
            let record = match read {
                None => {
                    self.done += current.size.unwrap_or_else(|| current.taken.load(Ordering::Relaxed));
                    self.current = None;
                    continue;
                }
                Some(Err(error)) => return self.end(source, error),
                Some(Ok(record)) => record,
            };
            let index = self.index;
            self.index += 1;
            return Some(match record {
                Ok((id, input)) => Ok(Document { index, source, id, input }),
                Err((line, id, reason)) => {
                    Err(DocumentError::Record { file: source, line, index, id, reason })
                }
            });
        }
        None
    }
}

impl Input {
    fn begun(&self, size: Option<u64>, taken: Arc<AtomicU64>, content: Content) -> Current {
        Current { name: self.name.clone(), size, taken, content }
    }
}

fn begins_as_parquet(file: &mut File) -> io::Result<bool> {
    let mut start = Vec::new();
    file.take(PARQUET.len() as u64).read_to_end(&mut start)?;
    Ok(start == PARQUET)
}

/// A whole file as a text, or why it is none.
fn whole(reader: &mut dyn BufRead) -> io::Result<Result<String, String>> {
    let mut bytes = Vec::new();
    reader.take(LONGEST_RECORD + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_RECORD {
        return Ok(Err(format!("it is longer than {} MiB", LONGEST_RECORD >> 20)));
    }
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    Ok(String::from_utf8(bytes).map_err(|_| NOT_UTF8.to_owned()))
}

/// Counts the bytes that are taken from a file.
struct Counted {
    taken: Arc<AtomicU64>,
}

impl Counted {
    fn over<R: Read>(self, inner: R) -> BufReader<impl Read> {
        BufReader::with_capacity(1 << 16, Counting { inner, taken: self.taken })
    }
}

struct Counting<R> {
    inner: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.taken.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

#[cfg(test)]
pub(crate) mod tests;
