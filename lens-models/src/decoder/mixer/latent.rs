//! Latent attention over a cache of narrow vectors.
//!
//! A position keeps `c`, of which every head makes its key and its value, and the rotated key that heads share. There are
//! two ways to attend, which give the same numbers within rounding. Expanded, the keys and values of all heads are made of
//! what is kept, once a step: attention is the usual one then. Absorbed, a query is led through its head's `W_k` instead, so
//! that its scores are products with the kept vectors themselves, which all heads share, and what is weighed is the kept
//! vectors, out of which `W_v` makes the value. That costs more a query and nothing a key: it is for few queries on a long
//! past, which is how tokens are written.

use lens_core::{AttentionInput, Point, Site};
use tch::{Kind, Tensor};

use super::{fused::attend, growth::grown, kept::Kept};
use crate::{
    decoder::{
        ModelError,
        finite::{Watch, largest},
        norm::Norm,
        part::{Part, joined},
        step::Step,
        threads::matmul,
        visible::{MaskForm, Seen},
        weights::{Linear, Weights},
    },
    device::Place,
    spec::{LatentAttentionSpec, LatentQuery, Mask},
};

/// The latent attention of one block.
#[derive(Debug)]
pub(in crate::decoder) struct LatentAttention {
    layer: u16,
    spec: LatentAttentionSpec,
    query: Query,
    down: Linear,
    norm: Norm,
    /// `W_k` of every head, `[n_heads, d_content, rank]`.
    to_key: Tensor,
    /// `W_v` of every head, `[n_heads, d_value, rank]`.
    to_value: Tensor,
    o: Linear,
    place: Place,
    kept: Kept,
    /// The largest magnitude of what is kept, shared keys included.
    largest_kept: f64,
}

#[derive(Debug)]
enum Query {
    Plain(Linear),
    LowRank { down: Linear, norm: Norm, up: Linear },
}

impl Query {
    fn load(spec: &LatentQuery, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(match spec {
            LatentQuery::Plain(q) => Self::Plain(weights.linear(q)?),
            LatentQuery::LowRank { down, norm, up } => Self::LowRank {
                down: weights.linear(down)?,
                norm: Norm::load(norm, weights)?,
                up: weights.linear(up)?,
            },
        })
    }

    /// `[pos, d_model]` to `[pos, n_heads * d_key]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        match self {
            Self::Plain(q) => q.forward(x),
            Self::LowRank { down, norm, up } => up.forward(&norm.forward(&down.forward(x)?)?),
        }
    }
}

impl LatentAttention {
    pub(super) fn load(
        layer: u16,
        spec: &LatentAttentionSpec,
        weights: &Weights<'_>,
    ) -> Result<Self, ModelError> {
        let (content, value) = (spec.d_content as i64, spec.d_value as i64);
        let up = weights.param(&spec.up)?.f_view([spec.n_heads as i64, content + value, spec.rank as i64])?;
        Ok(Self {
            layer,
            query: Query::load(&spec.query, weights)?,
            down: weights.linear(&spec.down)?,
            norm: Norm::load(&spec.norm, weights)?,
            to_key: up.f_narrow(1, 0, content)?,
            to_value: up.f_narrow(1, content, value)?,
            o: weights.linear(&spec.o)?,
            place: weights.place,
            kept: Kept::default(),
            largest_kept: 0.0,
            spec: spec.clone(),
        })
    }

    /// The output projection, `[d_model, n_heads * d_value]`.
    pub(super) fn output(&self) -> &Linear {
        &self.o
    }

    /// Forgets the sequence that was run.
    pub(super) fn reset(&mut self) {
        (self.kept, self.largest_kept) = (Kept::default(), 0.0);
    }

