//! The model's side: a question is answered, and what is read is shown as it comes.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use lens_core::{
    Intervention, LensTrace, PositionTrace, Prepared, Progress, Request, Sink, SinkError, StepTrace, TokenId,
    TokenTrace,
    attribution::AttributionRequest,
    sink::{Collected, End, LayersTrace},
};
use lens_viz::{
    Named,
    page::{PageOptions, data, tokens},
};

use serde::Serialize;

use crate::{
    failure::Failure,
    growing::Growing,
    job::{Job, What},
    limits::Limits,
    model::Model,
    patching,
    question::{Apart, Client, Reading},
    results::{Kept, KeptRun, Results},
    told::{Event, Told},
};

/// How many times as long as it took to draw what is read nothing is drawn again: the model has the rest of the time.
const REST: u32 = 4;

/// Eyes do not follow faster.
const LEAST_PAUSE: Duration = Duration::from_millis(40);

/// How long a step of a prompt is read at least until those layers of it are shown that are there.
const GLANCE: Duration = Duration::from_millis(150);

/// Neurons that are named of a logit.
const NEURONS: usize = 20;

/// Answers a question.
pub(crate) fn answer(job: &Job, model: &mut dyn Model, results: &Results, limits: &Limits) {
    let told = &job.told;
    let answered = match &job.what {
        What::Read(reading) => read(reading, model, told, results, limits),
        What::Apart(ask) => apart(ask, model, told, results),
        What::Patch => patch(&job.client, model, told, results),
    };
    if let Err(failure) = answered {
        told.failed(&failure);
    }
}

fn read(
    reading: &Reading,
    model: &mut dyn Model,
    told: &Told,
    results: &Results,
    limits: &Limits,
) -> Result<(), Failure> {
    let about = model.about();
    let lenses = model.lenses();
    let mut prepared = Vec::new();
    for (number, run) in reading.runs.iter().enumerate() {
        let one = model.prepare(&reading.request(run, &about, &lenses)?)?;
        if one.tokens.len() > limits.prompt {
            return Err(Failure::new(format!(
                "the prompt has {} tokens, and the most is {}",
                one.tokens.len(),
                limits.prompt
            ))
            .with_help("shorten it, or have the server take longer ones"));
        }
        prepared.push(one.labelled(number as u64, None));
    }
    let of = prepared.iter().map(|one| one.tokens.len() + reading.write.saturating_sub(1)).sum();
    let mut kept: Vec<KeptRun> = Vec::new();
    let mut said: Option<Vec<String>> = None;
    for ((one, run), name) in prepared.iter().zip(&reading.runs).zip(reading.names()) {
        let trace = run_one(one, name, (of, reading.write > 0), model, told, &kept, limits)?;
        let Some(trace) = trace else { return Ok(()) };
        said.get_or_insert_default().extend(trace.notes.iter().cloned());
        kept.push(KeptRun { name, trace, changes: reading.changes(run, &about)? });
        if told.wish().is_over() {
            break;
        }
    }
    if told.wish().is_dropped() {
        return Ok(());
    }
    let mut notes: Vec<String> = Vec::new();
    for note in said.unwrap_or_default() {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    if kept.len() < reading.runs.len() {
        notes.push("stopped before the second run began: there is nothing to compare".to_owned());
    }
    told.say(&Event::Notes(&notes));
    let positions = kept.iter().map(|run| run.trace.finals.len()).sum();
    results.keep(&reading.client, Kept { runs: kept });
    told.say(&Event::End { positions });
    Ok(())
}

/// Runs one prompt and shows it; `None` where nobody wants it any more. `of` is how many positions all runs may have, and
/// whether the model writes.
fn run_one(
    prepared: &Prepared,
    name: &'static str,
    of: (usize, bool),
    model: &mut dyn Model,
    told: &Told,
    before: &[KeptRun],
    limits: &Limits,
) -> Result<Option<LensTrace>, Failure> {
    let mut shown = Shown {
        told,
        before,
        name,
        of: of.0,
        writes: of.1,
        options: PageOptions::default().with_max_bytes(limits.data),
        collected: Collected::default(),
        growing: Growing::default(),
        next: Instant::now(),
        failure: None,
    };
    model.run(prepared, &mut shown)?;
    if told.wish().is_dropped() {
        return Ok(None);
    }
    if let Some(failure) = shown.failure {
        return Err(failure);
    }
    shown.draw()?;
    Ok(shown.collected.into_trace())
}

/// Shows a run while it grows.
struct Shown<'a> {
    told: &'a Told,
    before: &'a [KeptRun],
    name: &'static str,
    of: usize,
    /// Whether the model goes on after the prompt.
    writes: bool,
    options: PageOptions,
    collected: Collected,
    growing: Growing,
    /// When it is drawn again at the earliest.
    next: Instant,
    failure: Option<Failure>,
}

