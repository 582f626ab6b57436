//! A table's bytes, watched on their way to the parser, which itself takes a record of any length and reads an open
//! quote to the end of the file without a word.

use std::io::{self, Read};

/// Passes bytes of comma-separated values through; fails at a record beyond `longest` bytes, and at the end of the file
/// inside a quote.
pub(crate) struct BoundedTable<R> {
    inner: R,
    longest: u64,
    place: Place,
    /// The line of the next byte, from 1.
    line: u64,
    /// The line where the record that is read begins, and its bytes so far.
    record: (u64, u64),
}

/// Where in a record the next byte stands.
#[derive(Clone, Copy)]
enum Place {
    FieldStart,
    Bare,
    /// In quotes that opened on this line.
    Quoted(u64),
    /// After a quote inside quotes: another one is a quote of the text.
    QuoteSeen(u64),
}

impl<R: Read> BoundedTable<R> {
    pub(crate) fn new(inner: R, longest: u64) -> Self {
        Self { inner, longest, place: Place::FieldStart, line: 1, record: (1, 0) }
    }

    fn see(&mut self, byte: u8) {
        self.record.1 += 1;
        self.line += u64::from(byte == b'\n');
        self.place = match (self.place, byte) {
            (Place::Quoted(line), b'"') => Place::QuoteSeen(line),
            (Place::Quoted(line), _) | (Place::QuoteSeen(line), b'"') => Place::Quoted(line),
            (Place::FieldStart, b'"') => Place::Quoted(self.line),
            (_, b'\n' | b'\r') => {
                self.record = (self.line, 0);
                Place::FieldStart
            }
            (_, b',') => Place::FieldStart,
            _ => Place::Bare,
        };
    }
}

impl<R: Read> Read for BoundedTable<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        let invalid = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        if n == 0
            && !into.is_empty()
            && let Place::Quoted(line) = self.place
        {
            return invalid(format!(
                "the quote that opens on line {line} is never closed: everything after it would be one prompt. Close \
                 it, or double a quote that belongs to the text"
            ));
        }
        into[..n].iter().for_each(|byte| self.see(*byte));
        if self.record.1 > self.longest {
            let (line, longest) = (self.record.0, self.longest >> 20);
            return invalid(format!("the record that begins on line {line} is longer than {longest} MiB"));
        }
        Ok(n)
    }
}
