//! What a user wants changed while the model runs.
//!
//! `TARGET OP VALUE`, for example:
//!
//! ```
//! use lens_core::Intervention;
//!
//! for written in [
//!     "L14.attn_out += 0.6*@'bananas'",                   // the activation at the last token of another prompt
//!     "L10..15.resid_post += 4*@'love' - 4*@'hate'",      // a difference of two, at layers 10 to 14
//!     "L3.z.h5 = 0",                                      // one head, silenced
//!     "L*.mlp_out[last] = mean",                          // the mean over the prompt, at its last position
//!     "L8.resid_post = @'The Eiffel Tower is in'[same]",  // position by position from a prompt of that length
//!     "L2.attn_out *= 1.5",
//!     "L12.resid_post += 2*file:'happy.gguf'",            // a control vector
//!     "L*.resid_post -= proj(@'love' - @'hate')",         // a direction, projected out
//! ] {
//!     written.parse::<Intervention>()?;
//! }
//! # Ok::<(), lens_core::InterventionError>(())
//! ```
//!
//! Activations of other prompts, and means, are those of the model as it is, without any intervention.
//!
//! `-= proj(v)` leaves `h - v (v·h) / |v|²`, the activation without its part along `v` (directional ablation). `v` is
//! any sum of vectors; its length and sign do not matter, and a single vector needs no parentheses. At `z` the whole
//! activation is one vector of `n_heads * d_head` values; where heads are named, each is projected by itself.
//!
//! An intervention is kept as what it means, not as what was typed. [`Display`](std::fmt::Display) writes it in one
//! canonical form, which parses back to the same intervention.

mod display;
mod parse;

use crate::{point::Component, selection::Selection, trace::InterventionTrace};

pub use parse::InterventionError;

/// A change of the activations at some points.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Intervention {
    /// The points, heads and positions to change.
    pub target: EditTarget,
    /// The operation applied there.
    pub operation: EditOperation,
}

/// Where a change is made.
#[derive(Debug, Clone, PartialEq)]
pub struct EditTarget {
    /// Which layers; `None` only for the embedding.
    pub layers: Option<Selection>,
    /// Which component of each layer.
    pub component: Component,
    /// Which heads of `z`; `None` is all of them.
    pub heads: Option<Selection>,
    /// Which positions of the prompt; `None` is every position, those of a continuation included.
    pub positions: Option<Selection>,
}

/// What is done to an activation.
#[derive(Debug, Clone, PartialEq)]
pub enum EditOperation {
    /// It is replaced by zeros.
    Zero,
    /// It is multiplied by this factor.
    Scale(f64),
    /// A sum of vectors is added to it.
    Add(Vec<EditTerm>),
    /// It is replaced by a sum of vectors.
    Replace(Vec<EditTerm>),
    /// Its part along v, a sum of vectors, is taken away: `h - v (v·h) / |v|²`.
    Project(Vec<EditTerm>),
}

/// A vector and its coefficient.
#[derive(Debug, Clone, PartialEq)]
pub struct EditTerm {
    /// What the vector is multiplied by.
    pub coefficient: f64,
    /// Where it comes from.
    pub source: VectorSource,
}

/// Where a vector comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VectorSource {
    /// The activation of another prompt at the same point, at one position (negative ones count from the end).
    Prompt {
        /// The prompt.
        text: String,
        /// The position, from 0; negative ones count from the end.
        position: i64,
    },
    /// The activations of another prompt at the same point, position by position.
    PromptByPosition {
        /// The prompt.
        text: String,
    },
    /// The mean over all positions of a prompt; `None` is the prompt that is run.
    Mean {
        /// The prompt.
        text: Option<String>,
    },
    /// A vector in a safetensors file or a GGUF control vector.
    File {
        /// The file.
        path: String,
        /// The name of the tensor; `None` where the file leaves no choice.
        name: Option<String>,
    },
}

impl EditOperation {
    /// The vectors that it adds, puts in place or projects out; none for a zero or a factor.
    pub fn terms(&self) -> &[EditTerm] {
        match self {
            Self::Add(terms) | Self::Replace(terms) | Self::Project(terms) => terms,
            Self::Zero | Self::Scale(_) => &[],
        }
    }

    /// Its name in a trace: `zero`, `scale`, `add`, `mean`, `replace` or `project`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Scale(_) => "scale",
            Self::Add(_) => "add",
            Self::Replace(terms)
                if terms.iter().all(|term| matches!(term.source, VectorSource::Mean { .. })) =>
            {
                "mean"
            }
            Self::Replace(_) => "replace",
            Self::Project(_) => "project",
        }
    }
}

impl Intervention {
    /// Its entry in a trace; `positions` are those that it was restricted to, if it was.
    pub fn trace(&self, positions: Option<Vec<usize>>) -> InterventionTrace {
        InterventionTrace {
            point: display::Place(&self.target).to_string(),
            kind: self.operation.kind().to_owned(),
            text: self.to_string(),
            positions,
        }
    }
}
