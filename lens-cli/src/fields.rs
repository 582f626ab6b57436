//! Names and values in two columns, wrapped to the terminal.

use std::io::{self, Write};

use lens_viz::display_safe;
use unicode_width::UnicodeWidthStr;

use crate::style::Console;

/// Columns of the names.
const NAMES: usize = 12;

/// Writes `name` and `value`; a value that is too long goes on below itself.
pub(crate) fn field(out: &mut dyn Write, console: &Console, name: &str, value: &str) -> io::Result<()> {
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
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.width() + 1 + word.width() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
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

/// A number of bytes, rounded, in powers of 1000.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1234567), "1,234,567");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(31_928), "31.9 kB");
        assert_eq!(bytes(16_060_522_496), "16.1 GB");
        assert_eq!(bytes(999_999), "1.00 MB");
    }

    #[test]
    fn lines_are_no_wider_than_asked() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
