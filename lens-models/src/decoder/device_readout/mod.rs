//! The readout on a device, by libtorch: the same answers as [`lens_core::HostReadout`], without a row of the
//! vocabulary crossing to the host.
//!
//! Readouts are decoded in chunks, each against the whole vocabulary. A chunk holds some positions and, for each, some
//! points and its final readout, so that the divergences and the rank of the final token need nothing but the chunk:
//!
//! ```text
//! x        [rows, points + 1, d_model]    captured, the final residual last
//! operand  norm(x), rounded to the weights' dtype where that is bfloat16
//! z        [rows, points + 1, n_vocab]    float32: product, bias, scale, cap
//! answers  [rows, points + 1] each        top-k, log-sum-exp, entropy, divergences, ranks: only these cross
//! ```
//!
//! A chunk has as many readouts as fit the budget. Three float32 numbers of each logit live at the same time (the
//! logit, its weight, and a term of a sum), six where distances are asked for.

mod product;
mod statistics;

use std::ops::Range;

use lens_core::{
    BackendError, Column, FinalNorm, Next, NonFinite, Point, Post, ReadRequest, Readings, Readout, TokenId,
    projection::ProjectionError, tracked_tokens,
};
use tch::{Device, Kind, Tensor};

use self::{product::Product, statistics::Statistics};
use super::ModelError;

/// Memory for the logits of a chunk and what is computed from them, in bytes: enough for the product to be bound by
/// arithmetic, little beside a model that needs a card.
const BUDGET: usize = 1 << 30;

/// Bytes that a chunk takes for each logit, without and with distances.
const BYTES_PER_LOGIT: [usize; 2] = [13, 25];

/// Final norm and unembedding on a device.
#[derive(Debug)]
pub(super) struct DeviceReadout {
    product: Product,
    last: Point,
    budget: usize,
}

impl DeviceReadout {
    /// The readout of a model with `n_layers` blocks, on the device of `unembed`, `[n_vocab, d_model]`.
    pub(super) fn new(
        n_layers: u16,
        norm: &FinalNorm,
        unembed: &Tensor,
        bias: Option<&[f32]>,
        post: Post,
    ) -> Result<Self, ModelError> {
        let product = Product::new(norm, unembed, bias, post)?;
        Ok(Self { product, last: Point::last(n_layers), budget: BUDGET })
    }

    /// Decodes captured vectors.
    pub(super) fn read(&self, request: &ReadRequest<'_, Tensor>) -> Result<Readings, BackendError> {
        let _guard = tch::no_grad_guard();
        self.check_tokens(request)?;
        let (n_rows, n_points) = (request.positions.len(), request.hidden.len());
        let bytes_per_logit = BYTES_PER_LOGIT[usize::from(request.ask.statistics.needs().distances)];
        let most = (self.budget / (bytes_per_logit * self.product.n_vocab())).max(2);
        // Some points of one position, or all points of some positions.
        let points_at_once = n_points.min(most - 1).max(1);
        let rows_at_once = (most / (points_at_once.min(n_points) + 1)).max(1);

        let mut readings = Readings::default();
        for start in (0..n_rows).step_by(rows_at_once) {
            let rows = start..(start + rows_at_once).min(n_rows);
            let mut by_row: Vec<Vec<Readout>> = vec![Vec::with_capacity(n_points); rows.len()];
            let mut points = 0..n_points.min(points_at_once);
            loop {
                let chunk = Chunk { request, rows: rows.clone(), points: points.clone() };
                for (i, mut readouts) in self.chunk(&chunk)?.into_iter().enumerate() {
                    let last = readouts.pop().expect("the final readout is part of every chunk");
                    if points.start == 0 {
                        readings.finals.push(last);
                    }
                    by_row[i].extend(readouts);
                }
                points = points.end..(points.end + points_at_once).min(n_points);
                if points.is_empty() {
                    break;
                }
            }
            if request.ask.tracked > 0 && n_points > 0 {
                let finals = &readings.finals[rows.start..];
                self.track(request, rows, points_at_once, finals, &mut by_row)
                    .map_err(|error| error.of_memory(|| "the logits of tracked tokens".to_owned()))?;
            }
            readings.points.extend(by_row.into_iter().flatten());
        }
        Ok(readings)
    }

