//! A complete small model without a tensor library: for tests, examples and the doctests.
//!
//! Its blocks have every point of a real decoder, and nothing more: attention is the mean over the positions so far,
//! through a matrix; the MLP is `tanh` between two matrices.

use std::{ops::Range, sync::Arc};

use crate::{
    attribution::{BlockParts, BlockValues, BranchInputs, BranchParts, Dissect, OutputMap, TokenReadout},
    backend::{
        Backend, BackendError, Forward, HeadsInfo, ModelInfo, Pack, PlainLogits, ReadRequest, Readings,
        Sequence,
    },
    branches::Branches,
    choice::Choice,
    diff::{Compare, CompareError, PairError, PairReadout},
    dtype::Dtype,
    edit::Edits,
    host::HostReadout,
    norm::{FinalNorm, NormKind},
    point::{Point, Site},
    projection::{Post, Unembedding, VocabRows},
    token::TokenId,
    translate::LensMap,
};

/// Heads that `z` is divided into.
const N_HEADS: usize = 2;

/// A residual decoder with random weights.
#[derive(Debug, Clone)]
pub struct ToyBackend {
    info: ModelInfo,
    embedding: Vec<f32>,
    layers: Vec<ToyLayer>,
    norm: FinalNorm,
    unembedding: Vec<f32>,
    /// Per layer and position, the sum of the inputs up to there: what a KV cache is to attention.
    sums: Vec<Vec<Vec<f32>>>,
    seen: usize,
    /// Whether embeddings are moved by a rounding.
    nudged: bool,
    edits: Option<Arc<Edits>>,
}

#[derive(Debug, Clone)]
struct ToyLayer {
    attention: Vec<f32>,
    mlp_in: Vec<f32>,
    mlp_out: Vec<f32>,
}

/// Captured vectors of the toy: rows of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct ToyHidden {
    width: usize,
    values: Vec<f32>,
}

impl ToyBackend {
    /// A model of `n_layers` blocks with weights drawn from `seed`.
    ///
    /// # Panics
    /// When `d_model` is odd or zero, or there is no vocabulary.
    pub fn new(n_layers: u16, d_model: usize, n_vocab: usize, seed: u64) -> Self {
        assert!(
            d_model > 0 && d_model.is_multiple_of(N_HEADS),
            "d_model must be a positive multiple of {N_HEADS}"
        );
        assert!(n_vocab > 0, "a model needs a vocabulary");
        let mut random = Random::new(seed.wrapping_mul(2).wrapping_add(1));
        let square = d_model * d_model;
        let scale = 1.5 / (d_model as f32).sqrt();
        let layers = (0..n_layers)
            .map(|_| ToyLayer {
                attention: random.values(square, scale),
                mlp_in: random.values(square, scale),
                mlp_out: random.values(square, scale),
            })
            .collect();
        let weight = random.values(d_model, 0.3).into_iter().map(|w| 1.0 + w).collect();
        Self {
            info: ModelInfo::new("toy", "toy", n_layers, d_model, n_vocab, Dtype::F32)
                .with_heads(vec![HeadsInfo::new(N_HEADS as u16, false); n_layers.into()]),
            embedding: random.values(n_vocab * d_model, 1.0),
            layers,
            norm: FinalNorm::new(NormKind::Rms, 1e-6, d_model, Some(weight), None)
                .expect("one weight per dimension"),
            unembedding: random.values(n_vocab * d_model, scale),
            sums: vec![Vec::new(); n_layers.into()],
            seen: 0,
            nudged: false,
            edits: None,
        }
    }

    /// Sets what the model says that it has to do without.
    pub fn set_notes(&mut self, notes: Vec<String>) {
        self.info.notes = notes;
    }

    /// Overwrites one value of the embedding, `[n_vocab, d_model]`: to see what a broken weight does.
    pub fn set_embedding(&mut self, token: TokenId, dimension: usize, value: f32) {
        self.embedding[token.index() * self.info.d_model + dimension] = value;
    }

    /// Adds to one weight of what a branch of a block adds to the stream, `[d_model, d_model]`: to see where a change is
    /// found. The values of head `h` are the columns `h * d_model / 2` to `(h + 1) * d_model / 2` of attention's matrix.
    ///
    /// # Panics
    /// When the site is neither `attn_out` nor `mlp_out`, or there is no such weight.
    pub fn add_to_weight(&mut self, layer: u16, site: Site, (row, column): (usize, usize), change: f32) {
        let layer = &mut self.layers[usize::from(layer)];
        let matrix = match site {
            Site::AttnOut => &mut layer.attention,
            Site::MlpOut => &mut layer.mlp_out,
            _ => panic!("{site} has no matrix of its own"),
        };
        matrix[row * self.info.d_model + column] += change;
    }

