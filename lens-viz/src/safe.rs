//! Making text fit to be shown: nothing invisible, nothing that steers a terminal.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// The text with every character that acts on a display or hides made visible, so that it can go to any screen or page.
///
/// Line feed, carriage return, tab and escape become `⏎ ␍ ⇥ ␛`; every other control character (C0, DEL, C1),
/// every bidirectional control, every zero-width or otherwise invisible format character, and every white
/// space other than U+0020 becomes its number, as in `‹U+202E›`. A combining mark without a base gets a dotted circle.
/// Whatever else there is stays as it is, the ordinary space and private-use characters included. What has
/// been made safe once stays the same when made safe again.
///
/// ```
/// assert_eq!(lens_viz::display_safe("plain text"), "plain text");
/// assert_eq!(lens_viz::display_safe("a\n\u{1b}[31m\u{202e}"), "a⏎␛[31m‹U+202E›");
/// ```
pub fn display_safe(text: &str) -> Cow<'_, str> {
    let mut previous_is_base = false;
    let harmless = text.chars().all(|c| {
        let mark = is_mark(c);
        let fine = !acts_or_hides(c) && (!mark || previous_is_base);
        previous_is_base = true;
        fine
    });
    if harmless {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => safe.push('⏎'),
            '\r' => safe.push('␍'),
            '\t' => safe.push('⇥'),
            '\u{1b}' => safe.push('␛'),
            c if acts_or_hides(c) => safe.push_str(&format!("‹U+{:04X}›", u32::from(c))),
            c => {
                if is_mark(c) && safe.is_empty() {
                    safe.push('◌');
                }
                safe.push(c);
            }
        }
    }
    Cow::Owned(safe)
}

/// The text in printable ASCII, for consoles that know nothing else: anything else as `\n` or `\u{4f60}`.
pub(crate) fn ascii_safe(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        match c {
            ' '..='~' => safe.push(c),
            c => safe.extend(c.escape_default()),
        }
    }
    Cow::Owned(safe)
}

/// Takes no column of its own and is drawn onto the character before it.
fn is_mark(c: char) -> bool {
    c.width() == Some(0) && !acts_or_hides(c)
}

/// Steers what shows it, or shows as nothing. Unicode's `Default_Ignorable_Code_Point`, the controls, the
/// interlinear and other format characters, and white space that looks like a space without being one.
fn acts_or_hides(c: char) -> bool {
    if c == ' ' {
        return false;
    }
    c.is_control()
        || c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_seen_stays_as_it_is() {
        for text in
            ["", " the", "naïve", "你好，世界", "日本語", "مرحبا", "नमस्ते", "🦀", "e\u{301}", "\u{e000}"]
        {
            assert!(matches!(display_safe(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn what_acts_or_hides_becomes_visible() {
        assert_eq!(display_safe("\r\n\t"), "␍⏎⇥");
        assert_eq!(display_safe("\0\u{7f}\u{9b}"), "‹U+0000›‹U+007F›‹U+009B›");
        assert_eq!(display_safe("a\u{200d}b\u{feff}"), "a‹U+200D›b‹U+FEFF›");
        assert_eq!(display_safe("\u{a0}\u{3000}\u{2028}"), "‹U+00A0›‹U+3000›‹U+2028›");
        assert_eq!(display_safe("\u{e0041}"), "‹U+E0041›");
        assert_eq!(display_safe("\u{301}x"), "◌\u{301}x");
    }

    #[test]
    fn ascii_has_only_printable_ascii() {
        assert_eq!(ascii_safe("a 你\n\u{1b}"), "a \\u{4f60}\\n\\u{1b}");
    }
}
