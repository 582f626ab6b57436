//! Whether two models mean the same by a token.

use anyhow::{Result, bail};
use lens_core::TokenId;
use lens_models::{session::Speech, tokenizer::Tokenizer};

/// A text that tokenizers part ways on: case, numbers, spaces, lines, code, accents, and scripts of several kinds.
const PROBE: &str = "The quick brown fox can't  jump 1234567 times.\n\n\tfn main() { let x_1 = \"naïve\" } — Ünïcödé: \
                     Привет, мир! 你好，世界。 こんにちは 안녕하세요 مرحبا שלום नमस्ते 🙂👩‍👩‍👧 e\u{301} ﬁ ½ …";

/// The speech that reads the text, and what has to be known of it. Of `rows` of the vocabulary A and B have embeddings.
///
/// # Errors
/// When one token has two texts, one of the models has tokens for which the other has no row, and when they divide a text
/// in other ways.
pub(super) fn common<'a>(
    a: &'a Speech,
    b: &'a Speech,
    rows: [usize; 2],
) -> Result<(&'a Speech, Vec<String>)> {
    let (first, second) = match (a.tokenizer(), b.tokenizer()) {
        (Ok(first), Ok(second)) => (first, second),
        (Err(_), Ok(_)) => return Ok((b, vec![alone("A", "B")])),
        (Ok(_), Err(_)) => return Ok((a, vec![alone("B", "A")])),
        (Err(_), Err(_)) => bail!("neither model has a tokenizer, and the text is to be read as tokens"),
    };
    let mut unnamed = [0, 0];
    for id in (0..rows[0].max(rows[1])).map(|id| TokenId(id as u32)) {
        let of =
            |tokenizer: &Tokenizer, rows: usize| (id.index() < rows).then(|| tokenizer.bytes(id)).flatten();
        match (of(first, rows[0]), of(second, rows[1])) {
            (Some(x), Some(y)) if x != y => bail!(
                "the models have different vocabularies: token {id} is {} in A and {} in B",
                said(&x),
                said(&y)
            ),
            (Some(x), None) if id.index() >= rows[1] => bail!(
                "the models have different vocabularies: A has the token {id}, {}, and B has {} rows",
                said(&x),
                rows[1]
            ),
            (None, Some(y)) if id.index() >= rows[0] => bail!(
                "the models have different vocabularies: B has the token {id}, {}, and A has {} rows",
                said(&y),
                rows[0]
            ),
            (Some(_), None) => unnamed[1] += 1,
            (None, Some(_)) => unnamed[0] += 1,
            _ => {}
        }
    }
    let [x, y] = [first.encode(PROBE, true)?, second.encode(PROBE, true)?];
    if x != y {
        let at = x.iter().zip(&y).take_while(|(x, y)| x == y).count();
        let token = |tokenizer: &Tokenizer, tokens: &[TokenId]| match tokens.get(at) {
            Some(id) => format!("{id} {}", said(&tokenizer.bytes(*id).unwrap_or_default())),
            None => "nothing".to_owned(),
        };
        bail!(
            "the tokenizers of the models divide texts in different ways: of the text that is tried, token {at} is {} in A \
             and {} in B",
            token(first, &x),
            token(second, &y)
        );
    }
    let note = |(side, n): (&str, usize)| {
        let tokens = if n == 1 { "1 token".to_owned() } else { format!("{n} tokens") };
        (n > 0)
            .then(|| format!("{tokens} of the other model have no text in {side}, which has rows for them"))
    };
    Ok((a, ["A", "B"].into_iter().zip(unnamed).filter_map(note).collect()))
}

fn alone(lacks: &str, has: &str) -> String {
    format!("model {lacks} has no tokenizer: it is taken to have {has}'s")
}

fn said(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}
