//! The cells of a difference, row by row: what a picture and a terminal draw of it.

use std::collections::BTreeSet;

use lens_core::ReadoutTrace;

use super::{error::PictureError, options::PictureOptions, scale::Scale};
use crate::difference::{Contrast, Difference};
use crate::source::{Place, only_component};

/// The difference of two readouts of one point and position.
pub(crate) struct Pair<'a> {
    /// The first trace's.
    pub(crate) first: &'a ReadoutTrace,
    /// The difference in the unit that [`Contrast::describe`] names.
    pub(crate) value: f64,
    /// Whether both have the same top-1 token.
    pub(crate) is_same_top: bool,
}

/// A difference in rows and columns.
pub(crate) struct Cells<'a> {
    /// The rows, the first layer first.
    pub(crate) places: Vec<Place>,
    /// The columns: positions of the first trace, each with its partner in the second.
    pub(crate) columns: Vec<(usize, usize)>,
    /// `None` where one of the traces does not say what is compared.
    pub(crate) rows: Vec<Vec<Option<Pair<'a>>>>,
    pub(crate) scale: Scale,
    /// Sentences that say which cells are blank and which positions are left out.
    pub(crate) notes: Vec<String>,
}

impl<'a> Cells<'a> {
    /// The cells that `options` ask for: positions, layers and components are those of the first trace.
    pub(crate) fn new(
        difference: &'a Difference<'a>,
        contrast: Contrast,
        options: &PictureOptions,
    ) -> Result<Self, PictureError> {
        let [first, second] = &difference.sources;
        let mut notes = Vec::new();
        let columns = columns(difference, options, &mut notes)?;
        let places = places(difference, options)?;
        let pair = |place: &Place, (one, other): &(usize, usize)| {
            let (first, second) = (first.at(*one, *place)?, second.at(*other, *place)?);
            let value = contrast.value(first, second, &difference.pairing)?;
            let tops = first.top.first().zip(second.top.first());
            let is_same_top = tops.is_some_and(|(a, b)| difference.pairing.is_same(a, b));
            Some(Pair { first, value, is_same_top })
        };
        let rows: Vec<Vec<Option<Pair<'a>>>> =
            places.iter().map(|place| columns.iter().map(|column| pair(place, column)).collect()).collect();
        let all = || rows.iter().flatten();
        if all().all(Option::is_none) {
            return Err(PictureError::Empty { what: contrast.missing() });
        }
        let blank = all().filter(|cell| cell.is_none()).count();
        if blank > 0 {
            let cells = if blank == 1 { "1 cell is".to_owned() } else { format!("{blank} cells are") };
            notes.push(format!("{cells} blank: not in both traces"));
        }
        let name = contrast.describe(difference, only_component(&places));
        let scale = Scale::diverging(&name, all().flatten().map(|pair| pair.value), options)?;
        Ok(Self { places, columns, rows, scale, notes })
    }

    /// Every cell that has something to show.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = &Pair<'a>> {
        self.rows.iter().flatten().flatten()
    }
}

/// The positions that both traces have read.
fn columns(
    difference: &Difference<'_>,
    options: &PictureOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<(usize, usize)>, PictureError> {
    let [first, second] = &difference.sources;
    let read: BTreeSet<usize> = second.positions(&[])?.into_iter().collect();
    let partner =
        |position: &usize| difference.pairing.partner(*position).filter(|other| read.contains(other));
    let asked = first.positions(&options.positions)?;
    let columns: Vec<(usize, usize)> =
        asked.iter().filter_map(|position| Some((*position, partner(position)?))).collect();
    if columns.is_empty() {
        let (first, second) = (&difference.first.name, &difference.second.name);
        return Err(PictureError::Empty {
            what: format!("position that was read in both {first} and {second}"),
        });
    }
    let alone = asked.len() - columns.len();
    if alone > 0 {
        let positions = if alone == 1 { "1 position".to_owned() } else { format!("{alone} positions") };
        notes.push(format!(
            "{positions} of {} left out: not read in {}",
            difference.first.name, difference.second.name
        ));
    }
    let others = read.len() - columns.len();
    if others > 0 && options.positions.is_empty() {
        let positions = if others == 1 { "1 position".to_owned() } else { format!("{others} positions") };
        notes.push(format!(
            "{positions} of {} left out: not read in {}",
            difference.second.name, difference.first.name
        ));
    }
    Ok(columns)
}

/// The places that either trace has read, in components that both have.
fn places(difference: &Difference<'_>, options: &PictureOptions) -> Result<Vec<Place>, PictureError> {
    let [first, second] = &difference.sources;
    let components = first.stream(&options.components)?;
    let mut places: BTreeSet<Place> = first.places(&components, options)?.into_iter().collect();
    // A layer that only the second has read is a blank row; one that was asked for has to be in the first.
    if options.layers.is_empty() && options.stride.get() == 1 {
        let shared: Vec<_> =
            second.components(&[])?.into_iter().filter(|one| components.contains(one)).collect();
        places.extend(second.places(&shared, options)?);
    }
    Ok(places.into_iter().collect())
}
