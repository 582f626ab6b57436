//! The seam behind which a model lives.

use std::{ops::Range, sync::Arc};

use crate::{
    dtype::Dtype,
    edit::Edits,
    mixer::MixerKind,
    nonfinite::NonFinite,
    point::{Point, PointSet, Site},
    projection::ProjectionError,
    readout::{Question, Readout},
    token::TokenId,
    translate::LensMap,
};

/// What is known of a loaded model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Hub id, folder, or `demo`.
    pub id: String,
    /// Commit of a hub checkpoint, where known.
    pub revision: Option<String>,
    /// Family, as `model_type` names it.
    pub family: String,
    /// Whether the family was assumed, against what config.json says.
    pub family_assumed: bool,
    /// Number of blocks.
    pub n_layers: u16,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Rows of the unembedding, padded rows included.
    pub n_vocab: usize,
    /// Type of the weights as they are used.
    pub dtype: Dtype,
    /// Half the distance from 1 to the next larger number of that type: what one rounding may change.
    pub unit_roundoff: f32,
    /// Where the model runs, e.g. `cpu`.
    pub device: String,
    /// Whether attention and MLP read the same input, so that `resid_mid` is a sum that nothing reads.
    pub parallel_blocks: bool,
    /// Whether some layer chooses among experts, so that a small rounding can have a large effect.
    pub routed: bool,
    /// What stands in the place of attention in each block, `[n_layers]`.
    pub mixers: Vec<MixerKind>,
    /// Points that this model does not have: where its branches are not summands of the stream, and `z` of blocks
    /// whose mixer has none.
    pub absent: PointSet,
    /// The longest sequence the model can take at all, where there is such a bound (learned positions).
    pub max_positions: Option<usize>,
}

impl ModelInfo {
    /// A model of this family, hub id or folder, whose weights are used in `dtype`: on the processor, its blocks
    /// one branch after the other, without anything that the other fields would say.
    ///
    /// It has `n_layers` blocks, a residual stream `d_model` wide, and an unembedding `[n_vocab, d_model]`.
    pub fn new(
        id: impl Into<String>,
        family: impl Into<String>,
        n_layers: u16,
        d_model: usize,
        n_vocab: usize,
        dtype: Dtype,
    ) -> Self {
        Self {
            id: id.into(),
            revision: None,
            family: family.into(),
            family_assumed: false,
            n_layers,
            d_model,
            n_vocab,
            dtype,
            unit_roundoff: dtype.unit_roundoff(),
            device: "cpu".to_owned(),
            parallel_blocks: false,
            routed: false,
            mixers: vec![MixerKind::Attention; n_layers.into()],
            absent: PointSet::default(),
            max_positions: None,
        }
    }

    /// Where the model runs, e.g. `cuda:0`.
    #[must_use]
    pub fn with_device(mut self, device: impl Into<String>) -> Self {
        self.device = device.into();
        self
    }

    /// Whether the model has this point.
    pub fn has(&self, point: Point) -> bool {
        point.layer().is_none_or(|layer| layer < self.n_layers) && !self.absent.contains(point)
    }

    /// The blocks that do not have this site, ascending.
    pub fn layers_without(&self, site: Site) -> impl Iterator<Item = u16> {
        (0..self.n_layers).filter(move |layer| !self.has(Point::block(*layer, site)))
    }

    crate::setters! {
        /// Commit of a hub checkpoint, where known.
        with_revision => revision: Option<String>,
        /// Whether the family was assumed, against what config.json says.
        with_family_assumed => family_assumed: bool,
        /// Half the distance from 1 to the next larger number of that type: what one rounding may change.
        with_unit_roundoff => unit_roundoff: f32,
        /// Whether attention and MLP read the same input, so that `resid_mid` is a sum that nothing reads.
        with_parallel_blocks => parallel_blocks: bool,
        /// Whether some layer chooses among experts, so that a small rounding can have a large effect.
        with_routed => routed: bool,
        /// What stands in the place of attention in each block, `[n_layers]`.
        with_mixers => mixers: Vec<MixerKind>,
        /// Points that this model does not have.
        with_absent => absent: PointSet,
        /// The longest sequence the model can take at all, where there is such a bound (learned positions).
        with_max_positions => max_positions: Option<usize>,
    }
}

