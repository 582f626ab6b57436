//! A line that is typed into.

use super::key::Key;

/// What the line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A prompt to run.
    Prompt,
    /// A token to go to.
    Find,
    /// A token to follow.
    Pin,
    /// A file to write.
    Export,
}

/// A line that is being typed, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) purpose: Purpose,
    text: Vec<char>,
    /// Characters before the caret.
    caret: usize,
}

/// A text beyond this is a mistake.
const LONGEST: usize = 1 << 20;

impl Entry {
    /// A line with something in it, after which the caret stands.
    pub(super) fn new(purpose: Purpose, text: &str) -> Self {
        let text: Vec<char> = text.chars().collect();
        Self { purpose, caret: text.len(), text }
    }

    pub(super) fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// What stands before the caret, and what stands after it.
    pub(super) fn halves(&self) -> (String, String) {
        (self.text[..self.caret].iter().collect(), self.text[self.caret..].iter().collect())
    }

    pub(super) fn insert(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.text.len());
        let new: Vec<char> = text.replace("\r\n", "\n").replace('\r', "\n").chars().take(room).collect();
        let count = new.len();
        self.text.splice(self.caret..self.caret, new);
        self.caret += count;
    }

    /// Edits the line; whether the key meant anything to it.
    pub(super) fn edit(&mut self, key: Key) -> bool {
        match key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Backspace if self.caret > 0 => {
                self.caret -= 1;
                self.text.remove(self.caret);
            }
            Key::Delete if self.caret < self.text.len() => {
                self.text.remove(self.caret);
            }
            Key::Left | Key::Ctrl('b') => self.caret = self.caret.saturating_sub(1),
            Key::Right | Key::Ctrl('f') => self.caret = (self.caret + 1).min(self.text.len()),
            Key::Home | Key::Ctrl('a') => self.caret = 0,
            Key::End | Key::Ctrl('e') => self.caret = self.text.len(),
            Key::Ctrl('u') => drop(self.text.drain(..std::mem::take(&mut self.caret))),
            Key::Ctrl('k') => self.text.truncate(self.caret),
            Key::Ctrl('w') => {
                let before = &self.text[..self.caret];
                let word = before.iter().rposition(|c| !c.is_whitespace()).map_or(0, |end| {
                    before[..end].iter().rposition(|c| c.is_whitespace()).map_or(0, |at| at + 1)
                });
                self.text.drain(word..self.caret);
                self.caret = word;
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_where_the_caret_stands() {
        let mut entry = Entry::new(Purpose::Prompt, "the cat 你");
        for key in [Key::Backspace, Key::Ctrl('w'), Key::Char('d'), Key::Home, Key::Char('>'), Key::Right] {
            assert!(entry.edit(key));
        }
        assert_eq!(entry.halves(), (">t".to_owned(), "he d".to_owned()));
        entry.insert("a\r\nb");
        assert_eq!(entry.text(), ">ta\nbhe d");
        entry.edit(Key::Ctrl('u'));
        entry.edit(Key::Delete);
        assert_eq!(entry.text(), "e d");
        assert!(!entry.edit(Key::PageUp));
    }
}
