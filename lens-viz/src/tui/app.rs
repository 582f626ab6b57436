//! What is shown, and what keys and results do to it. Nothing here draws, or knows of a terminal.

use std::{sync::Arc, time::Duration};

use lens_core::{
    Component, LensTrace, PositionTrace, ReadoutTrace, Site, StepTrace, TokenId, TokenTrace, TopTrace,
    sink::{End, LayersTrace},
};

use super::{
    entry::{Entry, Purpose},
    film::{self, Film},
    key::Key,
    run::Run,
};
use crate::{
    measure::Measure,
    picture::{PictureOptions, scale::Scale},
    safe::display_safe,
    source::Place,
    terminal::ColorLevel,
};

/// Tokens that are followed, at most.
pub(super) const PINS: usize = 8;

/// Tokens that are written where nothing says how many.
const USUAL_TOKENS: usize = 16;

/// Columns of a token in the grid.
const CELL: usize = 9;

/// What is to be done outside of the screen.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Leave.
    Quit,
    /// Run the model on a prompt.
    Ask(Ask),
    /// End the run that is going on.
    Cancel,
    /// Write what is shown into a file; what came of it is [told](App::say).
    Export(Export),
}

/// A prompt to run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ask {
    /// What it is called in [`Told`].
    pub run: u64,
    /// The text.
    pub prompt: String,
    /// The most tokens to write after it.
    pub tokens: Option<usize>,
}

/// A file to write.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Export {
    /// Its name, as it was typed.
    pub file: String,
    /// Whether a file of that name may be replaced.
    pub replace: bool,
    /// The lens that is shown, by its name.
    pub lens: Option<String>,
    /// The component that is shown.
    pub component: Component,
    /// What colours say.
    pub measure: Measure,
}

/// What a model's run tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Told {
    /// It begins; the trace has no readouts yet.
    Begin(Box<LensTrace>),
    /// So many tokens of the prompt were run, of so many.
    Progress(usize, usize),
    /// Layers of positions of which others are still to come.
    Layers(Box<LayersTrace>),
    /// One more position was read.
    Position(Box<PositionTrace>),
    /// A token was written.
    Step(Box<(StepTrace, TokenTrace)>),
    /// It is over.
    End(Box<End>),
    /// It failed, and why.
    Failed(String),
}

/// What is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Grid,
    Film,
    Detail,
}

/// What lies over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlay {
    Help,
    Notes,
}

/// What the model does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doing {
    Nothing,
    /// Tokens of the prompt that were run, and all of them.
    Reading(usize, usize),
    Writing(usize),
}

/// A token that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pin {
    pub(super) id: TokenId,
    pub(super) text: Arc<str>,
}

/// Colours and characters that the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Its colours.
    pub color: ColorLevel,
    /// Only printable ASCII.
    pub ascii: bool,
}

/// The state of the screen.
pub struct App {
    pub(super) run: Run,
    pub(super) look: Look,
    /// Tokens to write after a prompt, if any; `None` without a model.
    pub(super) model: Option<Writing>,
    pub(super) view: View,
    pub(super) overlay: Option<Overlay>,
    /// Lines of the overlay that were scrolled past.
    pub(super) past: usize,
    pub(super) entry: Option<Entry>,
    pub(super) message: Option<String>,
    pub(super) doing: Doing,
    pub(super) lens: usize,
    pub(super) component: Component,
    pub(super) measure: Measure,
    pub(super) pins: Vec<Pin>,
    pub(super) row: usize,
    pub(super) column: usize,
    /// Whether the cursor goes with what is read newly.
    follows: bool,
    pub(super) cell: usize,
    pub(super) numbers: bool,
    pub(super) found: String,
    pub(super) film: Film,
    /// The first row and column that are drawn, and how many are; drawing sets both.
    pub(super) first: (usize, usize),
    pub(super) shown: (usize, usize),
    prompt: String,
    /// The number of the latest run.
    asked: u64,
    /// A file that is there, and was asked for once.
    exists: Option<String>,
    scale: Option<Scale>,
}

/// How much the model writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Writing {
    pub(super) on: bool,
    pub(super) tokens: usize,
}

