//! From captured vectors to logits.

use lens_core::{FinalNorm, NormKind, NormMode, Post};
use tch::{Device, Kind, Tensor};

use super::{ModelError, track::pick};

/// Rows of the unembedding that are widened at once where a product needs them in float32.
const WIDENED: i64 = 1 << 14;

/// A final norm whose weight and bias are on a device, as wide as it can hold them.
#[derive(Debug)]
pub(super) struct DeviceNorm {
    pub(super) kind: Option<NormKind>,
    pub(super) eps: f64,
    pub(super) weight: Option<Tensor>, // [d_model]
    pub(super) bias: Option<Tensor>,   // [d_model]
}

/// Final norm and unembedding on a device.
#[derive(Debug)]
pub(super) struct Product {
    norm: DeviceNorm,
    unembed: Tensor,     // [n_vocab, d_model]
    b_u: Option<Tensor>, // [n_vocab]
    post: Post,
}

impl Product {
    pub(super) fn new(
        norm: &FinalNorm,
        unembed: &Tensor,
        b_u: Option<&[f32]>,
        post: Post,
    ) -> Result<Self, ModelError> {
        let device = unembed.device();
        let there = |values: Option<&[f32]>, kind: Kind| -> Result<Option<Tensor>, ModelError> {
            let tensor =
                values.map(|values| Tensor::f_from_slice(values)?.f_to_kind(kind)?.f_to_device(device));
            Ok(tensor.transpose()?)
        };
        Ok(Self {
            norm: DeviceNorm {
                kind: norm.kind(),
                eps: norm.eps(),
                weight: there(norm.weight(), wide(device))?,
                bias: there(norm.bias(), wide(device))?,
            },
            unembed: unembed.shallow_clone(),
            b_u: there(b_u, Kind::Float)?,
            post,
        })
    }

    pub(super) fn device(&self) -> Device {
        self.unembed.device()
    }

    pub(super) fn n_vocab(&self) -> usize {
        self.unembed.size()[0] as usize
    }

    /// Products of `[rows, points + 1, d_model]`, whose last column is the final residual, with the unembedding:
    /// `[rows, points + 1, n_vocab]` in float32. They are logits once they are [`finished`](Self::finished).
    pub(super) fn products(&self, x: &Tensor, mode: NormMode) -> Result<Tensor, ModelError> {
        self.of_normed(&self.normed(x, mode)?.f_to_kind(Kind::Float)?)
    }

    /// Products of vectors that are normed, `[rows, points + 1, d_model]`, in float32 or rounded to
    /// [`operand_kind`](Self::operand_kind).
    pub(super) fn of_normed(&self, operand: &Tensor) -> Result<Tensor, ModelError> {
        let shape = operand.size();
        let z = self.multiply(&operand.f_view([-1, shape[2]])?)?;
        Ok(z.f_view([shape[0], shape[1], self.unembed.size()[0]])?)
    }

    /// bfloat16 weights meet readouts rounded to bfloat16, all others wide ones: as on the host.
    pub(super) fn operand_kind(&self) -> Kind {
        if self.unembed.kind() == Kind::BFloat16 { Kind::BFloat16 } else { Kind::Float }
    }

    pub(super) fn norm(&self) -> &DeviceNorm {
        &self.norm
    }

    /// Logits: products with bias, scale and cap, in their place.
    pub(super) fn finished(&self, products: Tensor) -> Result<Tensor, ModelError> {
        self.post(products, self.b_u.as_ref())
    }

    /// Logits of some tokens, `ids` `[rows, tokens]`, out of the products of all of them:
    /// `[rows, points + 1, tokens]` in float32.
    pub(super) fn picked(&self, products: &Tensor, ids: &Tensor) -> Result<Tensor, ModelError> {
        self.post(pick(products, ids)?, self.bias_of(ids)?.as_ref())
    }

    /// The bias of some tokens, `[rows, 1, tokens]`, if there is one.
    fn bias_of(&self, ids: &Tensor) -> Result<Option<Tensor>, ModelError> {
        let Some(b_u) = &self.b_u else { return Ok(None) };
        Ok(Some(b_u.f_index_select(0, &ids.f_view([-1])?)?.f_view([ids.size()[0], 1, ids.size()[1]])?))
    }

    /// The unembedding's bias, `[n_vocab]` in float32.
    pub(super) fn bias(&self) -> Option<&Tensor> {
        self.b_u.as_ref()
    }

