//! The readout on a device: the same answers as [`lens_core::HostReadout`], without a row of the
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
//! A chunk has as many readouts as fit the budget. The logits are its one large buffer where the card's own kernels go
//! over them ([`one_pass`]); with libtorch's operations ([`statistics`]) three float32 numbers of each logit live at the
//! same time (the logit, its weight, and a term of a sum), six where distances are asked for.

mod chunk;
mod facts;
mod one_pass;
mod product;
mod statistics;
#[cfg(test)]
mod tests;
mod track;

use lens_core::{
    BackendError, Column, FinalNorm, Next, NonFinite, NormMode, Point, Post, ReadRequest, Readings, Readout,
    projection::ProjectionError,
};
use tch::{Device, Kind, Tensor};

use self::{chunk::Chunk, facts::vector_facts, one_pass::OnePass, product::Product, statistics::Statistics};
use super::ModelError;

/// Memory for the logits of a chunk and what is computed from them, in bytes, where nobody says how much is free: enough for
/// the product to be bound by arithmetic, little beside a model that needs a card.
const BUDGET: usize = 1 << 30;

/// The least and the most memory for a chunk of a device whose free memory is known. After every chunk the device waits for
/// the host once, so that few large ones are faster.
const SHARES: [u64; 2] = [1 << 28, 1 << 32];

/// Bytes that a chunk takes for each logit by libtorch's operations, without and with distances.
const BYTES_PER_LOGIT: [usize; 2] = [13, 25];

/// Bytes that a chunk takes for each logit by the card's kernels: the logit, and a little for the maxima of blocks.
const BYTES_IN_ONE_PASS: usize = 5;

/// Final norm and unembedding on a device.
#[derive(Debug)]
pub(super) struct DeviceReadout {
    product: Product,
    one_pass: Option<OnePass>,
    last: Point,
    budget: usize,
}

/// The readouts of some rows: for each, those of its points, and the final one last.
type Rows = Vec<Vec<Readout>>;

/// The logits of a chunk, `[rows, points + 1, n_vocab]`.
enum Logits {
    /// Without bias, scale and cap: the kernels apply them as they read.
    Products(Tensor),
    /// With all of them.
    Finished(Tensor),
}

impl DeviceReadout {
    /// The readout of a model with `n_layers` blocks, on the device of `unembed`, `[n_vocab, d_model]`, of whose
    /// memory so many bytes are `free`, if that is known; what it has to do without is added to `notes`.
    pub(super) fn new(
        n_layers: u16,
        norm: &FinalNorm,
        unembed: &Tensor,
        bias: Option<&[f32]>,
        post: Post,
        free: Option<u64>,
        notes: &mut Vec<String>,
    ) -> Result<Self, ModelError> {
        let product = Product::new(norm, unembed, bias, post)?;
        let one_pass = OnePass::open(unembed.device(), post, bias.is_some(), notes)?;
        Ok(Self { product, one_pass, last: Point::last(n_layers), budget: budget(free) })
    }

    /// Readouts that fit a chunk, final ones included.
    fn most(&self, request: &ReadRequest<'_, Tensor>) -> usize {
        let n_vocab = self.product.n_vocab();
        let bytes = match &self.one_pass {
            // The best tokens are eight bytes each.
            Some(_) => BYTES_IN_ONE_PASS * n_vocab + 8 * request.ask.candidates().min(n_vocab),
            None => BYTES_PER_LOGIT[usize::from(request.ask.statistics.needs().distances)] * n_vocab,
        };
        (self.budget / bytes).max(2)
    }

    /// Rows and points of a chunk: some points of one position, or all points of some positions.
    fn at_once(&self, request: &ReadRequest<'_, Tensor>) -> (usize, usize) {
        let (most, n_points) = (self.most(request), request.hidden.len());
        let points = n_points.min(most - 1).max(1);
        let rows = (most / (points.min(n_points) + 1)).max(1);
        (rows, points)
    }

