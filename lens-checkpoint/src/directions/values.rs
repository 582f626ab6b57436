//! The values that heads make of one vector, in host memory.

use lens_core::FinalNorm;

use crate::{
    host::{HostError, HostLinear, View, Weights},
    spec::{AttentionSpec, Cut, LatentAttentionSpec, MixerSpec},
};

/// Where the values of the heads of one layer come from.
pub(super) enum Values<'a> {
    /// A map of the normed stream.
    Plain {
        /// `[n_kv_heads * d_value, d_model]`
        v: View<'a>,
        d_value: usize,
        /// Query heads that share one head of values.
        shared_by: usize,
        /// The norm on a head's value.
        norm: Option<FinalNorm>,
    },
    /// A map of a narrow vector that all heads share.
    Latent {
        /// To the narrow vector, `[rank, d_model]`.
        down: HostLinear,
        norm: FinalNorm,
        /// `[n_heads * (d_content + d_value), rank]`, where the rows of a head's key come before those of its value.
        up: View<'a>,
        d_content: usize,
        d_value: usize,
    },
}

/// Whether the heads of a mixer make a value of one position alone.
pub(super) fn has_values(mixer: &MixerSpec) -> bool {
    match mixer {
        MixerSpec::Attention(attention) => makes_values(attention),
        MixerSpec::LatentAttention(_) | MixerSpec::SideBySide(_) => true,
        _ => false,
    }
}

/// Whether a head's value is a map of the normed stream of its own block.
fn makes_values(attention: &AttentionSpec) -> bool {
    !attention.borrows() && attention.differential.is_none()
}

impl<'a> Values<'a> {
    /// The values of a mixer, if its heads make some.
    pub(super) fn of(
        weights: Weights<'a>,
        mixer: &MixerSpec,
        d_model: usize,
    ) -> Result<Option<Self>, HostError> {
        Ok(match mixer {
            MixerSpec::Attention(attention) if !makes_values(attention) => None,
            MixerSpec::Attention(attention) => Some(Self::plain(weights, attention, d_model)?),
            MixerSpec::LatentAttention(attention) => Some(Self::latent(weights, attention, d_model)?),
            MixerSpec::SideBySide(both) => Some(Self::plain(weights, &both.attention, d_model)?),
            MixerSpec::GatedDelta(_) | MixerSpec::Mamba(_) | MixerSpec::Mamba2(_) => None,
            MixerSpec::ShortConvolution(_) | MixerSpec::Lightning(_) | MixerSpec::Absent => None,
        })
    }

    fn plain(weights: Weights<'a>, spec: &AttentionSpec, d_model: usize) -> Result<Self, HostError> {
        let &AttentionSpec { n_heads, n_kv_heads, d_value, .. } = spec;
        Ok(Self::Plain {
            v: weights.matrix(&spec.v.weight, [Some(n_kv_heads * d_value), Some(d_model)])?,
            d_value,
            shared_by: (n_heads / n_kv_heads.max(1)).max(1),
            norm: spec.v_norm.as_ref().map(|norm| weights.norm(Some(norm), d_value)).transpose()?,
        })
    }

    fn latent(weights: Weights<'a>, spec: &LatentAttentionSpec, d_model: usize) -> Result<Self, HostError> {
        let &LatentAttentionSpec { n_heads, d_content, d_value, rank, .. } = spec;
        let down = spec.down.part(&Cut::Rows(0..rank));
        let weight = weights.matrix(&down.weight, [Some(rank), Some(d_model)])?;
        Ok(Self::Latent {
            down: HostLinear::new(weight.to_vec()?, weights.vector(down.bias.as_ref())?, d_model),
            norm: weights.norm(Some(&spec.norm), rank)?,
            up: weights.matrix(&spec.up, [Some(n_heads * (d_content + d_value)), Some(rank)])?,
            d_content,
            d_value,
        })
    }

    /// The value that a query head reads of `x`, `[d_model]`: `[d_value]`.
    pub(super) fn of_head(&self, head: usize, x: &[f32]) -> Result<Vec<f32>, HostError> {
        let (mut weight, mut value) = (Vec::new(), Vec::new());
        match self {
            Self::Plain { v, d_value, shared_by, norm } => {
                let start = head / shared_by * d_value;
                v.rows(&(start..start + d_value).collect::<Vec<_>>(), &mut weight)?;
                HostLinear::new(weight, None, x.len()).apply(x, &mut value);
                if let Some(norm) = norm {
                    let scale = norm.scale(&value);
                    norm.apply(&mut value, scale);
                }
            }
            Self::Latent { down, norm, up, d_content, d_value } => {
                let mut narrow = Vec::new();
                down.apply(x, &mut narrow);
                let scale = norm.scale(&narrow);
                norm.apply(&mut narrow, scale);
                let start = head * (d_content + d_value) + d_content;
                up.rows(&(start..start + d_value).collect::<Vec<_>>(), &mut weight)?;
                HostLinear::new(weight, None, narrow.len()).apply(&narrow, &mut value);
            }
        }
        Ok(value)
    }
}