impl App {
    /// A saved trace, without a model.
    pub fn of_trace(trace: &LensTrace, look: Look) -> Self {
        let mut app = Self::new(look, None);
        app.prompt.clone_from(&trace.prompt);
        app.run = Run::of(trace);
        app.settle();
        app.column = app.run.positions().len().saturating_sub(1);
        app
    }

    /// A model that writes so many tokens after a prompt, none if `None`. With a prompt it is run at once: what is
    /// returned is to be done. Without one, the screen asks for it.
    pub fn of_model(prompt: Option<String>, tokens: Option<usize>, look: Look) -> (Self, Option<Effect>) {
        let writing = Writing { on: tokens.is_some(), tokens: tokens.unwrap_or(USUAL_TOKENS) };
        let mut app = Self::new(look, Some(writing));
        match prompt {
            Some(prompt) => {
                let effect = app.ask(prompt);
                (app, Some(effect))
            }
            None => {
                app.entry = Some(Entry::new(Purpose::Prompt, ""));
                (app, None)
            }
        }
    }

    fn new(look: Look, model: Option<Writing>) -> Self {
        Self {
            run: Run::default(),
            model,
            view: View::Grid,
            overlay: None,
            past: 0,
            entry: None,
            message: None,
            doing: Doing::Nothing,
            lens: 0,
            component: Component::Site(Site::ResidPost),
            measure: Measure::default(),
            pins: Vec::new(),
            row: usize::MAX,
            column: 0,
            follows: true,
            cell: CELL,
            // Without a ramp, numbers have to say what colours would.
            numbers: look.color < ColorLevel::Ansi256,
            look,
            found: String::new(),
            film: Film::default(),
            first: (0, 0),
            shown: (0, 0),
            prompt: String::new(),
            asked: 0,
            exists: None,
            scale: None,
        }
    }

    /// The trace that is shown, as far as it is there.
    pub fn trace(&self) -> Option<&LensTrace> {
        self.run.trace()
    }

    /// The number of the run that is shown or waited for.
    pub fn latest(&self) -> u64 {
        self.asked
    }

    /// Whether the model is at work.
    pub fn is_running(&self) -> bool {
        self.doing != Doing::Nothing
    }

    /// Whether something moves without a key.
    pub fn moves(&self) -> bool {
        self.film.playing || self.is_running()
    }

    /// Says something at the bottom of the screen until the next key.
    pub fn say(&mut self, text: impl Into<String>) {
        self.message = Some(text.into());
    }

    /// A file that was to be written is there already: the same name once more replaces it.
    pub fn exists(&mut self, file: String) {
        self.say(format!("{file} is there already: Enter once more replaces it"));
        self.entry = Some(Entry::new(Purpose::Export, &file));
        self.exists = Some(file);
    }

    /// Goes on as time does; whether there is something new to draw.
    pub fn tick(&mut self, elapsed: Duration) -> bool {
        let frames = film::frames(&self.run).len();
        let moved = self.film.tick(elapsed, frames);
        if moved {
            self.film_to_cursor();
        }
        moved
    }

    /// Takes up what a run tells. What is of an older run is dropped.
    pub fn told(&mut self, run: u64, told: Told) {
        if run != self.asked {
            return;
        }
        match told {
            Told::Begin(head) => self.begin(&head),
            Told::Progress(done, total) => self.doing = Doing::Reading(done, total),
            Told::Layers(layers) => {
                self.run.layers(*layers);
                self.settle();
            }
            Told::Position(position) => {
                self.run.position(*position);
                self.settle();
            }
            Told::Step(both) => {
                let (step, token) = *both;
                self.doing = Doing::Writing(step.step + 1);
                self.run.step(step, token);
                if self.film.playing || self.follows {
                    self.film.frame = film::frames(&self.run).len().saturating_sub(1);
                }
            }
            Told::End(end) => {
                self.doing = Doing::Nothing;
                if end.self_check.is_some_and(|check| !check.passed) {
                    self.say("THE SELF-CHECK FAILED: do not believe these results (N says more)");
                }
                self.run.end(*end);
                self.settle();
            }
            Told::Failed(why) => {
                self.doing = Doing::Nothing;
                self.say(why);
            }
        }
    }

    fn begin(&mut self, head: &LensTrace) {
        self.run = Run::begin(head);
        self.doing = Doing::Reading(0, head.tokens.len());
        self.lens = self.lens.min(self.run.lenses().len().saturating_sub(1));
        self.column = 0;
        self.first.1 = 0;
        self.follows = true;
        self.film = self.film.rewound();
        self.settle();
    }

