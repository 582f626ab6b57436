//! Tables of the rotary embedding for the positions of one step.

use std::sync::Arc;

use tch::{Kind, Tensor};

use crate::{
    decoder::{ModelError, span::Span},
    device::{OnTorch as _, Place},
    spec::{Pairing, Rope},
};

/// Cosines and sines of one rotary embedding, `[pos, 1, dims]`, in the model's dtype. Sines have the sign of what they are
/// multiplied with: minus for the first of a pair.
#[derive(Debug)]
pub(in crate::decoder) struct RotaryTable {
    dims: i64,
    pairing: Pairing,
    cos: Tensor,
    sin: Tensor,
}

impl RotaryTable {
    /// The table for the tokens of some sequences, one after the other. Angles are computed in float64 and rounded
    /// once: positions in the model's dtype would be wrong from 257 on.
    pub(in crate::decoder) fn new(
        rope: &Rope,
        spans: &[Span],
        kind: Kind,
        place: Place,
    ) -> Result<Self, ModelError> {
        let n: usize = spans.iter().map(|span| span.n).sum();
        let longest = spans.iter().max_by_key(|span| span.n).copied().unwrap_or(Span::whole(0));
        let shared = Turns::of(rope, longest);
        let mut turns = Turns::default();
        for span in spans {
            if span.past == longest.past && rope.is_same_at(span.total, longest.total) {
                turns.extend(&shared, span.n * rope.width());
            } else {
                turns.extend(&Turns::of(rope, *span), span.n * rope.width());
            }
        }
        let Turns { cos, sin } = turns;
        let table = |values: &[f32]| -> Result<Tensor, ModelError> {
            let table = Tensor::f_from_slice(values)?.f_view([n as i64, 1, rope.width() as i64])?;
            Ok(table.f_to_kind(kind)?.f_to_device(place.device())?)
        };
        Ok(Self { dims: rope.width() as i64, pairing: rope.pairing, cos: table(&cos)?, sin: table(&sin)? })
    }

    /// Rotates the first `dims` dimensions of every head of `x`, `[pos, heads, d_head]`.
    pub(in crate::decoder) fn rotate(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let d_head = x.size()[2];
        let turned = x.f_narrow(2, 0, self.dims)?;
        let crossed = match self.pairing {
            Pairing::HalfSplit | Pairing::HalfSplitBackwards => {
                let half = self.dims / 2;
                Tensor::f_cat(&[turned.f_narrow(2, half, half)?, turned.f_narrow(2, 0, half)?], 2)?
            }
            Pairing::Interleaved => {
                let (even, odd) = (turned.f_slice(2, 0, None, 2)?, turned.f_slice(2, 1, None, 2)?);
                Tensor::f_stack(&[odd, even], -1)?.f_flatten(2, 3)?
            }
        };
        let rotated = turned.f_mul(&self.cos)?.f_add(&crossed.f_mul(&self.sin)?)?;
        if self.dims == d_head {
            return Ok(rotated);
        }
        Ok(Tensor::f_cat(&[rotated, x.f_narrow(2, self.dims, d_head - self.dims)?], 2)?)
    }
}

/// Cosines and sines, `[pos, width]`.
#[derive(Default)]
struct Turns {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Turns {
    fn of(rope: &Rope, span: Span) -> Self {
        let frequencies = rope.frequencies(span.total);
        let factor = rope.attention_factor(span.total);
        let mut turns = Self::default();
        for position in span.past..span.past + span.n {
            // Both dimensions of a pair turn by the same angle.
            for i in 0..rope.width() {
                let frequency = match rope.pairing {
                    Pairing::HalfSplit | Pairing::HalfSplitBackwards => frequencies[i % frequencies.len()],
                    Pairing::Interleaved => frequencies[i / 2],
                };
                let angle = position as f64 * frequency;
                let is_first = match rope.pairing {
                    Pairing::HalfSplit => i < rope.width() / 2,
                    Pairing::HalfSplitBackwards => i >= rope.width() / 2,
                    Pairing::Interleaved => i % 2 == 0,
                };
                let sine = if is_first { -angle.sin() } else { angle.sin() };
                turns.cos.push((angle.cos() * factor) as f32);
                turns.sin.push((sine * factor) as f32);
            }
        }
        turns
    }

    /// Appends the first `n` values of each.
    fn extend(&mut self, other: &Self, n: usize) {
        self.cos.extend_from_slice(&other.cos[..n]);
        self.sin.extend_from_slice(&other.sin[..n]);
    }
}

/// The tables of one step: one for every different rotary embedding of the model, in every place that needs it.
#[derive(Debug, Default)]
pub(in crate::decoder) struct RotaryTables(Vec<(Arc<Rope>, Place, RotaryTable)>);

impl RotaryTables {
    pub(in crate::decoder) fn new<'a>(
        ropes: impl Iterator<Item = (&'a Arc<Rope>, Place)>,
        spans: &[Span],
        kind: Kind,
    ) -> Result<Self, ModelError> {
        let mut tables = Self::default();
        for (rope, place) in ropes {
            if tables.find(rope, place).is_none() {
                let table = RotaryTable::new(rope, spans, kind, place)?;
                tables.0.push((Arc::clone(rope), place, table));
            }
        }
        Ok(tables)
    }

    /// The table of `rope`, which the model has there.
    pub(in crate::decoder) fn of(&self, rope: &Arc<Rope>, place: Place) -> &RotaryTable {
        self.find(rope, place).expect("tables are made for every rope of the spec")
    }

    fn find(&self, rope: &Arc<Rope>, place: Place) -> Option<&RotaryTable> {
        let is_it = |(known, there, _): &&(Arc<Rope>, Place, _)| Arc::ptr_eq(known, rope) && *there == place;
        self.0.iter().find(is_it).map(|(_, _, table)| table)
    }
}
