//! The interface to a model: what the pipeline asks of it.

use std::{ops::Range, sync::Arc};

use crate::{
    branches::Branches,
    choice::Choice,
    dtype::Dtype,
    edit::Edits,
    mixer::MixerKind,
    nonfinite::NonFinite,
    point::{Point, PointSet, Site},
    projection::ProjectionError,
    readout::{Question, Readout},
    statistic::StatisticSet,
    steps::StepBudget,
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
    /// Type that the weights are computed with, which need not be the type that they are stored in.
    pub dtype: Dtype,
    /// Half the distance from 1 to the next larger number of `dtype`: the relative error that one rounding may make.
    pub unit_roundoff: f32,
    /// Where the model runs, e.g. `cpu`.
    pub device: String,
    /// Whether attention and MLP read the same input, so that no part of the model reads the sum `resid_mid`.
    pub parallel_blocks: bool,
    /// Whether some layer chooses among experts, so that a small rounding can have a large effect.
    pub routed: bool,
    /// The kind of mixer (attention or what stands in its place) of each block, `[n_layers]`.
    pub mixers: Vec<MixerKind>,
    /// Points that this model does not have: where its branches are not summands of the stream, and `z` of blocks
    /// whose mixer has none.
    pub absent: PointSet,
    /// The heads of each block that can be read, `[n_layers]`; empty where no block has any.
    pub heads: Vec<HeadsInfo>,
    /// The longest sequence, in tokens, that the model can take at all, where there is such a bound (learned
    /// positions).
    pub max_positions: Option<usize>,
    /// What it has to do without where it runs, in sentences.
    pub notes: Vec<String>,
}

impl ModelInfo {
    /// A model named `id` (hub id or folder) of this `family`, whose weights are used in `dtype`. The other fields say
    /// the usual: it runs on `cpu`, has attention in every block, the MLP after it, no experts, every point, and no
    /// bound on its positions.
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
            heads: Vec::new(),
            max_positions: None,
            notes: Vec::new(),
        }
    }

    /// Where the model runs, e.g. `cuda:0`.
    #[must_use]
    pub fn with_device(mut self, device: impl Into<String>) -> Self {
        self.device = device.into();
        self
    }

    /// The heads of a block that can be read.
    pub fn heads_of(&self, layer: u16) -> HeadsInfo {
        self.heads.get(usize::from(layer)).copied().unwrap_or_default()
    }

    /// Whether the model has this point.
    pub fn has(&self, point: Point) -> bool {
        if let Point::Block { layer, site: Site::Head(head) } = point {
            return layer < self.n_layers && head < self.heads_of(layer).n;
        }
        point.layer().is_none_or(|layer| layer < self.n_layers) && !self.absent.contains(point)
    }

    /// The blocks that do not have this site, ascending.
    pub fn layers_without(&self, site: Site) -> impl Iterator<Item = u16> {
        (0..self.n_layers).filter(move |layer| !self.has(Point::block(*layer, site)))
    }

    /// The sums that the stream of a block is made of, as `[before, added, after]`: two where it has a mixer and an MLP,
    /// one where it has only one of them, none where branches are not summands of the stream.
    pub fn sums(&self, layer: u16) -> &'static [[Site; 3]] {
        let has = |site| self.has(Point::block(layer, site));
        match (has(Site::AttnOut), has(Site::ResidMid), has(Site::MlpOut)) {
            (true, true, true) => &[
                [Site::ResidPre, Site::AttnOut, Site::ResidMid],
                [Site::ResidMid, Site::MlpOut, Site::ResidPost],
            ],
            (true, false, false) => &[[Site::ResidPre, Site::AttnOut, Site::ResidPost]],
            (false, false, true) => &[[Site::ResidPre, Site::MlpOut, Site::ResidPost]],
            _ => &[],
        }
    }

    crate::setters! {
        /// Commit of a hub checkpoint, where known.
        with_revision => revision: Option<String>,
        /// Whether the family was assumed, against what config.json says.
        with_family_assumed => family_assumed: bool,
        /// Half the distance from 1 to the next larger number of `dtype`: the relative error that one rounding may
        /// make.
        with_unit_roundoff => unit_roundoff: f32,
        /// Whether attention and MLP read the same input, so that no part of the model reads the sum `resid_mid`.
        with_parallel_blocks => parallel_blocks: bool,
        /// Whether some layer chooses among experts, so that a small rounding can have a large effect.
        with_routed => routed: bool,
        /// The kind of mixer (attention or what stands in its place) of each block, `[n_layers]`.
        with_mixers => mixers: Vec<MixerKind>,
        /// The heads of each block that can be read, `[n_layers]`; empty where no block has any.
        with_heads => heads: Vec<HeadsInfo>,
        /// Points that this model does not have.
        with_absent => absent: PointSet,
        /// The longest sequence, in tokens, that the model can take at all, where there is such a bound (learned
        /// positions).
        with_max_positions => max_positions: Option<usize>,
        /// What it has to do without where it runs, in sentences.
        with_notes => notes: Vec<String>,
    }
}