    /// Keeps everything within what there is.
    fn settle(&mut self) {
        self.scale = None;
        let components = self.run.components();
        if !components.is_empty() && !components.contains(&self.component) {
            let stream = Component::Site(Site::ResidPost);
            let usual = if components.contains(&stream) { Some(&stream) } else { components.last() };
            self.component = usual.copied().unwrap_or(stream);
        }
        if self.pins.is_empty()
            && let Some(last) = self.run.trace().and_then(|trace| trace.finals.first())
        {
            // What was asked for is followed from the beginning.
            let asked = last.targets.iter().take(PINS);
            self.pins =
                asked.map(|target| Pin { id: target.token.id, text: target.token.text.clone() }).collect();
        }
        // Before anything was read, it is not known which rows there will be: the cursor begins in the last one.
        if !self.run.positions().is_empty() {
            self.row = self.row.min(self.rows().len().saturating_sub(1));
        }
        let last = self.run.positions().len().saturating_sub(1);
        self.column = if self.follows { last } else { self.column.min(last) };
    }

    /// The rows of the grid, from top to bottom.
    pub(super) fn rows(&self) -> Vec<Place> {
        self.run.rows(self.component)
    }

    /// The row that has to be seen: the cursor's, or, while its readout is still to come, the last one that was read.
    pub(super) fn row_to_see(&self) -> usize {
        if !self.run.is_filling() || self.readout().is_some() {
            return self.row;
        }
        let Some(position) = self.position() else { return self.row };
        let is_read = |place: &Place| self.run.at(self.lens, position, *place).is_some();
        self.rows().iter().rposition(is_read).unwrap_or(0)
    }

    /// The position under the cursor.
    pub(super) fn position(&self) -> Option<usize> {
        self.run.positions().get(self.column).copied()
    }

    /// The row under the cursor.
    pub(super) fn place(&self) -> Option<Place> {
        self.rows().get(self.row).copied()
    }

    /// The readout under the cursor.
    pub(super) fn readout(&self) -> Option<&ReadoutTrace> {
        self.run.at(self.lens, self.position()?, self.place()?)
    }

    /// What colours mean; made anew after what is shown has changed.
    pub(super) fn scale(&mut self) -> Option<&Scale> {
        if self.scale.is_none() {
            let rows = self.rows();
            let positions = self.run.positions();
            let readouts = positions
                .iter()
                .flat_map(|position| rows.iter().filter_map(|row| self.run.at(self.lens, *position, *row)));
            let values: Vec<f64> = readouts.filter_map(|readout| self.measure.value(readout)).collect();
            let n_vocab = self.trace()?.model.n_vocab;
            let options = PictureOptions::default();
            let scale = Scale::new(self.measure, n_vocab, values.into_iter(), &options).ok()?;
            self.scale = Some(scale.named(&self.measure.describe(Some(self.component))));
        }
        self.scale.as_ref()
    }

    /// The same, as it was made when the screen was last drawn.
    pub(super) fn scale_now(&self) -> Option<&Scale> {
        self.scale.as_ref()
    }

    /// Which of the pins a token is.
    pub(super) fn pin_of(&self, id: TokenId) -> Option<usize> {
        self.pins.iter().position(|pin| pin.id == id)
    }

    /// Whether a readout's first token is what was searched for.
    pub(super) fn is_found(&self, readout: &ReadoutTrace) -> bool {
        !self.found.is_empty() && readout.top.first().is_some_and(|top| matches(top, &self.found))
    }

    /// Takes text from the clipboard; outside of a line it begins a prompt.
    pub fn paste(&mut self, text: &str) {
        if self.entry.is_none() && self.model.is_some() {
            self.entry = Some(Entry::new(Purpose::Prompt, ""));
        }
        if let Some(entry) = &mut self.entry {
            entry.insert(text);
        }
    }

    /// Does what a key says.
    pub fn key(&mut self, key: Key) -> Option<Effect> {
        self.message = None;
        if key == Key::Ctrl('c') {
            return Some(Effect::Quit);
        }
        if self.entry.is_some() {
            return self.typed(key);
        }
        if self.overlay.is_some() {
            self.over(key);
            return None;
        }
        self.common(key).or_else(|| {
            match self.view {
                View::Film => self.in_film(key),
                View::Grid | View::Detail => self.in_grid(key),
            };
            None
        })
    }

