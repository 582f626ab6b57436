//! Sums of vectors, for every position the same or not.

use std::borrow::Cow;

/// A vector for every position.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Vectors {
    /// A part that is the same at every position.
    same: Option<Vec<f32>>,
    /// From position 0 on, a part for each.
    by_position: Option<Vec<Vec<f32>>>,
}

impl Vectors {
    pub(crate) fn add(&mut self, vector: Vec<f32>) {
        match &mut self.same {
            None => self.same = Some(vector),
            Some(sum) => add(sum, &vector),
        }
    }

    /// Sums of prompts of different lengths are as long as the shorter one: every chosen position is in both.
    pub(crate) fn add_by_position(&mut self, rows: Vec<Vec<f32>>) {
        match &mut self.by_position {
            None => self.by_position = Some(rows),
            Some(sums) => {
                sums.truncate(rows.len());
                sums.iter_mut().zip(&rows).for_each(|(sum, row)| add(sum, row));
            }
        }
    }

    pub(crate) fn are_finite(&self) -> bool {
        let same = self.same.iter().flatten();
        same.chain(self.by_position.iter().flatten().flatten()).all(|value| value.is_finite())
    }

    /// The first part of length zero among those of `part` values each (or of a whole vector each): the position, if
    /// each of `positions` has a vector, and the number of the part.
    pub(crate) fn zero(
        &self,
        positions: Option<&[usize]>,
        part: Option<usize>,
    ) -> Option<(Option<usize>, usize)> {
        let zero = |vector: &[f32]| {
            let width = part.unwrap_or(vector.len()).max(1);
            vector.chunks(width).position(|part| part.iter().all(|value| *value == 0.0))
        };
        let Some(known) = self.by_position.as_ref().map(Vec::len) else {
            return Some((None, zero(self.same.as_ref()?)?));
        };
        let chosen =
            |position: &usize| positions.is_none_or(|positions| positions.binary_search(position).is_ok());
        let mut places = (0..known).filter(chosen);
        places.find_map(|position| Some((Some(position), zero(&self.at(position)?)?)))
    }

    /// Whether there is a sum at a position.
    pub(crate) fn know(&self, position: usize) -> bool {
        match (&self.same, &self.by_position) {
            (same, None) => same.is_some(),
            (_, Some(rows)) => position < rows.len(),
        }
    }

    /// The sum at a position; `None` past those that are known of, and without any part.
    pub(crate) fn at(&self, position: usize) -> Option<Cow<'_, [f32]>> {
        match (&self.same, &self.by_position) {
            (None, None) => None,
            (Some(same), None) => Some(Cow::Borrowed(same)),
            (None, Some(rows)) => rows.get(position).map(|row| Cow::Borrowed(&**row)),
            (Some(same), Some(rows)) => rows.get(position).map(|row| {
                let mut sum = row.clone();
                add(&mut sum, same);
                Cow::Owned(sum)
            }),
        }
    }
}

fn add(sum: &mut [f32], vector: &[f32]) {
    sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
}
