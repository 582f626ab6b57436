//! Why an intervention could not be resolved.

use crate::{backend::BackendError, point::Point, selection::SelectionError};

/// A failure of somebody else's, such as a file's reader.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why an intervention could not be resolved against a model and a prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The model has no such layer, or the prompt no such position.
    #[error("{written}: {reason}")]
    Selection {
        /// The intervention.
        written: String,
        /// What does not fit.
        reason: SelectionError,
    },
    /// The model has no such point.
    #[error("{written}: the model has no point {point}, because its branches are not summands of the stream")]
    AbsentPoint {
        /// The intervention.
        written: String,
        /// The point.
        point: Point,
    },
    /// Layers without heads were named, and `z` is the output of heads.
    #[error(
        "{written}: there is no z in {}, because what stands there in the place of attention has no heads: name other \
         layers, or all for those that have it",
        listed(layers)
    )]
    NoHeads {
        /// The intervention.
        written: String,
        /// The layers named that have no `z`.
        layers: Vec<u16>,
    },
    /// A vector is not as wide as the activation.
    #[error("{written}: the vector of {what} has {got} values, {point} takes {expected}")]
    Width {
        /// The intervention.
        written: String,
        /// Where the vector comes from.
        what: String,
        /// The point.
        point: Point,
        /// Width of the activation at the point.
        expected: usize,
        /// Width of the vector.
        got: usize,
    },
    /// A position that the other prompt does not have.
    #[error("{written}: the prompt {text:?} has {n} tokens and no position {position}")]
    SourcePosition {
        /// The intervention.
        written: String,
        /// The other prompt.
        text: String,
        /// Number of its tokens.
        n: usize,
        /// The position asked for.
        position: i64,
    },
    /// Prompts of different lengths cannot be matched position by position.
    #[error(
        "{written}: {text:?} has {n} tokens and the prompt that is run has {expected}: position by position they must \
         be as long as each other, or name positions that both have"
    )]
    SourceLength {
        /// The intervention.
        written: String,
        /// The other prompt.
        text: String,
        /// Number of its tokens.
        n: usize,
        /// Number of tokens of the prompt that is run.
        expected: usize,
    },
    /// The backend does not say how its `z` is divided into heads.
    #[error("{written}: {point} is not divided into heads in this model")]
    Undivided {
        /// The intervention.
        written: String,
        /// The point.
        point: Point,
    },
    /// A prompt cannot be turned into tokens.
    #[error("{written}: {text:?} cannot be encoded: {reason}")]
    Encode {
        /// The intervention.
        written: String,
        /// The other prompt.
        text: String,
        /// Why.
        reason: String,
    },
    /// A file cannot be read or does not have the vector.
    #[error("{written}")]
    Vector {
        /// The intervention.
        written: String,
        /// Why.
        source: Cause,
    },
    /// The model's backend cannot change activations.
    #[error("the activations cannot be changed")]
    Backend(#[source] BackendError),
    /// A direction to project out has length zero.
    #[error(
        "{written}: the vector at {point}{} is zero: there is no direction to project out",
        place(position, head)
    )]
    ZeroDirection {
        /// The intervention.
        written: String,
        /// The point.
        point: Point,
        /// The position, where there is a vector for each.
        position: Option<usize>,
        /// The head, where each is projected by itself.
        head: Option<usize>,
    },
    /// A sum of vectors is beyond what float32 holds.
    #[error("{written}: the vector at {point} is not finite: a coefficient is too large")]
    NotFinite {
        /// The intervention.
        written: String,
        /// The point.
        point: Point,
    },
    /// The other prompt cannot be run.
    #[error("{written}")]
    Run {
        /// The intervention.
        written: String,
        /// Why.
        source: BackendError,
    },
}

/// Which vector of several, as a message says it.
fn place(position: &Option<usize>, head: &Option<usize>) -> String {
    let head = head.map_or_else(String::new, |head| format!(", head {head}"));
    let position = position.map_or_else(String::new, |position| format!(", position {position}"));
    head + &position
}

/// Layers in words.
pub(super) fn listed(layers: &[u16]) -> String {
    let numbers = layers.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    format!("{} {numbers}", if layers.len() == 1 { "layer" } else { "layers" })
}
