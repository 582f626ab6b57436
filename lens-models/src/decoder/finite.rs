//! Every value that the model goes on with is finite, or the run ends and says where it first was not.
//!
//! What is not finite does not always stay so: libtorch's fused attention on the processor drops scores that are NaN.
//! So queries, keys and values are looked at before they meet, and every point at every position, read or not.

use lens_core::{AttentionInput, NonFinite, Point, Site};
use tch::{Device, Kind, Tensor};

use super::{ModelError, Tap};

/// A tap whose values are checked: what the model goes on with at every point, and what attention reads.
pub(super) struct Watch<'a> {
    tap: &'a mut dyn Tap,
    finite: Finite,
}

impl<'a> Watch<'a> {
    /// Watches a step that begins after `past` tokens, and whose tokens have these positions in their sequences.
    pub(super) fn new(tap: &'a mut dyn Tap, past: usize, positions: Vec<usize>) -> Self {
        tap.begin(past);
        Self { tap, finite: Finite { positions, pending: Vec::new() } }
    }

    /// What the model goes on with at a point, `[pos, ..]`.
    pub(super) fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
        let value = self.tap.at(point, value)?;
        self.finite.see(NonFinite::Activation, point, &value)?;
        Ok(value)
    }

    /// Queries, keys or values of a layer, `[pos, heads, d_head]`.
    pub(super) fn attention(
        &mut self,
        layer: u16,
        input: AttentionInput,
        value: &Tensor,
    ) -> Result<(), ModelError> {
        self.finite.see(NonFinite::Attention(input), Point::block(layer, Site::Z), value)
    }

    /// What the state space of a layer reads from its states, `[pos, ..]`: a gate may hide what is infinite.
    pub(super) fn state_space(&mut self, layer: u16, value: &Tensor) -> Result<(), ModelError> {
        self.finite.see(NonFinite::StateSpace, Point::block(layer, Site::AttnOut), value)
    }

    /// Ends the step: what was computed elsewhere is known to be finite only now.
    pub(super) fn end(self) -> Result<(), ModelError> {
        self.finite.end()
    }
}

/// Looks for values that are not finite, in the order in which they are computed.
struct Finite {
    /// The position of each row in its sequence.
    positions: Vec<usize>,
    /// What lies on a device: the largest magnitude at each position, `[pos]`, which is not finite if one is not. To ask
    /// at once would wait for the device.
    pending: Vec<(NonFinite, Point, Tensor)>,
}

impl Finite {
    fn see(&mut self, what: NonFinite, point: Point, value: &Tensor) -> Result<(), ModelError> {
        if value.device() != Device::Cpu {
            self.pending.push((what, point, largest_of_rows(value)?));
            return Ok(());
        }
        // A sum is one pass without a copy, and never finite if a term is not. It may overflow by itself.
        if value.f_sum(value.kind())?.f_double_value(&[])?.is_finite() {
            return Ok(());
        }
        self.refuse(what, point, &largest_of_rows(value)?)
    }

    /// An error, if one of the rows is not finite.
    fn refuse(&self, what: NonFinite, point: Point, largest_of_rows: &Tensor) -> Result<(), ModelError> {
        let rows =
            largest_of_rows.f_isfinite()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Int64)?.f_contiguous()?;
        let mut fine = vec![1i64; rows.numel()];
        rows.f_copy_data(&mut fine, rows.numel())?;
        match fine.iter().position(|fine| *fine == 0) {
            None => Ok(()),
            Some(row) => Err(ModelError::NonFinite { what, point, position: self.positions[row] }),
        }
    }

    fn end(self) -> Result<(), ModelError> {
        // One answer for each device, in the order of execution: streams never return to a device they left. A card
        // computes asynchronously. Waiting for the answer charges its time, and its faults, to this step.
        for part in self.pending.chunk_by(|a, b| a.2.device() == b.2.device()) {
            let rows: Vec<&Tensor> = part.iter().map(|(_, _, rows)| rows).collect();
            let all_fine = Tensor::f_stack(&rows, 0)?.f_isfinite()?.f_all()?.f_int64_value(&[])? != 0;
            if !all_fine {
                part.iter().try_for_each(|(what, point, rows)| self.refuse(*what, *point, rows))?;
            }
        }
        Ok(())
    }
}

/// The largest magnitude of each row, `[pos]`, of `[pos, ..]`, in one pass; NaN if there is one.
fn largest_of_rows(value: &Tensor) -> Result<Tensor, ModelError> {
    let inner: Vec<i64> = (1..value.dim() as i64).collect();
    Ok(value.f_norm_scalaropt_dim(f64::INFINITY, inner, false)?)
}

/// The largest magnitude in a tensor on the processor, in one pass without a copy; NaN if there is one.
pub(super) fn largest(value: &Tensor) -> Result<f64, ModelError> {
    if value.numel() == 0 {
        return Ok(0.0);
    }
    let (min, max) = value.f_aminmax(None, false)?;
    Ok(max.f_double_value(&[])?.abs().max(min.f_double_value(&[])?.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view([3, 2])
    }

    fn said(result: Result<(), ModelError>) -> String {
        result.expect_err("it was accepted").to_string()
    }

    #[test]
    fn the_first_position_is_named() {
        let point = Point::block(3, Site::MlpOut);
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for kind in [Kind::Float, Kind::BFloat16, Kind::Half] {
                let value = with(&[1.0, 2.0, 3.0, broken, broken, 0.0]).to_kind(kind);
                let mut finite = Finite { positions: (5..8).collect(), pending: Vec::new() };
                let message = said(finite.see(NonFinite::Activation, point, &value));
                assert!(message.contains("NaN or infinite at L3.mlp_out, position 6"), "{message}");
            }
        }
    }

    #[test]
    fn a_sum_that_overflows_is_not_a_broken_value() {
        let value = with(&[3e38, 3e38, 3e38, 0.0, -1.0, 0.0]);
        let mut finite = Finite { positions: (0..3).collect(), pending: Vec::new() };
        finite.see(NonFinite::Activation, Point::Embed, &value).unwrap();
    }

    /// As on a device, but on the processor.
    #[test]
    fn what_is_asked_late_names_the_first_point() {
        let fine = largest_of_rows(&with(&[1.0; 6])).unwrap();
        let broken = largest_of_rows(&with(&[1.0, 1.0, 1.0, 1.0, 1.0, f32::NAN])).unwrap();
        let point = Point::block(1, Site::Z);
        let pending = || {
            vec![
                (NonFinite::Activation, Point::Embed, fine.shallow_clone()),
                (NonFinite::Attention(AttentionInput::Keys), point, broken.shallow_clone()),
                (NonFinite::Activation, point, largest_of_rows(&with(&[f32::NAN; 6])).unwrap()),
            ]
        };
        let message = said(Finite { positions: (10..13).collect(), pending: pending() }.end());
        assert!(message.contains("L1.attn (keys), position 12"), "{message}");
        Finite { positions: (10..13).collect(), pending: pending().into_iter().take(1).collect() }
            .end()
            .unwrap();
    }

    #[test]
    fn the_largest_magnitude_is_nan_where_there_is_one() {
        assert_eq!(largest(&with(&[1.0, -9.0, 3.0, 2.0, 0.0, 0.0])).unwrap(), 9.0);
        assert!(!largest(&with(&[1.0, f32::NAN, 3.0, 2.0, 0.0, 0.0])).unwrap().is_finite());
    }
}
