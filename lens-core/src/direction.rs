//! Decoding directions: vectors that are not the residual stream at some position, but what something writes into it.
//!
//! A neuron, a feature of a sparse autoencoder or a steering vector adds a multiple of one direction `v` to the stream.
//! What that does to the logits is linear but for the final norm's scale, which belongs to the position: hence the
//! folded readout, `W_U (w ⊙ centred(v))`, in which the norm's weight `w` and its centring act on the direction and its
//! scale does not. See [`DirectionNorm`].

use std::{fmt, str::FromStr};

use rayon::prelude::*;

use crate::{
    norm::FinalNorm,
    projection::{BothEnds, NonFiniteLogits, Post, ProjectionError, Unembedding, VocabRows},
    suggest::did_you_mean,
    token::TokenId,
};

/// How a direction `v` meets the unembedding `W_U`. `w` and `b` are weight and bias of the final norm; `centred` subtracts
/// the mean where the norm is a layer norm, and does nothing where it is an RMS norm.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum DirectionNorm {
    /// `scale · W_U (w ⊙ centred(v))`: what a unit of `v` adds to the logits before the cap, times the norm's own scale
    /// at the position that it is added at. Neither `b`, nor the bias of the logits, nor the cap take part: they are not
    /// the direction's. The order of the tokens is that at every position.
    #[default]
    Folded,
    /// The folded readout, divided by the norm's scale at a position: `sqrt(mean(x²) + eps)` or `sqrt(var(x) + eps)` of
    /// its final residual x. In units of logits. A model without a final norm has no such scale: nothing is divided.
    FinalScale(f64),
    /// `post(W_U v + b_U)`: the raw vector meets the unembedding, as [`NormMode::None`](crate::NormMode::None) has it.
    None,
    /// `post(W_U norm(v) + b_U)`: the vector is read as if it were the whole residual stream.
    Recomputed,
}

impl DirectionNorm {
    const NAMES: [&str; 4] = ["folded", "final-scale", "none", "recomputed"];

    /// Its name: `folded`, `final-scale`, `none` or `recomputed`.
    pub fn name(self) -> &'static str {
        Self::NAMES[match self {
            Self::Folded => 0,
            Self::FinalScale(_) => 1,
            Self::None => 2,
            Self::Recomputed => 3,
        }]
    }

    /// Whether the logits of a sum are the sum of the logits: bias and cap of the logits are left out then.
    pub fn is_linear(self) -> bool {
        matches!(self, Self::Folded | Self::FinalScale(_))
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for DirectionNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FinalScale(scale) => write!(f, "{}={scale}", self.name()),
            _ => f.pad(self.name()),
        }
    }
}

impl FromStr for DirectionNorm {
    type Err = ParseDirectionNormError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let (name, scale) = match written.split_once('=') {
            Some((name, scale)) => (name, Some(scale)),
            None => (written, None),
        };
        let scale = scale.map(|scale| scale.parse::<f64>().ok().filter(|s| *s > 0.0 && s.is_finite()));
        match (name, scale) {
            ("folded", None) => Ok(Self::Folded),
            ("none", None) => Ok(Self::None),
            ("recomputed", None) => Ok(Self::Recomputed),
            ("final-scale", Some(Some(scale))) => Ok(Self::FinalScale(scale)),
            ("final-scale", None) => Err(ParseDirectionNormError::NoScale),
            (name, Some(_)) if Self::NAMES.contains(&name) => {
                Err(ParseDirectionNormError::Scale { written: written.to_owned() })
            }
            _ => Err(ParseDirectionNormError::Name {
                name: name.to_owned(),
                hint: did_you_mean(name, Self::NAMES),
            }),
        }
    }
}

/// A text that is not a [`DirectionNorm`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDirectionNormError {
    /// Nothing is called that.
    #[error("unknown norm mode \"{name}\" (known: folded, final-scale=SCALE, none, recomputed){hint}")]
    Name {
        /// What was written.
        name: String,
        /// The near name, as the end of a sentence.
        hint: String,
    },
    /// A direction belongs to no position, so nothing knows the scale there.
    #[error(
        "a direction has no final residual: name the scale that the final norm divides by, as in final-scale=12.5"
    )]
    NoScale,
    /// The scale is not a number above zero, or the mode has none.
    #[error("\"{written}\" is not a norm mode: final-scale takes a number above zero, the others take none")]
    Scale {
        /// What was written.
        written: String,
    },
}

/// What a direction says.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Euclidean length of the vector, before any norm.
    pub length: f64,
    /// Cosine of what met the unembedding to the row of the token with the largest logit; `None` where either is zero.
    pub cosine: Option<f64>,
    /// The largest and the smallest logits.
    pub ends: BothEnds,
}

/// A vector that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDecoded {
    /// It has values that are NaN or infinite.
    #[error("the vector has values that are NaN or infinite")]
    Vector,
    /// Its values are finite, but not its logits.
    #[error("the vector has logits that are beyond the range of float32")]
    Logits,
}

/// The way from directions to tokens: final norm and unembedding in host memory.
#[derive(Debug, Clone, Copy)]
pub struct DirectionReadout<'a> {
    norm: &'a FinalNorm,
    mode: DirectionNorm,
    /// `[d_embed, d_model]`
    project: Option<&'a [f32]>,
    unembedding: Unembedding<'a>,
}

