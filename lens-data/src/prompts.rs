//! Many prompts from one file: lines, JSON lines, or a column of a CSV table.

use std::{
    fmt,
    io::{self, BufRead, Read},
    path::Path,
    str::FromStr,
};

use lens_core::{TokenId, suggest::did_you_mean};
use serde::Deserialize;

/// A record beyond this is a mistake.
const LONGEST_RECORD: u64 = 64 << 20;

/// The form of a file of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PromptFormat {
    /// A prompt a line, as it is; lines without any character are passed over.
    Lines,
    /// A JSON object a line with `text` (or `prompt`), `messages` or `token_ids`, and optionally `id`.
    JsonLines,
    /// Comma-separated values with a line of names: the column `text` (or `prompt`), and optionally `id`.
    Csv,
}

impl PromptFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Lines, Self::JsonLines, Self::Csv];

    /// Its name in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// What the ending of a file's name says: `.jsonl` and `.ndjson`, `.csv`, or lines.
    pub fn of(path: &Path) -> Self {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("jsonl" | "ndjson") => Self::JsonLines,
            Some("csv") => Self::Csv,
            _ => Self::Lines,
        }
    }
}

impl fmt::Display for PromptFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no [`PromptFormat`] has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format of prompts {name:?} (known: lines, jsonl, csv){hint}")]
pub struct ParsePromptFormatError {
    name: String,
    hint: String,
}

impl FromStr for PromptFormat {
    type Err = ParsePromptFormatError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| ParsePromptFormatError {
            name: name.to_owned(),
            hint: did_you_mean(name, Self::ALL.map(Self::name)),
        })
    }
}

/// One prompt of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptRecord {
    /// Its number in the file, from 0; records that cannot be read count too.
    pub index: u64,
    /// What the file calls it.
    pub id: Option<String>,
    /// What to read.
    pub input: PromptInput,
}

/// What a prompt is. Whoever reads prompts has to know every kind: one that is passed over would be a silent gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptInput {
    /// A text.
    Text(String),
    /// A conversation: roles and contents.
    Messages(Vec<(String, String)>),
    /// Tokens as they are.
    Tokens(Vec<TokenId>),
}

/// A prompt that cannot be read, or a file that ends there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The record is not a prompt; those after it can be read.
    #[error("line {line}: {reason}")]
    Record {
        /// The line that it begins at, from 1.
        line: u64,
        /// Its number in the file, from 0.
        index: u64,
        /// What its file calls it, if that could be read.
        id: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// The file has no prompts: a CSV table without the column.
    #[error("the table has no column {wanted:?}; it has {}", names.join(", "))]
    NoColumn {
        /// The column.
        wanted: String,
        /// Those that there are.
        names: Vec<String>,
    },
    /// The file cannot be read on.
    #[error("cannot read the prompts")]
    Read(#[from] io::Error),
}

impl PromptError {
    /// Whether prompts may follow.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Record { .. })
    }
}

/// Prompts, one after the other; memory does not grow with their number.
pub struct Prompts<'a> {
    source: Source<'a>,
    index: u64,
    ended: bool,
}

enum Source<'a> {
    Lines { reader: Box<dyn BufRead + 'a>, line: u64, json: bool, column: Option<String> },
    Csv { records: Box<csv::StringRecordsIntoIter<Box<dyn BufRead + 'a>>>, text: usize, id: Option<usize> },
}

impl<'a> Prompts<'a> {
    /// The prompts of `reader`; `column` is the field or column that holds them, `text` or `prompt` if it is not given.
    ///
    /// # Errors
    /// When a table has no such column.
    pub fn new(
        reader: Box<dyn BufRead + 'a>,
        format: PromptFormat,
        column: Option<&str>,
    ) -> Result<Self, PromptError> {
        let source = match format {
            PromptFormat::Lines | PromptFormat::JsonLines => Source::Lines {
                reader,
                line: 0,
                json: format == PromptFormat::JsonLines,
                column: column.map(str::to_owned),
            },
            PromptFormat::Csv => Self::table(reader, column)?,
        };
        Ok(Self { source, index: 0, ended: false })
    }

    fn table(reader: Box<dyn BufRead + 'a>, column: Option<&str>) -> Result<Source<'a>, PromptError> {
        let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
        let names: Vec<String> = table.headers().map_err(unreadable)?.iter().map(str::to_owned).collect();
        let at = |name: &str| names.iter().position(|known| known == name);
        let text = match column {
            Some(name) => at(name),
            None => at("text").or_else(|| at("prompt")),
        };
        let id = at("id").filter(|id| Some(*id) != text);
        match text {
            Some(text) => Ok(Source::Csv { records: Box::new(table.into_records()), text, id }),
            None => Err(PromptError::NoColumn { wanted: column.unwrap_or("text").to_owned(), names }),
        }
    }

    /// The next line without its line feed, and its number; `None` at the end.
    fn line(reader: &mut dyn BufRead, line: &mut u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        reader.take(LONGEST_RECORD + 1).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        *line += 1;
        if bytes.len() as u64 > LONGEST_RECORD {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("line {line} is longer than {} MiB", LONGEST_RECORD >> 20),
            ));
        }
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        Ok(Some(bytes))
    }
}

