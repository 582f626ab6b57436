//! Direct logit attribution: which part of the model brought how much of a logit.
//!
//! With the statistics of the final norm given (those of the final residual: [`NormMode::FinalScale`]), the logit before
//! the soft cap is linear in the final residual, and that is the sum of the embedding and of what every branch adds. So
//! each part has a share, and the shares and the biases sum to the logit. A LayerNorm's mean is linear too: each part
//! loses its own.
//!
//! A branch is the sum of its heads, or neurons, and of its biases. Where a norm stands between them and the stream
//! (Gemma 2, OLMo 2), that norm is taken with the statistics that it has at this position: with those given it is an
//! affine map, and the shares still sum to that of the branch. The same is done where norms stand on the stream itself
//! (OPT-350M), and branches are not summands of it. The computation goes backwards: the token's row of the unembedding
//! is led from place to place, and meets every part where it is.
//!
//! It may begin before the end: at the input or output of any block, and through the affine map that a lens has there,
//! whose bias is one more part. What interventions change of a sum or of a branch is a part as well.
//!
//! ```
//! use lens_core::{TokenId, attribution::{AttributionRequest, attribute}, toy::ToyBackend};
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let tokens = [3, 14, 15].map(TokenId);
//! let ask = AttributionRequest::new(TokenId(9), 2).with_versus(Some(TokenId(4)));
//! let parts = attribute(&mut model, &tokens, &ask)?;
//! assert!(parts.error().abs() < 1e-4);
//! # Ok::<(), lens_core::attribution::AttributionError>(())
//! ```
//!
//! [`NormMode::FinalScale`]: crate::norm::NormMode::FinalScale

mod capture;
mod changed;
mod error;
mod notes;
mod parts;
mod result;
mod rounding;
mod trace;
mod walk;

use capture::Captured;
use changed::Changed;
pub use error::AttributionError;
use parts::dot;
pub use parts::{
    BlockParts, BlockValues, BranchInputs, BranchParts, Dissect, EmbeddingParts, FixedNorm, OutputMap,
    TokenReadout,
};
pub use result::{
    Attribution, Biases, EmbeddingContributions, LayerContributions, LogitCheck, NeuronContribution,
    TokenLogit,
};
pub use trace::{AttributionLens, AttributionTrace, SCHEMA, Shares, TargetLogit};
use walk::Walk;

use std::sync::Arc;

use crate::{
    backend::BackendError,
    point::{Component, Point, Site},
    token::TokenId,
    translate::LensMap,
};

/// Neurons that are kept unless a request says otherwise.
const NEURONS: usize = 20;

/// Which logit to take apart.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AttributionRequest {
    /// The token whose logit it is.
    pub target: TokenId,
    /// A token whose logit is subtracted: the parts of the difference are wanted.
    pub versus: Option<TokenId>,
    /// The position whose next token is predicted.
    pub position: usize,
    /// How many neurons to keep, of those that contribute most either way.
    pub neurons: usize,
    /// Where in the stream the logit is read: the input or the output of a block, or the embedding; `None` is the model's
    /// own logit.
    pub point: Option<Point>,
    /// What a lens does to the vector there before it is decoded.
    pub map: Option<Arc<LensMap>>,
}

impl AttributionRequest {
    /// The logit of `target` at `position`, with the 20 largest neurons.
    pub fn new(target: TokenId, position: usize) -> Self {
        Self { target, versus: None, position, neurons: NEURONS, point: None, map: None }
    }

    crate::setters! {
        /// A token whose logit is subtracted: the parts of the difference are wanted.
        with_versus => versus: Option<TokenId>,
        /// How many neurons to keep, of those that contribute most either way.
        with_neurons => neurons: usize,
        /// Where in the stream the logit is read: the input or the output of a block, or the embedding; `None` is the
        /// model's own logit.
        with_point => point: Option<Point>,
        /// What a lens does to the vector there before it is decoded.
        with_map => map: Option<Arc<LensMap>>,
    }
}

