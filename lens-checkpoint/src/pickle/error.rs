//! Why a file of `torch.save` is not read.

/// Why a file of `torch.save` is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// Neither zip nor the older form.
    #[error("it is not a zip file, as torch.save writes one: it may be cut off, or of another kind")]
    NotZip,
    /// Written by a PyTorch before 1.6, or on request.
    #[error(
        "it is in the older form of torch.save, without a zip file around it: convert it with \
         `torch.save(torch.load(FILE, weights_only=True), FILE)` in a current PyTorch"
    )]
    Legacy,
    /// A model with its program.
    #[error("it is TorchScript, a program: save a state_dict() instead")]
    TorchScript,
    /// The zip file is not what `torch.save` writes.
    #[error("its zip file is broken or not from torch.save: {reason}")]
    Zip {
        /// What is wrong.
        reason: String,
    },
    /// An entry that is compressed or encrypted.
    #[error("its entry {entry:?} is {how}: torch.save stores entries as they are")]
    NotStored {
        /// The entry.
        entry: String,
        /// `compressed` or `encrypted`.
        how: &'static str,
    },
    /// The pickle asks for something that may run code, or that is no data.
    #[error(
        "its pickle asks for {name:?}, which is not allowed: only tables, lists, texts, numbers and tensors are read"
    )]
    Forbidden {
        /// The name, such as `posix.system`.
        name: String,
    },
    /// An instruction that is not taken.
    #[error("its pickle has the instruction {name}, which is not allowed: only plain data is read")]
    Opcode {
        /// Its name, or its number.
        name: String,
    },
    /// The pickle is not well formed.
    #[error("its pickle is broken: {reason}")]
    Broken {
        /// What is wrong.
        reason: &'static str,
    },
    /// More of something than any file of tensors has.
    #[error("its {what} has {has}, and at most {most} are read: no file of tensors has as many")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        has: usize,
        /// How much is allowed.
        most: usize,
    },
    /// A storage of another size than its entry in the zip file.
    #[error("the storage {key:?} should have {expected} bytes, and its entry has {actual}")]
    StorageSize {
        /// The storage.
        key: String,
        /// What the pickle says.
        expected: usize,
        /// What is there.
        actual: usize,
    },
    /// A tensor of which a part would lie outside its storage.
    #[error("a tensor {shape:?} with strides {strides:?} from element {offset} on lies outside its storage")]
    OutsideStorage {
        /// Its shape.
        shape: Vec<usize>,
        /// Its strides.
        strides: Vec<usize>,
        /// Where it begins.
        offset: usize,
    },
}

impl PickleError {
    pub(super) fn zip(reason: impl Into<String>) -> Self {
        Self::Zip { reason: reason.into() }
    }
}
