//! Text inside HTML.

use crate::safe::display_safe;

/// A text of the trace as HTML text or attribute value: visible, and without a character that HTML reads.
pub(super) fn html(text: &str) -> String {
    markup(&display_safe(text))
}

/// The same for what is already visible.
pub(super) fn markup(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // So that a search for addresses in the file finds none.
            '/' => safe.push_str("&#47;"),
            c => safe.push(c),
        }
    }
    safe
}

/// JSON that can stand in a script element: nothing in it ends the element or a line of a program. The characters
/// can occur only within JSON's strings, where the escape means the same.
pub(super) fn json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len() + json.len() / 64);
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '/' | '\u{2028}' | '\u{2029}' => {
                safe.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_holds_no_markup_of_the_text() {
        assert_eq!(html("<a href='x'>&\"\u{202e}"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;‹U+202E›");
        assert_eq!(html("https://x"), "https:&#47;&#47;x");
    }

    #[test]
    fn json_reads_back_as_it_was() {
        let text = "</script><!-- & \u{2028}\u{2029} http://x \\";
        let island = json(&serde_json::to_string(text).unwrap());
        assert!(!island.contains(['<', '>', '&', '/', '\u{2028}', '\u{2029}']));
        assert_eq!(serde_json::from_str::<String>(&island).unwrap(), text);
    }
}
