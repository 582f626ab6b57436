//! Attention over a key-value cache.

use lens_core::{AttentionInput, Point, Site};
use tch::{Kind, Tensor};

use super::{
    differential::Differential,
    fused::{attend, card_groups},
    gate::Gate,
    growth::grown,
    kept::Kept,
};
use crate::{
    decoder::{
        ModelError,
        finite::{Watch, largest},
        joint::Joint,
        norm::{Norm, normed},
        part::{Part, joined},
        step::{Lent, Step},
        threads::matmul,
        visible::{MaskForm, Masks, Seen, Visible},
        weights::{Linear, Weights},
    },
    device::{OnTorch as _, Place},
    spec::{AttentionSpec, Position, QkScope, Sharing},
};

/// The attention of one block.
#[derive(Debug)]
pub(in crate::decoder) struct Attention {
    layer: u16,
    spec: AttentionSpec,
    maps: Maps,
    o: Linear,
    q_norm: Option<Norm>,
    k_norm: Option<Norm>,
    v_norm: Option<Norm>,
    differential: Option<Differential>,
    sinks: Option<Tensor>, // [n_heads]
    gate: Option<Gate>,
    z_norm: Option<Norm>,
    place: Place,
    cache: Cache,
}

/// What makes queries, keys and values.
#[derive(Debug)]
enum Maps {
    /// All three.
    Own(Joint<3>),
    /// Queries alone; keys and values are those of block `from`.
    Borrowing { q: Linear, from: u16 },
}

impl Attention {
    pub(super) fn load(layer: u16, spec: &AttentionSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let own = !spec.borrows();
        Ok(Self {
            layer,
            maps: match spec.sharing {
                Sharing::Own | Sharing::Lends => {
                    Maps::Own(Joint::load([&spec.q, &spec.k, &spec.v], weights)?)
                }
                Sharing::Borrows { from } => {
                    Maps::Borrowing { q: weights.linear(&spec.q)?, from: from as u16 }
                }
            },
            o: weights.linear(&spec.o)?,
            q_norm: Norm::load_optional(spec.qk_norm.as_ref().map(|norm| &norm.q), weights)?,
            k_norm: Norm::load_optional(spec.qk_norm.as_ref().map(|norm| &norm.k).filter(|_| own), weights)?,
            v_norm: Norm::load_optional(spec.v_norm.as_ref(), weights)?,
            differential: spec
                .differential
                .as_ref()
                .map(|spec| Differential::load(spec, weights))
                .transpose()?,
            sinks: weights.optional(spec.sinks.as_ref())?,
            gate: spec.gate.as_ref().map(|gate| Gate::load(gate, weights)).transpose()?,
            z_norm: Norm::load_optional(spec.z_norm.as_ref(), weights)?,
            place: weights.place,
            spec: spec.clone(),
            cache: Cache::default(),
        })
    }

    /// The output projection, `[d_model, n_heads * d_value]`.
    pub(super) fn output(&self) -> &Linear {
        &self.o
    }

    /// Forgets the keys and values of the sequence that was run.
    pub(super) fn reset(&mut self) {
        self.cache = Cache::default();
    }