/// One step of a forward pass: some tokens after those that the backend has already seen.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Forward<'a> {
    /// The tokens of this step.
    pub tokens: &'a [TokenId],
    /// How many tokens came before them. 0 starts a new sequence; otherwise it must be what was seen so far.
    pub past: usize,
    /// How long the sequence is that these tokens are part of, as far as it is known; at least
    /// `past + tokens.len()`. Position embeddings that depend on the length are those of this length.
    pub total: usize,
    /// How long the sequence may become, at least `total`: caches are made for it.
    pub room: usize,
    /// The points to capture.
    pub points: &'a PointSet,
    /// Which rows of this step to keep at every point: indices into `tokens`, ascending.
    pub rows: &'a [usize],
}

impl<'a> Forward<'a> {
    /// A whole sequence in one step: nothing before it, and no room for more.
    pub fn new(tokens: &'a [TokenId], points: &'a PointSet, rows: &'a [usize]) -> Self {
        Self { tokens, past: 0, total: tokens.len(), room: tokens.len(), points, rows }
    }

    crate::setters! {
        /// How many tokens came before them. 0 starts a new sequence; otherwise it must be what was seen so far.
        with_past => past: usize,
        /// How long the sequence is that these tokens are part of, as far as it is known; at least
        /// `past + tokens.len()`. Position embeddings that depend on the length are those of this length.
        with_total => total: usize,
        /// How long the sequence may become, at least `total`: caches are made for it.
        with_room => room: usize,
    }
}

/// Several whole sequences to be run at once. None sees another, and none can be continued.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Pack<'a> {
    /// The sequences, none of them empty.
    pub sequences: &'a [Sequence<'a>],
    /// The points to capture, the same in all of them.
    pub points: &'a PointSet,
}

impl<'a> Pack<'a> {
    /// These sequences, captured at these points.
    pub fn new(sequences: &'a [Sequence<'a>], points: &'a PointSet) -> Self {
        Self { sequences, points }
    }
}

/// A whole sequence of a [`Pack`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Sequence<'a> {
    /// Its tokens.
    pub tokens: &'a [TokenId],
    /// Which of its rows to keep at every point: indices into `tokens`, ascending.
    pub rows: &'a [usize],
}

impl<'a> Sequence<'a> {
    /// These tokens, of which these rows are kept.
    pub fn new(tokens: &'a [TokenId], rows: &'a [usize]) -> Self {
        Self { tokens, rows }
    }
}

/// Vectors of one point to decode, as they were captured or as a lens translated them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Column<'a, H> {
    /// Where they were captured.
    pub point: Point,
    /// The lens that translated them; `None` for the plain one, which leaves them as they were captured.
    pub lens: Option<&'a str>,
    /// The vectors, `[rows, d_model]`.
    pub vectors: &'a H,
    /// Whether the readout is shown. One that is not is there for what follows from it, and its tokens are not
    /// followed from point to point.
    pub shown: bool,
}

impl<'a, H> Column<'a, H> {
    /// Vectors as they were captured, whose readout is shown.
    pub fn plain(point: Point, vectors: &'a H) -> Self {
        Self { point, lens: None, vectors, shown: true }
    }

    /// The same vectors as the lens of that name translated them.
    #[must_use]
    pub fn translated(self, lens: Option<&'a str>) -> Self {
        Self { lens, ..self }
    }

    crate::setters! {
        /// Whether the readout is shown.
        with_shown => shown: bool,
    }

    /// The error of a value that is not finite in this column.
    pub fn not_finite(&self, what: NonFinite, position: usize) -> BackendError {
        let point = self.point;
        match self.lens {
            None => BackendError::NonFinite { what, point, position },
            Some(lens) => BackendError::NonFiniteTranslation { lens: lens.to_owned(), what, point, position },
        }
    }
}

/// Captured vectors and what is wanted of them.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReadRequest<'a, H> {
    /// What is decoded: all with the same rows.
    pub hidden: &'a [Column<'a, H>],
    /// The last block's `resid_post` for the same rows: the final readout.
    pub last: &'a H,
    /// Absolute position of every row.
    pub positions: &'a [usize],
    /// Per row, what comes next in the sequence.
    pub next: &'a [Next],
    /// What to keep.
    pub ask: &'a Question,
}

