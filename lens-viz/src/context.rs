//! The text around a position.

use std::borrow::Cow;

use lens_core::{LensTrace, TokenText, token_bytes};

/// The text of tokens next to the position, going away from it until there is surely enough. Characters
/// whose bytes are spread over several tokens come together again.
pub(crate) fn text_of(trace: &LensTrace, places: impl Iterator<Item = usize>, columns: usize) -> String {
    let mut pieces: Vec<(usize, Cow<'_, [u8]>)> = Vec::new();
    let mut length = 0;
    // The widest look at a line needs few bytes a column; the bound only keeps a long prompt cheap.
    for place in places.take(columns * 8 + 1) {
        let token = &trace.tokens[place];
        let bytes = token_bytes(&token.text, token.bytes.as_deref());
        length += bytes.len();
        pieces.push((place, bytes));
        if length > columns * 8 + 64 {
            break;
        }
    }
    pieces.sort_by_key(|(place, _)| *place);
    let bytes: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    TokenText::from_bytes(&bytes).text.to_string()
}