    /// Runs one token through every block up to the one of `through`; `record` sees what is at every point after its
    /// edits.
    fn run_token(&mut self, token: TokenId, through: Option<Point>, mut record: impl FnMut(Point, &[f32])) {
        let blocks = match through {
            None => self.layers.len(),
            Some(point) => point.layer().map_or(0, |layer| usize::from(layer) + 1),
        };
        let (d, position, edits) = (self.info.d_model, self.seen, self.edits.clone());
        let mut x = self.embedding[token.index() * d..][..d].to_vec();
        edits.iter().for_each(|edits| edits.apply(Point::Embed, position, d, &mut x));
        if self.nudged {
            // To the next value up or down, in no pattern that a sum would cancel.
            let up = |i: usize| (i * 7 + position * 3) % 5 < 2;
            x.iter_mut().enumerate().for_each(|(i, x)| *x = if up(i) { x.next_up() } else { x.next_down() });
        }
        self.seen += 1;
        record(Point::Embed, &x);
        self.run_blocks(0..blocks, position, &mut x, edits.as_deref(), record);
    }

    /// Runs the stream of one position through some blocks, and appends to what they keep.
    fn run_blocks(
        &mut self,
        blocks: Range<usize>,
        position: usize,
        x: &mut [f32],
        edits: Option<&Edits>,
        mut record: impl FnMut(Point, &[f32]),
    ) {
        let d = self.info.d_model;
        for i in blocks {
            let (layer, sums) = (&self.layers[i], &mut self.sums[i]);
            let mut at = |site, value: &mut [f32]| {
                let point = Point::block(i as u16, site);
                edits.iter().for_each(|edits| edits.apply(point, position, d, value));
                record(point, value);
            };
            at(Site::ResidPre, x);
            let mut sum = x.to_vec();
            sums.last().iter().for_each(|before| add(&mut sum, before));
            let mut z: Vec<f32> = sum.iter().map(|sum| sum / (position + 1) as f32).collect();
            sums.push(sum);
            at(Site::Z, &mut z);
            let mut attn_out = multiply(&layer.attention, &z);
            at(Site::AttnOut, &mut attn_out);
            add(x, &attn_out);
            at(Site::ResidMid, x);
            let inner: Vec<f32> = multiply(&layer.mlp_in, x).into_iter().map(f32::tanh).collect();
            let mut mlp_out = multiply(&layer.mlp_out, &inner);
            at(Site::MlpOut, &mut mlp_out);
            add(x, &mlp_out);
            at(Site::ResidPost, x);
        }
    }
}

impl Dissect for ToyBackend {
    fn dissect(&self, layer: u16, at: &BlockValues<'_, ToyHidden>) -> Result<BlockParts, BackendError> {
        let inner = |x: &ToyHidden| {
            let mlp_in = &self.layers[usize::from(layer)].mlp_in;
            multiply(mlp_in, &x.values).into_iter().map(f32::tanh).collect()
        };
        let heads = |z: &ToyHidden| {
            BranchInputs::new(OutputMap::Attention, z.values.clone(), self.info.d_model / N_HEADS)
        };
        let neurons = |x: &ToyHidden| BranchInputs::new(OutputMap::Mlp, inner(x), 1);
        Ok(BlockParts::default()
            .with_attention(BranchParts::default().with_inputs(at.z.map(heads).into_iter().collect()))
            .with_mlp(BranchParts::default().with_inputs(at.resid_mid.map(neurons).into_iter().collect())))
    }

    fn pull_back(&self, layer: u16, map: OutputMap, direction: &[f64]) -> Result<Vec<f64>, BackendError> {
        let layer = &self.layers[usize::from(layer)];
        let matrix = match map {
            OutputMap::Attention => &layer.attention,
            OutputMap::Mlp => &layer.mlp_out,
            OutputMap::Expert(_) | OutputMap::SharedExpert => {
                return Err(BackendError::Other("the toy has no experts".into()));
            }
        };
        let d = direction.len();
        let mut pulled = vec![0.0; d];
        for (row, g) in matrix.chunks_exact(d).zip(direction) {
            pulled.iter_mut().zip(row).for_each(|(sum, w)| *sum += g * f64::from(*w));
        }
        Ok(pulled)
    }