    /// Attends from the tokens of a step to themselves and everything before them. `x` is the normed stream,
    /// `[pos, d_model]`; so is the result.
    pub(super) fn forward(
        &mut self,
        x: &Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Tensor, ModelError> {
        let z = self.attend(x, step, tap)?;
        let z = tap.at(Point::block(self.layer, Site::Z), z)?;
        self.project(&z)
    }

    /// What the heads add, `[pos, d_model]`, of what they attended to, `[pos, n_heads, d_value]`.
    pub(super) fn project(&self, z: &Tensor) -> Result<Tensor, ModelError> {
        self.o.forward(&z.f_reshape([z.size()[0], (self.spec.n_heads * self.spec.d_value) as i64])?)
    }

    /// The values that each head attends to, weighed, gated and normed, `[pos, n_heads, d_value]`.
    pub(super) fn attend(
        &mut self,
        x: &Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Tensor, ModelError> {
        let (q, read) = match &self.maps {
            Maps::Own(qkv) => {
                let [q, k, v] = qkv.forward(x)?;
                let q = self.queries(&q, step, tap)?;
                let read = self.keys_and_values(&k, v, step, tap)?;
                (q, read)
            }
            Maps::Borrowing { q, from } => {
                (self.queries(&q.forward(x)?, step, tap)?, step.borrow(*from, self.place.device())?)
            }
        };
        let written_out = writes_scores(&self.spec) || self.may_overflow(&q, read.largest_key)?;
        let mut z = Vec::with_capacity(step.parts.len());
        for (part, (k, v)) in step.parts.iter().zip(&read.parts) {
            let q = part.spread(&q)?.f_transpose(1, 2)?; // [batch, n_heads, pos, d_head]
            let weighed = match &self.differential {
                None => self.weighed(&q, k, v, part, written_out)?,
                Some(differential) => {
                    let half = |of: &Tensor| self.weighed(&q, k, of, part, written_out);
                    differential.of(v, half)?
                }
            };
            z.push(part.gather(&weighed.f_transpose(1, 2)?)?);
        }
        if self.spec.sharing == Sharing::Lends {
            step.lend(self.layer, read);
        }
        let mut z = joined(z)?;
        if let Some(gate) = &self.gate {
            z = gate.on(x, &z)?;
        }
        match &self.z_norm {
            Some(norm) => Ok(norm.forward(&z.f_flatten(1, -1)?)?.f_view_as(&z)?),
            None => Ok(z),
        }
    }

    /// What a step's queries are, `[pos, n_heads, d_head]`, of what their map made.
    fn queries(&self, q: &Tensor, step: &Step, tap: &mut Watch<'_>) -> Result<Tensor, ModelError> {
        let q = self.placed(q, self.spec.n_heads as i64, self.q_norm.as_ref(), step)?;
        let q = grown(self.spec.growth.as_ref(), q, step)?;
        tap.attention(self.layer, AttentionInput::Queries, &q)?;
        Ok(q)
    }

    /// The keys and values that a step reads, its own and those before them, of what their maps made of its own.
    fn keys_and_values(
        &mut self,
        k: &Tensor,
        v: Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Lent, ModelError> {
        let n_kv_heads = self.spec.n_kv_heads as i64;
        let k = self.placed(k, n_kv_heads, self.k_norm.as_ref(), step)?;
        let v = self.clipped(v)?.f_view([step.n as i64, n_kv_heads, self.spec.d_value as i64])?;
        let v = normed(self.v_norm.as_ref(), &v)?;
        let v = match self.spec.value_factor {
            Some(factor) => v.f_mul_scalar(factor)?,
            None => v,
        };
        for (input, value) in [(AttentionInput::Keys, &k), (AttentionInput::Values, &v)] {
            tap.attention(self.layer, input, value)?;
        }
        if self.place.is_host() {
            self.cache.largest_key = largest(&k)?.max(self.cache.largest_key);
        }
        let seen = step.is_kept().then(|| self.cache.extend(&k, &v, step)).transpose()?;
        let mut parts = Vec::with_capacity(step.parts.len());
        for part in &step.parts {
            parts.push(match &seen {
                Some((k, v)) => (k.f_unsqueeze(0)?, v.f_unsqueeze(0)?),
                None => {
                    let (k, v) = (part.spread(&k)?.f_transpose(1, 2)?, part.spread(&v)?.f_transpose(1, 2)?);
                    self.cache.before(k, v, step.past)?
                }
            }); // [batch, n_kv_heads, past + pos, d_head or d_value]
        }
        Ok(Lent { parts, largest_key: self.cache.largest_key })
    }

    /// The values that the queries of a part see, weighed, `[batch, n_heads, pos, d_value]`; `written_out` asks for
    /// attention step by step where libtorch's would not do.
    fn weighed(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        part: &Part,
        written_out: bool,
    ) -> Result<Tensor, ModelError> {
        let form = if written_out { MaskForm::Hidden } else { MaskForm::Added(q.kind()) };
        let visible = part.masks.visible(self.spec.mask, self.place, form)?;
        let from = |x: &Tensor| x.f_narrow(2, visible.keys.start as i64, visible.keys.len() as i64);
        if written_out {
            return self.weigh_scores(q, &from(k)?, &from(v)?, &visible, &part.masks);
        }
        let grouped = self.place.is_host() || card_groups(q, &visible.seen);
        attend(q, &from(k)?, &from(v)?, &visible.seen, self.spec.scale, grouped)
    }

    fn clipped(&self, x: Tensor) -> Result<Tensor, ModelError> {
        Ok(match self.spec.clip {
            Some(clip) => x.f_clamp(-clip, clip)?,
            None => x,
        })
    }

    /// Queries or keys, normed and rotated, `[pos, heads, d_head]`.
    fn placed(&self, x: &Tensor, heads: i64, norm: Option<&Norm>, step: &Step) -> Result<Tensor, ModelError> {
        let shape = [step.n as i64, heads, self.spec.d_head as i64];
        let x = match self.spec.qk_norm.as_ref().map(|norm| norm.scope) {
            Some(QkScope::AllHeads) => normed(norm, x)?.f_view(shape)?,
            Some(QkScope::Head) => normed(norm, &x.f_view(shape)?)?,
            Some(QkScope::RotatedHead) | None => x.f_view(shape)?,
        };
        let x = self.clipped(x)?;
        let x = match &self.spec.position {
            Position::Rotary(rope) => step.tables.of(rope, self.place).rotate(&x)?,
            Position::None | Position::Alibi(_) => x,
        };
        match self.spec.qk_norm.as_ref().map(|norm| norm.scope) {
            Some(QkScope::RotatedHead) => normed(norm, &x),
            _ => Ok(x),
        }
    }

    /// Whether a score of finite queries and keys may be infinite. libtorch's fused attention on the processor drops
    /// the NaN that the softmax makes of it; attention written out hands it on to z.
    fn may_overflow(&self, q: &Tensor, largest_key: f64) -> Result<bool, ModelError> {
        if !self.place.is_host() {
            return Ok(false);
        }
        let bound = largest(q)? * largest_key * self.spec.d_head as f64;
        Ok(bound * self.spec.scale.max(1.0) > f64::from(f32::MAX))
    }

    /// Attention written out, for caps, sinks and linear biases. Softmax in float32.
    fn weigh_scores(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        visible: &Visible,
        masks: &Masks,
    ) -> Result<Tensor, ModelError> {
        let shared = (self.spec.n_heads / self.spec.n_kv_heads) as i64;
        let per_query = |x: &Tensor| x.f_repeat_interleave_self_int(shared, 1, None);
        let scores = matmul(q, &per_query(k)?.f_transpose(2, 3)?)?; // [batch, n_heads, pos, keys]
        let mut scores = scores.f_mul_scalar(self.spec.scale)?;
        if let Some(cap) = self.spec.softcap {
            scores = scores.f_div_scalar(cap)?.f_tanh()?.f_mul_scalar(cap)?;
        }
        scores = scores.f_to_kind(Kind::Float)?;
        if let Position::Alibi(alibi) = &self.spec.position {
            let biases = masks.biases(alibi, self.spec.scale, &visible.keys, self.place)?;
            scores = scores.f_add(&biases)?;
        }
        if let Seen::Some(hidden) = &visible.seen {
            scores = scores.f_masked_fill(hidden, f64::NEG_INFINITY)?;
        }
        if let Some(sinks) = &self.sinks {
            let mut shape = scores.size();
            shape[3] = 1;
            let column = sinks.f_to_kind(Kind::Float)?.f_view([1, -1, 1, 1])?.f_expand(shape, false)?;
            scores = Tensor::f_cat(&[scores, column], 3)?;
        }
        let weights = scores.f_softmax(-1, Kind::Float)?.f_narrow(3, 0, visible.keys.len() as i64)?;
        matmul(&weights.f_to_kind(q.kind())?, &per_query(v)?) // [batch, n_heads, pos, d_value]
    }
}

/// Whether something is done to the scores that libtorch's fused attention does not do.
pub(in crate::decoder) fn writes_scores(spec: &AttentionSpec) -> bool {
    spec.softcap.is_some() || spec.sinks.is_some() || matches!(spec.position, Position::Alibi(_))
}

/// Keys and values of the tokens seen so far.
#[derive(Debug, Default)]
struct Cache {
    keys: Kept,
    values: Kept,
    /// The largest magnitude of a key of the sequence so far.
    largest_key: f64,
}

impl Cache {
    /// Keys and values of branches, `[batch, n_kv_heads, pos, ..]`, with those of the `past` positions before them,
    /// which stay as they are.
    fn before(&self, k: Tensor, v: Tensor, past: usize) -> Result<(Tensor, Tensor), ModelError> {
        Ok((self.keys.before(k, past)?, self.values.before(v, past)?))
    }

    /// Appends a step's keys and values, `[pos, n_kv_heads, ..]`, and returns all of them,
    /// `[n_kv_heads, past + pos, ..]`.
    fn extend(&mut self, k: &Tensor, v: &Tensor, step: &Step) -> Result<(Tensor, Tensor), ModelError> {
        let keys = self.keys.extend(&k.f_transpose(0, 1)?, step)?;
        Ok((keys, self.values.extend(&v.f_transpose(0, 1)?, step)?))
    }
}