    /// Decodes captured vectors.
    pub(super) fn read(&self, request: &ReadRequest<'_, Tensor>) -> Result<Readings, BackendError> {
        let _guard = tch::no_grad_guard();
        self.check_tokens(request)?;
        let (n_rows, n_points) = (request.positions.len(), request.hidden.len());
        let (rows_at_once, points_at_once) = self.at_once(request);

        let mut readings = Readings::default();
        for start in (0..n_rows).step_by(rows_at_once) {
            let rows = start..(start + rows_at_once).min(n_rows);
            let mut by_row: Vec<Vec<Readout>> = vec![Vec::with_capacity(n_points); rows.len()];
            let mut points = 0..n_points.min(points_at_once);
            let last_logits = loop {
                let chunk = Chunk { request, rows: rows.clone(), points: points.clone() };
                let (readouts, logits) = self.chunk(&chunk)?;
                for (i, mut readouts) in readouts.into_iter().enumerate() {
                    let last = readouts.pop().expect("the final readout is part of every chunk");
                    if points.start == 0 {
                        readings.finals.push(last);
                    }
                    by_row[i].extend(readouts);
                }
                points = points.end..(points.end + points_at_once).min(n_points);
                if points.is_empty() {
                    break logits;
                }
            };
            if request.ask.tracked > 0 && n_points > 0 {
                let finals = &readings.finals[rows.start..];
                // Where one chunk had all points of its rows, all logits are still there.
                let logits = (points_at_once >= n_points).then_some(&last_logits);
                self.track_rows(request, rows, points_at_once, finals, &mut by_row, logits)
                    .map_err(|error| error.of_memory(|| "the logits of tracked tokens".to_owned()))?;
            }
            readings.points.extend(by_row.into_iter().flatten());
        }
        Ok(readings)
    }

    /// The readouts of one chunk, and their logits.
    fn chunk(&self, chunk: &Chunk<'_, '_>) -> Result<(Rows, Logits), BackendError> {
        let answers = self
            .decode(chunk)
            .map_err(|error| error.of_memory(|| format!("{} readouts at once", chunk.len())))?;
        match answers {
            (Some(readouts), logits) => Ok((readouts, logits)),
            (None, logits) => {
                drop(logits); // as large as what is computed next
                Err(self.blame(chunk).unwrap_or_else(BackendError::from))
            }
        }
    }

    /// The readouts of a chunk, `None` when some logit is NaN or infinite.
    fn decode(&self, chunk: &Chunk<'_, '_>) -> Result<(Option<Rows>, Logits), ModelError> {
        let question = chunk.request.ask;
        let x = chunk.vectors(self.product.device())?;
        if let Some(kernels) = &self.one_pass {
            let next = &chunk.request.next[chunk.rows.clone()];
            let (readouts, products) = kernels.decode(&self.product, &x, question, next)?;
            return Ok((readouts, Logits::Products(products)));
        }
        let logits = self.logits(&x, question.norm)?;
        let facts = vector_facts(&x, question)?;
        let readouts = Statistics { facts: facts.as_deref(), logits: &logits, chunk, question }.readouts()?;
        Ok((readouts, Logits::Finished(logits)))
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
            let logits = self.logits(&Tensor::f_stack(&[&vectors, &finals], 1)?, request.ask.norm)?;
            if let Some(row) = first_broken(&logits.f_select(1, 0)?)? {
                return Ok(at(NonFinite::Logit, column, row));
            }
        }
        let logits = self.logits(&finals.f_unsqueeze(1)?, request.ask.norm)?;
        Ok(at(NonFinite::Logit, &last, first_broken(&logits.f_select(1, 0)?)?.unwrap_or(0)))
    }

    /// All logits of `[rows, points + 1, d_model]`.
    fn logits(&self, x: &Tensor, mode: NormMode) -> Result<Tensor, ModelError> {
        self.product.finished(self.product.products(x, mode)?)
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

/// The memory for a chunk on a device with so much free.
fn budget(free: Option<u64>) -> usize {
    let share = free.map(|free| (free / 16).clamp(SHARES[0], SHARES[1]));
    share.and_then(|share| usize::try_from(share).ok()).unwrap_or(BUDGET)
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
