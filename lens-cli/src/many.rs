//! `lens run --prompts`: many prompts, one load, results as they come.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, Result, bail};
use lens_core::{LensTrace, sink::Sink};
use lens_data::{PromptFormat, PromptInput, PromptRecord, Prompts, ReadoutSink};
use lens_models::{Message, Session, session::Input};
use lens_viz::terminal::PromptsView;
use serde::Serialize;

use crate::{
    advice,
    args::{RunArgs, RunFormat},
    flat::Tables,
    output::{self, Folder, Growing, Stdout},
    packed::{self, Packing},
    progress::Running,
    record::TABLES,
    results, run, show, signals,
    style::Console,
    tables,
    watched::Watched,
};

/// A prompt that could not be read.
#[derive(Serialize)]
struct Failure<'a> {
    /// Where every line is an event, so is this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    prompt_index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    error: String,
}

/// Reads every prompt of `file`; `-` is stdin.
pub(crate) fn run(
    args: &RunArgs,
    file: &Path,
    mut session: Session,
    Outputs { folder, out }: Outputs<'_>,
    console: &Console,
) -> Result<()> {
    let given = &args.many;
    let format = given.prompts_format.unwrap_or_else(|| PromptFormat::of(Packing::of(file).1));
    let prompts = Prompts::new(open(file)?, format, given.prompts_column.as_deref())
        .with_context(|| format!("cannot read prompts from {}", file.display()))?;
    let running = Running::new("loading the model");
    session.model_with(&mut |progress| running.load(progress))?;
    drop(running);
    let tables = folder.as_ref().map(|folder| Tables::begin(folder, "")).transpose()?;
    let view = PromptsView::new(&tables::options(console));
    let on_stdout = args.format.flat().map(|format| ReadoutSink::new(out, format)).transpose()?;
    let many = Many {
        args,
        console,
        session,
        folder,
        tables,
        on_stdout,
        view,
        out,
        failures: None,
        said: Vec::new(),
    };
    many.run(prompts)
}

fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let opened = if path == Path::new("-") {
        packed::unpacked(BufReader::new(io::stdin()))
    } else {
        File::open(path).and_then(|file| packed::unpacked(BufReader::with_capacity(1 << 16, file)))
    };
    opened.with_context(|| format!("cannot read prompts from {}", path.display()))
}

/// Where the results go.
pub(crate) struct Outputs<'a> {
    /// All of them, if a folder was asked for.
    pub(crate) folder: Option<Folder>,
    /// What is shown.
    pub(crate) out: &'a Stdout,
}

/// An error on one line, with what may help.
fn said(error: &anyhow::Error) -> String {
    match advice::of(error) {
        Some(advice) => format!("{error:#}; {advice}"),
        None => format!("{error:#}"),
    }
}

struct Many<'a> {
    args: &'a RunArgs,
    console: &'a Console,
    session: Session,
    folder: Option<Folder>,
    tables: Option<Tables>,
    on_stdout: Option<ReadoutSink<&'a Stdout>>,
    view: PromptsView,
    out: &'a Stdout,
    /// `failures.jsonl`, from the first failure on.
    failures: Option<Growing>,
    /// Notes that were said: most are the same for every prompt.
    said: Vec<String>,
}

/// How many prompts were read, and how many could not be.
#[derive(Default)]
struct Count {
    read: u64,
    failed: u64,
    unsound: u64,
}

