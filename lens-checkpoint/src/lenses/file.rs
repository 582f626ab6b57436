//! A lens as a file holds it.

use lens_core::Translator;

/// A lens as a file holds it, before it is known which model it is to read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LensFile {
    /// The maps, their kind and their provenance.
    pub translator: Translator,
    /// What the file says of the model that the lens was made for.
    pub made_for: MadeFor,
    /// What was assumed or left out while the file was read, as sentences for a person.
    pub notes: Vec<String>,
}

impl LensFile {
    /// A lens of which nothing more is known.
    pub fn new(translator: Translator) -> Self {
        Self { translator, made_for: MadeFor::default(), notes: Vec::new() }
    }

    lens_core::setters! {
        /// What the file says of the model that the lens was made for.
        with_made_for => made_for: MadeFor,
        /// What was assumed or left out while the file was read, as sentences for a person.
        with_notes => notes: Vec<String>,
    }
}

/// What a file says of the model that a lens was made for, beside the width of its stream and its name. Files differ in
/// what they say; `None` is "nothing".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MadeFor {
    /// Number of blocks.
    pub n_layers: Option<u16>,
    /// Rows of the unembedding.
    pub n_vocab: Option<usize>,
    /// SHA-256, in hexadecimal, of the unembedding's bytes as its checkpoint stores them: see
    /// [`unembed_sha256`](super::unembed_sha256).
    pub unembed_sha256: Option<String>,
    /// The hash that the tuned-lens package writes. It is one of a text that NumPy prints, so that it can be handed on
    /// and compared with another such hash, but not computed here.
    pub unembed_hash: Option<String>,
}

impl MadeFor {
    lens_core::setters! {
        /// Number of blocks.
        with_n_layers => n_layers: Option<u16>,
        /// Rows of the unembedding.
        with_n_vocab => n_vocab: Option<usize>,
        /// SHA-256 of the unembedding's bytes as its checkpoint stores them.
        with_unembed_sha256 => unembed_sha256: Option<String>,
        /// The hash that the tuned-lens package writes.
        with_unembed_hash => unembed_hash: Option<String>,
    }
}
