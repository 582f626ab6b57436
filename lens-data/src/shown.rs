//! Names of others in messages.

use std::borrow::Cow;

/// A name as it may stand in a message: control characters, marks that turn the direction of text and the like are
/// written out.
pub(crate) fn shown(name: &str) -> Cow<'_, str> {
    let plain = |c: char| matches!(c, '"' | '\'' | '\\') || c.escape_debug().count() == 1;
    if name.chars().all(plain) {
        return Cow::Borrowed(name);
    }
    let mut text = String::with_capacity(name.len() + 16);
    for c in name.chars() {
        if plain(c) { text.push(c) } else { text.extend(c.escape_debug()) }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(shown("a b/\"ä\" 語.txt"), "a b/\"ä\" 語.txt");
        assert_eq!(shown("a\nb\u{1b}]0;x\u{7}\u{202e}\u{9b}"), "a\\nb\\u{1b}]0;x\\u{7}\\u{202e}\\u{9b}");
    }
}