/// The heads of a block as parts of what it adds to the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadsInfo {
    /// How many there are; 0 where the mixer has none, or what it adds is not a summand of the stream.
    pub n: u16,
    /// Whether a norm stands between them and the stream: each is led through it with the norm's statistics at the
    /// position.
    pub normed: bool,
}

impl HeadsInfo {
    /// `n` heads, with a norm after their sum if `normed`.
    pub fn new(n: u16, normed: bool) -> Self {
        Self { n, normed }
    }
}

/// One step of a forward pass: some tokens after those that the backend has already seen.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Forward<'a> {
    /// The tokens of this step.
    pub tokens: &'a [TokenId],
    /// How many tokens came before them. 0 starts a new sequence; otherwise it must be the number of tokens seen so
    /// far.
    pub past: usize,
    /// Length, in tokens, of the whole sequence that these are part of, as far as it is known; at least
    /// `past + tokens.len()`. Position embeddings that depend on a length are computed for this one.
    pub total: usize,
    /// How many tokens of the sequence will be run in all, as far as is known: caches are made that large. It may
    /// grow beyond `total`; it is less where nothing needs the last of the tokens.
    pub room: usize,
    /// Where the sequence is left: the last point that any of its steps has to reach, the same in all of them. `None`
    /// runs the whole model. What comes after need not be computed.
    pub through: Option<Point>,
    /// The points to capture.
    pub points: &'a PointSet,
    /// Which rows of this step to keep at every point: indices into `tokens`, ascending.
    pub rows: &'a [usize],
}

impl<'a> Forward<'a> {
    /// A whole sequence in one step: nothing before it, and no room for more.
    pub fn new(tokens: &'a [TokenId], points: &'a PointSet, rows: &'a [usize]) -> Self {
        Self { tokens, past: 0, total: tokens.len(), room: tokens.len(), through: None, points, rows }
    }

    crate::setters! {
        /// How many tokens came before them. 0 starts a new sequence; otherwise it must be the number of tokens seen so
        /// far.
        with_past => past: usize,
        /// Length, in tokens, of the whole sequence that these are part of, as far as it is known; at least
        /// `past + tokens.len()`. Position embeddings that depend on a length are computed for this one.
        with_total => total: usize,
        /// How many tokens of the sequence will be run in all, as far as is known: caches are made that large. It may
        /// grow beyond `total`; it is less where nothing needs the last of the tokens.
        with_room => room: usize,
        /// Where the sequence is left: the last point that any of its steps has to reach, the same in all of them.
        /// `None` runs the whole model. What comes after need not be computed.
        with_through => through: Option<Point>,
    }
}

/// Several sequences to be run at once, each from its start. No sequence sees another, and none can be continued.
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

/// A sequence of a [`Pack`], from its start.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Sequence<'a> {
    /// Its tokens.
    pub tokens: &'a [TokenId],
    /// Length, in tokens, of the whole sequence that these begin: more than these where nothing needs the last of
    /// them. Position embeddings that depend on a length are computed for this one.
    pub total: usize,
    /// Which of its rows to keep at every point: indices into `tokens`, ascending.
    pub rows: &'a [usize],
}

impl<'a> Sequence<'a> {
    /// These tokens, of which these rows are kept.
    pub fn new(tokens: &'a [TokenId], rows: &'a [usize]) -> Self {
        Self { tokens, total: tokens.len(), rows }
    }

