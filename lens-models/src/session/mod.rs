//! From a model and a request to a trace, in a few lines.
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
mod speech;

use lens_core::{
    Known, LensTrace, Sink,
    attribution::{AttributionRequest, AttributionTrace},
};

pub use error::SessionError;
pub use lens_core::{Conversation, Input, Prepared, Request, Target};
pub use speech::Speech;

use crate::{
    chat::Extras,
    checkpoint::{Checkpoint, Outline},
    decoder::{Decoder, LoadOptions, LoadProgress, VectorFilesOnDisk},
    demo,
    source::{self, SourceOptions},
};

/// What writes a trace, unless the caller says otherwise.
const GENERATOR: (&str, &str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

/// A model together with its tokenizer and chat template.
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
    /// Opens the demo model (`demo`), a folder, or a model on the hub, with the options of the environment (`HF_HOME`,
    /// `HF_TOKEN` and more: see [`SourceOptions`]).
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

    /// This session, with more than messages in every conversation: variables of the chat template, tools, and whether the
    /// last message goes on.
    ///
    /// # Errors
    /// When they cannot be for a chat template.
    pub fn with_chat(self, extras: Extras) -> Result<Self, SessionError> {
        Ok(Self { speech: self.speech.with_chat(extras)?, ..self })
    }

    /// What the config and the headers of the weights say.
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
    /// When the weights cannot be loaded, now or earlier in this session.
    pub fn model(&mut self) -> Result<&mut Decoder, SessionError> {
        self.model_with(&mut |_| {})
    }

    /// The model itself; if it has to be loaded now, `progress` is called as that goes on.
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
        Prepared::new(request, &self.speech, &known(&self.outline))
    }

    /// Runs a request.
    ///
    /// # Errors
    /// As for [`Session::prepare`] and [`Session::run_prepared`].
    pub fn run(&mut self, request: &Request) -> Result<LensTrace, SessionError> {
        let prepared = self.prepare(request)?;
        self.run_prepared(&prepared, &mut ())
    }

    /// Runs what was prepared and returns its trace; `sink` receives the same results as they come.
    ///
    /// A request with interventions runs with those alone: a tap that was set on the model before is set aside, and set
    /// again afterwards.
    ///
    /// # Errors
    /// When the weights cannot be loaded, a selection does not fit the model, the computation fails, or the sink does.
    pub fn run_prepared(
        &mut self,
        prepared: &Prepared,
        sink: &mut dyn Sink,
    ) -> Result<LensTrace, SessionError> {
        self.with_model(|session| session.run_prepared(prepared, sink))
    }

    /// Runs what was prepared and hands the results to `sink` as they come; none of them is kept.
    ///
    /// # Errors
    /// As for [`Session::run_prepared`].
    pub fn run_prepared_into(
        &mut self,
        prepared: &Prepared,
        sink: &mut dyn Sink,
    ) -> Result<(), SessionError> {
        self.with_model(|session| Ok(session.run_prepared_into(prepared, sink)?))
    }

    /// Runs many prepared prompts, short ones together, and returns their traces in the same order; see
    /// [`lens_core::Session::run_many_prepared`].
    ///
    /// # Errors
    /// When the weights cannot be loaded; each prompt has its own result, with the errors of [`Session::run_prepared`].
    pub fn run_many_prepared(
        &mut self,
        prepared: &[Prepared],
    ) -> Result<Vec<Result<LensTrace, SessionError>>, SessionError> {
        self.with_model(|session| Ok(session.run_many_prepared(prepared)))
    }

    /// Runs a prompt, with its interventions, and takes the logit that `ask` names apart.
    ///
    /// # Errors
    /// As for [`lens_core::Session::attribute`], and when the weights cannot be loaded.
    pub fn attribute(
        &mut self,
        prepared: &Prepared,
        ask: &AttributionRequest,
    ) -> Result<AttributionTrace, SessionError> {
        self.with_model(|session| Ok(session.attribute(prepared, ask)?))
    }

    /// Hands over the loaded model with its texts.
    fn with_model<R>(
        &mut self,
        run: impl FnOnce(&mut lens_core::Session<'_, Decoder, Speech>) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        self.model()?;
        let State::Loaded(model) = &mut self.model else { return Err(SessionError::NotLoaded) };
        let mut files = VectorFilesOnDisk::default();
        let (name, version) = self.generator;
        run(&mut lens_core::Session::new(&mut **model, &self.speech)
            .with_known(known(&self.outline))
            .with_files(&mut files)
            .with_generator(name, version))
    }
}

/// What a request has to know of a model that may not be loaded yet.
fn known(outline: &Outline) -> Known {
    let mut known = Known::default();
    known.notes.clone_from(&outline.notes);
    known.context = outline.spec.context;
    known.max_positions = outline.spec.embed.positions.as_ref().map(|positions| positions.n);
    known
}