    /// A key in a line that is being typed.
    fn typed(&mut self, key: Key) -> Option<Effect> {
        match key {
            Key::Esc => {
                self.entry = None;
                self.exists = None;
            }
            Key::Enter => {
                let entry = self.entry.take()?;
                return self.entered(entry.purpose, entry.text());
            }
            _ => {
                self.entry.as_mut()?.edit(key);
            }
        }
        None
    }

    fn entered(&mut self, purpose: Purpose, text: String) -> Option<Effect> {
        match purpose {
            Purpose::Prompt if text.is_empty() => self.say("there is no prompt to run"),
            Purpose::Prompt => return Some(self.ask(text)),
            Purpose::Find => {
                self.found = text;
                self.find(true, true);
            }
            Purpose::Pin => self.pin_text(&text),
            Purpose::Export if text.trim().is_empty() => {}
            Purpose::Export => {
                let replace = self.exists.take().is_some_and(|file| file == text);
                let lens = self.run.lenses().get(self.lens).cloned();
                let (component, measure) = (self.component, self.measure);
                return Some(Effect::Export(Export { file: text, replace, lens, component, measure }));
            }
        }
        None
    }

    /// Runs the model anew.
    fn ask(&mut self, prompt: String) -> Effect {
        self.asked += 1;
        self.prompt.clone_from(&prompt);
        self.doing = Doing::Reading(0, 0);
        let tokens = self.model.filter(|writing| writing.on).map(|writing| writing.tokens);
        Effect::Ask(Ask { run: self.asked, prompt, tokens })
    }

    fn over(&mut self, key: Key) {
        match key {
            Key::Down | Key::Char('j') => self.past += 1,
            Key::Up | Key::Char('k') => self.past = self.past.saturating_sub(1),
            Key::PageDown | Key::Char(' ') => self.past += self.shown.0.max(1),
            Key::PageUp => self.past = self.past.saturating_sub(self.shown.0.max(1)),
            _ => self.overlay = None,
        }
    }

    /// Keys that mean the same in every view.
    fn common(&mut self, key: Key) -> Option<Effect> {
        match key {
            Key::Char('q') => return Some(Effect::Quit),
            Key::Esc => return self.escape(),
            Key::Char('?') => self.open(Overlay::Help),
            Key::Char('N') => self.open(Overlay::Notes),
            Key::Char('i' | '/') => self.begin_prompt(),
            Key::Char('g') => return self.toggle_writing(),
            Key::Char('f') => self.entry = Some(Entry::new(Purpose::Find, &self.found)),
            Key::Char('P') => self.entry = Some(Entry::new(Purpose::Pin, "")),
            Key::Char('e') if self.run.positions().is_empty() => self.say("there is nothing to write yet"),
            Key::Char('e') => self.entry = Some(Entry::new(Purpose::Export, "lens.html")),
            Key::Char('c') => self.next_component(1),
            Key::Char('C') => self.next_component(-1),
            Key::Char('L') => self.next_lens(),
            Key::Char('s') => self.next_measure(1),
            Key::Char('S') => self.next_measure(-1),
            Key::Tab => self.switch(if self.view == View::Film { View::Grid } else { View::Film }),
            Key::BackTab | Key::Enter | Key::Char('d') => {
                self.switch(if self.view == View::Detail { View::Grid } else { View::Detail });
            }
            _ => {}
        }
        None
    }

    fn open(&mut self, overlay: Overlay) {
        self.overlay = Some(overlay);
        self.past = 0;
    }

    /// Ends what goes on, or closes what is open.
    fn escape(&mut self) -> Option<Effect> {
        if self.is_running() {
            self.say("cancelled: what was read until here stays");
            return Some(Effect::Cancel);
        }
        self.film.playing = false;
        self.found.clear();
        self.switch(View::Grid);
        None
    }

    fn begin_prompt(&mut self) {
        if self.model.is_some() {
            self.entry = Some(Entry::new(Purpose::Prompt, &self.prompt));
        } else {
            self.say("a saved trace has no model to run: f searches for a token");
        }
    }