    crate::setters! {
        /// Length, in tokens, of the whole sequence that these begin: more than these where nothing needs the last of
        /// them. Position embeddings that depend on a length are computed for this one.
        with_total => total: usize,
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
    /// Whether the readout is part of the result. One that is not is decoded only for what follows from it (where the
    /// prediction was decided), and its tokens are not tracked at other points.
    pub shown: bool,
}

impl<'a, H> Column<'a, H> {
    /// Vectors as they were captured, read by the plain lens, whose readout is part of the result.
    pub fn plain(point: Point, vectors: &'a H) -> Self {
        Self { point, lens: None, vectors, shown: true }
    }

    /// Says which lens made these vectors of the captured ones, by its name.
    #[must_use]
    pub fn translated(self, lens: Option<&'a str>) -> Self {
        Self { lens, ..self }
    }

    crate::setters! {
        /// Whether the readout is part of the result.
        with_shown => shown: bool,
    }

    /// The error to return for a value that is not finite in this column.
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
    /// The columns to decode. All have the same rows: row `i` is at `positions[i]`.
    pub hidden: &'a [Column<'a, H>],
    /// The last block's `resid_post` for these rows, `[rows, d_model]`: what the final readouts are decoded from.
    pub last: &'a H,
    /// Absolute position of every row, `[rows]`.
    pub positions: &'a [usize],
    /// What comes next in the sequence after every row, `[rows]`.
    pub next: &'a [Next],
    /// What to keep of each readout.
    pub ask: &'a Question,
    /// The final readouts of these rows, `[rows]`, where an earlier request with the same rows, `next` and `ask` has
    /// read them. A backend may take them as they are, or read them again: the answer has them in either case.
    pub known: Option<&'a [Readout]>,
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
        Self { hidden, last, positions, next, ask, known: None }
    }

    crate::setters! {
        /// The final readouts of these rows, `[rows]`, where an earlier request with the same rows, `next` and `ask` has
        /// read them.
        with_known => known: Option<&'a [Readout]>,
    }

    /// Makes a choice from a readout of its own, and then reads this request with it: for a `read` that cannot look at
    /// its final rows before the others.
    ///
    /// # Errors
    /// As `read`.
    pub fn with_choice(
        &self,
        choice: &mut Choice<'_>,
        read: impl Fn(&ReadRequest<'_, H>) -> Result<Readings, BackendError>,
    ) -> Result<Readings, BackendError> {
        let ask = Question {
            top_k: choice.candidates(),
            statistics: StatisticSet::EMPTY,
            norm: self.ask.norm,
            ..Question::default()
        };
        let nothing = vec![Next::Nothing; self.positions.len()];
        let alone = read(&ReadRequest { hidden: &[], next: &nothing, ask: &ask, known: None, ..*self })?;
        let next: Vec<Next> = alone.finals.iter().map(|readout| choice.make(&readout.top).into()).collect();
        read(&ReadRequest { next: &next, known: None, ..*self })
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

/// The answer to a [`ReadRequest`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Readings {
    /// The final readout of every row, `[rows]`.
    pub finals: Vec<Readout>,
    /// The readouts of the columns, `[rows, columns]` row-major, in the order of [`ReadRequest::hidden`].
    pub points: Vec<Readout>,
}

impl Readings {
    /// An answer with one of `finals` for each row, and in `points` one for each row and column of the request.
    pub fn new(finals: Vec<Readout>, points: Vec<Readout>) -> Self {
        Self { finals, points }
    }
}

/// Logits from a backend's plain matrix product, independent of the path that readouts take.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlainLogits {
    /// The logits of the tokens asked for, in the order asked.
    pub logits: Vec<f32>,
    /// Log-sum-exp of the logits over the whole vocabulary, nats.
    pub log_sum_exp: f64,
    /// How far rounding alone may move one of `logits`.
    pub logit_tolerance: f32,
    /// How far rounding alone may move `log_sum_exp`.
    pub log_sum_exp_tolerance: f32,
}

impl PlainLogits {
    /// Logits and log-sum-exp, each with the largest absolute error that rounding alone may make.
    pub fn new(logits: Vec<f32>, log_sum_exp: f64, logit_tolerance: f32, log_sum_exp_tolerance: f32) -> Self {
        Self { logits, log_sum_exp, logit_tolerance, log_sum_exp_tolerance }
    }
}