/// Runs `tokens` once and takes the logit that `ask` names apart. Where the backend has edits
/// ([`Backend::set_edits`](crate::backend::Backend::set_edits)), what they change has shares of its own.
///
/// # Errors
/// When there is no such position, point or token, the two tokens are the same, the stream is not the sum of its parts, or
/// the backend fails.
pub fn attribute<B: Dissect>(
    backend: &mut B,
    tokens: &[TokenId],
    ask: &AttributionRequest,
) -> Result<Attribution, AttributionError> {
    check(backend, tokens, ask)?;
    let edits = Changed::of(backend, ask.position)?;
    let captured = Captured::run(backend, tokens, ask.position)?;
    let backend = &*backend;
    let n_layers = backend.info().n_layers;
    let read_at = ask.point.unwrap_or(Point::last(n_layers));

    let start = Start::of(backend, &captured, read_at, ask)?;
    let rounds = backend.info().unit_roundoff > f32::EPSILON;
    let mut walk = Walk {
        backend,
        captured: &captured,
        direction: start.direction,
        most_neurons: ask.neurons,
        neurons: Vec::new(),
        rounding: rounds.then_some(0.0),
        edits,
        changes: Vec::new(),
        stream_norms: Vec::new(),
        facts: Vec::new(),
    };
    if let (Some(layer), Component::Site(Site::ResidPre)) = (read_at.layer(), read_at.component()) {
        walk.enter(layer)?;
    }
    let blocks = blocks_before(read_at).unwrap_or(n_layers);
    let mut layers = (0..blocks).rev().map(|layer| walk.block(layer)).collect::<Result<Vec<_>, _>>()?;
    layers.reverse();
    walk.changes.reverse();
    walk.stream_norms.reverse();
    walk.facts.reverse();

    let embed = captured.values(backend, Point::Embed)?.unwrap_or_default();
    let parts = backend.embedding_parts(tokens[ask.position], ask.position)?;
    let attribution = Attribution {
        position: ask.position,
        target: start.target,
        versus: start.versus,
        embed: dot(&walk.direction, &embed),
        embedding: parts.map(|parts| EmbeddingContributions {
            token: dot(&walk.direction, &parts.token),
            position: dot(&walk.direction, &parts.position),
        }),
        layers,
        neurons: walk.neurons,
        bias: Biases { stream_norms: walk.stream_norms, ..start.bias },
        rounding: walk.rounding,
        changes: walk.changes,
        point: ask.point,
        logit_before_cap: start.target.before_cap - start.versus.map_or(0.0, |versus| versus.before_cap),
        check: start.check,
        notes: notes::of(&walk.facts, start.cap, backend.info()),
    };
    if attribution.is_finite() { Ok(attribution) } else { Err(AttributionError::NotFinite) }
}

/// How many blocks come before a place in the stream where a logit can be read.
fn blocks_before(point: Point) -> Option<u16> {
    match (point.layer(), point.component()) {
        (None, Component::Embed) => Some(0),
        (Some(layer), Component::Site(Site::ResidPre)) => Some(layer),
        (Some(layer), Component::Site(Site::ResidPost)) => Some(layer + 1),
        _ => None,
    }
}

/// Says what is wrong with a request before anything is run.
fn check<B: Dissect>(
    backend: &B,
    tokens: &[TokenId],
    ask: &AttributionRequest,
) -> Result<(), AttributionError> {
    if tokens.is_empty() {
        return Err(AttributionError::NoTokens);
    }
    if ask.position >= tokens.len() {
        return Err(AttributionError::NoPosition { position: ask.position, length: tokens.len() });
    }
    if let Some(point) = ask.point {
        let is_there = point.layer().is_none_or(|layer| layer < backend.info().n_layers);
        if blocks_before(point).is_none() || !is_there {
            return Err(AttributionError::NoPlace { point, n_layers: backend.info().n_layers });
        }
    }
    let n_vocab = backend.info().n_vocab;
    let mut named = tokens.iter().copied().chain([ask.target]).chain(ask.versus);
    if let Some(token) = named.find(|token| token.index() >= n_vocab) {
        return Err(BackendError::UnknownToken { token, n_vocab }.into());
    }
    match ask.versus {
        Some(versus) if versus == ask.target => Err(AttributionError::SameToken { token: versus }),
        _ => Ok(()),
    }
}

