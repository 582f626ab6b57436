//! The whole way from a request to its trace, on any backend.
//!
//! ```
//! use lens_core::{Request, Session, TokenId, toy::ToyBackend};
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let mut session = Session::new(&mut model, &()); // no texts: prompts are token ids
//! let request = Request::tokens([3, 14, 15].map(TokenId))
//!     .max_new_tokens(4)
//!     .steer("L1.resid_post *= 1.5".parse()?);
//! let trace = session.run(&request)?;
//! assert_eq!(trace.steps.len(), 4);
//! assert_eq!(trace.interventions.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attribute;
mod error;
mod pack;
mod prepared;
mod request;
mod stop;
mod texts;
mod watch;

use std::cell::RefCell;

use crate::{
    backend::{Backend, BackendError},
    lens::{Generate, Lens, Timing},
    sink::{Collected, End, Sink, Tee},
    steer::{EditError, Steering, VectorFiles, steer_within},
    trace::{GenerationTrace, LensTrace, SelfCheckTrace},
    tracer::Tracer,
};

pub use error::SessionError;
pub use prepared::{Known, Prepared};
pub use request::{Input, Request, Target};
pub use texts::{Conversation, Named, Origin, PromptTokens, Texts};

use stop::StopTexts;
use watch::Watch;

/// What writes a trace, unless the caller says otherwise.
const GENERATOR: (&str, &str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

/// A backend together with what turns its texts into tokens and back.
pub struct Session<'a, B, T> {
    backend: &'a mut B,
    texts: &'a T,
    files: Option<&'a mut dyn VectorFiles>,
    known: Known,
    generator: (&'static str, &'static str),
}

impl<'a, B: Backend, T: Texts> Session<'a, B, T> {
    /// A session on `backend`, whose tokenizer is `texts`; `&()` where prompts are token ids.
    pub fn new(backend: &'a mut B, texts: &'a T) -> Self {
        let known = Known { max_positions: backend.info().max_positions, ..Known::default() };
        Self { backend, texts, files: None, known, generator: GENERATOR }
    }

    /// Names the program and its version in traces.
    #[must_use]
    pub fn with_generator(self, name: &'static str, version: &'static str) -> Self {
        Self { generator: (name, version), ..self }
    }

    /// Reads the vectors of interventions from `files`; without it, interventions that name one are refused.
    #[must_use]
    pub fn with_files(self, files: &'a mut dyn VectorFiles) -> Self {
        Self { files: Some(files), ..self }
    }

    /// Says what is known of the model beyond [`ModelInfo`](crate::ModelInfo), such as the length that it was made for.
    #[must_use]
    pub fn with_known(self, known: Known) -> Self {
        Self { known, ..self }
    }

    /// Turns a request into tokens and a plan, and says what is wrong with it before anything is run.
    ///
    /// # Errors
    /// As for [`Prepared::new`].
    pub fn prepare(&self, request: &Request) -> Result<Prepared, T::Error> {
        Prepared::new(request, self.texts, &self.known)
    }

    /// Runs a request and returns its trace.
    ///
    /// # Errors
    /// As for [`Session::prepare`] and [`Session::run_prepared`].
    pub fn run(&mut self, request: &Request) -> Result<LensTrace, T::Error> {
        let prepared = self.prepare(request)?;
        self.run_prepared(&prepared, &mut ())
    }

    /// Runs a request and hands the results to `sink` as they come.
    ///
    /// # Errors
    /// As for [`Session::prepare`] and [`Session::run_prepared`].
    pub fn run_into(&mut self, request: &Request, sink: &mut dyn Sink) -> Result<(), T::Error> {
        let prepared = self.prepare(request)?;
        Ok(self.run_prepared_into(&prepared, sink)?)
    }

    /// Runs what was prepared and returns its trace; `sink` receives the same results as they come.
    ///
    /// # Errors
    /// As for [`Session::run_prepared_into`].
    pub fn run_prepared(&mut self, prepared: &Prepared, sink: &mut dyn Sink) -> Result<LensTrace, T::Error> {
        let mut collected = Collected::default();
        let both: [&mut dyn Sink; 2] = [&mut *sink, &mut collected];
        self.run_prepared_into(prepared, &mut Tee::new(both))?;
        collected.into_trace().ok_or_else(|| SessionError::from(nothing_told()).into())
    }

