//! From a text to the token that says exactly this.

use std::{cmp::Reverse, collections::HashMap};

use lens_core::TokenId;

use super::{Tokenizer, TokenizerError};

/// The tokens that have a given text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namesakes {
    /// The one that is meant: the one that the tokenizer makes of the text, else one that is not a fallback for a
    /// byte and does not have to be added to the vocabulary, else the one with the lowest id.
    pub best: TokenId,
    /// The others, in ascending order.
    pub others: Vec<TokenId>,
}

impl Tokenizer {
    /// The tokens that stand for exactly the bytes of `text`, whatever the tokenizer would make of it where a text
    /// begins; `None` if there is none.
    ///
    /// # Errors
    /// When the tokenizer fails on the text.
    pub fn named(&self, text: &str) -> Result<Option<Namesakes>, TokenizerError> {
        let ids = match self.by_bytes().get(text.as_bytes()).map(Vec::as_slice) {
            None | Some([]) => return Ok(None),
            Some([id]) => return Ok(Some(Namesakes { best: *id, others: Vec::new() })),
            Some(several) => several,
        };
        let encoded = self.encode(text, false)?;
        let rank = |id: &TokenId| {
            let plain = !self.is_fallback(*id) && !self.added.contains_key(&id.0);
            (encoded.as_slice() == [*id], plain, Reverse(*id))
        };
        let best = ids.iter().copied().max_by_key(rank);
        Ok(best
            .map(|best| Namesakes { best, others: ids.iter().copied().filter(|id| *id != best).collect() }))
    }

    /// All tokens by what they say, made when it is first needed.
    fn by_bytes(&self) -> &HashMap<Vec<u8>, Vec<TokenId>> {
        self.by_bytes.get_or_init(|| {
            let mut by_bytes: HashMap<Vec<u8>, Vec<TokenId>> = HashMap::new();
            for id in self.ids() {
                by_bytes.entry(self.bytes(id).unwrap_or_default()).or_default().push(id);
            }
            by_bytes
        })
    }
}