/// A model that can be run once and looked into.
///
/// Captured activations stay in a type of the backend's own; only readouts, which are small, have to leave it. There is
/// no `Send` or `Sync` bound.
pub trait Backend {
    /// Captured vectors of one point, one row per kept position: `d_model` values, at `z` `n_heads * d_head`.
    type Hidden;

    /// What is known of the model.
    fn info(&self) -> &ModelInfo;

    /// Runs the model over some more tokens and returns what was captured, in the order of `step.points`.
    ///
    /// # Errors
    /// When a token is unknown, the sequence is too long, or the computation fails.
    fn forward(&mut self, step: &Forward<'_>) -> Result<Vec<Self::Hidden>, BackendError>;

    /// Runs a step as [`Backend::forward`] does, but with every value of the embedding moved to a neighbour in the
    /// model's dtype, up or down: this shows what one rounding may do to everything after it. `None` where the backend
    /// cannot do this.
    ///
    /// # Errors
    /// As [`Backend::forward`].
    fn forward_nudged(&mut self, step: &Forward<'_>) -> Result<Option<Vec<Self::Hidden>>, BackendError> {
        let _ = step;
        Ok(None)
    }

    /// Runs several sequences at once and returns what was captured, in the order of `pack.points`: the kept rows of
    /// the first sequence, then those of the second, and so on. `None` where the backend cannot run packs, or cannot
    /// run this one: the sequences are then run one by one.
    ///
    /// # Errors
    /// As [`Backend::forward`]; an error does not say which sequence it is about.
    fn forward_pack(&mut self, pack: &Pack<'_>) -> Result<Option<Vec<Self::Hidden>>, BackendError> {
        let _ = pack;
        Ok(None)
    }

    /// Runs what parts from a sequence inside the model, and returns the last block's output of each run at the row asked
    /// for, `[runs, d_model]`. `None` where the backend cannot do this: each run is then one of the whole sequence, with
    /// [`Backend::set_edits`]. The sequence itself, as far as caches hold it, stays.
    ///
    /// # Errors
    /// As [`Backend::forward`]; an error does not say which run it is about.
    fn forward_branches(
        &mut self,
        branches: &Branches<'_, Self::Hidden>,
    ) -> Result<Option<Self::Hidden>, BackendError> {
        let _ = branches;
        Ok(None)
    }

    /// Whether what was computed for a sequence of `seen` tokens still holds once the sequence has `total` tokens.
    /// Where position embeddings depend on the length it may not, and the sequence has to be run anew.
    fn continues(&self, seen: usize, total: usize) -> bool {
        let _ = (seen, total);
        true
    }

    /// The steps that suit the backend and its memory.
    fn step_budget(&self) -> StepBudget {
        StepBudget::default()
    }

    /// How many heads a block's `z` is divided into, and how many values each has; `None` where it is not divided.
    fn heads(&self, layer: u16) -> Option<(usize, usize)> {
        let _ = layer;
        None
    }

    /// What some heads of a block add to the stream, `[rows, d_model]` each, of its captured `z`; in float32. A norm on
    /// their sum is taken with its statistics at each row, so that all heads and the biases add up to `attn_out`.
    ///
    /// # Errors
    /// When the block does not have such a head ([`ModelInfo::heads`]), or the computation fails.
    fn split_heads(
        &self,
        layer: u16,
        z: &Self::Hidden,
        heads: &[u16],
    ) -> Result<Vec<Self::Hidden>, BackendError> {
        let _ = (z, heads);
        Err(BackendError::NoHeads { layer })
    }

    /// Makes every run from now on apply these edits and no others, and returns those that were set before;
    /// [`crate::steer`] makes them. `None` goes back to what the backend does by itself; empty [`Edits`] run the model
    /// unchanged.
    ///
    /// This ends the current sequence: the next step starts a new one. A backend that can be steered calls
    /// [`Edits::apply`] at every point, goes on with the changed values, and captures the changed values too.
    ///
    /// # Errors
    /// [`BackendError::NotSteerable`] when there are edits and the backend does not override this method.
    fn set_edits(&mut self, edits: Option<Arc<Edits>>) -> Result<Option<Arc<Edits>>, BackendError> {
        match edits {
            None => Ok(None),
            Some(_) => Err(BackendError::NotSteerable),
        }
    }

    /// Appends some rows of `hidden` to `out` as float32, row-major, and returns the number of values in a row.
    ///
    /// # Errors
    /// When the copy fails.
    fn rows(
        &self,
        hidden: &Self::Hidden,
        rows: Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<usize, BackendError>;

    /// Some rows of captured vectors, as they are.
    ///
    /// # Errors
    /// When the computation fails. A backend that does not override this method returns
    /// [`BackendError::NoSelection`].
    fn select(&self, hidden: &Self::Hidden, rows: Range<usize>) -> Result<Self::Hidden, BackendError> {
        let _ = (hidden, rows);
        Err(BackendError::NoSelection { family: self.info().family.clone() })
    }

    /// Applies a lens's map to captured vectors, `[rows, d_model]`, in float32; the result stays in float32.
    ///
    /// # Errors
    /// When the computation fails. A backend that does not override this method reads with the plain lens only, and
    /// returns [`BackendError::NoTranslation`].
    fn translate(&self, hidden: &Self::Hidden, map: &Arc<LensMap>) -> Result<Self::Hidden, BackendError> {
        let _ = (hidden, map);
        Err(BackendError::NoTranslation { family: self.info().family.clone() })
    }

    /// Decodes captured vectors. [`crate::HostReadout`] is an implementation on the host.
    ///
    /// # Errors
    /// When an activation is not finite (the error names the point), or the request does not fit the model.
    fn read(&self, request: &ReadRequest<'_, Self::Hidden>) -> Result<Readings, BackendError>;

    /// Decodes captured vectors of one position, as [`Backend::read`] does, where what comes next is chosen from the final
    /// readout; [`ReadRequest::next`] is not looked at. A backend that does not override this method passes by the
    /// vocabulary once more, to choose before it reads.
    ///
    /// # Errors
    /// As [`Backend::read`].
    fn read_choosing(
        &self,
        request: &ReadRequest<'_, Self::Hidden>,
        mut choice: Choice<'_>,
    ) -> Result<Readings, BackendError> {
        request.with_choice(&mut choice, |request| self.read(request))
    }

    /// Completes the answer to the same request without tracked tokens by those that its positions
    /// [track](Question::tracked). A backend that does not override this method reads everything once more.
    ///
    /// # Errors
    /// As [`Backend::read`].
    fn track(
        &self,
        request: &ReadRequest<'_, Self::Hidden>,
        readings: &mut Readings,
    ) -> Result<(), BackendError> {
        *readings = self.read(request)?;
        Ok(())
    }

    /// Logits of the tokens `ids` at one row of a final residual, by the final norm and a plain matrix product rather
    /// than by the path that readouts take: what the self-check compares readouts with.
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

/// A failure of a backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// An activation, or what is computed from it, is NaN or infinite. The first place that has it is named.
    #[error("{what} at {}, position {position}: {advice}", what.place(*point), advice = NonFinite::ADVICE)]
    NonFinite {
        /// What is not finite.
        what: NonFinite,
        /// Where.
        point: Point,
        /// At which position.
        position: usize,
    },
    /// The vector that a lens made of a finite one, or its logits, are NaN or infinite.
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
    /// A lens other than the plain one was asked of a backend that does not implement [`Backend::translate`].
    #[error("this backend ({family}) can only read with the plain logit lens")]
    NoTranslation {
        /// The model's family.
        family: String,
    },
    /// Rows were asked of a backend that does not implement [`Backend::select`].
    #[error("this backend ({family}) cannot tell captured rows apart")]
    NoSelection {
        /// The model's family.
        family: String,
    },
    /// Heads were asked of a block, or a backend, that has none.
    #[error("layer {layer} has no heads that could be read")]
    NoHeads {
        /// The layer.
        layer: u16,
    },
    /// A number of a readout is NaN or infinite although its logits are not.
    #[error("{statistic} is NaN or infinite at {point}, position {position}: {advice}", advice = NonFinite::ADVICE)]
    NonFiniteStatistic {
        /// The statistic's name in a trace.
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
    /// Edits were given to a backend that does not implement [`Backend::set_edits`].
    #[error("this backend cannot change activations while it runs")]
    NotSteerable,
    /// The projection was given a job that it cannot do.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// A failure of the backend's own.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}