impl<'a, H> ReadRequest<'a, H> {
    /// The request for `hidden` and the final readouts of `last`, one row for each of `positions` and of `next`.
    pub fn new(
        hidden: &'a [Column<'a, H>],
        last: &'a H,
        positions: &'a [usize],
        next: &'a [Next],
        ask: &'a Question,
    ) -> Self {
        Self { hidden, last, positions, next, ask }
    }
}

/// What comes after a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing that is known.
    Nothing,
    /// This token.
    Token(TokenId),
    /// The final readout's own top-1 token: the model writes it, greedily.
    Top1,
}

impl From<Option<TokenId>> for Next {
    fn from(token: Option<TokenId>) -> Self {
        token.map_or(Self::Nothing, Self::Token)
    }
}

/// What a [`ReadRequest`] came to.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Readings {
    /// The final readout of every row.
    pub finals: Vec<Readout>,
    /// The readouts, row by row, and for each row in the order of the request's columns.
    pub points: Vec<Readout>,
}

impl Readings {
    /// One of `finals` a row, and of `points` as many a row as the request has points.
    pub fn new(finals: Vec<Readout>, points: Vec<Readout>) -> Self {
        Self { finals, points }
    }
}

/// Logits from a backend's plain matrix product, independent of the path that readouts take.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlainLogits {
    /// The logits asked for, in that order.
    pub logits: Vec<f32>,
    /// Log-sum-exp over the whole vocabulary.
    pub log_sum_exp: f64,
    /// How far rounding alone may move one of `logits`.
    pub logit_tolerance: f32,
    /// How far rounding alone may move `log_sum_exp`.
    pub log_sum_exp_tolerance: f32,
}

impl PlainLogits {
    /// Logits and log-sum-exp, each with the size of the error, in logits, that rounding alone may make.
    pub fn new(logits: Vec<f32>, log_sum_exp: f64, logit_tolerance: f32, log_sum_exp_tolerance: f32) -> Self {
        Self { logits, log_sum_exp, logit_tolerance, log_sum_exp_tolerance }
    }
}

/// A model that can be run once and looked into.
///
/// Activations stay opaque; what crosses the seam is small. There is no `Send` or `Sync` bound.
pub trait Backend {
    /// Captured vectors of one point, one row per kept position.
    type Hidden;

    /// What is known of the model.
    fn info(&self) -> &ModelInfo;

