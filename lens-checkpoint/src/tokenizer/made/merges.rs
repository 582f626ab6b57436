//! Merges of byte pairs that a vocabulary does not list, from what it holds.

use std::collections::HashMap;

use super::piece::Piece;

/// Every way to make a piece of two others, in the order of the scores of what is made (`generate_merges` in
/// transformers).
///
/// # Errors
/// When a score is not a number; the reason.
pub(super) fn of_scores(pieces: &[Piece<'_>]) -> Result<Vec<[String; 2]>, String> {
    if let Some(piece) = pieces.iter().find(|piece| piece.score.is_nan()) {
        return Err(format!("the score of its piece {:?} is not a number", piece.text));
    }
    let ids: HashMap<&str, usize> = pieces.iter().enumerate().map(|(id, piece)| (piece.text, id)).collect();
    let mut merges = Vec::new();
    for (id, piece) in pieces.iter().enumerate() {
        // Of two pieces with one text, the last is that text's.
        if ids.get(piece.text) != Some(&id) {
            continue;
        }
        let first = merges.len();
        for (n, (at, _)) in piece.text.char_indices().enumerate().skip(1) {
            let (left, right) = piece.text.split_at(at);
            if let (Some(&l), Some(&r)) = (ids.get(left), ids.get(right)) {
                merges.push((piece.score, n, right, l, r));
            }
        }
        merges[first..].sort_by_key(|&(.., left, right)| (left, right));
    }
    // The sort is stable, so that pieces of one score stay in the order of their ids.
    merges.sort_by(|a, b| {
        b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then_with(|| b.2.chars().count().cmp(&a.2.chars().count()))
    });
    Ok(merges.into_iter().map(|(.., l, r)| [pieces[l].text.to_owned(), pieces[r].text.to_owned()]).collect())
}

/// The same where pieces are bytes and their places in `pieces` are their ranks, the first being merged first.
/// `spelled` is how tokenizer.json writes bytes.
pub(super) fn of_ranks(pieces: &[Vec<u8>], spelled: impl Fn(&[u8]) -> String) -> Vec<[String; 2]> {
    let ranks: HashMap<&[u8], usize> =
        pieces.iter().enumerate().rev().map(|(rank, piece)| (piece.as_slice(), rank)).collect();
    let mut merges = Vec::new();
    for piece in pieces {
        let mut own: Vec<(usize, usize)> = (1..piece.len())
            .filter_map(|at| Some((*ranks.get(&piece[..at])?, *ranks.get(&piece[at..])?)))
            .collect();
        own.sort_unstable();
        merges.extend(own.into_iter().map(|(left, right)| [spelled(&pieces[left]), spelled(&pieces[right])]));
    }
    merges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merges(pieces: &[(&str, f32)]) -> Vec<[String; 2]> {
        let pieces: Vec<_> = pieces.iter().map(|&(text, score)| Piece { text, score }).collect();
        of_scores(&pieces).unwrap()
    }

    #[test]
    fn merges_follow_the_scores_of_what_they_make() {
        let found = merges(&[("a", 0.0), ("b", 0.0), ("ab", -2.0), ("ba", -1.0), ("aba", -3.0)]);
        let pair = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        // Of two ways to make one piece, the one with the longer left part is first.
        assert_eq!(found, [pair("b", "a"), pair("a", "b"), pair("ab", "a"), pair("a", "ba")]);
    }

    #[test]
    fn a_score_that_is_not_a_number_is_refused() {
        let error = of_scores(&[Piece { text: "ab", score: f32::NAN }]).unwrap_err();
        assert!(error.contains("\"ab\" is not a number"), "{error}");
    }
}
