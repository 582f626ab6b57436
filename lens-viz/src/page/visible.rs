//! What a token looks like on the page.

use crate::safe::display_safe;

/// The mark of a space at either end of a token.
pub(super) const SPACE: char = '␠';

/// A token's text with everything visible: spaces at the ends as `␠`, what [`display_safe`] names by its number,
/// and `""` for a token that says nothing.
pub(super) fn visible(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let inner = text.trim_start_matches(' ');
    let body = inner.trim_end_matches(' ');
    let mut shown: String = std::iter::repeat_n(SPACE, text.len() - inner.len()).collect();
    // A token that itself begins with the mark must not pass for one that begins with a space.
    if body.starts_with(SPACE) {
        shown.push('\\');
    }
    shown.push_str(&display_safe(body));
    shown.extend(std::iter::repeat_n(SPACE, inner.len() - body.len()));
    shown
}

/// The visible form, where it differs by more than the marks of spaces at the ends, which the page sets itself.
pub(super) fn beyond_spaces(text: &str) -> Option<String> {
    let shown = visible(text);
    let inner = text.trim_start_matches(' ');
    let body = inner.trim_end_matches(' ');
    let simple = !text.is_empty() && shown.trim_matches(SPACE) == body;
    (!simple).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_at_the_ends_are_marked() {
        assert_eq!(visible(" the cat "), "␠the cat␠");
        assert_eq!(visible("  "), "␠␠");
        assert_eq!(visible("␠x"), "\\␠x");
        assert_eq!(visible(""), "\"\"");
        assert_eq!(visible("\u{301}"), "◌\u{301}");
    }

    #[test]
    fn only_what_the_page_cannot_make_itself_is_stored() {
        assert_eq!(beyond_spaces(" the "), None);
        assert_eq!(beyond_spaces("  "), None);
        assert_eq!(beyond_spaces(" \n").as_deref(), Some("␠⏎"));
        assert_eq!(beyond_spaces("␠").as_deref(), Some("\\␠"));
        assert_eq!(beyond_spaces("").as_deref(), Some("\"\""));
    }
}