impl<'a> DirectionReadout<'a> {
    /// The readout of directions of the width of `norm`. `project`, `[unembedding's width, d_model]`, stands between norm
    /// and unembedding where their widths differ.
    ///
    /// # Errors
    /// When the widths do not fit each other.
    pub fn new(
        norm: &'a FinalNorm,
        project: Option<&'a [f32]>,
        unembedding: Unembedding<'a>,
        mode: DirectionNorm,
    ) -> Result<Self, ProjectionError> {
        let (width, d_model) = (unembedding.d_model(), norm.d_model());
        let fits = project.map_or(width == d_model, |project| project.len() == width * d_model);
        if !fits {
            return Err(ProjectionError::RowsShape { weights: unembedding.rows().len(), d_model });
        }
        let unembedding = match mode.is_linear() {
            true => {
                let post = Post { softcap: None, ..unembedding.post() };
                Unembedding::new(unembedding.rows(), width, None, post)?
            }
            false => unembedding,
        };
        Ok(Self { norm, mode, project, unembedding })
    }

    /// Decodes vectors, `[n, d_model]`: of each the `k` tokens with the largest and the `k` with the smallest logits.
    /// `vectors` is overwritten with what the norm makes of them.
    ///
    /// # Errors
    /// When `vectors` is not a whole number of rows. A vector that cannot be decoded is an error in its own place.
    pub fn decode(
        &self,
        vectors: &mut [f32],
        k: usize,
    ) -> Result<Vec<Result<Decoded, NotDecoded>>, ProjectionError> {
        let d_model = self.norm.d_model();
        if !vectors.len().is_multiple_of(d_model) {
            return Err(ProjectionError::ReadoutsShape { values: vectors.len(), d_model });
        }
        let lengths: Vec<f64> = vectors.par_chunks_exact_mut(d_model).map(|x| self.prepare(x)).collect();
        let projected = self.project.map(|project| times(project, vectors, d_model));
        let readouts = projected.as_deref().unwrap_or(vectors);
        let ends = self.unembedding.both_ends(readouts, k)?;
        let rows = readouts.par_chunks_exact(self.unembedding.d_model());
        let decoded = rows.zip(ends).zip(lengths).map(|((x, ends), length)| {
            let ends = ends.map_err(|NonFiniteLogits| match length.is_finite() {
                true => NotDecoded::Logits,
                false => NotDecoded::Vector,
            })?;
            let cosine = ends.top.first().and_then(|(top1, _)| self.cosine(x, *top1));
            Ok(Decoded { length, cosine, ends })
        });
        Ok(decoded.collect())
    }

    /// Norms one vector in place; returns its length before.
    fn prepare(&self, x: &mut [f32]) -> f64 {
        let length = length(x.iter().copied());
        match self.mode {
            DirectionNorm::Folded => self.norm.apply_linear(x, 1.0),
            DirectionNorm::FinalScale(scale) => {
                self.norm.apply_linear(x, self.norm.kind().map_or(1.0, |_| scale));
            }
            DirectionNorm::None => {}
            DirectionNorm::Recomputed => self.norm.apply(x, self.norm.scale(x)),
        }
        length
    }

    /// Cosine of `x` to the row of a token.
    fn cosine(&self, x: &[f32], token: TokenId) -> Option<f64> {
        let row = token.index() * x.len()..(token.index() + 1) * x.len();
        let row: Vec<f32> = match self.unembedding.rows() {
            VocabRows::F32(rows) => rows[row].to_vec(),
            VocabRows::Bf16(rows) => rows[row].iter().map(|w| w.to_f32()).collect(),
            VocabRows::F16(rows) => rows[row].iter().map(|w| w.to_f32()).collect(),
        };
        let dot: f64 = x.iter().zip(&row).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
        let lengths = length(x.iter().copied()) * length(row.into_iter());
        (lengths > 0.0).then_some(dot / lengths)
    }
}

/// Euclidean length, summed in float64.
fn length(x: impl Iterator<Item = f32>) -> f64 {
    x.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// `matrix · x` for each row x of `vectors`, `[n, width]`; sums in float64.
fn times(matrix: &[f32], vectors: &[f32], width: usize) -> Vec<f32> {
    let product = |x: &[f32]| -> Vec<f32> {
        let rows = matrix.chunks_exact(width);
        let dot = |row: &[f32]| row.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
        rows.map(|row| dot(row) as f32).collect()
    };
    vectors.par_chunks_exact(width).flat_map_iter(product).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_read_as_it_is_written() {
        for mode in [
            DirectionNorm::Folded,
            DirectionNorm::None,
            DirectionNorm::Recomputed,
            DirectionNorm::FinalScale(2.5),
        ] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert_eq!("final-scale".parse::<DirectionNorm>(), Err(ParseDirectionNormError::NoScale));
        for written in ["final-scale=0", "final-scale=-1", "final-scale=inf", "final-scale=x", "folded=1"] {
            let error = written.parse::<DirectionNorm>().unwrap_err();
            assert!(matches!(error, ParseDirectionNormError::Scale { .. }), "{written}: {error}");
        }
        assert!("fold".parse::<DirectionNorm>().unwrap_err().to_string().contains("folded"));
    }
}
