//! The way from the stream to logits: the host projection for readouts, libtorch's product for the self-check.

use std::{cell::OnceCell, ops::Range};

use lens_core::{
    BackendError, Choice, FinalNorm, HostReadout, PlainLogits, Post, ReadRequest, Readings, TokenId,
    Unembedding, attribution::TokenReadout,
};
use tch::{Device, Kind, Tensor};

use super::{
    ModelError, budget,
    device_readout::DeviceReadout,
    head::Head,
    norm::Norm,
    weights::{Weights, append_values, host_rows, unit_roundoff, values},
};
use crate::{
    device::{OnTorch as _, Place},
    spec::{DecoderSpec, Param},
};

/// What decodes readouts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadoutPath {
    /// By the place of the unembedding: [`lens_core::HostReadout`] on the processor, libtorch on any other device.
    #[default]
    ByPlace,
    /// libtorch, wherever the unembedding is.
    Device,
}

/// Final norm and unembedding.
#[derive(Debug)]
pub(super) struct Readout {
    n_layers: u16,
    host_norm: FinalNorm,
    norm: Option<Norm>,
    unembed: Tensor, // [n_vocab, d_model]
    bias: Option<Vec<f32>>,
    post: Post,
    place: Place,
    /// What decodes on the device; on the processor lens-core does.
    device: Option<DeviceReadout>,
    /// A copy of an unembedding that is on a device, once somebody needs it in host memory.
    copied: OnceCell<Tensor>,
}

impl Readout {
    /// `embed` is the embedding, which a tied model unembeds with, if it is in the same place. What the readout has to do
    /// without is added to `notes`.
    pub(super) fn load(
        spec: &DecoderSpec,
        embed: Option<&Tensor>,
        weights: &Weights<'_>,
        path: ReadoutPath,
        notes: &mut Vec<String>,
    ) -> Result<Self, ModelError> {
        let readout = &spec.readout;
        let host = |param: Option<&Param>| -> Result<Option<Vec<f32>>, ModelError> {
            weights.optional(param)?.map(|tensor| values(&tensor)).transpose()
        };
        let host_norm = match &readout.norm {
            None => FinalNorm::identity(spec.d_model),
            Some(norm) => {
                let offset = norm.offset as f32;
                let weight = host(norm.weight.as_ref())?
                    .map(|weight| weight.into_iter().map(|w| w + offset).collect::<Vec<_>>());
                FinalNorm::new(norm.kind, norm.eps, spec.d_model, weight, host(norm.bias.as_ref())?)?
            }
        };
        let unembed = match embed.filter(|_| spec.is_tied()) {
            Some(embed) => embed.shallow_clone(),
            None => weights.tensor(&readout.unembed)?,
        };
        let unembed = match &readout.project {
            None => unembed,
            // W_U (P x) = (W_U P) x: one matrix serves every readout. It is made, and stays, in float32.
            Some(project) => {
                let projection = weights.linear(project)?.weight().f_to_kind(Kind::Float)?;
                unembed.f_to_kind(Kind::Float)?.f_matmul(&projection)?
            }
        };
        let (n_layers, bias) = (spec.layers.len() as u16, host(readout.bias.as_ref())?);
        let on_device = path == ReadoutPath::Device || !weights.place.is_host();
        let device = on_device
            .then(|| {
                let free = budget::free(weights.place);
                DeviceReadout::new(n_layers, &host_norm, &unembed, bias.as_deref(), readout.post, free, notes)
            })
            .transpose()?;
        Ok(Self {
            n_layers,
            host_norm,
            norm: Norm::load_optional(readout.norm.as_ref(), weights)?,
            unembed,
            bias,
            post: readout.post,
            place: weights.place,
            device,
            copied: OnceCell::new(),
        })
    }

