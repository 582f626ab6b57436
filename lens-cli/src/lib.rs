//! What the binaries `lens` and `lens-engine` share: the command line as data, where results go and how they are
//! written, and the commands that need no model.
//!
//! Nothing here needs libtorch, and nothing decides about numbers. `lens` is a [`Program`] that hands what runs a model
//! [over](engine) to `lens-engine`, with the same arguments; `lens-engine` is one that runs it. Results go to stdout;
//! progress, notes and errors go to stderr.

pub mod advice;
pub mod args;
mod corpus;
mod decode;
mod describe;
pub mod drawn;
pub mod engine;
mod families;
pub mod fields;
pub mod flat;
pub mod folder;
pub mod format;
pub mod hint;
mod inspect;
pub mod lenses;
mod manual;
pub mod model;
pub mod output;
mod program;
pub mod progress;
pub mod record;
mod render;
pub mod results;
pub mod shard;
pub mod signals;
pub mod style;
pub mod tables;
mod temporary;
mod to_file;
pub mod tui;
pub mod values;

pub use lens_data::packed;
pub use program::Program;
