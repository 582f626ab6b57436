//! The whole main job in a few lines: a model, a request, a trace.
//!
//! ```
//! use lens_models::{Request, Session};
//!
//! let mut session = Session::open("demo")?; // or a folder, or a hub id
//! let trace = session.run(&Request::text("The capital of France is").max_new_tokens(2))?;
//! for step in &trace.steps {
//!     println!("{:?} with p = {:.3}", step.token.text, step.token.prob);
//! }
//! assert_eq!(&*trace.steps[0].token.text, " Paris");
//! # Ok::<(), lens_models::SessionError>(())
//! ```

mod error;
mod notes;
mod observer;
mod prepared;
mod request;
mod speech;

use std::cell::RefCell;

use lens_core::{Backend, Generate, GenerationTrace, Lens, LensTrace, TokenTexts, TraceContext, Tracer};

pub use error::SessionError;
pub use observer::{Observer, Unobserved};
pub use prepared::Prepared;
pub use request::{Input, Request, Target};
pub use speech::{Conversation, Speech};

use self::observer::Watch;
use crate::{
    Checkpoint, Decoder, LoadOptions, LoadProgress, Outline, demo,
    source::{self, SourceOptions},
};

/// What writes a trace, unless the caller says otherwise.
const GENERATOR: (&str, &str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

/// A model together with its texts.
pub struct Session {
    outline: Outline,
    speech: Speech,
    model: State,
    generator: (&'static str, &'static str),
}

/// The weights are not touched before they are needed: what is wrong with a request is said before.
enum State {
    Unloaded(Box<Checkpoint>, LoadOptions),
    Loaded(Box<Decoder>),
    /// Loading failed.
    Gone,
}

impl Session {
    /// Opens the demo model, a folder, or a model on the hub, as the environment says (`HF_HOME`, `HF_TOKEN`).
    ///
    /// # Errors
    /// When the checkpoint cannot be found, is not supported or is broken.
    pub fn open(model: &str) -> Result<Self, SessionError> {
        let checkpoint = if model == demo::ID {
            demo::checkpoint()?
        } else {
            let files = source::locate(model, &SourceOptions::from_env(), &mut source::Silent)?;
            Checkpoint::open(&files)?
        };
        Self::new(checkpoint, LoadOptions::default())
    }

    /// A session with a checkpoint, whose weights are loaded when they are needed.
    ///
    /// # Errors
    /// When its tokenizer is broken.
    pub fn new(checkpoint: Checkpoint, options: LoadOptions) -> Result<Self, SessionError> {
        let outline = checkpoint.outline().clone();
        let speech = Speech::of(&checkpoint)?;
        let model = State::Unloaded(Box::new(checkpoint), options);
        Ok(Self { outline, speech, model, generator: GENERATOR })
    }

    /// Names the program and its version in traces.
    #[must_use]
    pub fn with_generator(self, name: &'static str, version: &'static str) -> Self {
        Self { generator: (name, version), ..self }
    }

    /// What config and headers say.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// What turns texts into tokens and back.
    pub fn speech(&self) -> &Speech {
        &self.speech
    }

    /// The model itself, loaded now if it was not yet.
    ///
    /// # Errors
    /// When the weights cannot be loaded.
    pub fn model(&mut self) -> Result<&mut Decoder, SessionError> {
        self.model_with(&mut |_| {})
    }

    /// The model itself; if it is loaded now, `progress` sees how far that is.
    ///
    /// # Errors
    /// As [`Session::model`].
    pub fn model_with(
        &mut self,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<&mut Decoder, SessionError> {
        if let State::Unloaded(..) = self.model
            && let State::Unloaded(checkpoint, options) = std::mem::replace(&mut self.model, State::Gone)
        {
            self.model = State::Loaded(Box::new(Decoder::load_with(*checkpoint, &options, progress)?));
        }
        match &mut self.model {
            State::Loaded(model) => Ok(model),
            _ => Err(SessionError::NotLoaded),
        }
    }

    /// Turns a request into tokens and a plan, and says what is wrong with it before anything is run.
    ///
    /// # Errors
    /// When a text has no tokens or needs a tokenizer that is not there, or a target is not one token.
    pub fn prepare(&self, request: &Request) -> Result<Prepared, SessionError> {
        Prepared::new(request, &self.outline, &self.speech)
    }

    /// Runs a request.
    ///
    /// # Errors
    /// As for [`Session::prepare`] and [`Session::run_prepared`].
    pub fn run(&mut self, request: &Request) -> Result<LensTrace, SessionError> {
        let prepared = self.prepare(request)?;
        self.run_prepared(&prepared, &mut Unobserved)
    }

    /// Runs what was prepared; `observer` sees every position as it is read.
    ///
    /// With interventions the model runs with those alone; a tap that was set before is set again afterwards.
    ///
    /// # Errors
    /// When the weights cannot be loaded, a selection does not fit the model, or the computation fails.
    pub fn run_prepared(
        &mut self,
        prepared: &Prepared,
        observer: &mut dyn Observer,
    ) -> Result<LensTrace, SessionError> {
        self.model()?;
        let State::Loaded(model) = &mut self.model else { return Err(SessionError::NotLoaded) };
        let info = model.info().clone();
        let texts: &dyn TokenTexts = self.speech.texts();
        let context = TraceContext::new(self.generator, &info, &prepared.tokens, texts)
            .with_prompt(prepared.text.as_deref())
            .with_threshold(prepared.threshold);
        let mut tracer = Tracer::new(&context).with_lenses(prepared.plan.lenses.clone());
        let mut head = tracer.head(prepared.plan.question.norm);
        head.roles.clone_from(&prepared.roles);
        head.notes.clone_from(&prepared.notes);
        head.notes.extend(prepared.plan.notes(&info)?);
        (head.prompt_index, head.id) = prepared.label.clone();
        head.versus = prepared.plan.question.versus.map(|id| tracer.named(id));
        let mut own = None;
        if !prepared.interventions.is_empty() {
            let encode = |text: &str| self.speech.encode(text).map_err(|error| error.to_string());
            let edits = model.prepare_edits(&prepared.interventions, &prepared.tokens, &encode)?;
            head.interventions = edits.traces().to_vec();
            head.notes.extend_from_slice(edits.notes());
            own = model.set_edit(Some(Box::new(edits)));
        }
        let result = match &prepared.generate {
            None => read(model, prepared, head, tracer, observer),
            Some(ask) => generate(model, prepared, ask, head, tracer, observer, &self.speech),
        };
        if !prepared.interventions.is_empty() {
            model.set_edit(own);
        }
        result
    }
}

/// Reads the prompt.
fn read(
    model: &mut Decoder,
    prepared: &Prepared,
    head: LensTrace,
    tracer: Tracer<'_>,
    observer: &mut dyn Observer,
) -> Result<LensTrace, SessionError> {
    observer.begin(&head);
    let mut watch = Watch::new(head, tracer, observer);
    let mut lens = Lens::new(model).with_steps(|reading, progress| watch.prompt(reading, progress));
    let reading = lens.read(&prepared.tokens, &prepared.plan)?;
    let timing = prepared.timing.then(|| lens.timing());
    drop(lens);
    watch.timing(timing);
    Ok(watch.end(reading.self_check))
}

/// Reads the prompt and what the model writes behind it.
fn generate(
    model: &mut Decoder,
    prepared: &Prepared,
    ask: &Generate,
    head: LensTrace,
    tracer: Tracer<'_>,
    observer: &mut dyn Observer,
    speech: &Speech,
) -> Result<LensTrace, SessionError> {
    observer.begin(&head);
    let mut stop = speech.stop(&prepared.stop);
    // Never borrowed twice: the prompt's steps and the continuation's come one after another.
    let watch = RefCell::new(Watch::new(head, tracer, observer));
    let mut lens =
        Lens::new(model).with_steps(|reading, progress| watch.borrow_mut().prompt(reading, progress));
    let generated = lens.generate(&prepared.tokens, &prepared.plan, ask, |step| {
        let asked = watch.borrow_mut().step(step);
        asked.or_else(|| stop.sees(step.sampled.token.id))
    })?;
    let timing = prepared.timing.then(|| lens.timing());
    drop(lens);
    let mut watch = watch.into_inner();
    watch.timing(timing);
    let mut generation = GenerationTrace::new(&ask.sampling, generated.continuation.stopped);
    (generation.seed, generation.trial) = (prepared.seed, prepared.trial);
    watch.generation(generation);
    Ok(watch.end(generated.reading.self_check))
}
