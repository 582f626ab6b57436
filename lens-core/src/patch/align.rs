//! Which positions of two prompts correspond.

use super::cell::Pair;
use crate::selection::{Selection, SelectionError};

/// How positions of prompts of different lengths correspond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Counted from the beginning.
    Start,
    /// Counted from the end.
    End,
}

/// Positions of two prompts that correspond, and what is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pairing {
    /// The pairs, ascending.
    pub pairs: Vec<Pair>,
    /// What a reader has to know, as sentences.
    pub notes: Vec<String>,
}

/// Why the positions of two prompts do not correspond.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
    /// The prompts differ in length, and nobody said how their positions correspond.
    #[error(
        "the prompt that is changed has {changed} tokens and the other one {other}: which positions correspond is not known"
    )]
    Lengths {
        /// Tokens of the prompt that is changed.
        changed: usize,
        /// Tokens of the other one.
        other: usize,
    },
    /// The positions chosen are none of those that correspond.
    #[error("none of the chosen positions of the changed prompt has a partner in the other one")]
    NoPartner,
    /// The selection does not fit.
    #[error(transparent)]
    Selection(#[from] SelectionError),
}

/// The chosen positions of the prompt that is changed, up to the one that is read, each with its partner.
///
/// `lengths` are the tokens of the changed prompt and of the other one, and `read` is the position of the changed one that
/// is read. With prompts of one length, positions of the same number correspond. Otherwise `align` says how; without it, a
/// selection that names as many positions of the one as of the other (such as `-3..`) pairs them in order.
///
/// # Errors
/// When the selection does not fit, or the lengths differ and nothing says how positions correspond.
pub fn pairs(
    positions: Option<&Selection>,
    align: Option<Align>,
    lengths: [usize; 2],
    read: usize,
) -> Result<Pairing, AlignError> {
    let [changed, other] = lengths;
    let all = Selection::all();
    let chosen = positions.unwrap_or(&all).resolve(changed, "position")?;
    let partners: Vec<Option<usize>> = match align {
        _ if changed == other => chosen.iter().map(|position| Some(*position)).collect(),
        Some(Align::Start) => chosen.iter().map(|p| Some(*p).filter(|p| *p < other)).collect(),
        Some(Align::End) => chosen.iter().map(|p| (p + other).checked_sub(changed)).collect(),
        None => {
            let lengths = AlignError::Lengths { changed, other };
            let there = positions.map(|positions| positions.resolve(other, "position")).transpose()?;
            match there {
                Some(there) if there.len() == chosen.len() => there.into_iter().map(Some).collect(),
                _ => return Err(lengths),
            }
        }
    };
    let mut pairing = Pairing::default();
    let with_partner: Vec<Pair> =
        chosen.iter().zip(partners).filter_map(|(to, from)| Some(Pair { to: *to, from: from? })).collect();
    let alone = chosen.len() - with_partner.len();
    if alone > 0 {
        let positions = if alone == 1 { "1 position".to_owned() } else { format!("{alone} positions") };
        pairing
            .notes
            .push(format!("{positions} of the changed prompt left out: without a partner in the other"));
    }
    let is_all = positions.is_none_or(|positions| *positions == all);
    // What comes after the position that is read is left out of all; by name it is refused later.
    pairing.pairs = with_partner.into_iter().filter(|pair| !is_all || pair.to <= read).collect();
    if pairing.pairs.is_empty() {
        return Err(AlignError::NoPartner);
    }
    if changed != other {
        let same = pairing.pairs.iter().all(|pair| pair.to == pair.from);
        if !same {
            let [first, ..] = pairing.pairs.as_slice() else { return Err(AlignError::NoPartner) };
            pairing.notes.push(format!(
                "the prompts have {changed} and {other} tokens: position {} of the changed one takes what is at position \
                 {} of the other, and so on",
                first.to, first.from
            ));
        }
    }
    Ok(pairing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        positions: &str,
        align: Option<Align>,
        lengths: [usize; 2],
    ) -> Result<Vec<(usize, usize)>, AlignError> {
        let selection = positions.parse().unwrap();
        let pairing = pairs(Some(&selection), align, lengths, lengths[0] - 1)?;
        Ok(pairing.pairs.into_iter().map(|pair| (pair.to, pair.from)).collect())
    }

    #[test]
    fn prompts_of_one_length_correspond_by_number() {
        assert_eq!(of("all", None, [3, 3]).unwrap(), [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(of("-1", Some(Align::End), [3, 3]).unwrap(), [(2, 2)]);
        let read = pairs(None, None, [5, 5], 2).unwrap();
        assert_eq!(read.pairs.len(), 3, "what comes after the position that is read is left out");
    }

    #[test]
    fn other_lengths_need_a_word() {
        let lengths = AlignError::Lengths { changed: 3, other: 5 };
        assert_eq!(of("all", None, [3, 5]), Err(lengths.clone()));
        assert_eq!(of("1..", None, [3, 5]), Err(lengths));
        assert_eq!(of("all", Some(Align::End), [3, 5]).unwrap(), [(0, 2), (1, 3), (2, 4)]);
        assert_eq!(of("all", Some(Align::End), [4, 2]).unwrap(), [(2, 0), (3, 1)]);
        assert_eq!(of("all", Some(Align::Start), [4, 2]).unwrap(), [(0, 0), (1, 1)]);
        assert_eq!(of("-2..", None, [3, 5]).unwrap(), [(1, 3), (2, 4)]);
        assert_eq!(of("0,1", None, [3, 5]).unwrap(), [(0, 0), (1, 1)]);
        assert_eq!(of("0,1", Some(Align::End), [4, 2]), Err(AlignError::NoPartner));
    }
}
