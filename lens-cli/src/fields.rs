//! Names and values in two columns, wrapped to the terminal.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use lens_viz::display_safe;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use crate::style::Console;

/// Columns of the names.
const NAMES: usize = 12;

/// Writes `name` and `value`; a value that is too long goes on below itself.
pub fn field(out: &mut dyn Write, console: &Console, name: &str, value: &str) -> io::Result<()> {
    let paint = console.out;
    for (i, line) in wrap(&display_safe(value), console.width.saturating_sub(NAMES)).iter().enumerate() {
        let name = if i == 0 { name } else { "" };
        let name = format!("{name:NAMES$}");
        writeln!(
            out,
            "{}{}",
            paint.faint(&name),
            if i == 0 && name.starts_with("model") { paint.strong(line) } else { line.clone() }
        )?;
    }
    Ok(())
}

/// The words of `text` in lines of at most `width` columns. A word that is longer has a line of its own.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let options = Options::new(width)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1234567), "1,234,567");
    }

    #[test]
    fn lines_are_no_wider_than_asked() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("one-two longest a", 4), ["one-two", "longest", "a"]);
        assert_eq!(wrap("日本 語", 4), ["日本", "語"]);
        assert_eq!(wrap("a b", 0), ["a", "b"]);
    }
}
