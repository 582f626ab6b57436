//! What a block does at one position, computed again from what was captured there, so that a logit can be taken apart.

use lens_core::attribution::{BlockParts, BlockValues, BranchInputs, BranchParts, FixedNorm, OutputMap};
use tch::{Kind, Tensor};

use super::{Block, End, Wired, scaled, times};
use crate::decoder::{
    ModelError,
    mixer::Mixer,
    mlp::Mlp,
    norm::{Norm, normed},
    weights::{Linear, values},
};

/// A branch computed again, with the stream's vector that it was computed from.
struct Branch {
    /// What it computed before its norm, `[1, d_model]`.
    mixed: Tensor,
    /// What it adds, `[1, d_model]`.
    added: Tensor,
    parts: BranchParts,
}

impl Block {
    /// What the block does at the position of these values.
    pub(in crate::decoder) fn dissect(&self, at: &BlockValues<'_, Tensor>) -> Result<BlockParts, ModelError> {
        let (Some(mixer), Some(mlp)) = (&self.mixer, &self.mlp) else { return self.dissect_one_branch(at) };
        let attention = self.attention_again(mixer, at.z)?;
        let parts = BlockParts::default();
        let attended = |parts: BlockParts| match &attention {
            Some(branch) => parts.with_attention(branch.parts.clone()),
            None => parts,
        };
        let pre = at.resid_pre;
        if let Some(end) = &self.end {
            return ending(attended(parts), end, at);
        }
        match (&self.wiring, &attention) {
            (Wired::Sequential { mlp_norm }, _) => {
                let mlp_in = at.resid_mid.map(|mid| normed(mlp_norm.as_ref(), mid)).transpose()?;
                let mlp = mlp_in.map(|mlp_in| self.mlp_again(mlp, &mlp_in)).transpose()?;
                Ok(attended(parts).with_mlp(mlp.unwrap_or_default()))
            }
            (Wired::Parallel { mlp_norm }, _) => {
                let mlp_in = normed(mlp_norm.as_ref().or(self.attn_norm.as_ref()), pre)?;
                Ok(attended(parts).with_mlp(self.mlp_again(mlp, &mlp_in)?))
            }
            (Wired::PostNorm { attn_norm, mlp_norm }, Some(branch)) => {
                let first = pre.f_add(&branch.added)?;
                let middle = attn_norm.forward(&first)?;
                // What these MLPs compute is added as it is.
                let mlp = plain_mlp_again(mlp, &middle)?;
                let second = middle.f_add(&mlp.mixed)?;
                Ok(attended(parts)
                    .with_mlp(mlp.parts)
                    .with_after_attention(Some(fixed(attn_norm, &first)?))
                    .with_after_mlp(Some(fixed(mlp_norm, &second)?)))
            }
            (Wired::NormedResidual { mlp_norm, stream }, Some(branch)) => {
                let before = self.attn_norm.as_ref().map(|norm| fixed(norm, pre)).transpose()?;
                let first = times(stream[0], normed(self.attn_norm.as_ref(), pre)?)?.f_add(&branch.added)?;
                let mlp_in = mlp_norm.forward(&first)?;
                let mlp = self::branch(mlp.forward(&mlp_in)?, None, self.mlp_factor, mlp.inputs(&mlp_in)?)?;
                Ok(attended(parts)
                    .with_before(before.map(|norm| norm.times(stream[0])))
                    .with_mlp(mlp.parts)
                    .with_after_attention(Some(fixed(mlp_norm, &first)?.times(stream[1]))))
            }
            // Without z, what such a block's mixer adds cannot be had again.
            (Wired::PostNorm { .. } | Wired::NormedResidual { .. }, None) => Ok(parts),
        }
    }

    /// What a block of one branch does at the position of these values.
    fn dissect_one_branch(&self, at: &BlockValues<'_, Tensor>) -> Result<BlockParts, ModelError> {
        let attention = match &self.mixer {
            Some(mixer) => self.attention_again(mixer, at.z)?.map(|branch| branch.parts).unwrap_or_default(),
            None => BranchParts::absent(),
        };
        let mlp = match &self.mlp {
            Some(mlp) => self.mlp_again(mlp, &normed(self.wiring.mlp_norm(), at.resid_pre)?)?,
            None => BranchParts::absent(),
        };
        Ok(BlockParts::default().with_attention(attention).with_mlp(mlp))
    }

