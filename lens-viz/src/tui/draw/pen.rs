//! Writing text into cells: safe, cut to its room, and in the colours that there are.

use anstyle::{Ansi256Color, AnsiColor, Effects};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};
use unicode_width::UnicodeWidthStr;

use crate::{
    sheet::{
        label::Label,
        line::{Sheet, cut, cut_start},
        paint::{Ink, Paint},
    },
    terminal::ColorLevel,
    tui::app::Look,
};

/// What everything is written with.
pub(super) struct Pen<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) look: Look,
}

/// Colours of tokens that are followed: of every terminal, so that they fit its palette.
const PINS: [Color; 8] = [
    Color::Cyan,
    Color::Magenta,
    Color::Yellow,
    Color::Green,
    Color::LightBlue,
    Color::LightRed,
    Color::White,
    Color::LightMagenta,
];

impl Pen<'_> {
    pub(super) fn sheet(&self) -> Sheet {
        Sheet { width: usize::MAX, paint: Paint(self.look.color), ascii: self.look.ascii }
    }

    pub(super) fn glyph(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        self.sheet().glyph(unicode, ascii)
    }

    /// The style of a role.
    pub(super) fn ink(&self, ink: Ink) -> Style {
        let style = converted(Paint(self.look.color).style(ink));
        // What is no colour stays where there are none.
        match ink {
            Ink::Faint | Ink::ChipFaint(_) if self.look.color == ColorLevel::None => {
                style.add_modifier(Modifier::DIM)
            }
            Ink::Strong | Ink::Focus | Ink::Decided | Ink::Bad => style.add_modifier(Modifier::BOLD),
            _ => style,
        }
    }

    /// The style of a token that is followed.
    pub(super) fn pin(&self, pin: usize) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.look.color == ColorLevel::None { style } else { style.fg(PINS[pin % PINS.len()]) }
    }

    /// The number of a token that is followed.
    pub(super) fn pin_mark(&self, pin: usize) -> &'static str {
        let at = pin.min(7);
        self.glyph(["¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸"][at], ["1", "2", "3", "4", "5", "6", "7", "8"][at])
    }

    /// A token's text in at most so many columns.
    pub(super) fn label(&self, text: &str, width: usize) -> String {
        let sheet = self.sheet();
        Label::new(text, &sheet).fit(width, sheet.ellipsis()).plain()
    }

    /// Text that stands in a sentence: its spaces stay.
    pub(super) fn safe(&self, text: &str) -> String {
        self.sheet().safe(text)
    }

    /// Writes a text that is safe already; what does not fit is cut off with a mark. The column after it is returned.
    pub(super) fn put(&mut self, x: u16, y: u16, room: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if y >= area.bottom() || x >= area.right() || room == 0 {
            return x;
        }
        let room = room.min(area.right() - x);
        let text = cut(text, room.into(), self.sheet().ellipsis());
        self.buffer.set_stringn(x, y, &text, room.into(), style).0
    }

    /// The same, cut at its beginning.
    pub(super) fn put_end(&mut self, x: u16, y: u16, room: u16, text: &str, style: Style) -> u16 {
        let text = cut_start(text, room.into(), self.sheet().ellipsis());
        self.put(x, y, room, &text, style)
    }

    /// Writes a text that is safe already up to a column.
    pub(super) fn put_right(&mut self, right: u16, y: u16, room: u16, text: &str, style: Style) {
        let width = (text.width() as u16).min(room);
        self.put(right.saturating_sub(width), y, room, text, style);
    }

    /// A line with a title in it.
    pub(super) fn rule(&mut self, area: Rect, title: &str) {
        let dash = self.glyph("─", "-");
        let faint = self.ink(Ink::Faint);
        self.put(area.x, area.y, area.width, &dash.repeat(area.width.into()), faint);
        if !title.is_empty() && area.width > 6 {
            let style = Style::new().add_modifier(Modifier::BOLD);
            self.put(area.x + 1, area.y, area.width - 2, &format!(" {title} "), style);
        }
    }

    /// A line from top to bottom.
    pub(super) fn wall(&mut self, x: u16, area: Rect) {
        let (bar, faint) = (self.glyph("│", "|"), self.ink(Ink::Faint));
        for y in area.top()..area.bottom() {
            self.put(x, y, 1, bar, faint);
        }
    }

    /// Text in lines; how many it took.
    pub(super) fn wrap(&mut self, area: Rect, text: &str, style: Style) -> u16 {
        let lines = wrapped(text, area.width.into());
        for (y, line) in (area.top()..area.bottom()).zip(&lines) {
            self.put(area.x, y, area.width, line, style);
        }
        (lines.len() as u16).min(area.height)
    }
}

/// A text that is safe already, in lines of so many columns, broken at spaces where there are any.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        if !line.is_empty() && line.width() + word.trim_end().width() > width {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            if line.width() + unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) > width && c != ' ' {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// A style of tables as one of cells.
fn converted(style: anstyle::Style) -> Style {
    let mut cells = Style::new();
    if let Some(color) = style.get_fg_color() {
        cells = cells.fg(colour(color));
    }
    if let Some(color) = style.get_bg_color() {
        cells = cells.bg(colour(color));
    }
    let effects = style.get_effects();
    for (effect, modifier) in [
        (Effects::BOLD, Modifier::BOLD),
        (Effects::DIMMED, Modifier::DIM),
        (Effects::ITALIC, Modifier::ITALIC),
        (Effects::UNDERLINE, Modifier::UNDERLINED),
        (Effects::INVERT, Modifier::REVERSED),
    ] {
        if effects.contains(effect) {
            cells = cells.add_modifier(modifier);
        }
    }
    cells
}

fn colour(color: anstyle::Color) -> Color {
    match color {
        anstyle::Color::Ansi(ansi) => named(ansi),
        anstyle::Color::Ansi256(Ansi256Color(index)) => Color::Indexed(index),
        anstyle::Color::Rgb(anstyle::RgbColor(r, g, b)) => Color::Rgb(r, g, b),
    }
}

fn named(color: AnsiColor) -> Color {
    match color {
        AnsiColor::Black => Color::Black,
        AnsiColor::Red => Color::Red,
        AnsiColor::Green => Color::Green,
        AnsiColor::Yellow => Color::Yellow,
        AnsiColor::Blue => Color::Blue,
        AnsiColor::Magenta => Color::Magenta,
        AnsiColor::Cyan => Color::Cyan,
        AnsiColor::White => Color::Gray,
        AnsiColor::BrightBlack => Color::DarkGray,
        AnsiColor::BrightRed => Color::LightRed,
        AnsiColor::BrightGreen => Color::LightGreen,
        AnsiColor::BrightYellow => Color::LightYellow,
        AnsiColor::BrightBlue => Color::LightBlue,
        AnsiColor::BrightMagenta => Color::LightMagenta,
        AnsiColor::BrightCyan => Color::LightCyan,
        AnsiColor::BrightWhite => Color::White,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_spaces_and_within_words_that_are_too_long() {
        assert_eq!(wrapped("the cat sat", 7), ["the cat", "sat"]);
        assert_eq!(wrapped("unbreakable", 4), ["unbr", "eaka", "ble"]);
        assert_eq!(wrapped("你好世界", 5), ["你好", "世界"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
