//! The script that a token is written in.

use unicode_script::{Script, UnicodeScript as _};

/// A token of signs that all scripts share: digits, punctuation, white space.
pub const NO_SCRIPT: &str = "Common";

/// A token that is part of a character, or no text at all.
pub const NO_TEXT: &str = "None";

/// The script of most of a text's letters by its name in Unicode, such as `Latin` or `Han`; the first of equals.
/// [`NO_SCRIPT`] where no character belongs to one script, [`NO_TEXT`] where there is no whole character.
pub fn script_of(text: &str) -> &'static str {
    let mut counts: Vec<(Script, usize)> = Vec::new();
    for script in text.chars().map(|c| c.script()) {
        if matches!(script, Script::Common | Script::Inherited | Script::Unknown) {
            continue;
        }
        match counts.iter_mut().find(|(known, _)| *known == script) {
            Some((_, n)) => *n += 1,
            None => counts.push((script, 1)),
        }
    }
    let most = counts.iter().map(|(_, n)| *n).max();
    match counts.iter().find(|(_, n)| Some(*n) == most) {
        Some((script, _)) => script.full_name(),
        None if text.chars().all(|c| c == char::REPLACEMENT_CHARACTER) => NO_TEXT,
        None => NO_SCRIPT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_decide_and_what_all_scripts_share_does_not() {
        for (text, script) in [
            (" Paris", "Latin"),
            ("巴黎", "Han"),
            ("ひらがな漢", "Hiragana"),
            ("漢ひ", "Han"),
            (" 42!", NO_SCRIPT),
            ("Ω1", "Greek"),
            ("\u{fffd}", NO_TEXT),
            ("", NO_TEXT),
            ("\u{301}", NO_SCRIPT),
        ] {
            assert_eq!(script_of(text), script, "{text:?}");
        }
    }
}