    /// Runs what was prepared and hands the results to `sink` as they come.
    ///
    /// A request with interventions runs with those alone: edits that were set on the backend before are set aside, and
    /// set again afterwards.
    ///
    /// # Errors
    /// When a selection does not fit the model, an intervention does not, the computation fails, or the sink does.
    pub fn run_prepared_into(
        &mut self,
        prepared: &Prepared,
        sink: &mut dyn Sink,
    ) -> Result<(), SessionError> {
        self.steered(prepared, |session, steering| session.run_with(prepared, steering, sink))
    }

    /// Runs something on the model as the interventions of a prompt change it.
    fn steered<R>(
        &mut self,
        prepared: &Prepared,
        run: impl FnOnce(&mut Self, Steering) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        if prepared.interventions.is_empty() {
            return run(self, Steering::default());
        }
        let encode = |text: &str| self.texts.encode(text).map_err(|error| error.to_string());
        let files: &mut dyn VectorFiles = match &mut self.files {
            Some(files) => &mut **files,
            None => &mut (),
        };
        let budget = prepared.plan.memory_budget;
        let steering =
            steer_within(self.backend, &prepared.interventions, &prepared.tokens, &encode, files, budget)?;
        let own = self.backend.set_edits(Some(steering.edits.clone())).map_err(EditError::Backend)?;
        let result = run(self, steering);
        self.backend.set_edits(own).map_err(EditError::Backend)?;
        result
    }

    fn run_with(
        &mut self,
        prepared: &Prepared,
        steering: Steering,
        sink: &mut dyn Sink,
    ) -> Result<(), SessionError> {
        let info = self.backend.info().clone();
        let context = pack::context(self.generator, self.texts, prepared, &info);
        let mut tracer = Tracer::new(&context).with_lenses(prepared.plan.lenses.clone());
        let head = pack::head(&mut tracer, prepared, &info, steering)?;
        sink.begin(&head)?;
        let watch = Watch::new(tracer, sink);
        match &prepared.generate {
            None => self.read(prepared, watch),
            Some(ask) => self.generate(prepared, ask, watch),
        }
    }

    /// Reads the prompt.
    fn read(&mut self, prepared: &Prepared, watch: Watch<'_, '_>) -> Result<(), SessionError> {
        let watch = RefCell::new(watch);
        let mut lens = watched(self.backend, &watch);
        let reading = lens.read(&prepared.tokens, &prepared.plan)?;
        let timing = lens.timing();
        drop(lens);
        let (sink, notes) = watch.into_inner().end()?;
        let self_check = reading.self_check.map(Into::into);
        Ok(sink.end(end(prepared, None, self_check, timing, notes))?)
    }

    /// Reads the prompt and what the model writes after it.
    fn generate(
        &mut self,
        prepared: &Prepared,
        ask: &Generate,
        watch: Watch<'_, '_>,
    ) -> Result<(), SessionError> {
        let mut stop = StopTexts::new(self.texts, &prepared.stop);
        let watch = RefCell::new(watch);
        let mut lens = watched(self.backend, &watch);
        let generated = lens.generate(&prepared.tokens, &prepared.plan, ask, |step| {
            let asked = watch.borrow_mut().step(step);
            asked.or_else(|| stop.sees(step.sampled.token.id))
        })?;
        let timing = lens.timing();
        drop(lens);
        let (sink, notes) = watch.into_inner().end()?;
        let mut generation = GenerationTrace::new(&ask.sampling, generated.continuation.stopped);
        (generation.seed, generation.trial) = (prepared.seed, prepared.trial);
        let self_check = generated.reading.self_check.map(Into::into);
        Ok(sink.end(end(prepared, Some(generation), self_check, timing, notes))?)
    }
}

/// A lens that tells what it reads. `watch` is never borrowed twice: layers, steps of the prompt and those of the
/// continuation come one after another.
fn watched<'w, B: Backend>(backend: &'w mut B, watch: &'w RefCell<Watch<'_, '_>>) -> Lens<'w, B> {
    let every = watch.borrow().layers_every();
    let lens =
        Lens::new(backend).with_steps(|reading, progress| watch.borrow_mut().prompt(reading, progress));
    match every {
        Some(pace) => lens.with_layers(pace, |read| watch.borrow_mut().layers(read)),
        None => lens,
    }
}

fn end(
    prepared: &Prepared,
    generation: Option<GenerationTrace>,
    self_check: Option<SelfCheckTrace>,
    timing: Timing,
    notes: Vec<String>,
) -> End {
    End { generation, self_check, timing: prepared.timing.then(|| timing.into()), notes }
}

/// A run that ended well has told its head.
fn nothing_told() -> crate::lens::LensError {
    BackendError::Other("the run told nothing".into()).into()
}
