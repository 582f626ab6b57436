//! Many prompts from one file: lines, JSON lines, or a column of a CSV table.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, Read},
    path::Path,
    str::FromStr,
};

use lens_core::suggest::did_you_mean;
use parquet::file::reader::ChunkReader;

use crate::record::{PromptInput, PromptRecord};
use crate::{
    bounded::BoundedTable, json_line::of_json, parquet_texts::ParquetTexts, prompt_error::PromptError,
    record::Parsed,
};

/// A record beyond this is a mistake.
pub(crate) const LONGEST_RECORD: u64 = 64 << 20;

/// The form of a file of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PromptFormat {
    /// One prompt for each line, as it is; lines of nothing but white space are skipped.
    Lines,
    /// One JSON object for each line, with one of `text` (or `prompt`), `messages` and `token_ids`, and optionally
    /// `id`. A field that is null counts as absent.
    JsonLines,
    /// Comma-separated values with a first line of column names: the column `text` (or `prompt`), and optionally `id`.
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

    /// The format that the ending of a file's name stands for: JSON lines for `.jsonl` and `.ndjson`, CSV for `.csv`,
    /// else lines.
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

/// Prompts, one after the other; memory does not grow with their number.
pub struct Prompts<'a> {
    source: Source<'a>,
    index: u64,
    ended: bool,
}