    /// Completes the readouts of some rows with the tokens that their positions track; `finals` are the rows' own.
    fn track(
        &self,
        request: &ReadRequest<'_, Tensor>,
        rows: Range<usize>,
        points_at_once: usize,
        finals: &[Readout],
        by_row: &mut [Vec<Readout>],
    ) -> Result<(), ModelError> {
        let n_points = request.hidden.len();
        let of_row = |(last, readouts): (&Readout, &Vec<Readout>)| {
            tracked_tokens(last, request.hidden.iter().zip(readouts), request.ask.tracked)
        };
        let tokens: Vec<Vec<TokenId>> = finals.iter().zip(&*by_row).map(of_row).collect();
        let most = tokens.iter().map(Vec::len).max().unwrap_or(0);
        // Rows with fewer tokens are filled up with any token, whose logits nobody takes.
        let padded = tokens.iter().flat_map(|tokens| {
            let ids = tokens.iter().map(|token| i64::from(token.0));
            ids.chain(std::iter::repeat(0)).take(most).collect::<Vec<i64>>()
        });
        let ids = Tensor::f_from_slice(&padded.collect::<Vec<_>>())?
            .f_view([rows.len() as i64, most as i64])?
            .f_to_device(self.product.device())?;
        for start in (0..n_points).step_by(points_at_once) {
            let points = start..(start + points_at_once).min(n_points);
            let chunk = Chunk { request, rows: rows.clone(), points: points.clone() };
            let x = chunk.vectors(self.product.device())?;
            // [rows, points + 1, tokens]
            let logits: Vec<f32> =
                numbers(&self.product.logits_of(&x, request.ask.norm, &ids)?, Kind::Float)?;
            let mut logits = logits.chunks_exact(most.max(1));
            for (tokens, readouts) in tokens.iter().zip(&mut *by_row) {
                let columns = request.hidden[points.clone()].iter().zip(&mut readouts[points.clone()]);
                for ((column, readout), logits) in columns.zip(logits.by_ref()) {
                    if column.shown {
                        readout.track(tokens, logits);
                    }
                }
                // The final residual is the last of every row.
                logits.next();
            }
        }
        Ok(())
    }

    /// The readouts of one chunk: per row, those of its points, and the final one last.
    fn chunk(&self, chunk: &Chunk<'_, '_>) -> Result<Vec<Vec<Readout>>, BackendError> {
        let question = chunk.request.ask;
        let answers = (|| {
            let x = chunk.vectors(self.product.device())?;
            let logits = self.product.logits(&x, question.norm)?;
            Statistics { vectors: &x, logits: &logits, chunk, question }.readouts()
        })()
        .map_err(|error: ModelError| error.of_memory(|| format!("{} readouts at once", chunk.len())))?;
        answers.ok_or_else(|| self.blame(chunk).unwrap_or_else(BackendError::from))
    }

    /// The first place in a chunk whose vector or logits are not finite.
    fn blame(&self, chunk: &Chunk<'_, '_>) -> Result<BackendError, ModelError> {
        let request = chunk.request;
        let last = Column::plain(self.last, request.last);
        let at = |what, column: &Column<'_, Tensor>, row: usize| {
            column.not_finite(what, request.positions[chunk.rows.start + row])
        };
        // What is not finite travels on to the end: the first point that has it comes first, and what a lens made of a
        // broken vector is not the lens's fault.
        let plain = request.hidden.iter().filter(|column| column.lens.is_none()).chain([&last]);
        let translated = request.hidden.iter().filter(|column| column.lens.is_some());
        for column in plain.chain(translated) {
            if let Some(row) = first_broken(&chunk.rows_of(column.vectors, Device::Cpu)?)? {
                return Ok(at(NonFinite::Activation, column, row));
            }
        }
        let finals = chunk.rows_of(request.last, self.product.device())?;
        for column in request.hidden {
            let vectors = chunk.rows_of(column.vectors, self.product.device())?;
            let logits = self.product.logits(&Tensor::f_stack(&[&vectors, &finals], 1)?, request.ask.norm)?;
            if let Some(row) = first_broken(&logits.f_select(1, 0)?)? {
                return Ok(at(NonFinite::Logit, column, row));
            }
        }
        let logits = self.product.logits(&finals.f_unsqueeze(1)?, request.ask.norm)?;
        Ok(at(NonFinite::Logit, &last, first_broken(&logits.f_select(1, 0)?)?.unwrap_or(0)))
    }

    /// Every token asked for is in the vocabulary.
    fn check_tokens(&self, request: &ReadRequest<'_, Tensor>) -> Result<(), ProjectionError> {
        let n_vocab = self.product.n_vocab();
        let next = request.next.iter().filter_map(|next| match next {
            Next::Token(token) => Some(token),
            Next::Nothing | Next::Top1 => None,
        });
        match request
            .ask
            .targets
            .iter()
            .chain(&request.ask.versus)
            .chain(next)
            .find(|token| token.index() >= n_vocab)
        {
            Some(token) => Err(ProjectionError::UnknownToken { token: *token, n_vocab }),
            None => Ok(()),
        }
    }
}

