//! Tokenizers and chat templates.

use lens_checkpoint::{ChatTemplate, Message, Tokenizer};
use lens_core::{TokenId, TokenTexts as _};

/// A tokenizer.json.
///
/// What is accepted is refused or read the same twice; with ranges and without, a text becomes the same tokens; ranges lie
/// within the text; and every token has a text.
pub fn tokenizer_load(data: &[u8]) {
    let Ok(tokenizer) = Tokenizer::from_json(data) else { return };
    for text in ["", "a", "Hello, wörld  \n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\u{1f980}\0 x"] {
        let Ok(tokens) = tokenizer.encode(text, true) else { continue };
        let ranges =
            tokenizer.encode_with_ranges(text, true).expect("a text that was encoded is encoded again");
        assert_eq!(ranges.iter().map(|(token, _)| *token).collect::<Vec<_>>(), tokens);
        for (token, range) in ranges {
            assert!(range.start <= range.end && range.end <= text.len(), "{range:?} of {text:?}");
            drop(tokenizer.text(token));
        }
    }
    drop(tokenizer.text(TokenId(u32::MAX)));
}

/// A chat template, and a conversation for it.
///
/// What is written stays within bounds, and the parts that are somebody's are the whole text, one after the other.
pub fn chat_template(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let Ok(template) = ChatTemplate::new(source, [("bos_token", "<s>"), ("eos_token", "</s>")]) else {
        return;
    };
    let messages = [
        Message::new("system", "Be brief."),
        Message::new("user", " Who\nare you? "),
        Message::new("assistant", "{{ messages }}"),
        Message::new("user", ""),
    ];
    for n in [1, 4] {
        let Ok(rendered) = template.render(&messages[..n], n == 4) else { continue };
        assert!(rendered.text.len() <= (1 << 20) + 8 * 64);
        let mut end = 0;
        for span in &rendered.roles {
            assert_eq!(span.bytes.start, end);
            assert!(rendered.text.get(span.bytes.clone()).is_some(), "within a character");
            end = span.bytes.end;
            assert!(span.message.is_none_or(|message| message < n));
        }
        assert_eq!(end, rendered.text.len());
    }
}
