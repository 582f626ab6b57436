//! Interventions on a running model: resolved against it, then applied as a tap.

mod error;
mod resolve;
mod vectors;

use std::collections::HashMap;

use lens_core::{Intervention, InterventionTrace, Point, TokenId};
use tch::{Device, Kind, Tensor};

pub use error::EditError;

use self::{
    resolve::Resolver,
    vectors::{Vectors, projected},
};
use super::{Decoder, ModelError, Tap};

/// Interventions with all they need, as a tap that the model runs with.
#[derive(Debug, Default)]
pub struct Edits {
    by_point: HashMap<Point, Vec<Edit>>,
    traces: Vec<InterventionTrace>,
    notes: Vec<String>,
    past: usize,
}

impl Edits {
    /// What a trace says of them.
    pub fn traces(&self) -> &[InterventionTrace] {
        &self.traces
    }

    /// What does not fit the model although it can be applied, as sentences for a person.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// One change at one point.
#[derive(Debug)]
struct Edit {
    /// `None` is all of them.
    heads: Option<Tensor>,
    /// `None` is all of them.
    positions: Option<Vec<usize>>,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Zero,
    Scale(f64),
    Add(Vectors),
    Replace(Vectors),
    /// The part along the vectors is taken away: of the whole activation, or of each head by itself.
    Project {
        along: Vectors,
        by_head: bool,
    },
}

impl Decoder {
    /// Resolves interventions against this model and a prompt: the activations of other prompts, and means, are
    /// taken now, from the model without interventions. `encode` turns another prompt into tokens.
    ///
    /// Hand the result to [`Decoder::set_edit`], and start a new sequence: what was run before cannot be continued.
    ///
    /// # Errors
    /// When a layer, head, position, file or vector does not fit, or another prompt cannot be encoded or run.
    pub fn prepare_edits(
        &mut self,
        interventions: &[Intervention],
        prompt: &[TokenId],
        encode: &dyn Fn(&str) -> Result<Vec<TokenId>, String>,
    ) -> Result<Edits, EditError> {
        let own = self.set_edit(None);
        let result = Resolver { model: self, prompt, encode, files: HashMap::new(), notes: Vec::new() }
            .resolve(interventions);
        self.set_edit(own);
        // What was run before is no longer what the caches hold.
        self.seen = 0;
        result
    }
}

impl Tap for Edits {
    fn begin(&mut self, past: usize) {
        self.past = past;
    }

    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
        let Some(edits) = self.by_point.get(&point) else { return Ok(value) };
        // Vectors are in host memory; the few points that are changed come there and go back.
        let device = value.device();
        let value = value.f_to_device(Device::Cpu)?;
        let changed = edits.iter().try_fold(value, |value, edit| edit.apply(value, self.past))?;
        Ok(changed.f_to_device(device)?)
    }
}

impl Edit {
    /// Changes the rows of a step that begins behind `past` tokens. Sums are made in float32 and rounded once.
    fn apply(&self, value: Tensor, past: usize) -> Result<Tensor, ModelError> {
        let n = value.size()[0] as usize;
        let Some(rows) = self.rows(past, n) else { return Ok(value) };
        let positions: Vec<i64> = rows.iter().map(|row| (row + past) as i64).collect();
        let rows = Tensor::f_from_slice(&rows.iter().map(|row| *row as i64).collect::<Vec<_>>())?;
        let wide = value.f_to_kind(Kind::Float)?;
        let chosen = wide.f_index_select(0, &rows)?;
        let changed = match &self.heads {
            None => self.changed(&chosen, &positions)?,
            Some(heads) => {
                let part = self.changed(&chosen.f_index_select(1, heads)?, &positions)?;
                chosen.f_index_copy(1, heads, &part)?
            }
        };
        Ok(wide.f_index_copy(0, &rows, &changed)?.f_to_kind(value.kind())?)
    }

    /// The rows that are changed; `None` where there are none.
    fn rows(&self, past: usize, n: usize) -> Option<Vec<usize>> {
        // What is known of the prompt's positions says nothing about those of a continuation.
        let known = match &self.change {
            Change::Zero | Change::Scale(_) => None,
            Change::Add(vectors) | Change::Replace(vectors) | Change::Project { along: vectors, .. } => {
                vectors.positions()
            }
        };
        let known = known.unwrap_or(usize::MAX);
        let is_chosen = |position: usize| {
            position < known
                && self.positions.as_ref().is_none_or(|positions| positions.binary_search(&position).is_ok())
        };
        let rows: Vec<usize> = (0..n).filter(|row| is_chosen(past + row)).collect();
        (!rows.is_empty()).then_some(rows)
    }

    /// `[rows, ..]` in float32, at these positions.
    fn changed(&self, x: &Tensor, positions: &[i64]) -> Result<Tensor, ModelError> {
        Ok(match &self.change {
            Change::Zero => x.f_zeros_like()?,
            Change::Scale(factor) => x.f_mul_scalar(*factor)?,
            Change::Add(vectors) => match vectors.at(positions)? {
                Some(vector) => x.f_add(&vector)?,
                None => x.shallow_clone(),
            },
            Change::Replace(vectors) => match vectors.at(positions)? {
                Some(vector) => x.f_zeros_like()?.f_add(&vector)?,
                None => x.f_zeros_like()?,
            },
            Change::Project { along, by_head } => match along.at(positions)? {
                Some(vector) => projected(x, &vector, *by_head)?,
                None => x.shallow_clone(),
            },
        })
    }
}
