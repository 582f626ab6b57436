//! Decoded directions: a line for each, with the tokens at both ends of the vocabulary.

use super::TableOptions;
use crate::digits::signed;
use crate::sheet::{
    label::Label,
    line::{Line, Sheet, cut},
    paint::{Ink, Paint},
};

/// Columns of a name, of the token that a direction is about, and of a number.
const SOURCE: usize = 14;
const ABOUT: usize = 10;
const NUMBER: usize = 7;

/// Columns of a token's text at most, and of its logit.
const LABEL: usize = 14;
const LOGIT: usize = 6;

/// A decoded direction, as a line shows it.
#[derive(Debug, Clone, Copy)]
pub struct DirectionLine<'a> {
    /// Its name.
    pub source: &'a str,
    /// What the token that it is about says.
    pub token: Option<&'a str>,
    /// Length of the vector.
    pub norm: f64,
    /// Cosine to the row of the first token.
    pub cosine: Option<f64>,
    /// Texts and logits of the tokens with the largest logits, largest first.
    pub top: &'a [(&'a str, f32)],
    /// Texts and logits of the tokens with the smallest logits, smallest first.
    pub bottom: &'a [(&'a str, f32)],
}

/// Draws directions, a line each.
#[derive(Debug, Clone)]
pub struct DirectionsView {
    sheet: Sheet,
    /// Whether directions are about tokens.
    about_tokens: bool,
}

impl DirectionsView {
    /// A view for a terminal with these `options`; `about_tokens` adds a column for the token of each direction.
    pub fn new(options: &TableOptions, about_tokens: bool) -> Self {
        let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
        Self { sheet, about_tokens }
    }

    /// The columns' names.
    pub fn header(&self) -> String {
        let mut names = format!("{:<SOURCE$}  ", "direction");
        if self.about_tokens {
            names.push_str(&format!("{:<ABOUT$}  ", "token"));
        }
        names.push_str(&format!("{:>NUMBER$}  {:>NUMBER$}  ", "norm", "cosine"));
        let room = self.end_width();
        names.push_str(&format!("{:<room$}  {}", "largest logits", "smallest logits"));
        let mut line = Line::default();
        line.push(self.sheet.span(&cut(&names, self.sheet.width, ""), Ink::Faint));
        self.text(line)
    }

    /// The line of a direction.
    pub fn line(&self, direction: &DirectionLine<'_>) -> String {
        let sheet = &self.sheet;
        let mut line = Line::default();
        let source = cut(&sheet.safe(direction.source), SOURCE, sheet.ellipsis());
        line.push(sheet.span(&source, Ink::Strong));
        line.pad(SOURCE + 2);
        if self.about_tokens {
            self.label(&mut line, direction.token.unwrap_or_default(), ABOUT);
            line.pad(SOURCE + 2 + ABOUT + 2);
        }
        let cosine = direction.cosine.map_or_else(|| "-".to_owned(), |cosine| format!("{cosine:.3}"));
        let numbers = format!("{:>NUMBER$}  {cosine:>NUMBER$}  ", shown(direction.norm));
        line.push(sheet.span(&numbers, Ink::Plain));
        let start = line.width();
        self.end(&mut line, direction.top);
        line.pad(start + self.end_width() + 2);
        self.end(&mut line, direction.bottom);
        self.text(line)
    }

    /// Columns that each end of the vocabulary has.
    fn end_width(&self) -> usize {
        let about = if self.about_tokens { ABOUT + 2 } else { 0 };
        self.sheet.width.saturating_sub(SOURCE + 2 + about + 2 * (NUMBER + 2) + 2) / 2
    }

    /// As many tokens as there is room for.
    fn end(&self, line: &mut Line, tokens: &[(&str, f32)]) {
        let limit = line.width() + self.end_width();
        for (i, (text, logit)) in tokens.iter().enumerate() {
            let gap = if i == 0 { 0 } else { 2 };
            let width = Label::new(text, &self.sheet).width().min(LABEL);
            let logit = format!("{:>LOGIT$}", signed(f64::from(*logit)));
            if line.width() + gap + width + 1 + logit.len() > limit {
                break;
            }
            line.space(gap);
            self.label(line, text, LABEL);
            line.push(self.sheet.span(&format!(" {}", logit.trim_start()), Ink::Faint));
        }
    }

    fn label(&self, line: &mut Line, text: &str, width: usize) {
        let label = Label::new(text, &self.sheet).fit(width, self.sheet.ellipsis());
        line.push(self.sheet.span(&label.lead, Ink::Faint));
        line.push(self.sheet.span(&label.text, Ink::Plain));
        line.push(self.sheet.span(&label.trail, Ink::Faint));
    }

    fn text(&self, line: Line) -> String {
        let mut text = String::new();
        line.write(&self.sheet, &mut text);
        text
    }
}

/// A length in at most [`NUMBER`] columns.
fn shown(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if (0.001..10_000.0).contains(&v) => format!("{v:.3}"),
        v => format!("{v:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::ColorLevel;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn a_line_shows_both_ends_in_the_width_that_there_is() {
        let top = [(" Paris", 4.25), ("a\u{1b}[31m", 3.0), (" London", 2.5)];
        let line = DirectionLine {
            source: "L3.n120",
            token: Some(" is"),
            norm: 1.5,
            cosine: Some(0.5),
            top: &top,
            bottom: &[("the", -2.0)],
        };
        for width in [40, 80, 120, 200] {
            let options = TableOptions::default().with_width(width).with_color(ColorLevel::None);
            for about_tokens in [false, true] {
                let view = DirectionsView::new(&options, about_tokens);
                for text in [view.header(), view.line(&line)] {
                    assert!(text.trim_end_matches('\n').width() <= width, "{width}: {text}");
                    assert!(!text.contains('\u{1b}'), "{text}");
                }
            }
        }
        let options = TableOptions::default().with_width(120).with_color(ColorLevel::None);
        let text = DirectionsView::new(&options, true).line(&line);
        for part in ["L3.n120", "·is", "1.500", "0.500", "·Paris", "4.25", "the", "2.00"] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}