    fn token_readout(&self, token: TokenId) -> Result<TokenReadout, BackendError> {
        let d = self.info.d_model;
        let row = self.unembedding[token.index() * d..][..d].to_vec();
        Ok(TokenReadout::new(row, 0.0, self.norm.clone(), Post::default()))
    }
}

impl Compare for ToyBackend {
    fn with_readouts<T>(
        &self,
        other: &Self,
        with: impl FnOnce(PairReadout<'_>) -> Result<T, CompareError>,
    ) -> Result<T, CompareError> {
        let readout = |model| -> Result<_, CompareError> {
            let Self { norm, unembedding, info, .. }: &Self = model;
            let rows = VocabRows::F32(unembedding);
            let unembedding = Unembedding::new(rows, info.d_model, None, Post::default());
            Ok((norm, unembedding.map_err(PairError::from)?))
        };
        with(PairReadout::new(readout(self)?, readout(other)?))
    }
}

impl ToyBackend {
    fn readout(&self) -> Result<HostReadout<'_>, BackendError> {
        let rows = VocabRows::F32(&self.unembedding);
        let unembedding = Unembedding::new(rows, self.info.d_model, None, Post::default())?;
        Ok(HostReadout::new(&self.norm, unembedding, self.info.n_layers))
    }
}

impl Backend for ToyBackend {
    type Hidden = ToyHidden;

    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&mut self, step: &Forward<'_>) -> Result<Vec<ToyHidden>, BackendError> {
        let n_vocab = self.info.n_vocab;
        if let Some(token) = step.tokens.iter().find(|token| token.index() >= n_vocab) {
            return Err(BackendError::UnknownToken { token: *token, n_vocab });
        }
        if step.past == 0 {
            self.seen = 0;
            self.sums.iter_mut().for_each(Vec::clear);
        }
        let d = self.info.d_model;
        let mut captured = vec![ToyHidden { width: d, values: Vec::new() }; step.points.len()];
        for (row, token) in step.tokens.iter().enumerate() {
            let kept = step.rows.contains(&row);
            self.run_token(*token, step.through, |point, value| {
                if let Some(index) = step.points.index_of(point).filter(|_| kept) {
                    captured[index].values.extend_from_slice(value);
                }
            });
        }
        Ok(captured)
    }

    fn forward_nudged(&mut self, step: &Forward<'_>) -> Result<Option<Vec<ToyHidden>>, BackendError> {
        self.nudged = true;
        let captured = self.forward(step);
        self.nudged = false;
        captured.map(Some)
    }

    fn forward_pack(&mut self, pack: &Pack<'_>) -> Result<Option<Vec<ToyHidden>>, BackendError> {
        if self.edits.is_some() {
            return Ok(None); // they know the positions of one sequence
        }
        let mut all = vec![ToyHidden { width: self.info.d_model, values: Vec::new() }; pack.points.len()];
        for Sequence { tokens, rows, .. } in pack.sequences {
            for (all, one) in all.iter_mut().zip(self.forward(&Forward::new(tokens, pack.points, rows))?) {
                all.values.extend(one.values);
            }
        }
        Ok(Some(all))
    }

    fn forward_branches(
        &mut self,
        branches: &Branches<'_, ToyHidden>,
    ) -> Result<Option<ToyHidden>, BackendError> {
        if self.edits.as_ref().is_some_and(|edits| !edits.is_empty()) {
            return Ok(None); // what was run before is not what the branches leave
        }
        let (d, first) = (self.info.d_model, usize::from(branches.layer));
        let from = if branches.from <= self.seen { branches.from } else { 0 };
        let kept = self.sums.clone();
        let mut values = Vec::with_capacity(branches.edits.len() * d);
        for edits in branches.edits {
            self.sums[first..].iter_mut().for_each(|sums| sums.truncate(from));
            for position in from..=branches.row {
                let mut x = branches.input.values[position * d..][..d].to_vec();
                self.run_blocks(first..self.layers.len(), position, &mut x, Some(edits), |_, _| {});
                if position == branches.row {
                    values.extend(x);
                }
            }
            self.sums.clone_from(&kept);
        }
        Ok(Some(ToyHidden { width: d, values }))
    }

    fn heads(&self, _: u16) -> Option<(usize, usize)> {
        Some((N_HEADS, self.info.d_model / N_HEADS))
    }

    fn split_heads(&self, layer: u16, z: &ToyHidden, heads: &[u16]) -> Result<Vec<ToyHidden>, BackendError> {
        let (d, d_head) = (self.info.d_model, self.info.d_model / N_HEADS);
        let matrix = &self.layers[usize::from(layer)].attention;
        let part = |head: &u16| {
            let own = usize::from(*head) * d_head..(usize::from(*head) + 1) * d_head;
            let of_row = |z: &[f32]| {
                let mut alone = vec![0.0; d];
                alone[own.clone()].copy_from_slice(&z[own.clone()]);
                multiply(matrix, &alone)
            };
            ToyHidden { width: d, values: z.values.chunks_exact(d).flat_map(of_row).collect() }
        };
        match heads.iter().all(|head| usize::from(*head) < N_HEADS) {
            true => Ok(heads.iter().map(part).collect()),
            false => Err(BackendError::NoHeads { layer }),
        }
    }

    fn set_edits(&mut self, edits: Option<Arc<Edits>>) -> Result<Option<Arc<Edits>>, BackendError> {
        self.seen = 0;
        self.sums.iter_mut().for_each(Vec::clear);
        Ok(std::mem::replace(&mut self.edits, edits))
    }

    fn rows(
        &self,
        hidden: &ToyHidden,
        rows: Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<usize, BackendError> {
        out.extend_from_slice(&hidden.values[rows.start * hidden.width..rows.end * hidden.width]);
        Ok(hidden.width)
    }

    fn select(&self, hidden: &ToyHidden, rows: Range<usize>) -> Result<ToyHidden, BackendError> {
        let values = hidden.values[rows.start * hidden.width..rows.end * hidden.width].to_vec();
        Ok(ToyHidden { width: hidden.width, values })
    }

    fn translate(&self, hidden: &ToyHidden, map: &Arc<LensMap>) -> Result<ToyHidden, BackendError> {
        Ok(ToyHidden { width: hidden.width, values: map.apply(&hidden.values) })
    }

    fn read(&self, request: &ReadRequest<'_, ToyHidden>) -> Result<Readings, BackendError> {
        self.readout()?.read(request, |hidden, rows, out| self.rows(hidden, rows, out))
    }

    fn read_choosing(
        &self,
        request: &ReadRequest<'_, ToyHidden>,
        choice: Choice<'_>,
    ) -> Result<Readings, BackendError> {
        self.readout()?.read_choosing(request, choice, |hidden, rows, out| self.rows(hidden, rows, out))
    }

    fn track(
        &self,
        request: &ReadRequest<'_, ToyHidden>,
        readings: &mut Readings,
    ) -> Result<(), BackendError> {
        self.readout()?.track(request, readings, |hidden, rows, out| self.rows(hidden, rows, out))
    }

    fn plain_logits(
        &self,
        last: &ToyHidden,
        row: usize,
        ids: &[TokenId],
    ) -> Result<PlainLogits, BackendError> {
        let x = &last.values[row * last.width..][..last.width];
        let mut normed = x.to_vec();
        self.norm.apply(&mut normed, self.norm.scale(x));
        let logits = multiply(&self.unembedding, &normed);
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|z| f64::from(z - max).exp()).sum();
        Ok(PlainLogits {
            logits: ids.iter().map(|id| logits[id.index()]).collect(),
            log_sum_exp: f64::from(max) + sum.ln(),
            logit_tolerance: 1e-4,
            log_sum_exp_tolerance: 1e-4,
        })
    }
}

/// `W x` for row-major `W` with rows as long as `x`.
fn multiply(matrix: &[f32], x: &[f32]) -> Vec<f32> {
    matrix.chunks_exact(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

/// Random numbers that are the same on every machine: xorshift64* (Vigna 2016). Enough for weights, and for whatever tests
/// make of them; not for sampling.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        // From zero the generator would never get away.
        Self(if seed == 0 { 0x9E37_79B9_7F4A_7C15 } else { seed })
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// A whole number below `n`, which is not zero.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.bits() >> 33) % n as u64) as usize
    }

    /// `n` values, uniform in `[-scale, scale)`.
    pub fn values(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|_| (self.unit() * 2.0 - 1.0) * scale).collect()
    }
}
