//! Lines of styled text that know how wide they are.

use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::paint::{ColorLevel, Ink, Paint};

/// Text in one ink. It has been made safe: only [`Sheet`] makes spans.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    text: String,
    ink: Ink,
}

/// The terminal that lines are laid out for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sheet {
    pub(crate) width: usize,
    pub(crate) paint: Paint,
    pub(crate) ascii: bool,
}

impl Sheet {
    /// For labels that are not drawn on a terminal: no limit, no colour, all of Unicode.
    pub(crate) const UNBOUNDED: Self =
        Self { width: usize::MAX, paint: Paint(ColorLevel::None), ascii: false };

    /// The text, safe to show here.
    pub(crate) fn safe(&self, text: &str) -> String {
        if self.ascii {
            crate::safe::ascii_safe(text).into_owned()
        } else {
            crate::safe::display_safe(text).into_owned()
        }
    }

    /// One of two ways to draw the same thing.
    pub(crate) fn glyph(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { unicode }
    }

    /// The mark where text was cut off.
    pub(crate) fn ellipsis(&self) -> &'static str {
        self.glyph("…", "~")
    }

    pub(crate) fn span(&self, text: &str, ink: Ink) -> Span {
        Span { text: self.safe(text), ink }
    }

    /// Lines that hold as many of `items` each as fit, after `indent` columns.
    pub(crate) fn flow(&self, items: &[Vec<Span>], indent: usize) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for item in items {
            let width: usize = item.iter().map(Span::width).sum();
            match lines.last_mut().filter(|line| line.width() + 3 + width <= self.width) {
                Some(line) => {
                    line.space(3);
                    line.extend(item.clone());
                }
                None => {
                    let mut line = Line::default();
                    line.space(indent);
                    line.extend(item.clone());
                    lines.push(line);
                }
            }
        }
        lines
    }
}

impl Span {
    pub(crate) fn width(&self) -> usize {
        self.text.width()
    }
}

/// Spans side by side.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(Vec<Span>);

impl Line {
    pub(crate) fn push(&mut self, span: Span) {
        self.0.push(span);
    }

    pub(crate) fn extend(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.0.extend(spans);
    }

    /// Appends `columns` of nothing.
    pub(crate) fn space(&mut self, columns: usize) {
        self.0.push(Span { text: " ".repeat(columns), ink: Ink::Plain });
    }

    /// Appends nothing up to the column `to`.
    pub(crate) fn pad(&mut self, to: usize) {
        let width = self.width();
        if width < to {
            self.space(to - width);
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(Span::width).sum()
    }

    /// Writes the line and a line feed. A line that is too wide is cut: this is the last guard against wrapping.
    pub(crate) fn write(mut self, sheet: &Sheet, out: &mut String) {
        if self.width() > sheet.width {
            let mut room = sheet.width;
            for span in &mut self.0 {
                span.text = cut(&span.text, room, sheet.ellipsis());
                room -= span.width();
            }
        }
        // Blanks at the end of a line say nothing, and get in the way of pasting.
        while let Some(last) = self.0.last_mut().filter(|span| sheet.paint.style(span.ink) == Style::new()) {
            last.text.truncate(last.text.trim_end_matches(' ').len());
            if !last.text.is_empty() {
                break;
            }
            self.0.pop();
        }
        for span in self.0.iter().filter(|span| !span.text.is_empty()) {
            let style = sheet.paint.style(span.ink);
            // Writing to a string does not fail.
            let _ = write!(out, "{}{}{}", style.render(), span.text, style.render_reset());
        }
        out.push('\n');
    }
}

/// The beginning of a text in at most `width` columns; what is cut off is marked by `ellipsis`.
pub(crate) fn cut(text: &str, width: usize, ellipsis: &str) -> String {
    if fits(text, width) {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(ellipsis.width()) else {
        return String::new();
    };
    let end = prefix(text, room);
    format!("{}{ellipsis}", &text[..end])
}

/// The end of a text in at most `width` columns; what is cut off is marked by `ellipsis`.
pub(crate) fn cut_start(text: &str, width: usize, ellipsis: &str) -> String {
    if fits(text, width) {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(ellipsis.width()) else {
        return String::new();
    };
    let starts = text.char_indices().rev().map(|(start, _)| start).take(scanned(room));
    let start = starts.take_while(|start| text[*start..].width() <= room).last().unwrap_or(text.len());
    format!("{ellipsis}{}", &text[start..])
}

/// Where the longest beginning in at most `room` columns ends. Marks that follow a character stay with it.
fn prefix(text: &str, room: usize) -> usize {
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8()).take(scanned(room));
    // The width of a text is not the sum of its characters' (flags, skin tones, ligatures), so each is measured whole.
    ends.take_while(|end| text[..*end].width() <= room).last().unwrap_or(0)
}

fn fits(text: &str, width: usize) -> bool {
    text.len() <= scanned(width) * 4 && text.chars().count() <= scanned(width) && text.width() <= width
}

/// How many characters may stand in `width` columns; a text of nothing but marks would otherwise have no end.
fn scanned(width: usize) -> usize {
    4 * width + 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_columns_not_characters() {
        assert_eq!(cut("abcdef", 6, "…"), "abcdef");
        assert_eq!(cut("abcdefg", 6, "…"), "abcde…");
        assert_eq!(cut("你好世界", 6, "…"), "你好…");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2, "…"), "e\u{301}…");
        assert_eq!(cut("👍🏽👍🏽", 3, "…"), "👍🏽…");
        assert_eq!(cut("abc", 0, "…"), "");
        assert_eq!(cut_start("abcdefg", 4, "…"), "…efg");
        assert_eq!(cut_start("你好世界", 6, "…"), "…世界");
    }

    #[test]
    fn an_endless_pile_of_marks_is_cut_too() {
        let pile = format!("e{}", "\u{301}".repeat(10_000));
        assert!(cut(&pile, 5, "…").len() < 200);
        assert!(cut_start(&pile, 5, "…").len() < 200);
    }
}