    /// Attends from the tokens of a step to themselves and everything before them. `x` is the normed stream,
    /// `[pos, d_model]`; so is the result.
    pub(super) fn forward(
        &mut self,
        x: &Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Tensor, ModelError> {
        let q = self.queries(x, step)?;
        let new = self.narrowed(x, step)?;
        // What is kept is key and value at once.
        for (input, value) in [(AttentionInput::Queries, &q), (AttentionInput::Keys, &new)] {
            tap.attention(self.layer, input, value)?;
        }
        if self.place.is_host() {
            self.largest_kept = largest(&new)?.max(self.largest_kept);
        }
        let all = match step.is_kept() {
            true => Some(self.kept.extend(&new.f_transpose(0, 1)?, step)?),
            false => None,
        };
        let mut z = Vec::with_capacity(step.parts.len());
        for part in &step.parts {
            let kept = match &all {
                Some(all) => all.shallow_clone(), // [1, past + pos, d_kept]
                None => part.spread(&new)?.f_squeeze_dim(2)?,
            }; // [batch, past + pos, d_kept]
            let q = part.spread(&q)?.f_transpose(1, 2)?; // [batch, n_heads, pos, d_key]
            let weighed = match self.absorbs(q.size()[2]) && step.is_kept() {
                true => self.absorbed(&q, &kept, part)?,
                false => self.expanded(&q, &kept, part)?,
            };
            z.push(part.gather(&weighed.f_transpose(1, 2)?)?);
        }
        let z = tap.at(Point::block(self.layer, Site::Z), joined(z)?)?; // [pos, n_heads, d_value]
        self.o.forward(&z.f_flatten(1, 2)?)
    }

    /// Queries, rotated, `[pos, n_heads, d_key]`.
    fn queries(&self, x: &Tensor, step: &Step) -> Result<Tensor, ModelError> {
        let (content, rotary) = (self.spec.d_content as i64, self.spec.d_rotary as i64);
        let q = self.query.forward(x)?.f_view([step.n as i64, self.spec.n_heads as i64, content + rotary])?;
        let turned = self.rotated(&q.f_narrow(2, content, rotary)?, step)?;
        let q = Tensor::f_cat(&[q.f_narrow(2, 0, content)?, turned], 2)?;
        grown(self.spec.growth.as_ref(), q, step)
    }

    /// What the positions of a step keep: the normed vector and the rotated key, `[pos, 1, d_kept]`.
    fn narrowed(&self, x: &Tensor, step: &Step) -> Result<Tensor, ModelError> {
        let (rank, rotary) = (self.spec.rank as i64, self.spec.d_rotary as i64);
        let both = self.down.forward(x)?.f_unsqueeze(1)?; // [pos, 1, d_kept]
        let content = self.norm.forward(&both.f_narrow(2, 0, rank)?)?;
        Ok(Tensor::f_cat(&[content, self.rotated(&both.f_narrow(2, rank, rotary)?, step)?], 2)?)
    }

    fn rotated(&self, x: &Tensor, step: &Step) -> Result<Tensor, ModelError> {
        match &self.spec.rope {
            Some(rope) => step.tables.of(rope, self.place).rotate(x),
            None => Ok(x.shallow_clone()),
        }
    }

    /// Whether so many queries are better led to what is kept than what is kept to them: multiplications a head and key of
    /// the one way and the other.
    fn absorbs(&self, queries: i64) -> bool {
        let spec = &self.spec;
        let (expanded, absorbed) = (spec.d_key() + spec.d_value, spec.d_kept() + spec.rank);
        let expansion = spec.rank * (spec.d_content + spec.d_value);
        queries as usize * absorbed.saturating_sub(expanded) < expansion
    }

    /// What the queries see, weighed, `[batch, n_heads, pos, d_value]`, by way of keys and values of every head.
    fn expanded(&self, q: &Tensor, kept: &Tensor, part: &Part) -> Result<Tensor, ModelError> {
        let (rank, rotary) = (self.spec.rank as i64, self.spec.d_rotary as i64);
        let content = kept.f_narrow(2, 0, rank)?.f_unsqueeze(1)?; // [batch, 1, keys, rank]
        let of_heads = |to: &Tensor| matmul(&content, &to.f_transpose(1, 2)?); // [batch, n_heads, keys, ..]
        let (keys, values) = (of_heads(&self.to_key)?, of_heads(&self.to_value)?);
        let mut shape = keys.size();
        shape[3] = rotary;
        let shared = kept.f_narrow(2, rank, rotary)?.f_unsqueeze(1)?.f_expand(shape, false)?;
        let keys = Tensor::f_cat(&[keys, shared], 3)?;
        let overflows = self.may_overflow(q, || largest(&keys))?;
        // libtorch's fused attention wants values as wide as keys.
        let (key_width, width) = (keys.size()[3], values.size()[3]);
        let wide = |x: &Tensor, to: i64| match to - x.size()[3] {
            missing if missing > 0 => x.f_constant_pad_nd([0, missing]),
            _ => Ok(x.shallow_clone()),
        };
        let (q, keys, values) = (wide(q, width)?, wide(&keys, width)?, wide(&values, key_width)?);
        Ok(self.weighed(&q, &keys, &values, part, overflows)?.f_narrow(3, 0, width)?)
    }

    /// The same by way of queries and weighed vectors of the kept width.
    fn absorbed(&self, q: &Tensor, kept: &Tensor, part: &Part) -> Result<Tensor, ModelError> {
        let (content, rotary) = (self.spec.d_content as i64, self.spec.d_rotary as i64);
        let led = matmul(&q.f_narrow(3, 0, content)?, &self.to_key)?; // [batch, n_heads, pos, rank]
        let q = Tensor::f_cat(&[led, q.f_narrow(3, content, rotary)?], 3)?;
        let overflows = self.may_overflow(&q, || Ok(self.largest_kept))?;
        let kept = kept.f_unsqueeze(1)?; // [batch, 1, keys, d_kept]
        let weighed = self.weighed(&q, &kept, &kept, part, overflows)?;
        let weighed = weighed.f_narrow(3, 0, self.spec.rank as i64)?;
        matmul(&weighed, &self.to_value.f_transpose(1, 2)?)
    }

    /// Whether a score of finite queries and keys may be infinite: libtorch's fused attention on the processor drops the
    /// NaN that the softmax makes of it.
    fn may_overflow(
        &self,
        q: &Tensor,
        largest_key: impl FnOnce() -> Result<f64, ModelError>,
    ) -> Result<bool, ModelError> {
        if !self.place.is_host() {
            return Ok(false);
        }
        let bound = largest(q)? * largest_key()? * q.size()[3] as f64;
        // What is not finite itself is written out as well.
        let is_small = bound * self.spec.scale.max(1.0) <= f64::from(f32::MAX);
        Ok(!is_small)
    }

    /// Values of the keys that the queries see, weighed: `[batch, n_heads, pos, width]` of queries of that shape and of
    /// keys and values of all heads or of one that they share.
    fn weighed(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        part: &Part,
        written_out: bool,
    ) -> Result<Tensor, ModelError> {
        let form = if written_out { MaskForm::Hidden } else { MaskForm::Added(q.kind()) };
        let visible = part.masks.visible(Mask::Causal, self.place, form)?;
        if !written_out {
            return attend(q, k, v, &visible.seen, self.spec.scale, self.place.is_host());
        }
        let scores = matmul(q, &k.f_transpose(2, 3)?)?.f_mul_scalar(self.spec.scale)?;
        let mut scores = scores.f_to_kind(Kind::Float)?; // [batch, n_heads, pos, keys]
        if let Seen::Some(hidden) = &visible.seen {
            scores = scores.f_masked_fill(hidden, f64::NEG_INFINITY)?;
        }
        matmul(&scores.f_softmax(-1, Kind::Float)?.f_to_kind(q.kind())?, v)
    }
}
