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

/// What reads vectors from files.
pub trait VectorFiles {
    /// The vector for block `layer` in a file: `name` says which, where the file does not by itself.
    ///
    /// # Errors
    /// When the file cannot be read or has no such vector.
    fn vector(
        &mut self,
        path: &str,
        name: Option<&str>,
        layer: usize,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>>;

    /// What does not fit `model` about the files that were read, as sentences for a person; asked once, at the end.
    fn notes(&self, model: &ModelInfo) -> Vec<String> {
        let _ = model;
        Vec::new()
    }
}

/// No files.
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

/// Interventions with all they need.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Steering {
    /// What a backend applies.
    pub edits: Arc<Edits>,
    /// What a trace says of them.
    pub traces: Vec<InterventionTrace>,
    /// What does not fit the model although it can be applied, as sentences for a person.
    pub notes: Vec<String>,
}

/// Resolves interventions against a model and a prompt: the activations of other prompts, and means, are taken now, from
/// the model as it is, without any edit. `encode` turns another prompt into tokens, or says why it cannot.
///
/// What the backend ran before cannot be continued afterwards: start a new sequence. Edits that it had are set again.
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
    let own = backend.set_edits(Some(Arc::default())).map_err(EditError::Backend)?;
    let result =
        Resolver { backend: &mut *backend, prompt, encode, files, notes: Vec::new() }.resolve(interventions);
    backend.set_edits(own).map_err(EditError::Backend)?;
    result
}
