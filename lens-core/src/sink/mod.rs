//! Outputs, which receive a run as it happens.
//!
//! A [`Sink`] receives the run's head, every position when it is read, every token when it is written, and the end. An
//! output that grows with the run ([`JsonLines`]) writes at once; one that needs the whole run first is a [`Whole`].
//! [`Tee`] feeds several sinks, [`Collected`] builds the [`LensTrace`], and [`replay`] feeds a sink from a trace.
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
mod layers;
mod lines;
mod logitlens4llms;
mod replay;
mod tee;
mod whole;

use std::{ops::ControlFlow, time::Duration};

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
pub use layers::{Awaited, LayersTrace};
pub use lines::JsonLines;
pub use logitlens4llms::{all_layers_json, important_layers_json};
pub use replay::replay;
pub use tee::Tee;
pub use whole::{Whole, rendered};

/// An output that receives a run as it happens. Every method has a default; that of [`whole`](Sink::whole) calls the
/// others, and those of the others do nothing.
///
/// A run is [`begin`](Sink::begin), then positions in ascending order, then [`end`](Sink::end); the next run begins
/// anew. Where the model writes, a [`step`](Sink::step) follows the position from which its token was sampled. After a
/// failure the sink hears nothing more of that run, not even its end.
pub trait Sink {
    /// A run begins; `head` is its trace, still without readouts.
    ///
    /// # Errors
    /// When the output cannot be written. An error of this or any other method ends the run.
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        let _ = head;
        Ok(())
    }

    /// Another step of the prompt was run.
    ///
    /// # Errors
    /// As for [`Sink::begin`].
    fn progress(&mut self, progress: Progress) -> Result<(), SinkError> {
        let _ = progress;
        Ok(())
    }

    /// Whether to end the run here: asked after every step of the prompt and after every token that was written. What
    /// was read until then is kept, and the run ends as usual, with [`end`](Sink::end).
    fn stop(&mut self) -> bool {
        false
    }

    /// How often, at most, it wants to hear of [`layers`](Sink::layers); `None` if never, which is the default.
    fn layers_every(&self) -> Option<Duration> {
        None
    }

    /// Some layers of the next positions were read, and others of them are still to come: for whoever shows a run while it
    /// grows. They are not lost for those who do not listen, since [`position`](Sink::position) brings every position
    /// whole. `Break` ends the run here, and what was read of these positions is lost.
    ///
    /// # Errors
    /// As for [`Sink::begin`].
    fn layers(&mut self, layers: LayersTrace) -> Result<ControlFlow<()>, SinkError> {
        let _ = layers;
        Ok(ControlFlow::Continue(()))
    }

    /// One more position was read.
    ///
    /// # Errors
    /// As for [`Sink::begin`].
    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        let _ = position;
        Ok(())
    }

    /// A token was sampled at the position that the sink received last; `token` is its entry in the sequence.
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

    /// A whole run that is over already. Sinks that need the whole run take it as it is; by default it is told piece by
    /// piece, by [`replay`].
    ///
    /// # Errors
    /// As for [`Sink::begin`].
    fn whole(&mut self, trace: &LensTrace) -> Result<(), SinkError> {
        replay(trace, self)
    }
}

/// A sink that ignores everything.
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
    /// Sentences for a person, besides the notes of the head.
    pub notes: Vec<String>,
}

impl End {
    /// Why the continuation ended, where there is one.
    pub fn stopped(&self) -> Option<Stopped> {
        self.generation.as_ref().map(|generation| generation.stopped)
    }
}
