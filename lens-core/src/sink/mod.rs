//! Outputs: what takes a run as it happens.
//!
//! A [`Sink`] is told the run's head, every position when it is read, every token when it is written, and the end. An
//! output that grows with the run ([`JsonLines`]) writes at once; one that can only be written of a whole run is a
//! [`Whole`]. [`Tee`] feeds several, [`Collected`] builds the [`LensTrace`], and [`replay`] feeds a sink from one.
//!
//! ```
//! use lens_core::{Request, Session, SinkError, PositionTrace, TokenId, sink::Sink, toy::ToyBackend};
//!
//! /// An output of one's own: the most probable token of every position.
//! struct Answers(Vec<String>);
//!
//! impl Sink for Answers {
//!     fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
//!         self.0.extend(position.last.top.first().map(|top| top.text.to_string()));
//!         Ok(())
//!     }
//! }
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let mut answers = Answers(Vec::new());
//! let request = Request::tokens([3, 14, 15].map(TokenId)).positions("all".parse()?);
//! Session::new(&mut model, &()).run_into(&request, &mut answers)?;
//! assert_eq!(answers.0.len(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod collected;
mod error;
mod json;
mod lines;
mod logitlens4llms;
mod replay;
mod tee;
mod whole;

use crate::{
    lens::Progress,
    trace::{
        GenerationTrace, LensTrace, PositionTrace, SelfCheckTrace, StepTrace, Stopped, TimingTrace,
        TokenTrace,
    },
};

pub use collected::Collected;
pub use error::SinkError;
pub use json::trace_json;
pub use lines::JsonLines;
pub use logitlens4llms::{all_layers_json, important_layers_json};
pub use replay::replay;
pub use tee::Tee;
pub use whole::{Whole, rendered};

/// What takes a run as it happens. Every method has a default that does nothing.
///
/// A run is [`begin`](Sink::begin), then positions in ascending order, then [`end`](Sink::end); the next run begins
/// anew. Where the model writes, a [`step`](Sink::step) follows the position from which its token was sampled. After a
/// failure nothing more is told of that run, not even its end.
pub trait Sink {
    /// What is about to be run: the trace without any readout.
    ///
    /// # Errors
    /// When it cannot be written. That ends the run, here and in every other method.
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        let _ = head;
        Ok(())
    }

    /// How far the prompt was run.
    ///
    /// # Errors
    /// As for [`Sink::begin`].
    fn progress(&mut self, progress: Progress) -> Result<(), SinkError> {
        let _ = progress;
        Ok(())
    }

    /// Whether to end the run here: asked after every step of the prompt and after every token that was written. What
    /// was read until then stays, and the run ends as usual.
    fn stop(&mut self) -> bool {
        false
    }

    /// What was read at one more position.
    ///
    /// # Errors
    /// As for [`Sink::begin`].
    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        let _ = position;
        Ok(())
    }

    /// A token was sampled from the position that was told last; `token` is its entry in the sequence.
    ///
    /// # Errors
    /// As for [`Sink::begin`].
    fn step(&mut self, step: StepTrace, token: TokenTrace) -> Result<(), SinkError> {
        let _ = (step, token);
        Ok(())
    }

    /// The run is over.
    ///
    /// # Errors
    /// As for [`Sink::begin`].
    fn end(&mut self, end: End) -> Result<(), SinkError> {
        let _ = end;
        Ok(())
    }

    /// A whole run that is over already. Sinks that need the whole take it as it is; the others are told it piece by
    /// piece, by [`replay`].
    ///
    /// # Errors
    /// As for [`Sink::begin`].
    fn whole(&mut self, trace: &LensTrace) -> Result<(), SinkError> {
        replay(trace, self)
    }
}

/// Nobody takes it.
impl Sink for () {
    fn whole(&mut self, _: &LensTrace) -> Result<(), SinkError> {
        Ok(())
    }
}

/// What is known of a run when it is over.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct End {
    /// How the model's continuation was chosen and why it ended, where there is one.
    pub generation: Option<GenerationTrace>,
    /// Whether the readouts can be believed; `None` where nothing was compared.
    pub self_check: Option<SelfCheckTrace>,
    /// Where the time went, if that was asked for.
    pub timing: Option<TimingTrace>,
    /// What is to be said beyond the notes of the head, as sentences for a person.
    pub notes: Vec<String>,
}

impl End {
    /// Why the continuation ended, where there is one.
    pub fn stopped(&self) -> Option<Stopped> {
        self.generation.as_ref().map(|generation| generation.stopped)
    }
}
