//! Attention over a key-value cache.

use lens_core::{Point, Site};
use tch::{Kind, Tensor};

use super::{
    ModelError, Step, Tap,
    weights::{Linear, Weights},
};
use crate::spec::{AttentionSpec, Mask};

/// The attention of one block.
#[derive(Debug)]
pub(super) struct Attention {
    spec: AttentionSpec,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    cache: Cache,
}

impl Attention {
    pub(super) fn load(spec: &AttentionSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            q: weights.linear(&spec.q)?,
            k: weights.linear(&spec.k)?,
            v: weights.linear(&spec.v)?,
            o: weights.linear(&spec.o)?,
            spec: spec.clone(),
            cache: Cache::default(),
        })
    }

    /// Attends from the tokens of a step to themselves and everything before them. `x` is the normed stream,
    /// `[pos, d_model]`; so is the result.
    pub(super) fn forward(
        &mut self,
        x: &Tensor,
        layer: u16,
        step: &Step,
        tap: &mut dyn Tap,
    ) -> Result<Tensor, ModelError> {
        let AttentionSpec { n_heads, n_kv_heads, d_head, scale, .. } = self.spec;
        let heads = |x: Tensor, n: usize| x.f_view([step.n as i64, n as i64, d_head as i64]);
        let table = step.tables.of(&self.spec.rope);
        let q = table.rotate(&heads(self.q.forward(x)?, n_heads)?)?; // [pos, n_heads, d_head]
        let k = table.rotate(&heads(self.k.forward(x)?, n_kv_heads)?)?; // [pos, n_kv_heads, d_head]
        let v = heads(self.v.forward(x)?, n_kv_heads)?; // [pos, n_kv_heads, d_head]
        let (k, v) = self.cache.extend(k, v, step)?; // [n_kv_heads, past + pos, d_head]

        let (keys, mask) = visible(self.spec.mask, step)?;
        let from = |x: &Tensor| x.f_narrow(1, keys.start as i64, keys.len() as i64)?.f_unsqueeze(0);
        let z = Tensor::f_scaled_dot_product_attention(
            &q.f_transpose(0, 1)?.f_unsqueeze(0)?,
            &from(&k)?,
            &from(&v)?,
            match &mask {
                Visible::Some(mask) => Some(mask),
                Visible::Causal | Visible::All => None,
            },
            0.0,
            matches!(mask, Visible::Causal),
            scale,
            n_heads != n_kv_heads,
        )?
        .f_squeeze_dim(0)?
        .f_transpose(0, 1)?; // [pos, n_heads, d_head]
        let z = tap.at(Point::block(layer, Site::Z), z)?;
        self.o.forward(&z.f_reshape([step.n as i64, (n_heads * d_head) as i64])?)
    }
}

/// Which of the chosen keys a step's queries see.
enum Visible {
    /// Query i sees keys 0 to i.
    Causal,
    /// Every query sees every key.
    All,
    /// True where a query sees a key, `[pos, keys]`.
    Some(Tensor),
}

/// The keys that a step needs at all, and which of them each of its queries sees.
fn visible(mask: Mask, step: &Step) -> Result<(std::ops::Range<usize>, Visible), ModelError> {
    let length = step.past + step.n;
    let window = match mask {
        Mask::Sliding { window } if window < length => window,
        Mask::Causal | Mask::Sliding { .. } if step.past == 0 => return Ok((0..length, Visible::Causal)),
        Mask::Causal | Mask::Sliding { .. } => length,
    };
    // The first query of the step sees back to here; a window counts the query itself.
    let keys = (step.past + 1).saturating_sub(window)..length;
    if step.n == 1 {
        return Ok((keys, Visible::All));
    }
    let range = |from: usize, to: usize| {
        Tensor::f_arange_start(from as i64, to as i64, (Kind::Int64, tch::Device::Cpu))
    };
    let query = range(step.past, length)?.f_unsqueeze(1)?;
    let key = range(keys.start, keys.end)?.f_unsqueeze(0)?;
    let seen =
        key.f_le_tensor(&query)?.f_logical_and(&key.f_gt_tensor(&query.f_sub_scalar(window as i64)?)?)?;
    Ok((keys, Visible::Some(seen)))
}

/// Keys and values of the tokens seen so far, `[n_kv_heads, capacity, d_head]`.
#[derive(Debug, Default)]
struct Cache(Option<(Tensor, Tensor)>);

impl Cache {
    /// Appends a step's keys and values, `[pos, n_kv_heads, d_head]`, and returns all of them.
    fn extend(&mut self, k: Tensor, v: Tensor, step: &Step) -> Result<(Tensor, Tensor), ModelError> {
        let (k, v) = (k.f_transpose(0, 1)?, v.f_transpose(0, 1)?);
        if step.past == 0 && step.total <= step.n {
            // Nothing will follow: no copy is worth making.
            self.0 = None;
            return Ok((k, v));
        }
        let length = (step.past + step.n) as i64;
        let (mut keys, mut values) = match self.0.take() {
            Some((keys, values)) if step.past > 0 && keys.size()[1] >= length => (keys, values),
            old => {
                let capacity = (step.total as i64).max(length);
                (
                    grow(&k, capacity, old.as_ref().map(|(k, _)| k), step)?,
                    grow(&v, capacity, old.as_ref().map(|(_, v)| v), step)?,
                )
            }
        };
        let (past, n) = (step.past as i64, step.n as i64);
        for (all, new) in [(&mut keys, &k), (&mut values, &v)] {
            all.f_narrow(1, past, n)?.f_copy_(new)?;
        }
        let seen = (keys.f_narrow(1, 0, length)?, values.f_narrow(1, 0, length)?);
        self.0 = Some((keys, values));
        Ok(seen)
    }
}

/// A larger buffer with what the old one held. A sequence that outgrows what was announced doubles its buffer.
fn grow(like: &Tensor, capacity: i64, old: Option<&Tensor>, step: &Step) -> Result<Tensor, ModelError> {
    let shape = like.size();
    let past = step.past as i64;
    let capacity = if past > 0 { capacity.max(2 * past) } else { capacity };
    let buffer = Tensor::f_zeros([shape[0], capacity, shape[2]], (like.kind(), like.device()))?;
    if let Some(old) = old.filter(|_| past > 0) {
        buffer.f_narrow(1, 0, past)?.f_copy_(&old.f_narrow(1, 0, past)?)?;
    }
    Ok(buffer)
}
