//! `lens tui`: the terminal around [`lens_viz::tui`]. A saved trace is shown here; a model's runs come from whoever has the
//! model, through [`Model`].

mod export;
mod keys;
mod screen;

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use crossterm::event::{self, Event};
use lens_viz::tui::{App, Ask, Effect, Look, Told, draw};

use crate::{args::TuiArgs, render, signals, style::Console};

use export::Written;
use screen::Screen;

/// There is no screen to draw on.
#[derive(Debug, thiserror::Error)]
#[error("lens tui needs a terminal to draw on and to read keys from: {0}")]
pub struct NoTerminal(&'static str);

/// The other end of a model that runs prompts.
#[derive(Debug)]
pub struct Model {
    /// Prompts to run, one after the other; the end of it ends the model.
    pub asks: Sender<Ask>,
    /// What runs tell, with their numbers.
    pub told: Receiver<(u64, Told)>,
    /// The number of the run that is wanted; any other one may end.
    pub wanted: Arc<AtomicU64>,
}

/// How long to wait for a key while something moves by itself, and while nothing does.
const MOVING: Duration = Duration::from_millis(20);
const STILL: Duration = Duration::from_millis(200);

/// How long results are taken up before they are drawn.
const TAKE_UP: Duration = Duration::from_millis(30);

/// How long a signal may take to end the program once it has given the screen back.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The saved trace that the arguments name, if they name one.
///
/// # Errors
/// When there is no terminal, or an option was given that only a model can follow.
pub fn trace_of(args: &TuiArgs) -> Result<Option<PathBuf>> {
    needs_terminal()?;
    let Some(word) = args.what.as_deref().filter(|_| args.model.is_none()) else {
        if args.trace.is_some() {
            bail!("--trace chooses among saved traces: name a file of them");
        }
        return Ok(None);
    };
    let path = Path::new(word);
    let looks = [".json", ".jsonl", ".json.gz", ".jsonl.gz", ".json.zst", ".jsonl.zst"];
    let is_trace = path.exists()
        || args.trace.is_some()
        || (!word.contains(char::is_whitespace) && looks.iter().any(|ending| word.ends_with(ending)));
    if !is_trace {
        return Ok(None);
    }
    if let Some(option) = args.of_model() {
        bail!(
            "{word:?} is a saved trace, for which there is no model that could follow {option}: leave it out, or name a --model to run it as a prompt"
        );
    }
    Ok(Some(path.to_owned()))
}

fn needs_terminal() -> Result<(), NoTerminal> {
    if !io::stdout().is_terminal() {
        return Err(NoTerminal("stdout is none; lens run and lens render print their results"));
    }
    if !io::stdin().is_terminal() {
        return Err(NoTerminal("stdin is none; give the prompt as an argument"));
    }
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return Err(NoTerminal("TERM is dumb, and such a terminal has no places to write at"));
    }
    Ok(())
}

/// Colours and characters of this terminal.
pub fn look(console: &Console) -> Look {
    let mut look = Look::default();
    (look.color, look.ascii) = (console.out.0, console.ascii);
    look
}

/// Shows a saved trace.
///
/// # Errors
/// When it cannot be read, or the terminal fails.
pub fn show_trace(path: &Path, args: &TuiArgs, console: &Console) -> Result<()> {
    let trace = render::one_trace(path, args.trace.as_deref())?;
    show(App::of_trace(&trace, look(console)), None, None, console)
}

/// Shows the screen until the user leaves. `first` is to be done at once.
///
/// # Errors
/// When the terminal fails.
pub fn show(app: App, first: Option<Effect>, model: Option<Model>, console: &Console) -> Result<()> {
    let screen = Screen::enter(!console.out.is_plain()).context("cannot use the terminal")?;
    let mut shown = Shown { app, model, console, left: false };
    if let Some(effect) = first {
        shown.follow(effect);
    }
    let result = shown.go(screen);
    if shown.app.is_running() && result.is_ok() {
        // A step of a large model takes seconds, and nobody waits for what it reads.
        signals::end_now();
    }
    result
}

/// Gives the screen back, for what is to be said of a failure.
pub fn leave_screen() {
    screen::leave();
}

struct Shown<'a> {
    app: App,
    model: Option<Model>,
    console: &'a Console,
    left: bool,
}

impl Shown<'_> {
    fn go(&mut self, mut screen: Screen) -> Result<()> {
        let failed = "the terminal cannot be used any more";
        let mut is_new = true;
        let mut before = Instant::now();
        while !self.left {
            if screen::is_lost() {
                if signals::seen().is_some() {
                    // The signals' thread has given it back, and is about to end the program with its own words.
                    thread::sleep(LAST_WORDS);
                }
                bail!("the screen was given up");
            }
            is_new |= self.take_up();
            if is_new {
                screen.draw(|frame| draw(&mut self.app, frame)).context(failed)?;
            }
            let wait = if self.app.moves() { MOVING } else { STILL };
            is_new = event::poll(wait).context(failed)?;
            while !self.left && event::poll(Duration::ZERO).context(failed)? {
                self.event(&event::read().context(failed)?);
            }
            let now = Instant::now();
            is_new |= self.app.tick(now - before);
            before = now;
        }
        Ok(())
    }

    /// Takes up what the model has told; whether there was anything.
    fn take_up(&mut self) -> bool {
        let began = Instant::now();
        let mut any = false;
        while began.elapsed() < TAKE_UP {
            let Some(model) = &self.model else { break };
            match model.told.try_recv() {
                Ok((run, told)) => self.app.told(run, told),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    let run = self.app.latest();
                    self.model = None;
                    self.app.told(
                        run,
                        Told::Failed("the model has ended: nothing can be run any more".to_owned()),
                    );
                }
            }
            any = true;
        }
        any
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Key(event) => {
                let effect = keys::key(event).and_then(|key| self.app.key(key));
                effect.into_iter().for_each(|effect| self.follow(effect));
            }
            Event::Paste(text) => self.app.paste(text),
            _ => {}
        }
    }

    fn follow(&mut self, effect: Effect) {
        match effect {
            Effect::Quit => self.left = true,
            Effect::Cancel => self.want(0),
            Effect::Ask(ask) => {
                self.want(ask.run);
                let run = ask.run;
                let is_gone = self.model.as_ref().is_none_or(|model| model.asks.send(ask).is_err());
                if is_gone {
                    self.app.told(
                        run,
                        Told::Failed("the model has ended: nothing can be run any more".to_owned()),
                    );
                }
            }
            Effect::Export(what) => {
                let Some(trace) = self.app.trace() else { return };
                match export::export(trace, &what) {
                    Ok(Written::Done(says)) => self.app.say(says),
                    Ok(Written::Exists) => self.app.exists(what.file),
                    Err(error) => self.app.say(said(&error, self.console)),
                }
            }
            _ => {}
        }
    }

    fn want(&self, run: u64) {
        self.model.iter().for_each(|model| model.wanted.store(run, Ordering::SeqCst));
    }
}

/// An error in one line, with what may help.
pub fn said(error: &anyhow::Error, console: &Console) -> String {
    let advice = console.advice(error).map(|advice| format!("; {advice}"));
    format!("{error:#}{}", advice.unwrap_or_default())
}
