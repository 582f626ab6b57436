//! Steering: from interventions, as they are written, to the [`Edits`] that a backend applies while it runs.
//!
//! ```
//! use lens_core::{Backend, Lens, Plan, TokenId, steer, toy::ToyBackend};
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let tokens = [3, 14, 15].map(TokenId);
//! let no_texts = |_: &str| Err("there is no tokenizer".to_owned());
//! let steering = steer(&mut model, &["L1.mlp_out = 0".parse()?], &tokens, &no_texts, &mut ())?;
//!
//! model.set_edits(Some(steering.edits))?;
//! let reading = Lens::new(&mut model).read(&tokens, &Plan::default())?;
//! model.set_edits(None)?; // the model as it is again
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod resolve;
mod sources;

use std::sync::Arc;

use crate::{
    backend::{Backend, ModelInfo},
    edit::Edits,
    intervention::Intervention,
    token::TokenId,
    trace::InterventionTrace,
};

pub use error::EditError;
use resolve::Resolver;

/// A reader of vectors in files.
pub trait VectorFiles {
    /// The vector for block `layer` in a file, `[d_model]` at points of the stream; `name` is that of the tensor, where
    /// the file leaves a choice.
    ///
    /// # Errors
    /// When the file cannot be read or has no such vector.
    fn vector(
        &mut self,
        path: &str,
        name: Option<&str>,
        layer: usize,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>>;

    /// Sentences for a person on what about the files read does not fit `model`; asked once, after all vectors were
    /// read.
    fn notes(&self, model: &ModelInfo) -> Vec<String> {
        let _ = model;
        Vec::new()
    }
}

/// A reader that has no files, and refuses each.
impl VectorFiles for () {
    fn vector(
        &mut self,
        path: &str,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("cannot read {path}: there is nothing here that reads files").into())
    }
}

/// Interventions, resolved: their edits with all vectors at hand, and their entries in a trace.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Steering {
    /// The edits for [`Backend::set_edits`].
    pub edits: Arc<Edits>,
    /// The entries of the interventions in a trace.
    pub traces: Vec<InterventionTrace>,
    /// What does not fit the model although it can be applied, as sentences for a person.
    pub notes: Vec<String>,
}

/// Resolves interventions against a model and a prompt: the activations of other prompts, and means, are taken now,
/// from the model as it is, without any edit. Each prompt is run once for all that is needed of it, in steps that suit the
/// backend. `encode` turns another prompt into tokens, or says why it cannot.
///
/// What the backend ran before cannot be continued afterwards: start a new sequence. Edits that were set on the backend
/// before are set again.
///
/// # Errors
/// When a layer, head, position, file or vector does not fit, another prompt cannot be encoded or run, or the backend
/// cannot be steered.
pub fn steer<B: Backend>(
    backend: &mut B,
    interventions: &[Intervention],
    prompt: &[TokenId],
    encode: &dyn Fn(&str) -> Result<Vec<TokenId>, String>,
    files: &mut dyn VectorFiles,
) -> Result<Steering, EditError> {
    steer_within(backend, interventions, prompt, encode, files, None)
}

/// As [`steer`], with activations that take up to `budget` bytes at once.
pub(crate) fn steer_within<B: Backend>(
    backend: &mut B,
    interventions: &[Intervention],
    prompt: &[TokenId],
    encode: &dyn Fn(&str) -> Result<Vec<TokenId>, String>,
    files: &mut dyn VectorFiles,
    budget: Option<usize>,
) -> Result<Steering, EditError> {
    let own = backend.set_edits(Some(Arc::default())).map_err(EditError::Backend)?;
    let resolver = Resolver { backend: &mut *backend, prompt, encode, files, budget, notes: Vec::new() };
    let result = resolver.resolve(interventions);
    backend.set_edits(own).map_err(EditError::Backend)?;
    result
}