/// Where the walk begins: the final residual and what it is multiplied with.
struct Start {
    direction: Vec<f64>,
    bias: Biases,
    target: TokenLogit,
    versus: Option<TokenLogit>,
    cap: Option<f32>,
    check: LogitCheck,
}

/// A logit after the soft cap, if there is one.
fn with_cap(logit: f64, cap: Option<f32>) -> f64 {
    cap.map(f64::from).map_or(logit, |cap| cap * (logit / cap).tanh())
}

impl Start {
    fn of<B: Dissect>(
        backend: &B,
        captured: &Captured<B::Hidden>,
        read_at: Point,
        ask: &AttributionRequest,
    ) -> Result<Self, AttributionError> {
        let x = captured.values(backend, read_at)?.unwrap_or_default();
        let hidden = captured.get(read_at);
        let hidden =
            hidden.ok_or_else(|| BackendError::Other(format!("{read_at} was not captured").into()))?;
        let translated = ask.map.as_ref().map(|map| backend.translate(hidden, map)).transpose()?;
        let hidden = translated.as_ref().unwrap_or(hidden);
        let mut last = Vec::new();
        backend.rows(hidden, 0..1, &mut last)?;
        let last = &last;
        let ids: Vec<TokenId> = std::iter::once(ask.target).chain(ask.versus).collect();
        let plain = backend.plain_logits(hidden, 0, &ids)?;
        let unit = f64::from(backend.info().unit_roundoff);
        let mut start = Self {
            direction: vec![0.0; x.len()],
            bias: Biases::default(),
            target: TokenLogit { token: ask.target, before_cap: 0.0, logit: 0.0 },
            versus: None,
            cap: None,
            check: LogitCheck { max_abs_logit_error: 0.0, passed: true },
        };
        for (i, (token, own)) in ids.into_iter().zip(plain.logits).enumerate() {
            let TokenReadout { row, bias, norm, post } = backend.token_readout(token)?;
            let scale = f64::from(post.scale);
            let row: Vec<f64> = row.iter().map(|w| scale * f64::from(*w)).collect();
            let (of_last, norm_bias) = FixedNorm::at(norm, last).pull_back(&row);
            let bias = scale * f64::from(bias);
            let (direction, lens_bias) = match &ask.map {
                Some(map) => map.pull_back(&of_last),
                None => (of_last.clone(), 0.0),
            };
            let before_cap = dot(&direction, &x) + lens_bias + norm_bias + bias;
            // The plain product rounds what it multiplies to the model's dtype.
            let rounded: f64 = of_last.iter().zip(last).map(|(g, x)| (g * f64::from(*x)).abs()).sum();
            let translated = ask.map.as_ref().map_or(0.0, |map| translation_error(map, &x, &of_last));
            let allowed =
                f64::from(plain.logit_tolerance) + 2.0 * unit * (rounded + norm_bias.abs()) + translated;
            start.check.see(with_cap(before_cap, post.softcap) - f64::from(own), allowed);
            let logit = TokenLogit { token, before_cap, logit: f64::from(own) };
            // The second token, if there is one, is subtracted.
            let sign = if i == 0 { 1.0 } else { -1.0 };
            start.direction.iter_mut().zip(direction).for_each(|(sum, g)| *sum += sign * g);
            start.bias.lens += sign * lens_bias;
            start.bias.final_norm += sign * norm_bias;
            start.bias.unembedding += sign * bias;
            start.cap = post.softcap;
            match i {
                0 => start.target = logit,
                _ => start.versus = Some(logit),
            }
        }
        Ok(start)
    }
}

/// What rounding explains of a product with a vector that was translated in float32: a sum of `d_model` terms each.
fn translation_error(map: &LensMap, x: &[f32], direction: &[f64]) -> f64 {
    let d = map.d_model();
    let terms = |row: &[f32]| row.iter().zip(x).map(|(w, x)| f64::from((w * x).abs())).sum::<f64>();
    let sizes = map.weight().chunks_exact(d).zip(direction).map(|(row, g)| g.abs() * terms(row));
    2.0 * f64::from(f32::EPSILON) * (d as f64).sqrt() * sizes.sum::<f64>()
}
