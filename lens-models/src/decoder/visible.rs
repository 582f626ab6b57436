//! Which keys the queries of a step see, and the linear biases on their scores: made once a step for each kind of
//! layer.

use std::{cell::RefCell, ops::Range, rc::Rc};

use tch::{Kind, Tensor};

use crate::{
    decoder::ModelError,
    device::{OnTorch as _, Place},
    spec::{Alibi, AlibiPrecision, Mask},
};

/// The keys that the queries of a step need at all, and which of them each query sees.
#[derive(Debug)]
pub(super) struct Visible {
    /// Positions of the keys.
    pub(super) keys: Range<usize>,
    pub(super) seen: Seen,
}

/// Which of the chosen keys a step's queries see.
#[derive(Debug)]
pub(super) enum Seen {
    /// Query i sees keys 0 to i.
    Causal,
    /// Every query sees every key.
    All,
    /// A mask in the form that was asked for, `[pos, keys]`.
    Some(Tensor),
}

/// How a mask is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaskForm {
    /// By libtorch's fused attention, which adds it to the scores: 0 where a query sees a key, else minus infinity, in
    /// the dtype of the queries. [`Seen::Causal`] stands for it where it can.
    Added(Kind),
    /// On scores that are written out: true where a query does not see a key.
    Hidden,
}

/// What a mask of a step depends on, beside the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MaskKey {
    mask: Mask,
    place: Place,
    form: MaskForm,
}

/// What biases of a step depend on, beside the step.
#[derive(Debug, Clone, PartialEq)]
struct BiasKey {
    alibi: Alibi,
    scale: f64,
    keys: Range<usize>,
    place: Place,
}

/// The masks and biases of one step. Each is made when a layer first asks for it, and shared by all layers like it.
#[derive(Debug)]
pub(super) struct Masks {
    past: usize,
    n: usize,
    masks: RefCell<Vec<(MaskKey, Rc<Visible>)>>,
    biases: RefCell<Vec<(BiasKey, Tensor)>>,
}

impl Masks {
    /// Those of a step of `n` tokens after `past` others.
    pub(super) fn new(past: usize, n: usize) -> Self {
        Self { past, n, masks: RefCell::default(), biases: RefCell::default() }
    }

    /// The keys that a layer with this mask needs, and which of them each query sees.
    pub(super) fn visible(
        &self,
        mask: Mask,
        place: Place,
        form: MaskForm,
    ) -> Result<Rc<Visible>, ModelError> {
        let key = MaskKey { mask, place, form };
        if let Some((_, visible)) = self.masks.borrow().iter().find(|(known, _)| *known == key) {
            return Ok(Rc::clone(visible));
        }
        let visible = Rc::new(self.make(key)?);
        self.masks.borrow_mut().push((key, Rc::clone(&visible)));
        Ok(visible)
    }

    fn make(&self, MaskKey { mask, place, form }: MaskKey) -> Result<Visible, ModelError> {
        let length = self.past + self.n;
        // The first query of the step sees back to here; a window counts the query itself.
        let first = match mask {
            Mask::Causal => 0,
            Mask::Sliding { window } => (self.past + 1).saturating_sub(window),
            Mask::Chunked { chunk } => self.past / chunk * chunk,
        };
        let keys = first..length;
        if self.n == 1 {
            return Ok(Visible { keys, seen: Seen::All });
        }
        let all_earlier = match mask {
            Mask::Causal => true,
            Mask::Sliding { window } => window >= length,
            Mask::Chunked { chunk } => chunk >= length,
        };
        if all_earlier && self.past == 0 && form != MaskForm::Hidden {
            return Ok(Visible { keys, seen: Seen::Causal });
        }
        // A card's kernels want the rows of a mask to begin at multiples of this.
        let padded = keys.start..keys.start + keys.len().next_multiple_of(16);
        let (query, key) = self.positions(&padded, place)?;
        let later = key.f_gt_tensor(&query)?;
        let hidden = match mask {
            Mask::Causal => later,
            Mask::Sliding { window } => {
                later.f_logical_or(&key.f_le_tensor(&query.f_sub_scalar(window.min(length) as i64)?)?)?
            }
            Mask::Chunked { chunk } => {
                let begins = query.f_sub(&query.f_remainder(chunk as i64)?)?; // where a query's chunk begins
                later.f_logical_or(&key.f_lt_tensor(&begins)?)?
            }
        };
        let seen = match form {
            MaskForm::Hidden => hidden,
            MaskForm::Added(kind) => {
                let mask = Tensor::f_zeros(hidden.size(), (kind, hidden.device()))?;
                mask.f_masked_fill(&hidden, f64::NEG_INFINITY)?
            }
        };
        let seen = Seen::Some(seen.f_narrow(1, 0, keys.len() as i64)?);
        Ok(Visible { keys, seen })
    }

    /// ALiBi's biases on the scores of a layer whose queries see `keys`, `[n_heads, pos or 1, keys]`, in float32.
    /// `scale` is the factor on the layer's scores.
    pub(super) fn biases(
        &self,
        alibi: &Alibi,
        scale: f64,
        keys: &Range<usize>,
        place: Place,
    ) -> Result<Tensor, ModelError> {
        let is_it = |key: &BiasKey| {
            key.place == place && key.keys == *keys && key.scale == scale && key.alibi == *alibi
        };
        if let Some((_, biases)) = self.biases.borrow().iter().find(|(known, _)| is_it(known)) {
            return Ok(biases.shallow_clone());
        }
        let biases = self.make_biases(alibi, scale, keys, place)?;
        let key = BiasKey { alibi: alibi.clone(), scale, keys: keys.clone(), place };
        self.biases.borrow_mut().push((key, biases.shallow_clone()));
        Ok(biases)
    }

    fn make_biases(
        &self,
        alibi: &Alibi,
        scale: f64,
        keys: &Range<usize>,
        place: Place,
    ) -> Result<Tensor, ModelError> {
        let slopes = Tensor::f_from_slice(&alibi.slopes)?.f_view([-1, 1, 1])?; // [n_heads, 1, 1]
        let slopes = |kind| slopes.f_to_kind(kind)?.f_to_device(place.device());
        let (query, key) = self.positions(keys, place)?;
        Ok(match alibi.precision {
            // Rounded slope times rounded position, rounded; the scores are scaled with it, so it is too.
            AlibiPrecision::Bfloat16 => {
                slopes(Kind::BFloat16)?.f_mul(&key)?.f_to_kind(Kind::Float)?.f_mul_scalar(scale)?
            }
            AlibiPrecision::Single => slopes(Kind::Float)?.f_mul(&key.f_sub(&query)?)?,
        })
    }

    /// The positions of the step's queries, `[pos, 1]`, and of some keys, `[1, keys]`.
    fn positions(&self, keys: &Range<usize>, place: Place) -> Result<(Tensor, Tensor), ModelError> {
        let range = |from: usize, to: usize| {
            Tensor::f_arange_start(from as i64, to as i64, (Kind::Int64, place.device()))
        };
        let queries = range(self.past, self.past + self.n)?.f_unsqueeze(1)?;
        Ok((queries, range(keys.start, keys.end)?.f_unsqueeze(0)?))
    }
}
