//! The seam: what a backend has to know to be compared with another of its kind.

use std::ops::Range;

use super::{
    error::CompareError,
    pair::{Compared, PairReadout},
    side::Side,
};
use crate::{backend::Backend, token::TokenId};

/// A backend whose readouts can be compared with those of another model of the same kind. Rows of the vocabulary stay
/// inside: what crosses are a few numbers for each row.
pub trait Compare: Backend + Sized {
    /// Hands the readouts of this model and of `other` to `with`, both in host memory.
    ///
    /// # Errors
    /// Those of `with`, and when a readout cannot be brought there.
    fn with_readouts<T>(
        &self,
        other: &Self,
        with: impl FnOnce(PairReadout<'_>) -> Result<T, CompareError>,
    ) -> Result<T, CompareError>;

    /// Compares the readouts of some rows of vectors that this model and `other` captured at one point. `next` is what
    /// comes after each of the rows; it may be empty where that is of no interest.
    ///
    /// # Errors
    /// When a vector or a logit is not finite, or what was captured cannot be read.
    fn compare(
        &self,
        own: &Self::Hidden,
        other: &Self,
        others: &Self::Hidden,
        rows: Range<usize>,
        next: &[Option<TokenId>],
    ) -> Result<Vec<Compared>, CompareError> {
        let values = |side: Side, model: &Self, hidden: &Self::Hidden| {
            let mut values = Vec::new();
            let read = model.rows(hidden, rows.clone(), &mut values);
            read.map(|_| values).map_err(|source| CompareError::Rows { side, source })
        };
        let (a, b) = (values(Side::A, self, own)?, values(Side::B, other, others)?);
        self.with_readouts(other, |pair| Ok(pair.read([&a, &b], next)?))
    }
}
