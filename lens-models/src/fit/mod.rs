//! Fitting lenses to a model, on the decoder that reads it.
//!
//! [`TunedFit`] trains a tuned lens (`x + W x + b` for the input of every block) towards the model's own answer;
//! [`JacobianFit`] averages the Jacobians of the final residual. Both go one step at a time, so that the caller decides
//! when to look, to keep the state, and to stop; a state that was kept continues a fit bit for bit.

mod corpus;
mod documents;
mod error;
mod jacobian;
mod merge;
mod optimiser;
mod order;
mod state;
mod translators;
mod tuned;

pub use corpus::Corpus;
pub use documents::Documents;
pub use error::FitError;
pub use jacobian::{Added, JacobianFit, JacobianOptions, JacobianSum};
pub use merge::{N_PROMPTS, merge};
pub use optimiser::{Optimiser, ParseOptimiserError};
pub use tuned::{HeldOut, TunedFit, TunedOptions, TunedStep};
