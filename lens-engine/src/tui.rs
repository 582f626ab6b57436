//! `lens tui` with a model: prompts come from the screen, and it is told what runs find, as they find it.
//!
//! The model stays on the thread that loaded it, because libtorch's threads belong to that one; the screen has a thread of
//! its own.

use std::{
    ops::ControlFlow,
    panic,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use lens_cli::{
    args::TuiArgs,
    model,
    progress::Running,
    style::Console,
    tui::{self, Model},
};
use lens_core::{
    LensTrace, PositionTrace, Progress, StepTrace, TokenTrace,
    sink::{End, LayersTrace, Sink, SinkError},
};
use lens_models::{Session, demo};
use lens_viz::tui::{App, Ask, Told};

use crate::{
    lenses::Lenses,
    machine,
    prompt::{self, Turns},
    request,
    run::GENERATOR,
    weights,
};

/// How long a step of a prompt is read at least until those layers of it are shown that are there.
const GLANCE: Duration = Duration::from_millis(150);

pub(crate) fn tui(args: &TuiArgs, console: &Console) -> Result<()> {
    let options = machine::apply(&args.machine)?;
    let (turns, tools) = Turns::of_file(args.messages.as_deref(), &args.chat)?;
    let first = args.what.clone().or_else(|| turns.last().map(str::to_owned));
    let name = args.model.as_deref().unwrap_or(demo::ID);
    let checkpoint = model::open(name, &args.source, args.machine.io.into(), console)?;
    let lenses = Lenses::open(&args.read.lenses, &checkpoint, &args.source, console)?;
    let mut session = Session::new(checkpoint, options)?.with_generator(GENERATOR.0, GENERATOR.1);
    session = session.with_chat(prompt::extras(&args.chat, tools))?;
    // What the model cannot be asked is said before the screen is taken.
    let any = first.clone().unwrap_or_else(|| "a".to_owned());
    if turns.is_conversation() || first.is_some() {
        session.prepare(&request::of_screen(args, &lenses.set, turns.ask(any), None))?;
    }
    let running = Running::new("loading the model");
    session.model_with(&mut |progress| running.load(progress.done, progress.total))?;
    drop(running);

    let (asks, asked) = channel();
    let (tell, told) = channel();
    let wanted = Arc::new(AtomicU64::new(0));
    let model = Model { asks, told, wanted: wanted.clone() };
    let tokens = args.generate.max_new_tokens.map(usize::from);
    let (mut app, effect) = App::of_model(first, tokens, tui::look(console));
    if turns.last().is_some() {
        app.say("i changes the last message of the conversation; what stands before it stays");
    }
    thread::scope(|scope| {
        let screen = thread::Builder::new()
            .name("screen".to_owned())
            .spawn_scoped(scope, move || tui::show(app, effect, Some(model), console))
            .context("cannot start a thread for the screen")?;
        let mut runs = Runs { args, console, turns, session, lenses, tell, wanted };
        runs.follow(&asked);
        screen.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    })
}

/// A model that runs prompts as they come.
struct Runs<'a> {
    args: &'a TuiArgs,
    console: &'a Console,
    turns: Turns<'a>,
    session: Session,
    lenses: Lenses,
    tell: Sender<(u64, Told)>,
    wanted: Arc<AtomicU64>,
}

impl Runs<'_> {
    /// Runs what is asked for until nobody asks any more.
    fn follow(&mut self, asked: &Receiver<Ask>) {
        while let Ok(ask) = asked.recv() {
            let run = ask.run;
            // What was asked for meanwhile takes the place of this.
            if self.wanted.load(Ordering::SeqCst) != run {
                let _ = self.tell.send((run, Told::Failed("cancelled before it began".to_owned())));
                continue;
            }
            if let Err(error) = self.run(&ask) {
                let _ = self.tell.send((run, Told::Failed(tui::said(&error, self.console))));
            }
        }
    }

    fn run(&mut self, ask: &Ask) -> Result<()> {
        let input = self.turns.ask(ask.prompt.clone());
        let request = request::of_screen(self.args, &self.lenses.set, input, ask.tokens);
        let mut prepared = self.session.prepare(&request)?;
        prepared.notes.extend(self.lenses.notes.iter().cloned());
        let tokens = if ask.tokens.is_some() { 1 } else { prepared.tokens.len() };
        machine::suit(&self.args.machine, &self.session.outline().spec, tokens);
        let mut telling = Telling { run: ask.run, tell: &self.tell, wanted: &self.wanted };
        Ok(self.session.run_prepared_into(&prepared, &mut telling)?)
    }
}

/// A run that is told to the screen.
struct Telling<'a> {
    run: u64,
    tell: &'a Sender<(u64, Told)>,
    wanted: &'a AtomicU64,
}

impl Telling<'_> {
    /// Tells the screen, if there still is one: without it, [`stop`](Sink::stop) ends the run.
    fn tell(&self, told: Told) -> Result<(), SinkError> {
        if self.tell.send((self.run, told)).is_err() {
            self.wanted.store(0, Ordering::SeqCst);
        }
        Ok(())
    }
}

impl Sink for Telling<'_> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.tell(Told::Begin(Box::new(head.clone())))
    }

    fn progress(&mut self, progress: Progress) -> Result<(), SinkError> {
        self.tell(Told::Progress(progress.done, progress.total))
    }

    fn stop(&mut self) -> bool {
        self.wanted.load(Ordering::SeqCst) != self.run
    }

    fn layers_every(&self) -> Option<Duration> {
        Some(GLANCE)
    }

    fn layers(&mut self, layers: LayersTrace) -> Result<ControlFlow<()>, SinkError> {
        self.tell(Told::Layers(Box::new(layers)))?;
        Ok(if self.stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        self.tell(Told::Position(Box::new(position)))
    }

    fn step(&mut self, step: StepTrace, token: TokenTrace) -> Result<(), SinkError> {
        self.tell(Told::Step(Box::new((step, token))))
    }

    fn end(&mut self, mut end: End) -> Result<(), SinkError> {
        end.notes.extend(weights::changed_weights());
        self.tell(Told::End(Box::new(end)))
    }
}