enum Source<'a> {
    Lines { reader: Box<dyn BufRead + 'a>, line: u64, json: bool, column: Option<String> },
    Csv { records: Box<csv::StringRecordsIntoIter<Table<'a>>>, text: usize, id: Option<usize> },
    Parquet(Box<ParquetTexts>),
}

type Table<'a> = BoundedTable<Box<dyn BufRead + 'a>>;

impl<'a> Prompts<'a> {
    /// The prompts of `reader`; `column` is the field or column that holds them, `text` or `prompt` if it is not given.
    ///
    /// # Errors
    /// When a table has no such column, or several, or the file cannot be read.
    pub fn new(
        reader: Box<dyn BufRead + 'a>,
        format: PromptFormat,
        column: Option<&str>,
    ) -> Result<Self, PromptError> {
        let reader = begun(reader)?;
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

    /// The prompts of a file on this machine, whatever it is: Parquet is recognised by its first bytes, and read by
    /// [`Prompts::parquet`]; `other` reads everything else. What is no plain file cannot be read from its end: it is
    /// left to `other` as well.
    ///
    /// # Errors
    /// When the file cannot be read, or as for [`Prompts::parquet`].
    pub fn of_file<E: From<PromptError>>(
        path: &Path,
        column: Option<&str>,
        other: impl FnOnce() -> Result<Self, E>,
    ) -> Result<Self, E> {
        let parquet = || -> io::Result<Option<File>> {
            if !path.is_file() {
                return Ok(None);
            }
            let mut start = Vec::new();
            File::open(path)?.take(PARQUET.len() as u64).read_to_end(&mut start)?;
            if start == PARQUET { File::open(path).map(Some) } else { Ok(None) }
        };
        match parquet().map_err(PromptError::from)? {
            Some(file) => Ok(Self::parquet(file, column)?),
            None => other(),
        }
    }

    /// The texts of a column of a Parquet file, `text` or `prompt` if none is named. The rest of the file is not read.
    ///
    /// # Errors
    /// When it is not a Parquet file, or has no such column of texts.
    pub fn parquet(file: File, column: Option<&str>) -> Result<Self, PromptError> {
        Self::parquet_of(file, column)
    }

    /// The same, of a file that may lie elsewhere.
    pub(crate) fn parquet_of<R: ChunkReader + 'static>(
        file: R,
        column: Option<&str>,
    ) -> Result<Self, PromptError> {
        let source = Source::Parquet(Box::new(ParquetTexts::open(file, column)?));
        Ok(Self { source, index: 0, ended: false })
    }

    /// How many of how many rows are read, of a Parquet file.
    pub(crate) fn rows(&self) -> Option<(u64, u64)> {
        match &self.source {
            Source::Parquet(texts) => Some(texts.rows()),
            Source::Lines { .. } | Source::Csv { .. } => None,
        }
    }

    fn table(reader: Box<dyn BufRead + 'a>, column: Option<&str>) -> Result<Source<'a>, PromptError> {
        let mut table =
            csv::ReaderBuilder::new().flexible(true).from_reader(BoundedTable::new(reader, LONGEST_RECORD));
        let names: Vec<String> = table.headers().map_err(unreadable)?.iter().map(str::to_owned).collect();
        let at = |name: &str| names.iter().position(|known| known == name);
        let text = match column {
            Some(name) => at(name),
            None => at("text").or_else(|| at("prompt")),
        };
        let id = at("id").filter(|id| Some(*id) != text);
        if let Some(name) = text.map(|text| &names[text])
            && let n @ 2.. = names.iter().filter(|other| *other == name).count()
        {
            return Err(PromptError::SameName { name: name.clone(), n });
        }
        match text {
            Some(text) => Ok(Source::Csv { records: Box::new(table.into_records()), text, id }),
            None => Err(no_column(column, names)),
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
            Source::Parquet(texts) => texts.next(),
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
                    Some(line) if !error.is_io_error() => Ok((line, Err((None, broken_row(&error))))),
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

/// A table without the column that was asked for, or one whose columns another sign separates.
fn no_column(column: Option<&str>, names: Vec<String>) -> PromptError {
    let wanted: &[&str] = column.as_ref().map_or(&["text", "prompt"], std::slice::from_ref);
    if let [line] = names.as_slice() {
        for (sign, separator) in [(';', "semicolons"), ('\t', "tabs")] {
            let names: Vec<String> =
                line.split(sign).map(|name| name.trim().trim_matches('"').to_owned()).collect();
            if let Some(found) = wanted.iter().find(|wanted| names.iter().any(|name| name == *wanted)) {
                return PromptError::Separator { separator, wanted: (*found).to_owned(), names };
            }
        }
    }
    PromptError::NoColumn { wanted: column.unwrap_or("text").to_owned(), names }
}

/// The bytes that a Parquet file begins with.
pub(crate) const PARQUET: &[u8] = b"PAR1";

/// The mark that some programs put at the beginning of UTF-8 files.
pub(crate) const MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// A reader of what comes after the mark.
fn begun<'a>(mut reader: Box<dyn BufRead + 'a>) -> Result<Box<dyn BufRead + 'a>, PromptError> {
    let mut start = Vec::new();
    reader.by_ref().take(PARQUET.len() as u64).read_to_end(&mut start)?;
    if start == PARQUET {
        return Err(PromptError::ParquetInAStream);
    }
    if start.starts_with(MARK) {
        start.drain(..MARK.len());
    }
    Ok(Box::new(io::Cursor::new(start).chain(reader)))
}

pub(crate) const NOT_UTF8: &str = "it is not valid UTF-8";

fn of_line(bytes: Vec<u8>) -> Parsed {
    let text = String::from_utf8(bytes).map_err(|_| (None, NOT_UTF8.to_owned()))?;
    Ok((None, PromptInput::Text(text)))
}

fn broken_row(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => NOT_UTF8.to_owned(),
        _ => error.to_string(),
    }
}

fn of_row(record: &csv::StringRecord, text: usize, id: Option<usize>) -> Parsed {
    let id = id.and_then(|id| record.get(id)).map(str::to_owned);
    match record.get(text) {
        Some(text) => Ok((id, PromptInput::Text(text.to_owned()))),
        None => Err((id, format!("it has {} fields, the prompt would be field {}", record.len(), text + 1))),
    }
}

fn unreadable(error: csv::Error) -> PromptError {
    PromptError::Read(io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use lens_core::TokenId;

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
    fn a_mark_at_the_beginning_of_a_file_is_not_part_of_it() {
        assert_eq!(texts("\u{feff}a\n\u{feff}b", PromptFormat::Lines), ["a", "\u{feff}b"]);
        assert_eq!(texts("\u{feff}{\"text\": \"a\"}", PromptFormat::JsonLines), ["a"]);
        assert_eq!(texts("\u{feff}\"text\"\n\"a\"", PromptFormat::Csv), ["a"]);
        assert_eq!(texts("ab", PromptFormat::Lines), ["ab"]);
    }

    #[test]
    fn a_json_line_says_one_prompt_and_its_fields_hold_what_they_are_named_after() {
        let reason = |line: &str| match read(line, PromptFormat::JsonLines, None).pop() {
            Some(Err(error)) => error.to_string(),
            other => panic!("{line}: {other:?}"),
        };
        for (line, says) in [
            (r#"{"token_ids": "1"}"#, "\"token_ids\" is not a list of token ids"),
            (r#"{"token_ids": []}"#, "\"token_ids\" is an empty list"),
            (r#"{"token_ids": [{"role": "user", "content": "a"}]}"#, "is not a list of token ids"),
            (r#"{"messages": "a"}"#, "\"messages\" is not a list of messages"),
            (r#"{"messages": [1]}"#, "\"messages\" is not a list of messages"),
            (r#"{"text": "a", "token_ids": [1]}"#, "it has text, token_ids: leave one"),
            (r#"{"text": null}"#, "no field text, prompt, messages, token_ids with a value; it has text"),
            ("{}", "it has none"),
        ] {
            assert!(reason(line).contains(says), "{line}: {}", reason(line));
        }
        let lines = r#"{"text": "a", "prompt": "b", "token_ids": null}"#;
        assert_eq!(texts(lines, PromptFormat::JsonLines), ["a"]);
        let named = read(r#"{"text": "a", "q": "b"}"#, PromptFormat::JsonLines, Some("q"));
        assert_eq!(named[0].as_ref().unwrap().input, PromptInput::Text("b".to_owned()));
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_a_table_with_its_line() {
        let table = "text\na\n\"b \"\"c\"\" ,\nd\"\ne\"f\n\"g\nh\n";
        let prompts = read(table, PromptFormat::Csv, None);
        let read: Vec<&PromptInput> = prompts.iter().flatten().map(|record| &record.input).collect();
        assert_eq!(
            read,
            ["a", "b \"c\" ,\nd", "e\"f"].map(|text| PromptInput::Text(text.to_owned())).each_ref()
        );
        let error = prompts.last().unwrap().as_ref().unwrap_err();
        let PromptError::Read(error) = error else { panic!("{error}") };
        assert!(error.to_string().contains("the quote that opens on line 6 is never closed"), "{error}");
    }

    #[test]
    fn a_record_of_a_table_has_its_bounds() {
        let endless = Box::new(io::BufReader::new(io::repeat(b'x')));
        let error = Prompts::new(endless, PromptFormat::Csv, None).err().unwrap();
        let PromptError::Read(error) = error else { panic!("{error}") };
        assert!(error.to_string().contains("line 1 is longer than 64 MiB"), "{error}");
    }

    #[test]
    fn columns_of_the_same_name_are_refused() {
        let error =
            Prompts::new(Box::new(&b"text,id,text\na,1,b"[..]), PromptFormat::Csv, None).err().unwrap();
        assert!(error.to_string().contains("2 columns \"text\""), "{error}");
        assert_eq!(texts("text,x,x\na,b,c", PromptFormat::Csv), ["a"]);
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
    fn a_table_of_other_separators_is_refused_by_name() {
        let refused = |table: &'static str, column| {
            let error = Prompts::new(Box::new(table.as_bytes()), PromptFormat::Csv, column).err().unwrap();
            error.to_string()
        };
        let message = refused("id;text\n1;a\n", None);
        assert!(message.contains("semicolons") && message.contains("id, text"), "{message}");
        assert!(refused("\"q\"\tn\na\t1\n", Some("q")).contains("by tabs"));
        // A name may have such a sign in it.
        assert!(refused("id;text,n\n1,2\n", None).contains("no column \"text\""));
        assert!(refused("a;b\n1;2\n", None).contains("no column \"text\""));
        assert_eq!(texts("text\na;b\n", PromptFormat::Csv), ["a;b"]);
    }

    #[test]
    fn parquet_in_a_stream_is_refused() {
        let parquet = || Box::new(&b"PAR1\x15\x04"[..]);
        for format in PromptFormat::ALL {
            let error = Prompts::new(parquet(), format, None).err().unwrap();
            assert!(matches!(error, PromptError::ParquetInAStream), "{error}");
        }
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
