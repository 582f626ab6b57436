//! The tokens of a page, each once.

use std::{collections::HashMap, sync::Arc};

use lens_core::TokenId;
use serde::{Serialize, Serializer, ser::SerializeSeq as _};

use super::visible::beyond_spaces;

/// A table of tokens. Its rows are what the rest of the data names: shorter than ids and texts, and several traces
/// with different vocabularies get along.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    rows: Vec<(TokenId, Arc<str>, Option<Arc<str>>)>,
    known: HashMap<TokenId, Vec<u32>>,
}

impl Vocabulary {
    /// The row of a token. Identity is the id; only a trace with another vocabulary gives it another text.
    pub(super) fn row(&mut self, id: TokenId, text: &Arc<str>, bytes: Option<&Arc<str>>) -> u32 {
        let same = |row: &u32| {
            self.rows
                .get(*row as usize)
                .is_some_and(|(_, known, _)| Arc::ptr_eq(known, text) || known == text)
        };
        let rows = self.known.entry(id).or_default();
        if let Some(row) = rows.iter().copied().find(same) {
            return row;
        }
        let row = self.rows.len() as u32;
        rows.push(row);
        self.rows.push((id, Arc::clone(text), bytes.cloned()));
        row
    }
}

impl Serialize for Vocabulary {
    /// `[[id, text, what is shown or null, bytes in hexadecimal], …]`, without what is not needed at the end.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.rows.len()))?;
        for (id, text, bytes) in &self.rows {
            match (beyond_spaces(text), bytes) {
                (None, None) => rows.serialize_element(&(id, text))?,
                (Some(shown), None) => rows.serialize_element(&(id, text, shown))?,
                (shown, Some(bytes)) => rows.serialize_element(&(id, text, shown, bytes))?,
            }
        }
        rows.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart_by_id_and_stored_once() {
        let mut vocabulary = Vocabulary::default();
        let text: Arc<str> = "\u{fffd}".into();
        assert_eq!(vocabulary.row(TokenId(7), &text, None), 0);
        assert_eq!(vocabulary.row(TokenId(9), &text, None), 1);
        assert_eq!(vocabulary.row(TokenId(7), &"\u{fffd}".into(), None), 0);
        assert_eq!(vocabulary.row(TokenId(1), &"\n".into(), Some(&"0a".into())), 2);
        let json = serde_json::to_string(&vocabulary).unwrap();
        assert_eq!(json, r#"[[7,"�"],[9,"�"],[1,"\n","⏎","0a"]]"#);
    }
}