    /// The same way in float32, for whole vocabularies and for gradients.
    pub(super) fn head(&self) -> Result<Head, ModelError> {
        let unembed = self.unembed.f_to_kind(Kind::Float)?;
        let bias = self.bias.as_deref().map(|bias| Tensor::f_from_slice(bias)?.f_to_device(unembed.device()));
        Ok(Head {
            norm: self.norm.as_ref().map(Norm::shallow_clone),
            bias: bias.transpose()?,
            unembed,
            post: self.post,
        })
    }

    /// Decodes captured vectors, where the unembedding is.
    pub(super) fn read(&self, request: &ReadRequest<'_, Tensor>) -> Result<Readings, BackendError> {
        match &self.device {
            Some(device) => device.read(request),
            None => self.host()?.read(request, |hidden, rows, out| self.rows(hidden, rows, out)),
        }
    }

    /// Decodes captured vectors of one position, and chooses from its final readout what comes next.
    pub(super) fn read_choosing(
        &self,
        request: &ReadRequest<'_, Tensor>,
        mut choice: Choice<'_>,
    ) -> Result<Readings, BackendError> {
        match &self.device {
            Some(device) => request.with_choice(&mut choice, |request| device.read(request)),
            None => {
                self.host()?.read_choosing(request, choice, |hidden, rows, out| self.rows(hidden, rows, out))
            }
        }
    }

    /// Adds the tokens that positions track to readings that were made without them.
    pub(super) fn track(
        &self,
        request: &ReadRequest<'_, Tensor>,
        readings: &mut Readings,
    ) -> Result<(), BackendError> {
        match &self.device {
            Some(device) => device.track(request, readings),
            None => self.host()?.track(request, readings, |hidden, rows, out| self.rows(hidden, rows, out)),
        }
    }

