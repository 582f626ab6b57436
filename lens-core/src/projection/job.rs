//! Jobs of the projection, and its answers.

use half::{bf16, f16};

use super::kernel::KernelError;
use crate::token::TokenId;

/// The rows of an unembedding matrix `W_U`, `[n_vocab, d_model]` row-major, borrowed as they are stored.
#[derive(Debug, Clone, Copy)]
pub enum VocabRows<'a> {
    /// IEEE single precision. Products and sums in float32.
    F32(&'a [f32]),
    /// bfloat16. A normed vector is rounded to bfloat16 first, as the model's own forward pass does; products are exact
    /// in float32 and accumulate in float32.
    Bf16(&'a [bf16]),
    /// IEEE half precision. Rows are widened to float32; normed vectors stay in float32.
    F16(&'a [f16]),
}

impl VocabRows<'_> {
    /// Number of stored weights: `n_vocab * d_model`.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(rows) => rows.len(),
            Self::Bf16(rows) => rows.len(),
            Self::F16(rows) => rows.len(),
        }
    }

    /// Whether there is no weight at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a family does to its logits after the product and the bias: first `scale`, then the soft cap
/// `cap * tanh(z / cap)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Post {
    /// Factor on the logits (Cohere multiplies; a family that divides, like Granite, stores the reciprocal).
    pub scale: f32,
    /// Final soft cap (Gemma 2).
    pub softcap: Option<f32>,
}

impl Default for Post {
    fn default() -> Self {
        Self { scale: 1.0, softcap: None }
    }
}

impl Post {
    /// One logit after scale and cap.
    #[inline]
    pub fn apply(&self, z: f32) -> f32 {
        let z = z * self.scale;
        match self.softcap {
            Some(cap) => cap * (z / cap).tanh(),
            None => z,
        }
    }
}

/// A borrowed unembedding: `logits(x) = post(W_U · x + b_U)` for an already normed `x`.
#[derive(Debug, Clone, Copy)]
pub struct Unembedding<'a> {
    rows: VocabRows<'a>,
    bias: Option<&'a [f32]>,
    post: Post,
    d_model: usize,
    n_vocab: usize,
}

impl<'a> Unembedding<'a> {
    /// Borrows `rows` as a matrix with rows of `d_model` weights; `bias`, if any, is `[n_vocab]`.
    ///
    /// # Errors
    /// When the rows are empty, are not a multiple of `d_model`, or the bias has another length.
    pub fn new(
        rows: VocabRows<'a>,
        d_model: usize,
        bias: Option<&'a [f32]>,
        post: Post,
    ) -> Result<Self, ProjectionError> {
        if d_model == 0 || rows.is_empty() || !rows.len().is_multiple_of(d_model) {
            return Err(ProjectionError::RowsShape { weights: rows.len(), d_model });
        }
        let n_vocab = rows.len() / d_model;
        if u32::try_from(n_vocab).is_err() {
            return Err(ProjectionError::RowsShape { weights: rows.len(), d_model });
        }
        if let Some(bias) = bias
            && bias.len() != n_vocab
        {
            return Err(ProjectionError::BiasShape { bias: bias.len(), n_vocab });
        }
        Ok(Self { rows, bias, post, d_model, n_vocab })
    }

    /// Width of a row and of a readout.
    pub fn d_model(&self) -> usize {
        self.d_model
    }

    /// Number of rows, padded rows included.
    pub fn n_vocab(&self) -> usize {
        self.n_vocab
    }

    /// The stored rows.
    pub fn rows(&self) -> VocabRows<'a> {
        self.rows
    }

    /// The bias `b_U`, `[n_vocab]`.
    pub fn bias(&self) -> Option<&'a [f32]> {
        self.bias
    }

    /// Scale and soft cap.
    pub fn post(&self) -> Post {
        self.post
    }
}

/// A batch of normed vectors to read out, and what is wanted of each.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Normed residual-stream vectors, `[n, d_model]` row-major.
    pub readouts: &'a [f32],
    /// How many of the largest logits to keep; more than the vocabulary means the whole vocabulary.
    pub top_k: usize,
    /// Whether to compute the entropy.
    pub entropy: bool,
    /// Whether to compute the variance of the log-probability (the varentropy).
    pub variance: bool,
    /// Per readout, the index *in this batch* of the final readout of the same position, `[n]`. With it, the KL
    /// divergence to that final readout is computed.
    pub finals: Option<&'a [u32]>,
    /// With `finals`: also the Jensen-Shannon divergence and the total variation, at the price of a second pass.
    pub distances: bool,
    /// Per readout, the tokens whose logit and rank are wanted, `[n]`; empty for none anywhere.
    pub tracked: &'a [Vec<TokenId>],
}