impl Iterator for Prompts<'_> {
    type Item = Result<PromptRecord, PromptError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = match &mut self.source {
            Source::Lines { reader, line, json, column } => loop {
                match Self::line(&mut **reader, line) {
                    Ok(None) => break None,
                    Ok(Some(bytes)) if bytes.iter().all(u8::is_ascii_whitespace) => {}
                    Ok(Some(bytes)) => {
                        let record = if *json { of_json(&bytes, column.as_deref()) } else { of_line(bytes) };
                        break Some(Ok((*line, record)));
                    }
                    Err(error) => break Some(Err(error.into())),
                }
            },
            Source::Csv { records, text, id } => records.next().map(|record| match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    Ok((line, of_row(&record, *text, *id)))
                }
                Err(error) => match error.position().map(csv::Position::line) {
                    Some(line) if !error.is_io_error() => Ok((line, Err((None, error.to_string())))),
                    _ => Err(unreadable(error)),
                },
            }),
        };
        let index = self.index;
        self.index += 1;
        self.ended = !matches!(read, Some(Ok(_)));
        Some(read?.and_then(|(line, record)| match record {
            Ok((id, input)) => Ok(PromptRecord { index, id, input }),
            Err((id, reason)) => Err(PromptError::Record { line, index, id, reason }),
        }))
    }
}

/// The id and the prompt of a record, or the id and what is wrong.
type Parsed = Result<(Option<String>, PromptInput), (Option<String>, String)>;

fn of_line(bytes: Vec<u8>) -> Parsed {
    let text = String::from_utf8(bytes).map_err(|_| (None, "it is not valid UTF-8".to_owned()))?;
    Ok((None, PromptInput::Text(text)))
}

fn of_row(record: &csv::StringRecord, text: usize, id: Option<usize>) -> Parsed {
    let id = id.and_then(|id| record.get(id)).map(str::to_owned);
    match record.get(text) {
        Some(text) => Ok((id, PromptInput::Text(text.to_owned()))),
        None => Err((id, format!("it has {} fields, the prompt would be field {}", record.len(), text + 1))),
    }
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

fn of_json(bytes: &[u8], column: Option<&str>) -> Parsed {
    let broken = |reason: String| (None, reason);
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(bytes).map_err(|error| broken(format!("it is not a JSON object: {error}")))?;
    let id = match fields.remove("id") {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(id)) => Some(id),
        Some(other) => Some(other.to_string()),
    };
    let wanted: Vec<&str> = match column {
        Some(name) => vec![name],
        None => vec!["text", "prompt", "messages", "token_ids"],
    };
    let Some((name, value)) = wanted.iter().find_map(|name| Some((*name, fields.remove(*name)?))) else {
        let known: Vec<&str> = fields.keys().map(String::as_str).collect();
        return Err((id, format!("it has no field {}; it has {}", wanted.join(", "), known.join(", "))));
    };
    match input(value) {
        Ok(input) => Ok((id, input)),
        Err(reason) => Err((id, format!("{name:?} {reason}"))),
    }
}

