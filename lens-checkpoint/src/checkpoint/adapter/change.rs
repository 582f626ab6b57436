//! What an adapter does to one tensor of the model.

use super::{
    Adapter, AdapterError,
    merge::{Magnitudes, Merged, Replaced, Rows, Shifted, Term, Values},
};
use crate::{checkpoint::header::StoredTensor, made::Made};

/// A tensor of an adapter with its name.
pub(super) type Named<'a> = (&'a str, &'a StoredTensor);

pub(super) fn values((name, tensor): Named<'_>) -> Values {
    Values::of(name, tensor)
        .unwrap_or_else(|dtype| unreachable!("{dtype} was refused when the adapter was read"))
}
/// What happens to a tensor of the model.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// A tensor of the adapter that has to do with it, for messages.
    pub(super) because: String,
    pub(super) replaced: Option<Values>,
    pub(super) rows: Option<(Vec<usize>, Values)>,
    pub(super) terms: Vec<Term>,
    pub(super) magnitudes: Option<Magnitudes>,
    pub(super) shift: Option<(Values, f64)>,
}

impl Change {
    /// Whether all that happens is that something is added.
    pub(super) fn is_sum(&self) -> bool {
        self.replaced.is_none() && self.rows.is_none() && self.magnitudes.is_none()
    }

    /// The tensor after the change.
    pub(super) fn apply(
        self,
        adapter: &Adapter,
        name: &str,
        tensor: &StoredTensor,
    ) -> Result<StoredTensor, AdapterError> {
        let Ok(dtype) = tensor.dtype.clone() else {
            return Err(adapter.failed(&self.because, format!("is for {name}, whose type is not read")));
        };
        let shape = || tensor.shape.clone();
        let stored = Values::of(name, tensor);
        let stored = stored.unwrap_or_else(|dtype| unreachable!("{dtype} was refused above"));
        let mut made: Option<Made> = None;
        let base = |made: &Option<Made>| made.clone().map_or_else(|| stored.clone(), Values::Made);
        if let Some(new) = self.replaced {
            made = Some(Made::new(name, shape(), Replaced(new)));
        }
        if let Some((rows, new)) = self.rows {
            made = Some(Made::new(name, shape(), Rows { base: base(&made), rows, new }));
        }
        if !self.terms.is_empty() {
            let (terms, magnitudes) = (self.terms, self.magnitudes);
            let how =
                Merged { base: base(&made), shape: shape(), terms, magnitudes, adapter: adapter.id.clone() };
            made = Some(Made::new(name, shape(), how));
        }
        if let Some((by, scale)) = self.shift {
            made = Some(Made::new(name, shape(), Shifted { base: base(&made), by, scale }));
        }
        Ok(made.map_or_else(|| tensor.clone(), |made| StoredTensor::of_made(made, dtype)))
    }
}