impl Job<'_> {
    /// Checks that the job fits `unembedding` and returns its number of readouts.
    pub(super) fn check(&self, unembedding: &Unembedding<'_>) -> Result<usize, ProjectionError> {
        let (d_model, n_vocab) = (unembedding.d_model(), unembedding.n_vocab());
        if !self.readouts.len().is_multiple_of(d_model) {
            return Err(ProjectionError::ReadoutsShape { values: self.readouts.len(), d_model });
        }
        let readouts = self.readouts.len() / d_model;
        if let Some(finals) = self.finals {
            if finals.len() != readouts {
                return Err(ProjectionError::JobShape { what: "finals", got: finals.len(), readouts });
            }
            for (readout, &index) in finals.iter().enumerate() {
                if index as usize >= readouts {
                    return Err(ProjectionError::FinalIndex { readout, index, readouts });
                }
            }
        }
        if !self.tracked.is_empty() && self.tracked.len() != readouts {
            return Err(ProjectionError::JobShape { what: "tracked", got: self.tracked.len(), readouts });
        }
        match self.tracked.iter().flatten().find(|token| token.0 as usize >= n_vocab) {
            Some(&token) => Err(ProjectionError::UnknownToken { token, n_vocab }),
            None => Ok(readouts),
        }
    }
}

/// A tracked token in one readout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tracked {
    /// Its logit, after `post`.
    pub logit: f32,
    /// 1 + the number of tokens with a strictly larger logit.
    pub rank: u32,
}

/// The projection's answer for one readout.
#[derive(Debug, Clone, PartialEq)]
pub struct Projected {
    /// The largest logits, after `post`: larger first, ties by the smaller id first.
    pub top: Vec<(TokenId, f32)>,
    /// `ln sum_v exp(logit_v)` over all rows, nats.
    pub log_sum_exp: f64,
    /// Entropy of the softmax, nats.
    pub entropy: Option<f64>,
    /// Variance of `ln p` under the softmax, nats².
    pub variance: Option<f64>,
    /// `KL(final ‖ this)`, nats. `None` as well when the final readout itself has non-finite logits.
    pub kl_to_final: Option<f64>,
    /// Jensen-Shannon divergence to the final readout, from 0 to ln 2 nats.
    pub js_to_final: Option<f64>,
    /// Total variation to the final readout: half the L1 distance of the distributions, from 0 to 1.
    pub tv_to_final: Option<f64>,
    /// The tracked tokens of this readout, in the order asked.
    pub tracked: Vec<Tracked>,
}

/// The two ends of the vocabulary for one readout.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BothEnds {
    /// The largest logits, after `post`: larger first, ties by the smaller id first.
    pub top: Vec<(TokenId, f32)>,
    /// The smallest logits, after `post`: smaller first, ties by the smaller id first.
    pub bottom: Vec<(TokenId, f32)>,
}

/// A readout some of whose logits are NaN or infinite, so that it has no distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the readout has logits that are NaN or infinite")]
pub struct NonFiniteLogits;

/// A job that the projection cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectionError {
    /// The rows do not form a matrix.
    #[error("an unembedding of {weights} weights is not a matrix with rows of d_model = {d_model}")]
    RowsShape {
        /// Number of weights.
        weights: usize,
        /// Width that a row should have.
        d_model: usize,
    },
    /// The bias does not fit the rows.
    #[error("the unembedding bias has {bias} values for {n_vocab} vocabulary rows")]
    BiasShape {
        /// Length of the bias.
        bias: usize,
        /// Number of vocabulary rows.
        n_vocab: usize,
    },
    /// The readouts are not a whole number of rows.
    #[error("{values} values are not a whole number of readouts of d_model = {d_model}")]
    ReadoutsShape {
        /// Number of values given.
        values: usize,
        /// Width of a readout.
        d_model: usize,
    },
    /// `finals` or `tracked` has a length other than the number of readouts.
    #[error("`{what}` has {got} entries for {readouts} readouts")]
    JobShape {
        /// Which of the two lists.
        what: &'static str,
        /// Its length.
        got: usize,
        /// Number of readouts.
        readouts: usize,
    },
    /// A final readout's index is outside the batch.
    #[error("readout {readout} names readout {index} as its final one; the batch has {readouts}")]
    FinalIndex {
        /// The readout that named it.
        readout: usize,
        /// The index that it named.
        index: u32,
        /// Number of readouts.
        readouts: usize,
    },
    /// A tracked token is not in the vocabulary.
    #[error("token id {token} is outside the vocabulary of {n_vocab} rows")]
    UnknownToken {
        /// The token.
        token: TokenId,
        /// Number of vocabulary rows.
        n_vocab: usize,
    },
    /// A kernel was asked for that does not exist or that this machine cannot run.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}