    /// Runs the model over some more tokens and returns what was captured, in the order of `step.points`.
    ///
    /// # Errors
    /// When a token is unknown, the sequence is too long, or the computation fails.
    fn forward(&mut self, step: &Forward<'_>) -> Result<Vec<Self::Hidden>, BackendError>;

    /// Runs a step as [`Backend::forward`] does, but with every value of the embedding moved to a neighbour in the
    /// model's dtype, up or down: what one rounding may do to everything after it. `None` where the backend cannot.
    ///
    /// # Errors
    /// As [`Backend::forward`].
    fn forward_nudged(&mut self, step: &Forward<'_>) -> Result<Option<Vec<Self::Hidden>>, BackendError> {
        let _ = step;
        Ok(None)
    }

    /// Runs several sequences at once and returns what was captured, in the order of `pack.points`: the kept rows of
    /// the first sequence, then those of the second, and so on. `None` where the backend cannot, or cannot now.
    ///
    /// # Errors
    /// As [`Backend::forward`]; an error does not say which sequence it is about.
    fn forward_pack(&mut self, pack: &Pack<'_>) -> Result<Option<Vec<Self::Hidden>>, BackendError> {
        let _ = pack;
        Ok(None)
    }

    /// Whether tokens that were run as part of a sequence of `seen` tokens stand as they are in one of `total`.
    /// Where position embeddings depend on the length they may not, and the sequence has to be run anew.
    fn continues(&self, seen: usize, total: usize) -> bool {
        let _ = (seen, total);
        true
    }

    /// How many heads a block's `z` is divided into, and how many values each has; `None` where it is not divided.
    fn heads(&self, layer: u16) -> Option<(usize, usize)> {
        let _ = layer;
        None
    }

    /// Runs with these edits alone from now on, and returns those that were set before; [`crate::steer`] makes them.
    /// `None` is what the backend does of itself; [`Edits`] without any change is the model as it is.
    ///
    /// It ends the sequence: the next step starts a new one. A backend that can be steered calls [`Edits::apply`] at
    /// every point, goes on with what that leaves, and captures the same.
    ///
    /// # Errors
    /// [`BackendError::NotSteerable`] unless the backend has a method of its own.
    fn set_edits(&mut self, edits: Option<Arc<Edits>>) -> Result<Option<Arc<Edits>>, BackendError> {
        match edits {
            None => Ok(None),
            Some(_) => Err(BackendError::NotSteerable),
        }
    }

    /// Appends some rows of `hidden` to `out`, each as `width` float32 values; returns the width.
    ///
    /// # Errors
    /// When the copy fails.
    fn rows(
        &self,
        hidden: &Self::Hidden,
        rows: Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<usize, BackendError>;

    /// Translates captured vectors by a lens's map, in float32, and keeps the result in float32.
    ///
    /// # Errors
    /// When the computation fails. A backend that does not override this has no lens but the plain one.
    fn translate(&self, hidden: &Self::Hidden, map: &Arc<LensMap>) -> Result<Self::Hidden, BackendError> {
        let _ = (hidden, map);
        Err(BackendError::NoTranslation { family: self.info().family.clone() })
    }

    /// Decodes captured vectors. [`crate::HostReadout`] does it on the host.
    ///
    /// # Errors
    /// When an activation is not finite (the error names the point), or the request does not fit the model.
    fn read(&self, request: &ReadRequest<'_, Self::Hidden>) -> Result<Readings, BackendError>;

    /// Logits of one row of a final residual by norm and plain matrix product, for the self-check.
    ///
    /// # Errors
    /// When the computation fails.
    fn plain_logits(
        &self,
        last: &Self::Hidden,
        row: usize,
        ids: &[TokenId],
    ) -> Result<PlainLogits, BackendError>;
}

/// A failure behind the seam.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// An activation, or something made of it, is NaN or infinite. The first place that has it is named.
    #[error("{what} at {}, position {position}: {advice}", what.place(*point), advice = NonFinite::ADVICE)]
    NonFinite {
        /// What is not finite.
        what: NonFinite,
        /// Where.
        point: Point,
        /// At which position.
        position: usize,
    },
    /// What a lens made of a finite vector, or its logits, is NaN or infinite.
    #[error(
        "{what} at {point}, position {position}, after the lens {lens} has translated it: the values of the lens may be \
         broken, or too large for this model"
    )]
    NonFiniteTranslation {
        /// The lens's name.
        lens: String,
        /// What is not finite.
        what: NonFinite,
        /// Where.
        point: Point,
        /// At which position.
        position: usize,
    },
    /// A backend that reads with the plain lens only.
    #[error("this backend ({family}) can only read with the plain logit lens")]
    NoTranslation {
        /// The model's family.
        family: String,
    },
    /// A number of a readout is NaN or infinite although its logits are not.
    #[error("{statistic} is NaN or infinite at {point}, position {position}: {advice}", advice = NonFinite::ADVICE)]
    NonFiniteStatistic {
        /// Its name in a trace.
        statistic: &'static str,
        /// Where.
        point: Point,
        /// At which position.
        position: usize,
    },
    /// A token that the model does not have.
    #[error("token id {token} is outside the vocabulary of {n_vocab} rows")]
    UnknownToken {
        /// The token.
        token: TokenId,
        /// Number of rows.
        n_vocab: usize,
    },
    /// More tokens than the model has positions.
    #[error("{length} tokens are more than the {max} positions this model has: shorten the prompt")]
    TooLong {
        /// Length of the sequence.
        length: usize,
        /// What the model can take.
        max: usize,
    },
    /// Interventions, and a backend without [`Backend::set_edits`].
    #[error("this backend cannot change activations while it runs")]
    NotSteerable,
    /// The projection was asked something impossible.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// A failure of the backend's own.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}
