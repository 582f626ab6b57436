//! The text around a position.

use std::{borrow::Cow, ops::Range};

use lens_core::{LensTrace, TokenText, TokenTrace, token_bytes};

/// Tokens beside one that may have bytes of the same character, on either side: a character has four bytes at most.
const BESIDE: usize = 3;

/// What the token at a position says in its sequence. That is its text; but of a character whose bytes are spread over several
/// tokens, every one of them says the whole character, and then the bytes that are its own: `🙂<0xF0><0x9F>`, `🙂<0x99>`,
/// `🙂<0x82>`. `None` where there is no such position.
pub(crate) fn in_sequence(tokens: &[TokenTrace], position: usize) -> Option<Cow<'_, str>> {
    let token = tokens.get(position)?;
    if token.bytes.is_none() {
        return Some(Cow::Borrowed(&token.text));
    }
    let of = |token: &'_ TokenTrace| token_bytes(&token.text, token.bytes.as_deref()).into_owned();
    let before: Vec<u8> = tokens[position.saturating_sub(BESIDE)..position].iter().flat_map(of).collect();
    let own = of(token);
    let after = tokens[position + 1..].iter().take(BESIDE).flat_map(of);
    let own = before.len()..before.len() + own.len();
    let all: Vec<u8> = before.into_iter().chain(of(token)).chain(after).collect();
    let mut said = String::new();
    let mut at = 0;
    let named = |places: Range<usize>| -> String {
        places.filter(|i| own.contains(i)).map(|i| format!("<0x{:02X}>", all[i])).collect()
    };
    for chunk in all.utf8_chunks() {
        for c in chunk.valid().chars() {
            let place = at..at + c.len_utf8();
            let shared = place.clone().filter(|i| own.contains(i)).count();
            if shared > 0 {
                said.push(c);
            }
            if 0 < shared && shared < place.len() {
                said.push_str(&named(place.clone()));
            }
            at = place.end;
        }
        said.push_str(&named(at..at + chunk.invalid().len()));
        at += chunk.invalid().len();
    }
    Some(Cow::Owned(said))
}

/// The text of tokens that follow one another. Characters whose bytes are spread over several tokens come together again.
pub(crate) fn running<'a>(tokens: impl IntoIterator<Item = &'a TokenTrace>) -> String {
    let bytes =
        tokens.into_iter().flat_map(|token| token_bytes(&token.text, token.bytes.as_deref()).into_owned());
    TokenText::from_bytes(&bytes.collect::<Vec<u8>>()).text.to_string()
}

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

#[cfg(test)]
mod tests {
    use lens_core::TokenId;

    use super::*;

    fn tokens(pieces: &[&[u8]]) -> Vec<TokenTrace> {
        let token = |piece: &&[u8]| {
            let TokenText { text, bytes } = TokenText::from_bytes(piece);
            let mut token = TokenTrace::new(TokenId(0), text);
            token.bytes = bytes;
            token
        };
        pieces.iter().map(token).collect()
    }

    fn said(pieces: &[&[u8]]) -> Vec<String> {
        let tokens = tokens(pieces);
        (0..tokens.len()).map(|i| in_sequence(&tokens, i).unwrap().into_owned()).collect()
    }

    #[test]
    fn every_token_of_a_character_says_it_and_its_own_bytes() {
        assert_eq!(said(&[b"\xF0\x9F", b"\x99", b"\x82"]), ["🙂<0xF0><0x9F>", "🙂<0x99>", "🙂<0x82>"]);
        assert_eq!(said(&[b"\xF0", b"\x9F", b"\x99", b"\x82", b" b"])[3], "🙂<0x82>");
        // What else a token says stays where it is.
        assert_eq!(said(&[b"a\xE4", b"\xBD\xA0b"]), ["a你<0xE4>", "你<0xBD><0xA0>b"]);
        assert_eq!(said(&[b"\xE4", b"\xBD\xA0\xE5", b"\xA5\xBD"])[1], "你<0xBD><0xA0>好<0xE5>");
    }

    #[test]
    fn bytes_that_come_to_no_character_are_bytes() {
        assert_eq!(said(&[b"\xF0\x9F", b"x", b"\x82"]), ["<0xF0><0x9F>", "x", "<0x82>"]);
        assert_eq!(said(&[b"\xE4\xBD"]), ["<0xE4><0xBD>"]);
        assert_eq!(
            said(&["<0xE4>".as_bytes(), b"\xBD\xA0"]),
            ["<0xE4>", "<0xBD><0xA0>"],
            "a text is no byte"
        );
        assert_eq!(in_sequence(&[], 0), None);
    }
}
