//! The reference logit lens: what a readout is, and how it is computed.
//!
//! A decoder-only language model adds, block by block, to a *residual stream*. Decoding the stream at an
//! inner [`Point`] through the model's own final norm and unembedding tells which next token the model
//! would name if it stopped there. This crate holds everything about that which needs no tensor library,
//! no tokenizer and no file:
//!
//! - [`Point`], [`Site`], [`Component`]: where the stream is read, and [`Selection`]: how a user names them;
//! - [`Unembedding`] and [`projection`]: from normed vectors to top-k, log-sum-exp, entropy, divergences
//!   and ranks, without ever storing a row of logits;
//! - [`FinalNorm`] and [`NormMode`]: the norm before the unembedding;
//! - [`attribution`]: which part of the model brought how much of a logit;
//! - [`patch`]: what changes when an activation is another one, place by place;
//! - [`translate`]: what lenses other than the plain one do to a vector before the norm;
//! - [`Backend`]: the narrow interface to a model, and [`toy::ToyBackend`], a complete small one;
//! - [`Lens`]: the pipeline from a sequence of tokens to a [`Reading`], and [`LensTrace`], its JSON form;
//! - [`evaluate`]: how well lenses predict, over many sequences;
//! - [`diff`]: where two models compute something else;
//! - [`Session`] and [`Request`]: the whole way from what a user asks to the trace, which a [`Sink`] can take as it
//!   grows.
//!
//! # Example
//!
//! ```
//! use lens_core::{toy::ToyBackend, Backend, Lens, Plan, Statistic, TokenId};
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7); // 3 layers, d_model 16, 50 tokens, seed 7
//! let tokens: Vec<TokenId> = [3, 14, 15, 9].map(TokenId).to_vec();
//! let plan = Plan::default(); // every layer and component, last position, top 10
//! let reading = Lens::new(&mut model).read(&tokens, &plan)?;
//!
//! let last = &reading.finals[0];
//! println!("the model says {} with p = {:.3}", last.readout.top[0].id, last.readout.top[0].prob);
//! for (point, readout) in reading.at(0) {
//!     println!("{point}: {} ({:.3} nats to go)", readout.top[0].id, readout.get(Statistic::KlToFinal).unwrap_or(0.0));
//! }
//! assert!(reading.self_check.is_some_and(|check| check.passed));
//! # Ok::<(), lens_core::LensError>(())
//! ```

pub mod attribution;
mod backend;
mod branches;
mod check;
mod choice;
pub mod conformance;
pub mod corpus;
mod decision;
pub mod diff;
mod direction;
mod dtype;
mod edit;
pub mod evaluate;
mod host;
mod intervention;
mod lens;
mod message;
mod mixer;
mod nonfinite;
mod norm;
pub mod patch;
mod point;
pub mod predecessor;
pub mod projection;
mod readout;
mod selection;
mod session;
mod setters;
pub mod sink;
mod size;
mod statistic;
mod steer;
mod steps;
mod stopped;
pub mod suggest;
mod text;
mod token;
pub mod toy;
mod trace;
mod tracer;
mod tracked;
pub mod translate;

pub use backend::{
    Backend, BackendError, Column, Forward, HeadsInfo, ModelInfo, Next, Pack, PlainLogits, ReadRequest,
    Readings, Sequence,
};
pub use branches::Branches;
pub use check::{CheckReport, Finding, Outcome, check_backend};
pub use choice::Choice;
pub use decision::{decided_at, important_by_movement, important_layers};
pub use direction::{Decoded, DirectionNorm, DirectionReadout, NotDecoded, ParseDirectionNormError};
pub use dtype::Dtype;
pub use edit::Edits;
pub use host::HostReadout;
pub use intervention::{EditOperation, EditTarget, EditTerm, Intervention, InterventionError, VectorSource};
pub use lens::{
    Continuation, FinalReading, Generate, Generated, LayersRead, Lens, LensError, Plan, Progress, Reading,
    SampledStep, Sampling, SamplingError, SelfCheck, StepReading, Timing,
};
pub use message::Message;
pub use mixer::MixerKind;
pub use nonfinite::{AttentionInput, NonFinite};
pub use norm::{FinalNorm, NormKind, NormMode, NormShapeError, ParseNormModeError};
pub use point::{Component, ParsePointError, Point, PointSet, Site};
pub use projection::{Post, Unembedding, VocabRows};
pub use readout::{Question, Readout, TargetScore, TokenScore, Tracking};
pub use selection::{ComponentSelection, Selection, SelectionError};
pub use session::{
    Conversation, Input, Known, Named, Origin, Prepared, PromptTokens, Request, Session, SessionError,
    Target, Texts,
};
pub use sink::{Sink, SinkError};
pub use size::ByteSize;
pub use statistic::{
    Closer, Evidence, Limits, Needs, ParseStatisticError, Range, Statistic, StatisticSet, Statistics, Unit,
    VectorFacts,
};
pub use steer::{EditError, Steering, VectorFiles, steer};
pub use steps::{LONGEST_STEP, StepBudget};
pub use text::{TokenText, TokenTexts, token_bytes};
pub use token::TokenId;
pub use trace::{
    FaithfulnessTrace, FinalTrace, GenerationTrace, GeneratorTrace, Grade, InterventionTrace, LensEntryTrace,
    LensKindTrace, LensTrace, ModelTrace, NamedTrace, PositionTrace, ReadoutTrace, RoleTrace, SCHEMA,
    SampledTrace, SelfCheckTrace, StepTrace, Stopped, TRUSTED_UP_TO, TargetTrace, TimingTrace, TokenTrace,
    TopTrace, TraceError, UnknownLens,
};
pub use tracer::{TraceContext, Tracer};
pub use tracked::tracked_tokens;
pub use translate::{
    LensChoice, LensKind, LensMap, LensSet, LensSetError, MapShapeError, Provenance, Translator,
};