impl Shown<'_> {
    /// Says what is there.
    fn draw(&self) -> Result<(), Failure> {
        let Some(trace) = self.collected.trace() else { return Ok(()) };
        let (grown, awaited) = self.growing.beside(trace);
        if !is_begun(&grown) {
            return Ok(());
        }
        let mut named: Vec<Named<'_>> =
            self.before.iter().map(|run| Named::new(run.name, &run.trace)).collect();
        named.push(Named::new(self.name, &grown).with_awaited(awaited));
        let drawn = data(&named, &self.options).map_err(|error| {
            Failure::new(error.to_string()).with_help("give a shorter prompt, or read the stream alone")
        })?;
        let before: usize = self.before.iter().map(|run| run.trace.finals.len()).sum();
        let done = before + trace.finals.len();
        self.told.say(&Event::Data { data: &drawn, done, of: self.of, part: self.growing.part() });
        Ok(())
    }

    /// Draws if that is not too often, and somebody looks.
    fn draw_soon(&mut self) {
        let began = Instant::now();
        if began < self.next || !self.told.has_room() || self.told.wish().is_over() {
            return;
        }
        if let Err(failure) = self.draw() {
            self.failure = Some(failure);
        }
        self.next = Instant::now() + (began.elapsed() * REST).max(LEAST_PAUSE);
    }
}

impl Sink for Shown<'_> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        let named = tokens(&head.tokens).map_err(|error| SinkError::new("the tokens", error))?;
        self.told.say(&Event::Tokens { run: self.before.len(), tokens: &named });
        self.collected.begin(head)
    }

    fn stop(&mut self) -> bool {
        self.told.wish().is_over() || self.failure.is_some()
    }

    fn layers_every(&self) -> Option<Duration> {
        Some(GLANCE)
    }

    fn layers(&mut self, layers: LayersTrace) -> Result<ControlFlow<()>, SinkError> {
        self.growing.add(layers);
        self.draw_soon();
        // Who stops keeps what is there, and a position is there when it is whole.
        let goes_on = !self.told.wish().is_dropped() && self.failure.is_none();
        Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        self.growing = Growing::default();
        self.collected.position(position)
    }

    fn progress(&mut self, progress: Progress) -> Result<(), SinkError> {
        // After the last step of a prompt that nothing is written to comes the end, which is drawn anyway.
        if progress.done < progress.total || self.writes {
            self.draw_soon();
        }
        Ok(())
    }

    fn step(&mut self, step: StepTrace, token: TokenTrace) -> Result<(), SinkError> {
        self.collected.step(step, token)?;
        self.draw_soon();
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<(), SinkError> {
        self.collected.end(end)
    }
}

/// Whether each lens has read something: a view of a lens that has not yet would forget what was chosen in it.
fn is_begun(trace: &LensTrace) -> bool {
    let has =
        |name: &&str| trace.readouts.iter().any(|one| one.lens.as_deref().is_none_or(|lens| lens == *name));
    trace.lens_names().iter().all(has)
}

/// Takes a logit apart that was read before.
fn apart(ask: &Apart, model: &mut dyn Model, told: &Told, results: &Results) -> Result<(), Failure> {
    let kept = results.of(&ask.client).ok_or_else(nothing_read)?;
    let run = kept.runs.get(ask.run).ok_or_else(nothing_read)?;
    let tokens: Vec<TokenId> = run.trace.tokens.iter().map(|token| token.id).collect();
    let n_prompt = tokens.len() - run.trace.steps.len();
    if ask.position >= tokens.len() {
        return Err(Failure::new(format!("there is no position {}", ask.position)));
    }
    let is_placed = |change: &Intervention| change.target.positions.is_some();
    if ask.position >= n_prompt && run.changes.iter().any(is_placed) {
        return Err(Failure::new("a change at chosen positions of the prompt cannot be followed beyond it")
            .with_help("choose a position of the prompt"));
    }
    let read = tokens[..n_prompt.max(ask.position + 1)].iter().copied();
    let request = run.changes.iter().cloned().fold(Request::tokens(read), Request::steer);
    let prepared = model.prepare(&request)?;
    if told.wish().is_over() {
        return Ok(());
    }
    let question = AttributionRequest::new(TokenId(ask.target), ask.position).with_neurons(NEURONS);
    let trace = model.attribute(&prepared, &question)?;
    told.say(&Event::Attribution(&json(&trace)?));
    told.say(&Event::End { positions: 1 });
    Ok(())
}

/// Patches the two prompts that were read before.
fn patch(client: &Client, model: &mut dyn Model, told: &Told, results: &Results) -> Result<(), Failure> {
    let kept = results.of(client).ok_or_else(nothing_read)?;
    let [clean, corrupted] = kept.runs.as_slice() else {
        return Err(Failure::new("there are no two prompts").with_help("compare with another prompt first"));
    };
    let prompt = |run: &KeptRun| -> Vec<TokenId> {
        let n = run.trace.tokens.len() - run.trace.steps.len();
        run.trace.tokens[..n].iter().map(|token| token.id).collect()
    };
    let wish = told.wish().clone();
    let mut go_on = || if wish.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let trace = model.patch(&prompt(clean), &prompt(corrupted), &mut go_on)?;
    let mut shown = patching::shown(&trace).ok_or_else(|| Failure::new("no place was patched"))?;
    if kept.runs.iter().any(|run| !run.changes.is_empty()) {
        shown.note(
            "the changes that are switched on are not part of this: both prompts run on the model as it is",
        );
    }
    told.say(&Event::Patching(&json(&shown)?));
    told.say(&Event::End { positions: 2 });
    Ok(())
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::new(error.to_string()))
}

fn nothing_read() -> Failure {
    Failure::new("nothing of this page was read yet").with_help("type a prompt first")
}