    fn toggle_writing(&mut self) -> Option<Effect> {
        let Some(writing) = &mut self.model else {
            self.say("a saved trace has no model that could write");
            return None;
        };
        writing.on = !writing.on;
        let says = match writing.on {
            true => format!("the model writes up to {} tokens", writing.tokens),
            false => "the model reads, and writes nothing".to_owned(),
        };
        self.say(says);
        (!self.prompt.is_empty()).then(|| self.ask(self.prompt.clone()))
    }

    fn switch(&mut self, view: View) {
        if view == View::Film && self.view != View::Film {
            let frames = film::frames(&self.run);
            let here = self.position();
            let at = frames.iter().position(|position| here.is_some_and(|here| *position >= here));
            self.film.frame = at.unwrap_or(frames.len().saturating_sub(1));
        }
        self.film.playing = false;
        self.view = view;
    }

    fn next_component(&mut self, by: isize) {
        let components = self.run.components();
        let Some(at) = components.iter().position(|component| *component == self.component) else { return };
        let layer = self.place().and_then(|place| place.0);
        self.component = components[around(at, by, components.len())];
        let rows = self.rows();
        self.row = rows.iter().position(|row| row.0 == layer).unwrap_or(self.row);
        self.settle();
        self.say(format!("component {}", self.component));
    }

    fn next_lens(&mut self) {
        let lenses = self.run.lenses().len();
        if lenses < 2 {
            self.say("there is one lens");
            return;
        }
        self.lens = around(self.lens, 1, lenses);
        self.settle();
        self.say(format!("lens {}", display_safe(&self.run.lenses()[self.lens])));
    }

    /// The next measure that anything shown has a value of.
    fn next_measure(&mut self, by: isize) {
        let all = Measure::all();
        let (rows, positions) = (self.rows(), self.run.positions());
        let has = |measure: Measure| {
            let mut cells = positions.iter().flat_map(|p| rows.iter().map(move |row| (*p, *row)));
            cells.any(|(p, row)| {
                self.run.at(self.lens, p, row).is_some_and(|readout| measure.value(readout).is_some())
            })
        };
        let mut at = all.iter().position(|measure| *measure == self.measure).unwrap_or(0);
        for _ in 0..all.len() {
            at = around(at, by, all.len());
            if has(all[at]) {
                break;
            }
        }
        self.measure = all[at];
        self.scale = None;
        self.say(self.measure.describe(Some(self.component)));
    }

    fn in_grid(&mut self, key: Key) {
        let (rows, columns) = (self.rows().len(), self.run.positions().len());
        let page = (self.shown.0.saturating_sub(1).max(1), self.shown.1.saturating_sub(1).max(1));
        match key {
            Key::Up | Key::Char('k') => self.row = self.row.saturating_sub(1),
            Key::Down | Key::Char('j') => self.row = self.row.saturating_add(1).min(rows.saturating_sub(1)),
            Key::PageUp | Key::Ctrl('u') => self.row = self.row.saturating_sub(page.0),
            Key::PageDown | Key::Ctrl('d') => {
                self.row = self.row.saturating_add(page.0).min(rows.saturating_sub(1));
            }
            Key::Left | Key::Char('h') => self.go_to(self.column.saturating_sub(1)),
            Key::Right | Key::Char('l') => self.go_to((self.column + 1).min(columns.saturating_sub(1))),
            Key::Char('b') => self.go_to(self.column.saturating_sub(page.1)),
            Key::Char('w') => self.go_to((self.column + page.1).min(columns.saturating_sub(1))),
            Key::Home | Key::Char('0') => self.go_to(0),
            Key::End | Key::Char('$') => self.go_to(columns.saturating_sub(1)),
            Key::Char('t') => self.row = 0,
            Key::Char('G') => self.row = rows.saturating_sub(1),
            Key::Char('+' | '=') => self.cell = (self.cell + 1).min(24),
            Key::Char('-') => self.cell = (self.cell - 1).max(4),
            Key::Char('v') => self.numbers = !self.numbers,
            Key::Char('n') => self.find(true, false),
            Key::Char('m') => self.find(false, false),
            Key::Char('p') => self.pin_top(0),
            Key::Char('x') => self.pins.clear(),
            Key::Char(digit @ '1'..='9') => self.pin_top(digit as usize - '1' as usize),
            _ => {}
        }
    }