    /// The projection on the processor.
    fn host(&self) -> Result<HostReadout<'_>, BackendError> {
        let (norm, unembedding) = self.in_host_memory()?;
        Ok(HostReadout::new(norm, unembedding, self.n_layers))
    }

    /// Final norm and unembedding in host memory, wherever readouts are decoded.
    pub(super) fn in_host_memory(&self) -> Result<(&FinalNorm, Unembedding<'_>), BackendError> {
        let unembed = match self.place.is_host() {
            true => &self.unembed,
            false => match self.copied.get() {
                Some(copied) => copied,
                None => {
                    let copied = self.unembed.f_to_device(Device::Cpu).map_err(ModelError::from)?;
                    self.copied.get_or_init(|| copied)
                }
            },
        };
        let rows = host_rows(unembed)?;
        let unembedding = Unembedding::new(rows, self.host_norm.d_model(), self.bias.as_deref(), self.post)?;
        Ok((&self.host_norm, unembedding))
    }

    /// Some rows of what was captured, as [`lens_core::Backend::rows`] gives them.
    fn rows(&self, hidden: &Tensor, rows: Range<usize>, out: &mut Vec<f32>) -> Result<usize, BackendError> {
        let some = hidden.f_narrow(0, rows.start as i64, rows.len() as i64).map_err(ModelError::from)?;
        append_values(&some, out)?;
        Ok(self.host_norm.d_model())
    }

    /// How the logit of one token is read.
    pub(super) fn of_token(&self, token: TokenId) -> Result<TokenReadout, ModelError> {
        let n_vocab = self.unembed.size()[0] as usize;
        if token.index() >= n_vocab {
            return Err(ModelError::UnknownToken { token, n_vocab });
        }
        let row = values(&self.unembed.f_select(0, token.index() as i64)?)?;
        let bias = self.bias.as_ref().map_or(0.0, |bias| bias[token.index()]);
        Ok(TokenReadout::new(row, bias, self.host_norm.clone(), self.post))
    }

    /// Bias, scale and cap on all logits of a row.
    fn finished(&self, mut z: Tensor) -> Result<Tensor, ModelError> {
        if let Some(bias) = &self.bias {
            z = z.f_add_(&Tensor::f_from_slice(bias)?.f_to_device(z.device())?)?;
        }
        if self.post.scale != 1.0 {
            z = z.f_mul_scalar_(f64::from(self.post.scale))?;
        }
        Ok(match self.post.softcap {
            Some(cap) => z.f_div_scalar_(f64::from(cap))?.f_tanh_()?.f_mul_scalar_(f64::from(cap))?,
            None => z,
        })
    }

    /// Norm and product of one row by libtorch alone.
    ///
    /// The whole vocabulary is multiplied in the weights' dtype, as the model's own forward pass does, which
    /// rounds each logit; the rows asked for are multiplied again in float32.
    pub(super) fn plain_logits(
        &self,
        last: &Tensor,
        row: usize,
        ids: &[TokenId],
    ) -> Result<PlainLogits, ModelError> {
        let x = last.f_narrow(0, row as i64, 1)?.f_to_device(self.place.device())?;
        let wide = x.f_to_kind(Kind::Float)?; // float32, like the readouts
        let normed = match &self.norm {
            Some(norm) => norm.forward(&within_squares(&wide)?)?,
            None => wide,
        };
        let kind = self.unembed.kind();
        let operand = match kind {
            // float16 readouts stay wide, bfloat16 ones are rounded: the contract of the projection.
            Kind::Half => normed.shallow_clone(),
            _ => normed.f_to_kind(kind)?.f_to_kind(Kind::Float)?,
        };
        let rows: Vec<i64> = ids.iter().map(|id| id.index() as i64).collect();
        let rows = Tensor::f_from_slice(&rows)?.f_to_device(self.place.device())?;
        let rows = self.unembed.f_index_select(0, &rows)?.f_to_kind(Kind::Float)?;
        let terms = rows.f_mul(&operand)?; // [ids, d_model]
        let largest_term = if ids.is_empty() { 0.0 } else { terms.f_abs()?.f_max()?.f_double_value(&[])? };
        let finish = |z: f32, id: usize| self.post.apply(z + self.bias.as_ref().map_or(0.0, |bias| bias[id]));
        let sums = values(&terms.f_sum_dim_intlist([-1].as_slice(), false, Kind::Float)?)?;
        let logits: Vec<f32> = sums.into_iter().zip(ids).map(|(z, id)| finish(z, id.index())).collect();

        let all = normed.f_to_kind(kind)?.f_linear(&self.unembed, None::<&Tensor>)?;
        let all = self.finished(all.f_to_kind(Kind::Float)?)?; // [1, n_vocab]
        let largest = all.f_abs()?.f_max()?.f_double_value(&[])? as f32;
        let max = all.f_max()?;
        let sum = all.f_sub(&max)?.f_exp_()?.f_sum(summing(all.device()))?;
        let log_sum_exp = max.f_double_value(&[])? + sum.f_double_value(&[])?.ln();

        let d = self.host_norm.d_model() as f32;
        let summation = 32.0 * (f32::EPSILON / 2.0) * d.sqrt() * largest.max(1.0);
        let roundoff = unit_roundoff(kind);
        // Two norms that agree to float32 may still round a few of their values to different bfloat16.
        let logit_tolerance = summation + 4.0 * roundoff * largest_term as f32;
        Ok(PlainLogits::new(logits, log_sum_exp, logit_tolerance, summation + 2.0 * roundoff * largest))
    }
}

/// The type that sums over the vocabulary are made in.
fn summing(device: Device) -> Kind {
    if device == Device::Mps { Kind::Float } else { Kind::Double }
}

/// A vector whose squares float32 can hold. What is larger is divided by a power of two, which no norm sees: beside
/// such a vector its epsilon is nothing. (Readouts are normed in float64, which holds them all.)
fn within_squares(x: &Tensor) -> Result<Tensor, ModelError> {
    const LARGE: f64 = (1u64 << 50) as f64;
    let largest = x.f_abs()?.f_max()?.f_double_value(&[])?;
    if largest <= LARGE || !largest.is_finite() {
        return Ok(x.shallow_clone());
    }
    Ok(x.f_mul_scalar((-largest.log2().floor()).exp2())?)
}