/// Some rows of a request and some of its points.
struct Chunk<'a, 'b> {
    request: &'a ReadRequest<'b, Tensor>,
    rows: Range<usize>,
    points: Range<usize>,
}

impl Chunk<'_, '_> {
    /// Readouts, final ones included.
    fn len(&self) -> usize {
        self.rows.len() * (self.points.len() + 1)
    }

    /// The captured vectors on a device, `[rows, points + 1, d_model]`, the final residual last.
    fn vectors(&self, device: Device) -> Result<Tensor, ModelError> {
        let hidden = self.request.hidden[self.points.clone()].iter().map(|column| column.vectors);
        let all = hidden.chain([self.request.last]).map(|hidden| self.rows_of(hidden, device));
        Ok(Tensor::f_stack(&all.collect::<Result<Vec<_>, _>>()?, 1)?)
    }

    /// The chunk's rows of one capture, `[rows, d_model]`.
    fn rows_of(&self, hidden: &Tensor, device: Device) -> Result<Tensor, ModelError> {
        let rows = hidden.f_narrow(0, self.rows.start as i64, self.rows.len() as i64)?;
        Ok(rows.f_to_device(device)?)
    }

    /// What comes after a row of the chunk; `top1` is its final readout's.
    fn next(&self, row: usize, top1: TokenId) -> Option<TokenId> {
        match self.request.next[self.rows.start + row] {
            Next::Nothing => None,
            Next::Token(token) => Some(token),
            Next::Top1 => Some(top1),
        }
    }
}

/// The first row of a matrix with a value that is NaN or infinite.
fn first_broken(matrix: &Tensor) -> Result<Option<usize>, ModelError> {
    let fine: Vec<i64> = numbers(&matrix.f_isfinite()?.f_all_dim(-1, false)?, Kind::Int64)?;
    Ok(fine.iter().position(|fine| *fine == 0))
}

/// All values of a tensor on the host, in order.
fn numbers<T: tch::kind::Element + Default + Clone>(
    tensor: &Tensor,
    kind: Kind,
) -> Result<Vec<T>, ModelError> {
    let tensor = tensor.f_to_device(Device::Cpu)?.f_to_kind(kind)?.f_contiguous()?;
    let mut values = vec![T::default(); tensor.numel()];
    tensor.f_copy_data(&mut values, tensor.numel())?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use lens_core::conformance::{self, Case};

    use super::*;

    fn read(case: &Case, kind: Kind, budget: usize) -> Result<Readings, BackendError> {
        let shape = [case.n_vocab as i64, case.d_model as i64];
        let unembed = Tensor::from_slice(&case.rows).view(shape).to_kind(kind);
        let n_points = case.points.len();
        let readout = DeviceReadout {
            budget,
            ..DeviceReadout::new(case.n_layers, &case.norm, &unembed, case.bias.as_deref(), case.post)?
        };
        let matrix = |values: &[f32]| Tensor::from_slice(values).view([-1, case.d_model as i64]);
        let captured: Vec<Tensor> = case.captured.iter().map(|values| matrix(values)).collect();
        let hidden = case.columns(&captured);
        assert_eq!(hidden.len(), n_points);
        readout.read(&ReadRequest::new(&hidden, &matrix(&case.last), &case.positions, &case.next, &case.ask))
    }

    #[test]
    fn the_device_path_conforms() {
        for case in conformance::cases() {
            // In one chunk, in a few, and readout by readout.
            for budget in [BUDGET, 5 * BYTES_PER_LOGIT[1] * case.n_vocab, 1] {
                conformance::check(&case, read(&case, Kind::Float, budget)).unwrap();
            }
        }
    }

    #[test]
    fn narrow_weights_are_multiplied_as_on_the_host() {
        for case in conformance::cases() {
            for (kind, host) in
                [(Kind::BFloat16, conformance::Weights::Bf16), (Kind::Half, conformance::Weights::F16)]
            {
                let case = case.rounded(host);
                conformance::check(&case, read(&case, kind, BUDGET)).unwrap();
            }
        }
    }
}
