//! The translators of a tuned lens while they are trained, and how far their readouts are from the model's answer.

use lens_core::{LensMap, Point, Site, TokenId};
use tch::{Device, Kind, Tensor};

use super::FitError;
use crate::decoder::{Decoder, Head, ModelError, Tap, Tape};

/// Logits that are held at once, for one distribution: 32 MiB.
const LOGITS_AT_ONCE: i64 = 8 << 20;

/// One batch of sequences as it enters every block, and as it leaves the last one.
pub(super) struct Residuals {
    /// The input of each block, `[rows, d_model]`, in float32 where the head is.
    pub(super) inputs: Vec<Tensor>,
    /// The final residual, `[rows, d_model]`, likewise.
    pub(super) last: Tensor,
}

impl Residuals {
    /// Runs sequences of `length` tokens, one after the other in `tokens`.
    pub(super) fn of(
        model: &mut Decoder,
        tokens: &[TokenId],
        length: usize,
        device: Device,
    ) -> Result<Self, ModelError> {
        let mut inputs = Inputs { device, seen: Vec::new() };
        let last = model.run_batch(tokens, length, Tape::Off, &mut inputs)?;
        let last = last.f_to_device(device)?.f_to_kind(Kind::Float)?;
        Ok(Self { inputs: inputs.seen, last })
    }

    fn rows(&self) -> i64 {
        self.last.size()[0]
    }
}

/// Keeps the input of every block.
struct Inputs {
    device: Device,
    seen: Vec<Tensor>,
}

impl Tap for Inputs {
    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
        if let Point::Block { site: Site::ResidPre, .. } = point {
            self.seen.push(value.f_to_device(self.device)?.f_to_kind(Kind::Float)?);
        }
        Ok(value)
    }
}

/// `x + W x + b` for the input of every block, in float32.
#[derive(Debug)]
pub(super) struct Translators {
    d_model: usize,
    /// W and b of every block: `[d_model, d_model]`, `[d_model]`, and so on.
    pub(super) parameters: Vec<Tensor>,
}

impl Translators {
    /// Translators that do nothing: the plain lens.
    pub(super) fn zero(n_layers: u16, d_model: usize, device: Device) -> Result<Self, ModelError> {
        let zeros = |shape: &[i64]| Tensor::f_zeros(shape, (Kind::Float, device));
        let d = d_model as i64;
        let mut parameters = Vec::with_capacity(2 * usize::from(n_layers));
        for _ in 0..n_layers {
            parameters.extend([zeros(&[d, d])?, zeros(&[d])?]);
        }
        Ok(Self { d_model, parameters })
    }

    /// W and b of every block.
    fn layers(&self) -> impl Iterator<Item = (&Tensor, &Tensor)> {
        self.parameters.chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
    }

    /// The name of a parameter in files.
    pub(super) fn name(i: usize) -> String {
        format!("translator.{}.{}", i / 2, if i.is_multiple_of(2) { "weight" } else { "bias" })
    }

    /// What they are as maps of a lens.
    pub(super) fn maps(&self) -> Result<Vec<(u16, LensMap)>, FitError> {
        let values = |tensor: &Tensor| -> Result<Vec<f32>, ModelError> {
            let mut values = vec![0f32; tensor.numel()];
            tensor.f_to_device(Device::Cpu)?.f_contiguous()?.f_copy_data(&mut values, tensor.numel())?;
            Ok(values)
        };
        let map = |(i, (weight, bias)): (usize, (&Tensor, &Tensor))| {
            Ok((i as u16, LensMap::new(self.d_model, values(weight)?, Some(values(bias)?), true)?))
        };
        self.layers().enumerate().map(map).collect()
    }

    /// KL(final ‖ lens) of every block's input, nats, summed over the rows.
    pub(super) fn losses(&self, head: &Head, residuals: &Residuals) -> Result<Vec<f64>, ModelError> {
        tch::no_grad(|| {
            let mut losses = vec![0.0; residuals.inputs.len()];
            each_chunk(head, residuals, |layer, x, answer| {
                let (weight, bias) = (&self.parameters[2 * layer], &self.parameters[2 * layer + 1]);
                losses[layer] +=
                    answer.kl(&head.log_probs(&translated(x, weight, bias)?)?)?.f_double_value(&[])?;
                Ok(())
            })?;
            Ok(losses)
        })
    }

    /// As [`Translators::losses`]; `factor` times their gradients is added to `gradients`, one for each parameter. The
    /// blocks' losses are independent of each other, and each has its own parameters.
    pub(super) fn losses_and_gradients(
        &self,
        head: &Head,
        residuals: &Residuals,
        factor: f64,
        gradients: &mut [Tensor],
    ) -> Result<Vec<f64>, ModelError> {
        let mut losses = vec![0.0; residuals.inputs.len()];
        each_chunk(head, residuals, |layer, x, answer| {
            let (weight, bias) = (&self.parameters[2 * layer], &self.parameters[2 * layer + 1]);
            let y = tch::no_grad(|| translated(x, weight, bias))?.set_requires_grad(true);
            let loss = tch::with_grad(|| answer.kl(&head.log_probs(&y)?))?;
            let slope = Tensor::f_run_backward(&[&loss], &[&y], false, false)?;
            losses[layer] += loss.f_double_value(&[])?;
            tch::no_grad(|| {
                let slope = slope[0].f_mul_scalar(factor)?; // [rows, d_model]
                let _ = gradients[2 * layer].f_add_(&slope.f_transpose(0, 1)?.f_mm(x)?)?;
                let _ = gradients[2 * layer + 1].f_add_(&slope.f_sum_dim_intlist(
                    [0].as_slice(),
                    false,
                    None,
                )?)?;
                Ok(())
            })
        })?;
        Ok(losses)
    }
}

/// `x + W x + b` for rows of x.
fn translated(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor, ModelError> {
    Ok(x.f_add(&x.f_linear(weight, Some(bias))?)?)
}

/// The model's own answer for some rows.
struct Answer {
    probs: Tensor,     // [rows, n_vocab]
    log_probs: Tensor, // [rows, n_vocab]
}

impl Answer {
    /// KL(final ‖ lens), nats, summed over the rows.
    fn kl(&self, log_probs: &Tensor) -> Result<Tensor, ModelError> {
        Ok(self.probs.f_mul(&self.log_probs.f_sub(log_probs)?)?.f_sum(Kind::Float)?)
    }
}

/// Calls `each` with every layer, some rows of its input, and the answer for these rows: so many at once that logits
/// stay within bounds.
fn each_chunk(
    head: &Head,
    residuals: &Residuals,
    mut each: impl FnMut(usize, &Tensor, &Answer) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let at_once = (LOGITS_AT_ONCE / head.n_vocab().max(1)).max(1);
    let mut start = 0;
    while start < residuals.rows() {
        let n = at_once.min(residuals.rows() - start);
        let log_probs = tch::no_grad(|| head.log_probs(&residuals.last.f_narrow(0, start, n)?))?;
        let answer = Answer { probs: log_probs.f_exp()?, log_probs };
        for (layer, input) in residuals.inputs.iter().enumerate() {
            each(layer, &input.f_narrow(0, start, n)?, &answer)?;
        }
        start += n;
    }
    Ok(())
}
