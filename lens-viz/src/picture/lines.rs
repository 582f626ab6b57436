//! A text in lines, where one line is not wide enough for it.

use unicode_segmentation::UnicodeSegmentation;

use super::{
    fonts::{self, Face},
    text::Shown,
};

/// A text in lines of at most `room` pixels, at least one: broken at spaces, and within a word only where that word alone
/// is wider than a line. There are at most `most` lines; what would not fit those is cut off, which an ellipsis says.
pub(super) fn lines(text: &Shown, room: f64, face: Face, size: f64, most: usize) -> Vec<Shown> {
    if text.width(face, size) <= room {
        return vec![text.clone()];
    }
    let em = room / size;
    let mut broken: Vec<&str> = Vec::new();
    let mut rest = text.as_str();
    while broken.len() + 1 < most.max(1) {
        let (line, after) = first_line(rest, em, face);
        broken.push(line);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let last = (!rest.is_empty()).then(|| text.part(rest).start(room, face, size));
    broken.into_iter().map(|line| text.part(line)).chain(last).collect()
}

/// The first line of a text, in at most `room` em, and what follows. Not empty unless the text is.
fn first_line(text: &str, room: f64, face: Face) -> (&str, &str) {
    let mut end = 0;
    let mut taken = 0.0;
    for word in words(text) {
        let own = width(word.trim_end_matches(' '), face);
        if taken + own > room {
            // A word that no line could hold begins where it stands.
            if own > room {
                end += fitting(word, room - taken, face);
            }
            break;
        }
        end += word.len();
        taken += width(word, face);
    }
    // A line too narrow for anything has a character all the same.
    let least = text.graphemes(true).next().map_or(0, str::len);
    let (line, rest) = text.split_at(end.max(least));
    (line.strip_suffix(' ').filter(|line| !line.is_empty()).unwrap_or(line), rest)
}

/// The pieces of a text between which a line may end. A quotation mark alone begins what has a space in front, which would
/// be lost at the end of a line.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = if rest.starts_with("\" ") { 2 } else { 0 };
        let end = rest[begin..].find([' ', '⏎']).map(|at| begin + at);
        let end = end.map_or(rest.len(), |at| at + rest[at..].chars().next().map_or(0, char::len_utf8));
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// How many bytes of a word are graphemes that fit so many em.
fn fitting(word: &str, room: f64, face: Face) -> usize {
    let mut left = room;
    let fits = |grapheme: &&str| {
        left -= width(grapheme, face);
        left >= 0.0
    };
    word.graphemes(true).take_while(fits).map(str::len).sum()
}

fn width(text: &str, face: Face) -> f64 {
    text.chars().map(|c| f64::from(fonts::advance(c, face))).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Fonts, *};

    fn broken(text: &str, room: f64, most: usize) -> Vec<String> {
        let lines = lines(&Fonts::Viewer.words(text), room, Face::Mono, 10.0, most);
        lines.iter().map(|line| line.as_str().to_owned()).collect()
    }

    #[test]
    fn lines_end_at_spaces_and_only_long_words_are_broken() {
        assert_eq!(broken("one two three", 48.2, 9), ["one two", "three"]);
        assert_eq!(broken("one two three", 500.0, 9), ["one two three"]);
        assert_eq!(broken("at models/of/a/name", 60.4, 9), ["at models/", "of/a/name"]);
        assert_eq!(broken("one two three four", 48.2, 2), ["one two", "three f…"]);
        assert_eq!(broken("ab\ncd ef", 24.2, 9), ["ab⏎", "cd", "ef"]);
        assert_eq!(
            broken("e\u{301}e\u{301}", 1.0, 9),
            ["e\u{301}", "e\u{301}"],
            "marks stay with their base"
        );
        assert_eq!(broken("wrote \" the\"", 42.2, 9), ["wrote", "\" the\""], "the space of a token stays");
        assert_eq!(broken("", 1.0, 9), [""]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_line_is_too_wide(text in "\\PC{0,60}", room in 14.0f64..200.0) {
            let shown = Fonts::Viewer.words(&text);
            let lines = lines(&shown, room, Face::Sans, 10.0, usize::MAX);
            let bare = |text: &str| text.replace(' ', "");
            let joined: String = lines.iter().map(|line| bare(line.as_str())).collect();
            prop_assert_eq!(joined, bare(shown.as_str()));
            for line in &lines {
                let alone = line.as_str().graphemes(true).count() == 1;
                prop_assert!(alone || line.width(Face::Sans, 10.0) <= room + 1e-6, "{:?}", line);
            }
        }
    }
}