/// A text, a list of messages, or a list of token ids.
fn input(value: serde_json::Value) -> Result<PromptInput, String> {
    use serde_json::Value;
    match value {
        Value::String(text) => Ok(PromptInput::Text(text)),
        Value::Array(items) if items.first().is_some_and(Value::is_object) => {
            let messages: Vec<Message> = serde_json::from_value(Value::Array(items))
                .map_err(|error| format!("is not a list of messages with role and content: {error}"))?;
            Ok(PromptInput::Messages(messages.into_iter().map(|m| (m.role, m.content)).collect()))
        }
        Value::Array(items) if !items.is_empty() => {
            let ids: Vec<u32> = serde_json::from_value(Value::Array(items))
                .map_err(|error| format!("is not a list of token ids: {error}"))?;
            Ok(PromptInput::Tokens(ids.into_iter().map(TokenId).collect()))
        }
        _ => Err("is neither a text nor a list of messages or token ids".to_owned()),
    }
}

fn unreadable(error: csv::Error) -> PromptError {
    PromptError::Read(io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        text: &str,
        format: PromptFormat,
        column: Option<&str>,
    ) -> Vec<Result<PromptRecord, PromptError>> {
        Prompts::new(Box::new(text.as_bytes()), format, column).unwrap().collect()
    }

    fn texts(text: &str, format: PromptFormat) -> Vec<String> {
        let prompts = read(text, format, None).into_iter().filter_map(Result::ok);
        prompts
            .map(|record| match record.input {
                PromptInput::Text(text) => text,
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn lines_are_prompts() {
        assert_eq!(texts("a b\r\n\n  \nc", PromptFormat::Lines), ["a b", "c"]);
        assert_eq!(texts("", PromptFormat::Lines).len(), 0);
    }

    #[test]
    fn what_is_broken_is_passed_over_and_counted() {
        let lines =
            "{\"text\": \"a\", \"id\": 7}\nnot json\n{\"texts\": 1}\n{\"prompt\": \"b\", \"id\": \"x\"}\n";
        let prompts = read(lines, PromptFormat::JsonLines, None);
        assert_eq!(prompts.len(), 4);
        assert_eq!(prompts[0].as_ref().unwrap().id.as_deref(), Some("7"));
        let error = prompts[1].as_ref().unwrap_err();
        assert!(error.is_passing() && error.to_string().starts_with("line 2: "), "{error}");
        assert!(prompts[2].as_ref().unwrap_err().to_string().contains("it has texts"));
        let last = prompts[3].as_ref().unwrap();
        assert_eq!((last.index, last.id.as_deref()), (3, Some("x")));
    }

    #[test]
    fn json_lines_hold_conversations_and_tokens() {
        let lines = "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\n{\"token_ids\": [1, 2]}\n";
        let prompts: Vec<PromptInput> = read(lines, PromptFormat::JsonLines, None)
            .into_iter()
            .map(|record| record.unwrap().input)
            .collect();
        assert_eq!(prompts[0], PromptInput::Messages(vec![("user".to_owned(), "hi".to_owned())]));
        assert_eq!(prompts[1], PromptInput::Tokens(vec![TokenId(1), TokenId(2)]));
        let odd = read("{\"text\": 5}\n{\"text\": []}", PromptFormat::JsonLines, None);
        assert!(odd.iter().all(Result::is_err));
    }

    #[test]
    fn a_column_of_a_table_is_prompts() {
        let table = "id,question\n1,\"a, b\nc\"\n2\n3,d\n";
        let prompts = read(table, PromptFormat::Csv, Some("question"));
        assert_eq!(prompts[0].as_ref().unwrap().input, PromptInput::Text("a, b\nc".to_owned()));
        assert!(prompts[1].as_ref().unwrap_err().to_string().contains("line 4"));
        assert_eq!(prompts[2].as_ref().unwrap().id.as_deref(), Some("3"));
        let error = Prompts::new(Box::new(table.as_bytes()), PromptFormat::Csv, None).err().unwrap();
        assert!(error.to_string().contains("no column \"text\"; it has id, question"), "{error}");
    }

    #[test]
    fn the_ending_of_a_name_tells_the_format() {
        for (name, format) in [
            ("a.txt", PromptFormat::Lines),
            ("a.JSONL", PromptFormat::JsonLines),
            ("b.csv", PromptFormat::Csv),
        ] {
            assert_eq!(PromptFormat::of(Path::new(name)), format);
            assert_eq!(format.name().parse(), Ok(format));
        }
    }
}
