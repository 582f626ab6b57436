//! What each head of a block adds to the stream.

use lens_core::BackendError;
use tch::{Kind, Tensor};

use super::{Block, scaled};
use crate::decoder::{ModelError, mixer::Mixer, threads::product, weights::Linear};

impl Block {
    /// What some heads add, `[rows, d_model]` each in float32, of `z`, `[rows, n_heads, d_head]`. A norm on their sum is
    /// taken with its statistics at each row.
    pub(in crate::decoder) fn split_heads(
        &self,
        z: &Tensor,
        heads: &[u16],
    ) -> Result<Vec<Tensor>, BackendError> {
        match *z.size() {
            [_, n_heads, _] if heads.iter().all(|head| i64::from(*head) < n_heads) => {}
            _ => return Err(BackendError::NoHeads { layer: self.layer }),
        }
        let output = self.mixer.as_ref().and_then(Mixer::output);
        let output = output.ok_or(BackendError::NoHeads { layer: self.layer })?;
        Ok(self.parts_of_heads(output, z, heads)?)
    }

    fn parts_of_heads(&self, output: &Linear, z: &Tensor, heads: &[u16]) -> Result<Vec<Tensor>, ModelError> {
        let d_head = z.size()[2];
        // Statistics are those of what attention computed, in the model's dtype; parts are not rounded to it.
        let mixed = match &self.attn_post_norm {
            Some(norm) => Some((norm, output.forward(&z.f_flatten(1, -1)?)?)),
            None => None,
        };
        let wide = z.f_to_kind(Kind::Float)?;
        let part = |head: &u16| {
            let head = i64::from(*head);
            let own = output.weight().f_narrow(1, head * d_head, d_head)?.f_to_kind(Kind::Float)?;
            let part = product(&wide.f_select(1, head)?, &own, None)?; // [rows, d_model]
            let part = match &mixed {
                Some((norm, mixed)) => norm.linear_part(&part, mixed)?,
                None => part,
            };
            scaled(self.multiplier, part)
        };
        heads.iter().map(part).collect()
    }
}