impl Many<'_> {
    fn run(mut self, prompts: Prompts<'_>) -> Result<()> {
        let mut count = Count::default();
        if self.args.format == RunFormat::Table {
            let header = self.view.header();
            self.out.print(|out| out.write_all(header.as_bytes()));
        }
        for record in prompts {
            let unread = self.out.is_closed() && self.folder.is_none();
            if unread || signals::seen().is_some() {
                break;
            }
            match record {
                Ok(PromptRecord { index, id, input }) => match self.one(index, id.as_deref(), input) {
                    Ok(Some(trace)) => {
                        count.read += 1;
                        count.unsound += u64::from(trace.self_check.is_some_and(|check| !check.passed));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        count.failed += 1;
                        self.failed(index, id.as_deref(), &error)?;
                    }
                },
                Err(lens_data::PromptError::Record { index, id, line, reason }) => {
                    count.failed += 1;
                    let reason = anyhow::anyhow!("line {line}: {reason}");
                    self.failed(index, id.as_deref(), &reason)?;
                }
                Err(error) => {
                    self.end(&count)?;
                    return Err(error.into());
                }
            }
        }
        self.end(&count)?;
        if signals::seen().is_some() {
            return Err(signals::Interrupted.into());
        }
        match count {
            Count { read: 0, failed: 0, .. } => bail!("there is no prompt in the file"),
            Count { failed: 0, unsound: 0, .. } => Ok(()),
            Count { unsound, .. } if unsound > 0 => {
                bail!("THE SELF-CHECK FAILED for {unsound} prompts: do not believe these results")
            }
            Count { read, failed, .. } => bail!("{failed} of {} prompts could not be read", read + failed),
        }
    }

    /// Reads one prompt and shows it; `None` when it was interrupted before anything was read.
    fn one(&mut self, index: u64, id: Option<&str>, input: PromptInput) -> Result<Option<LensTrace>> {
        let request = run::request(self.args, self.input(input));
        let prepared = self.session.prepare(&request)?.labelled(index, id.map(str::to_owned));
        let (mut live, bar) = show::live_of_many(self.args, self.out);
        let mut watched = Watched::new(&mut *live, self.out, bar, self.folder.is_some());
        let result = self.session.run_prepared(&prepared, &mut watched);
        drop(watched); // and the bar with it
        let mut trace = result?;
        trace.notes.extend(run::changed_weights());
        if trace.finals.is_empty() && signals::seen().is_some() {
            return Ok(None);
        }
        for note in &trace.notes {
            self.note(note);
        }
        show::document_of_many(self.args, &self.view, self.out).whole(&trace).map_err(show::cause)?;
        if let Some(table) = &mut self.on_stdout {
            table.whole(&trace).map_err(show::cause)?;
            self.out.hand_on();
        }
        if let Some(tables) = &mut self.tables {
            tables.push(&trace)?;
        }
        Ok(Some(trace))
    }

    fn input(&self, input: PromptInput) -> Input {
        let chat = &self.args.chat;
        let system = || chat.system.iter().map(|system| Message::new("system", system));
        match input {
            PromptInput::Text(text) if chat.chat || chat.system.is_some() => {
                Input::Chat(system().chain([Message::new("user", text)]).collect())
            }
            PromptInput::Text(text) => Input::Text(text),
            PromptInput::Messages(messages) => {
                let own = messages.into_iter().map(|(role, content)| Message::new(role, content));
                Input::Chat(system().chain(own).collect())
            }
            PromptInput::Tokens(tokens) => Input::Tokens(tokens),
        }
    }

    /// Says a note once, however many prompts it is true of.
    fn note(&mut self, note: &str) {
        const REMEMBERED: usize = 1000;
        if self.said.len() < REMEMBERED && !self.said.iter().any(|said| said == note) {
            self.console.note(note);
            self.said.push(note.to_owned());
        }
    }

    /// Records a prompt that could not be read, and goes on.
    fn failed(&mut self, prompt_index: u64, id: Option<&str>, error: &anyhow::Error) -> Result<()> {
        let event = (self.args.format == RunFormat::Jsonl).then_some("failure");
        let failure = Failure { event, prompt_index, id, error: said(error) };
        match self.args.format {
            RunFormat::Table => {
                let line = self.view.failure(prompt_index, id, &failure.error);
                self.out.print(|out| out.write_all(line.as_bytes()));
            }
            RunFormat::Json | RunFormat::Jsonl => self.out.print(|out| output::json(out, &failure)),
            _ => self.console.note(&format!("prompt {prompt_index} could not be read: {}", failure.error)),
        }
        if let Some(folder) = &self.folder {
            if self.failures.is_none() {
                self.failures = Some(folder.begin("failures.jsonl")?);
            }
            if let Some(file) = &mut self.failures {
                output::json(file, &Failure { event: None, ..failure })
                    .context("cannot write failures.jsonl")?;
            }
        }
        Ok(())
    }

    /// Ends what is written, and says what became of it.
    fn end(&mut self, count: &Count) -> Result<()> {
        if let (Some(tables), Some(folder)) = (self.tables.take(), &mut self.folder) {
            tables.finish(folder)?;
            results::note_cleared(folder, self.console);
            let mut written = TABLES.to_vec();
            if let Some(failures) = self.failures.take() {
                folder.finish(failures)?;
                written.push("failures.jsonl");
            }
            let place = folder.path().display();
            self.console.note(&format!("results in {place}/: {}", written.join(", ")));
        }
        if let Some(table) = self.on_stdout.take() {
            table.finish()?;
        }
        if count.failed > 0 {
            self.console.note(&format!("{} prompts were read, {} could not be", count.read, count.failed));
        }
        self.out.end(self.console)
    }
}
