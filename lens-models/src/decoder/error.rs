//! What can go wrong while a model is loaded or run.

use lens_core::{BackendError, ByteSize, NonFinite, NormShapeError, Point, TokenId};
use lens_cuda::CudaError;
use tch::TchError;

use crate::{device::DeviceError, made::MadeError};

/// A model that cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A device that is not there, or a map that does not fit.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Memory does not suffice.
    #[error(
        "there is not enough memory for {what}: a smaller dtype, fewer positions, or a map of devices that leaves to the \
         processor what does not fit on cards needs less (libtorch: {said})"
    )]
    OutOfMemory {
        /// What needed it.
        what: String,
        /// libtorch's own words.
        said: String,
    },
    /// A sequence whose keys and values could not be kept.
    #[error(
        "the keys and values of {length} tokens take {}, and {} of memory are free: shorten the prompt, write \
         fewer tokens, or take a smaller dtype",
        ByteSize(*bytes), ByteSize(*available)
    )]
    SequenceTooLong {
        /// Tokens that the sequence may grow to.
        length: usize,
        /// Bytes that their keys and values take.
        bytes: u64,
        /// Bytes of memory that are free.
        available: u64,
    },
    /// libtorch failed.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] TchError),
    /// A tensor that is not among those that the checkpoint was checked for.
    #[error("the tensor {name} was never accounted for")]
    NotInLedger {
        /// Its name.
        name: String,
    },
    /// A weight that cannot be made from what is stored.
    #[error(transparent)]
    Made(#[from] MadeError),
    /// The final norm does not fit.
    #[error(transparent)]
    Norm(#[from] NormShapeError),
    /// A token that the model does not have.
    #[error("token id {token} is outside the vocabulary of {n_vocab} rows")]
    UnknownToken {
        /// The token.
        token: TokenId,
        /// Number of rows.
        n_vocab: usize,
    },
    /// More tokens than there are learned positions.
    #[error("{length} tokens are more than the {max} positions this model has learned")]
    TooLong {
        /// Length of the sequence.
        length: usize,
        /// What the model can take.
        max: usize,
    },
    /// A value that is NaN or infinite. The first place that has it is named.
    #[error("{}", BackendError::NonFinite { what: *what, point: *point, position: *position })]
    NonFinite {
        /// What is not finite.
        what: NonFinite,
        /// Where.
        point: Point,
        /// At which position.
        position: usize,
    },
    /// A point that this model does not have.
    #[error(
        "the model has no point {point}: the layer does not exist, or the site is not a summand of its stream"
    )]
    AbsentPoint {
        /// The point.
        point: Point,
    },
    /// A point to capture was not reached by the forward pass.
    #[error("a captured point never fired: this is a bug in the decoder")]
    MissedPoint,
    /// A step that does not continue what was run before.
    #[error(
        "the step continues after {past} tokens, but {seen} are in the caches: start again with past = 0, and announce \
         how long the sequence may become"
    )]
    Discontinuous {
        /// Tokens before the step, as it says.
        past: usize,
        /// Tokens that the caches hold: 0 where the sequence was announced to end with what was run, or another one was
        /// run since.
        seen: usize,
    },
    /// A tap returned something of another shape.
    #[error("the tap at {point} returned {got:?}, the model needs {expected:?} in the same dtype")]
    TapShape {
        /// Where.
        point: Point,
        /// What the model needs.
        expected: Vec<i64>,
        /// What the tap returned.
        got: Vec<i64>,
    },
    /// A matrix is not in host memory in a form that can be read in place.
    #[error("the unembedding is not a contiguous matrix of f32, bf16 or f16 in host memory")]
    NotOnHost,
    /// A kernel of the readout that cannot be had or started.
    #[error(transparent)]
    Kernel(#[from] CudaError),
    /// Kernels whose answers to a chunk that is known are not right.
    #[error("the kernels give wrong answers on this card")]
    WrongKernels,
    /// Tensors that are not in the form that the kernels take.
    #[error("{0} are not in the form that the kernels of the readout take: this is a bug in the decoder")]
    Unfit(&'static str),
    /// A failure of a tap.
    #[error(transparent)]
    Tap(Box<dyn std::error::Error + Send + Sync>),
}

impl ModelError {
    /// A failure of libtorch for want of memory, named as what it is; any other as it was.
    pub(super) fn of_memory(self, what: impl FnOnce() -> String) -> Self {
        // The words of the CUDA allocator, of the processor's, and of Apple's.
        const WORDS: [&str; 5] = [
            "CUBLAS_STATUS_ALLOC_FAILED",
            "out of memory",
            "can't allocate memory",
            "not enough memory",
            "Storage size calculation overflowed",
        ];
        match &self {
            Self::Torch(error) => {
                let said = first_line(error);
                if WORDS.iter().any(|words| said.contains(words)) {
                    return Self::OutOfMemory { what: what(), said };
                }
                self
            }
            _ => self,
        }
    }
}

impl From<ModelError> for BackendError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::UnknownToken { token, n_vocab } => Self::UnknownToken { token, n_vocab },
            ModelError::TooLong { length, max } => Self::TooLong { length, max },
            ModelError::NonFinite { what, point, position } => Self::NonFinite { what, point, position },
            error => Self::Other(Box::new(error)),
        }
    }
}

/// libtorch appends a C++ backtrace to its messages.
fn first_line(error: &TchError) -> String {
    let text = match error {
        TchError::Torch(text) => text.clone(),
        error => error.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn want_of_memory_is_said_as_such() {
        let error = Tensor::f_empty([1 << 46], (Kind::Float, Device::Cpu)).map(drop).unwrap_err();
        let error = ModelError::from(error).of_memory(|| "a very long step".to_owned());
        assert!(matches!(error, ModelError::OutOfMemory { .. }), "{error}");
        assert!(
            error.to_string().starts_with("there is not enough memory for a very long step: a smaller dtype"),
            "{error}"
        );
        let other = ModelError::from(TchError::Torch("shapes do not fit".to_owned()));
        assert!(matches!(other.of_memory(String::new), ModelError::Torch(_)));
    }
}
