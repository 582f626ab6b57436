//! Final norm and unembedding in float32, as a function that libtorch can differentiate.

use lens_core::Post;
use tch::{Device, Kind, Tensor};

use super::{ModelError, norm::Norm};

/// The way from a vector of the stream to the logits of the whole vocabulary: final norm, unembedding, bias, scale and
/// soft cap, all of it in float32 whatever the model's dtype, and nothing of it in place. It computes what a readout
/// computes; only the rounding of bfloat16 readouts is left out, which has no derivative.
///
/// It shares the decoder's tensors, which may lie in the checkpoint's maps; the decoder hands it out with these.
#[derive(Debug)]
pub(crate) struct Head {
    pub(super) norm: Option<Norm>,
    pub(super) unembed: Tensor,      // [n_vocab, d_model], float32
    pub(super) bias: Option<Tensor>, // [n_vocab], float32
    pub(super) post: Post,
}

impl Head {
    /// Rows of the unembedding.
    pub(crate) fn n_vocab(&self) -> i64 {
        self.unembed.size()[0]
    }

    /// Where it computes.
    pub(crate) fn device(&self) -> Device {
        self.unembed.device()
    }

    /// The logits of `x`, `[rows, d_model]` in float32 where the head is: `[rows, n_vocab]` in float32.
    pub(crate) fn logits(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let normed = match &self.norm {
            Some(norm) => norm.forward(x)?,
            None => x.shallow_clone(),
        };
        let mut z = normed.f_linear(&self.unembed, self.bias.as_ref())?;
        if self.post.scale != 1.0 {
            z = z.f_mul_scalar(f64::from(self.post.scale))?;
        }
        Ok(match self.post.softcap {
            Some(cap) => z.f_div_scalar(f64::from(cap))?.f_tanh()?.f_mul_scalar(f64::from(cap))?,
            None => z,
        })
    }

    /// The log-probabilities of the whole vocabulary, `[rows, n_vocab]`, nats.
    pub(crate) fn log_probs(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(self.logits(x)?.f_log_softmax(-1, Kind::Float)?)
    }
}