    fn go_to(&mut self, column: usize) {
        self.column = column;
        self.follows = column + 1 >= self.run.positions().len();
    }

    fn in_film(&mut self, key: Key) {
        let frames = film::frames(&self.run).len();
        let rows = self.rows().len();
        match key {
            Key::Char(' ') => self.film.toggle(frames),
            Key::Left | Key::Char('h') => self.film.go(-1, frames),
            Key::Right | Key::Char('l') => self.film.go(1, frames),
            Key::Home | Key::Char('0') => self.film.go(isize::MIN + 1, frames),
            Key::End | Key::Char('$') => self.film.go(isize::MAX, frames),
            Key::Up | Key::Char('k') => self.row = self.row.saturating_sub(1),
            Key::Down | Key::Char('j') => self.row = self.row.saturating_add(1).min(rows.saturating_sub(1)),
            Key::Char('t') => self.row = 0,
            Key::Char('G') => self.row = rows.saturating_sub(1),
            Key::PageUp => self.row = self.row.saturating_sub(self.shown.0.max(1)),
            Key::PageDown => {
                self.row = self.row.saturating_add(self.shown.0.max(1)).min(rows.saturating_sub(1));
            }
            Key::Char('+' | '=') => self.film.faster(),
            Key::Char('-') => self.film.slower(),
            Key::Char('p') => self.pin_top(0),
            _ => {}
        }
        self.film_to_cursor();
    }

    /// The grid's cursor stands where the film does.
    fn film_to_cursor(&mut self) {
        if self.view != View::Film {
            return;
        }
        let frame = film::frames(&self.run).get(self.film.frame).copied();
        let column = frame.and_then(|frame| self.run.positions().iter().position(|p| *p == frame));
        if let Some(column) = column {
            self.go_to(column);
        }
    }

    /// Follows a token of the readout under the cursor, or no longer.
    fn pin_top(&mut self, rank: usize) {
        let Some(top) = self.readout().and_then(|readout| readout.top.get(rank)).cloned() else {
            self.say("there is no such token here");
            return;
        };
        if let Some(at) = self.pin_of(top.id) {
            self.pins.remove(at);
        } else {
            self.pin(&top);
        }
    }

    fn pin_text(&mut self, text: &str) {
        match self.run.named(text).cloned() {
            Some(top) if self.pin_of(top.id).is_none() => self.pin(&top),
            Some(_) => self.say("this token is followed already"),
            None => self.say(format!("no readout names {text:?}")),
        }
    }

    fn pin(&mut self, top: &TopTrace) {
        if self.pins.len() == PINS {
            self.say(format!("{PINS} tokens are followed, which is the most: x drops all of them"));
        } else {
            self.pins.push(Pin { id: top.id, text: top.text.clone() });
        }
    }

    /// Goes to the next cell, by positions and then layers, whose first token is what is searched for.
    fn find(&mut self, forwards: bool, here_too: bool) {
        if self.found.is_empty() {
            self.say("there is nothing to search for: f asks");
            return;
        }
        let (rows, columns) = (self.rows(), self.run.positions().len());
        let cells = rows.len() * columns;
        let here = self.column * rows.len() + self.row.min(rows.len().saturating_sub(1));
        let by = |i: usize| if forwards { (here + i) % cells } else { (here + cells - i % cells) % cells };
        let is_here = |at: &usize| {
            let (column, row) = (at / rows.len(), at % rows.len());
            let readout = self.run.at(self.lens, self.run.positions()[column], rows[row]);
            readout.is_some_and(|readout| self.is_found(readout))
        };
        let found = (usize::from(!here_too)..cells + 1).filter(|_| cells > 0).map(by).find(is_here);
        match found {
            Some(at) => {
                self.row = at % rows.len();
                self.go_to(at / rows.len());
            }
            None => self.say(format!("no cell shows {:?} first", self.found)),
        }
    }
}

/// Whether a token's text has another in it, whatever the case.
fn matches(top: &TopTrace, wanted: &str) -> bool {
    top.text.contains(wanted) || top.text.to_lowercase().contains(&wanted.to_lowercase())
}

fn around(at: usize, by: isize, count: usize) -> usize {
    (at + count).saturating_add_signed(by) % count.max(1)
}