    /// What the heads do with `z`, one row, where there are any.
    fn attention_again(&self, mixer: &Mixer, z: Option<&Tensor>) -> Result<Option<Branch>, ModelError> {
        let (Some(output), Some(z)) = (mixer.output(), z) else { return Ok(None) };
        let z_row = z.f_flatten(1, -1)?; // [1, n_heads * d_head]
        let width = if z.dim() == 3 { z.size()[2] } else { z_row.size()[1] };
        let inputs = BranchInputs::new(OutputMap::Attention, values(&z_row)?, width.max(1) as usize)
            .with_bias(host_bias(output)?);
        let mixed = output.forward(&z_row)?;
        branch(mixed, self.attn_post_norm.as_ref(), self.multiplier, vec![inputs]).map(Some)
    }

    /// What the MLP does with its input, `[1, d_model]`, in a block that has a point for what it adds.
    fn mlp_again(&self, mlp: &Mlp, x: &Tensor) -> Result<BranchParts, ModelError> {
        let inputs = mlp.inputs(x)?;
        match &self.mlp_post_norm {
            Some(norm) => Ok(branch(mlp.forward(x)?, Some(norm), self.mlp_factor, inputs)?.parts),
            None => {
                let multiplier = self.mlp_factor.unwrap_or(1.0);
                Ok(BranchParts::default().with_multiplier(multiplier).with_inputs(inputs))
            }
        }
    }

    /// The maps of an output projection of the block, in the order in which they act, if it has it.
    pub(in crate::decoder) fn output(&self, map: OutputMap) -> Option<Vec<&Linear>> {
        match map {
            OutputMap::Attention => self.mixer.as_ref().and_then(Mixer::output).map(|output| vec![output]),
            map => self.mlp.as_ref().and_then(|mlp| mlp.output(map)),
        }
    }
}

/// The parts of a block with an end of its own: a factor on the stream, and before it everything that came after attention
/// as one branch, which is what the output, without the factor, has beyond the stream between the branches.
fn ending(parts: BlockParts, end: &End, at: &BlockValues<'_, Tensor>) -> Result<BlockParts, ModelError> {
    let factor = end.factor()?;
    let output = match (at.resid_mid, at.resid_post) {
        (Some(mid), Some(post)) if factor != 0.0 => {
            let wide = |x: &Tensor| x.f_to_kind(Kind::Double);
            Some(values(&wide(post)?.f_div_scalar(factor)?.f_sub(&wide(mid)?)?.f_to_kind(Kind::Float)?)?)
        }
        _ => None,
    };
    let d_model = at.resid_pre.size().last().map_or(0, |d| *d as usize);
    Ok(parts
        .with_after_mlp(Some(FixedNorm::factor(d_model, factor)))
        .with_mlp(BranchParts::default().with_output(output)))
}

/// What an MLP does with its input, `[1, d_model]`, where neither norm nor factor follows.
fn plain_mlp_again(mlp: &Mlp, x: &Tensor) -> Result<Branch, ModelError> {
    let mixed = mlp.forward(x)?;
    let parts = BranchParts::default().with_output(Some(values(&mixed)?)).with_inputs(mlp.inputs(x)?);
    Ok(Branch { added: mixed.shallow_clone(), mixed, parts })
}

/// A branch that computed `mixed`, `[1, d_model]`, which is normed and multiplied before it is added.
fn branch(
    mixed: Tensor,
    norm: Option<&Norm>,
    factor: Option<f64>,
    inputs: Vec<BranchInputs>,
) -> Result<Branch, ModelError> {
    let added = scaled(factor, normed(norm, &mixed)?)?;
    let parts = BranchParts::default()
        .with_output(Some(values(&added)?))
        .with_norm(norm.map(|norm| fixed(norm, &mixed)).transpose()?)
        .with_multiplier(factor.unwrap_or(1.0))
        .with_inputs(inputs);
    Ok(Branch { mixed, added, parts })
}

/// A norm with the statistics that it has at one row, `[1, d]`.
fn fixed(norm: &Norm, x: &Tensor) -> Result<FixedNorm, ModelError> {
    let x = values(x)?;
    Ok(FixedNorm::at(norm.on_host(x.len())?, &x))
}

/// The bias of a linear map, in host memory.
pub(in crate::decoder) fn host_bias(linear: &Linear) -> Result<Option<Vec<f32>>, ModelError> {
    linear.bias().map(values).transpose()
}