    /// Logits of some tokens alone, `ids` `[rows, tokens]`, of `x` as [`logits`](Self::logits) takes it:
    /// `[rows, points + 1, tokens]` in float32.
    pub(super) fn logits_of(&self, x: &Tensor, mode: NormMode, ids: &Tensor) -> Result<Tensor, ModelError> {
        let mut operand = self.normed(x, mode)?.f_to_kind(Kind::Float)?;
        if self.unembed.kind() == Kind::BFloat16 {
            operand = operand.f_to_kind(Kind::BFloat16)?.f_to_kind(Kind::Float)?;
        }
        let (rows, tokens, d_model) = (ids.size()[0], ids.size()[1], x.size()[2]);
        let flat = ids.f_view([-1])?;
        let weights = self.unembed.f_index_select(0, &flat)?.f_to_kind(Kind::Float)?;
        let z = operand.f_bmm(&weights.f_view([rows, tokens, d_model])?.f_transpose(1, 2)?)?;
        self.post(z, self.bias_of(ids)?.as_ref())
    }

    /// The norm before the unembedding, computed as the host does: in float64, where the device has it.
    fn normed(&self, x: &Tensor, mode: NormMode) -> Result<Tensor, ModelError> {
        let x = x.f_to_kind(wide(x.device()))?;
        let Some(kind) = self.norm.kind else { return Ok(x) };
        let centred = match kind {
            NormKind::Layer => x.f_sub(&x.f_mean_dim(-1, true, x.kind())?)?,
            NormKind::Rms => x.shallow_clone(),
        };
        let square = centred.f_square()?.f_mean_dim(-1, true, x.kind())?;
        let scale = square.f_add_scalar(self.norm.eps)?.f_sqrt()?; // [rows, points + 1, 1]
        let n_points = x.size()[1] - 1;
        let last = scale.f_narrow(1, n_points, 1)?;
        let mut normed = match mode {
            NormMode::FinalScale => centred.f_div(&last)?,
            NormMode::Recomputed | NormMode::None => centred.f_div(&scale)?,
        };
        if let Some(weight) = &self.norm.weight {
            normed = normed.f_mul(weight)?;
        }
        if let Some(bias) = &self.norm.bias {
            normed = normed.f_add(bias)?;
        }
        if mode == NormMode::None {
            // The final readout is the model's own answer in every mode.
            return Ok(Tensor::f_cat(&[x.f_narrow(1, 0, n_points)?, normed.f_narrow(1, n_points, 1)?], 1)?);
        }
        Ok(normed)
    }

    /// `[n, d_model]` times the unembedding, `[n, n_vocab]` in float32.
    fn multiply(&self, operand: &Tensor) -> Result<Tensor, ModelError> {
        let kind = self.unembed.kind();
        let operand = operand.f_to_kind(self.operand_kind())?;
        if operand.kind() == kind && (kind == Kind::Float || operand.device().is_cuda()) {
            let transposed = self.unembed.f_transpose(0, 1)?;
            return Ok(match kind {
                Kind::Float => operand.f_mm(&transposed)?,
                // Accumulates in float32 and says so: without its dtype the sums would be rounded to bfloat16.
                _ => operand.f_mm_dtype(&transposed, Kind::Float)?,
            });
        }
        let operand = operand.f_to_kind(Kind::Float)?;
        let (n, n_vocab) = (operand.size()[0], self.unembed.size()[0]);
        let z = Tensor::f_empty([n, n_vocab], (Kind::Float, operand.device()))?;
        for start in (0..n_vocab).step_by(WIDENED as usize) {
            let rows = WIDENED.min(n_vocab - start);
            let some = self.unembed.f_narrow(0, start, rows)?.f_to_kind(Kind::Float)?;
            z.f_narrow(1, start, rows)?.f_copy_(&operand.f_mm(&some.f_transpose(0, 1)?)?)?;
        }
        Ok(z)
    }

    /// Bias, scale and cap, in place.
    fn post(&self, mut z: Tensor, b_u: Option<&Tensor>) -> Result<Tensor, ModelError> {
        if let Some(b_u) = b_u {
            z = z.f_add_(b_u)?;
        }
        if self.post.scale != 1.0 {
            z = z.f_mul_scalar_(f64::from(self.post.scale))?;
        }
        if let Some(cap) = self.post.softcap {
            let cap = f64::from(cap);
            // A cap would make an infinite logit finite; z - z is NaN for one, and 0 else.
            let broken = z.f_sub(&z)?;
            z = z.f_div_scalar_(cap)?.f_tanh_()?.f_mul_scalar_(cap)?.f_add_(&broken)?;
        }
        Ok(z)
    }
}

/// The widest floating-point type of a device.
pub(super) fn wide(device: Device) -> Kind {
    if device == Device::Mps { Kind::Float } else { Kind::Double }
}
