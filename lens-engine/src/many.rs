//! `lens run --prompts`: many prompts, one load, results as they come.

use std::{ops::ControlFlow, path::Path};

use anyhow::{Context, Result, bail};
use lens_cli::{
    args::RunArgs,
    flat::Tables,
    folder::{self, Folder, Growing},
    format::RunFormat,
    output::{self, Stdout},
    progress::Running,
    record::TABLES,
    results, signals,
    style::Console,
    tables,
    values::Target,
};
use lens_core::{BackendError, LONGEST_STEP, LensSet, LensTrace, Prepared, TimingTrace, TokenId, sink::Sink};
use lens_data::{PromptError, PromptInput, PromptRecord, ReadoutSink};
use lens_models::{Session, session::Input};
use lens_viz::terminal::PromptsView;

use crate::{
    compare_prompts::{self, Compared},
    failure::{Failure, said},
    lenses::Lenses,
    machine, prompt,
    records::Records,
    request, show,
    watched::Watched,
    weights,
};

/// Prompts of up to as many tokens are read together; the positions of a longer one are shown as they are read.
const SHORT: usize = 256;

/// Reads every prompt of `file`; `-` is stdin.
pub(crate) fn run(
    args: &RunArgs,
    file: &Path,
    mut session: Session,
    lenses: Lenses,
    Outputs { folder, out }: Outputs<'_>,
    console: &Console,
) -> Result<()> {
    let given = &args.many;
    check_what_all_share(args, &session, &lenses.set)?;
    let mut records = Records::open(file, given.prompts_format, given.prompts_column.as_deref())?;
    if given.compare_prompts {
        records = compare_prompts::few(records)?;
    }
    let running = Running::new("loading the model");
    session.model_with(&mut |progress| running.load(progress.done, progress.total))?;
    drop(running);
    let tables = folder.as_ref().map(|folder| Tables::begin(folder, "")).transpose()?;
    let view = PromptsView::new(&tables::options(console));
    let on_stdout = args.format.flat().map(|format| ReadoutSink::new(out, format)).transpose()?;
    let compared = given.compare_prompts.then(|| Compared::begin(folder.as_ref())).transpose()?;
    let many = Many {
        args,
        file,
        lenses,
        console,
        session,
        folder,
        tables,
        on_stdout,
        compared,
        view,
        out,
        failures: None,
        spent: None,
        said: Vec::new(),
    };
    many.run(records)
}

/// What is wrong whatever a prompt says ends the run before it begins: a layer that the model does not have, or a target
/// that is no token of it.
fn check_what_all_share(args: &RunArgs, session: &Session, lenses: &LensSet) -> Result<()> {
    args.read.layers.resolve(session.outline().spec.layers.len(), "layer")?;
    let n_vocab = session.outline().spec.n_vocab();
    for target in args.read.targets.iter().chain(&args.read.versus) {
        if let Target::Id(token) = *target
            && token.index() >= n_vocab
        {
            return Err(BackendError::UnknownToken { token, n_vocab }.into());
        }
    }
    let any = Input::Tokens(vec![TokenId(0)]);
    session.prepare(&request::of(args, lenses, any)).map(drop)?;
    Ok(())
}

/// Where the results go.
pub(crate) struct Outputs<'a> {
    /// All of them, if a folder was asked for.
    pub(crate) folder: Option<Folder>,
    /// What is shown.
    pub(crate) out: &'a Stdout,
}

struct Many<'a> {
    args: &'a RunArgs,
    /// Where the prompts are.
    file: &'a Path,
    lenses: Lenses,
    console: &'a Console,
    session: Session,
    folder: Option<Folder>,
    tables: Option<Tables>,
    on_stdout: Option<ReadoutSink<&'a Stdout>>,
    /// Where the prompts are shown side by side at the end.
    compared: Option<Compared>,
    view: PromptsView,
    out: &'a Stdout,
    /// `failures.jsonl`, from the first failure on.
    failures: Option<Growing>,
    /// Where the time went, if somebody wants to know.
    spent: Option<TimingTrace>,
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

/// Prompts in their order, as many together as share a forward pass: what is read is shown after each, and Ctrl-C waits
/// for no more than one.
fn packs(mut prepared: &[Prepared]) -> impl Iterator<Item = &[Prepared]> {
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fits = |one: &&Prepared| {
            tokens += one.tokens.len();
            tokens <= LONGEST_STEP
        };
        let n = prepared.iter().take_while(fits).count().max(1);
        let (pack, rest) = prepared.split_at_checked(n)?;
        prepared = rest;
        Some(pack)
    })
}

impl Many<'_> {
    fn run(mut self, mut records: Records) -> Result<()> {
        let mut count = Count::default();
        if self.args.format == RunFormat::Table && self.compared.is_none() {
            let header = self.view.header();
            self.out.print(|out| out.write_all(header.as_bytes()));
        }
        loop {
            let group = records.group();
            if group.is_empty() || self.group(group, &mut count)?.is_break() {
                break;
            }
        }
        self.end(&count)?;
        if signals::seen().is_some() {
            return Err(signals::Interrupted.into());
        }
        match count {
            Count { read: 0, failed: 0, .. } => bail!("there is no prompt in {}", self.file.display()),
            Count { failed: 0, unsound: 0, .. } => Ok(()),
            Count { unsound, .. } if unsound > 0 => {
                bail!("THE SELF-CHECK FAILED for {unsound} prompts: do not believe these results")
            }
            Count { read, failed, .. } => bail!("{failed} of {} prompts could not be read", read + failed),
        }
    }

    /// Reads some prompts and shows them in order, short ones after they were read together.
    fn group(
        &mut self,
        records: Vec<Result<PromptRecord, PromptError>>,
        count: &mut Count,
    ) -> Result<ControlFlow<()>> {
        let mut short: Vec<Prepared> = Vec::new();
        for record in records {
            let prepared = match record {
                Ok(PromptRecord { index, id, input }) => {
                    self.prepared(index, id.clone(), input).map_err(|error| (index, id, error))
                }
                Err(PromptError::Record { index, id, line, reason }) => {
                    Err((index, id, anyhow::anyhow!("line {line}: {reason}")))
                }
                Err(error) => {
                    self.together(&mut short, count)?;
                    self.end(count)?;
                    return Err(error.into());
                }
            };
            match prepared {
                Ok(prepared) if prepared.is_plain() && prepared.tokens.len() <= SHORT => short.push(prepared),
                prepared => {
                    self.together(&mut short, count)?;
                    if self.is_over() {
                        return Ok(ControlFlow::Break(()));
                    }
                    match prepared {
                        Ok(prepared) => self.alone(&prepared, count)?,
                        Err((index, id, error)) => self.failed(index, id.as_deref(), &error, count)?,
                    }
                }
            }
        }
        self.together(&mut short, count)?;
        Ok(if self.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Whether nobody wants more.
    fn is_over(&self) -> bool {
        (self.out.is_closed() && self.folder.is_none()) || signals::seen().is_some()
    }

    fn prepared(&mut self, index: u64, id: Option<String>, input: PromptInput) -> Result<Prepared> {
        let request = request::of(self.args, &self.lenses.set, prompt::of_record(input, &self.args.chat));
        let mut prepared = self.session.prepare(&request)?;
        prepared.notes.extend(self.lenses.notes.iter().cloned());
        for note in prepared.own_notes() {
            let named = id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
            self.console.note(&format!("prompt {index}{named}: {note}"));
        }
        Ok(prepared.labelled(index, id))
    }

    /// Reads prompts together and shows each. Nothing is read once nobody wants more.
    fn together(&mut self, short: &mut Vec<Prepared>, count: &mut Count) -> Result<()> {
        let prepared = std::mem::take(short);
        for pack in packs(&prepared) {
            if self.is_over() {
                break;
            }
            match pack {
                [one] => self.alone(one, count)?,
                several => self.pack(several, count)?,
            }
        }
        Ok(())
    }

    /// Reads the prompts of one forward pass and shows each.
    fn pack(&mut self, prepared: &[Prepared], count: &mut Count) -> Result<()> {
        self.suit(prepared.iter().map(|one| one.tokens.len()).sum());
        for (one, trace) in prepared.iter().zip(self.session.run_many_prepared(prepared)?) {
            match trace {
                Ok(trace) => {
                    // From here on there is something to keep.
                    signals::hold();
                    let live = show::live_of_many(self.args, self.out).0.whole(&trace).map_err(folder::cause);
                    let shown = live.and_then(|()| self.show(trace, one.own_notes()));
                    self.count(one, shown, count)?;
                }
                // It fails again, and is shown as far as it comes.
                Err(_) => self.alone(one, count)?,
            }
        }
        Ok(())
    }

    /// Gives libtorch the threads for a pass of so many tokens: a prompt by itself has as many as in a run by itself.
    fn suit(&self, tokens: usize) {
        machine::suit(&self.args.machine, &self.session.outline().spec, tokens);
    }

    /// Reads one prompt while its results are shown.
    fn alone(&mut self, prepared: &Prepared, count: &mut Count) -> Result<()> {
        if self.is_over() {
            return Ok(());
        }
        self.suit(machine::passing(&self.args.generate, prepared.tokens.len()));
        let (mut live, bar) = show::live_of_many(self.args, self.out);
        let mut watched = Watched::new(&mut *live, self.out, bar, self.folder.is_some());
        let result = self.session.run_prepared(prepared, &mut watched);
        drop(watched); // and the bar with it
        match result {
            // Interrupted before anything was read.
            Ok(trace) if trace.finals.is_empty() && signals::seen().is_some() => Ok(()),
            result => {
                let shown =
                    result.map_err(Into::into).and_then(|trace| self.show(trace, prepared.own_notes()));
                self.count(prepared, shown, count)
            }
        }
    }

    /// Shows the trace of a prompt, beyond what was shown while it was read; its `own` notes were said.
    fn show(&mut self, mut trace: LensTrace, own: &[String]) -> Result<LensTrace> {
        trace.notes.extend(weights::changed_weights());
        for note in trace.notes.iter().filter(|note| !own.contains(note)) {
            self.note(note);
        }
        if let Some(timing) = trace.timing {
            let TimingTrace { forward, readout, .. } = self.spent.get_or_insert(TimingTrace::new(0.0, 0.0));
            *forward += timing.forward;
            *readout += timing.readout;
        }
        if self.compared.is_none() || self.args.format != RunFormat::Table {
            show::document_of_many(self.args, &self.view, self.out).whole(&trace).map_err(folder::cause)?;
        }
        if let Some(table) = &mut self.on_stdout {
            table.whole(&trace).map_err(folder::cause)?;
            self.out.hand_on();
        }
        if let Some(tables) = &mut self.tables {
            tables.push(&trace)?;
        }
        if let Some(compared) = &mut self.compared {
            compared.add(&trace)?;
        }
        Ok(trace)
    }

    fn count(&mut self, prepared: &Prepared, shown: Result<LensTrace>, count: &mut Count) -> Result<()> {
        match shown {
            Ok(trace) => {
                count.read += 1;
                count.unsound += u64::from(trace.self_check.is_some_and(|check| !check.passed));
                Ok(())
            }
            Err(error) => {
                let (index, id) = prepared.label();
                self.failed(index.unwrap_or_default(), id, &error, count)
            }
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
    fn failed(
        &mut self,
        prompt_index: u64,
        id: Option<&str>,
        error: &anyhow::Error,
        count: &mut Count,
    ) -> Result<()> {
        count.failed += 1;
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
        if let Some(compared) = self.compared.take() {
            compared.end(self.folder.as_mut(), self.args, self.console, self.out)?;
        }
        if count.failed > 0 {
            let read = if count.read == 1 {
                "1 prompt was".to_owned()
            } else {
                format!("{} prompts were", count.read)
            };
            self.console.note(&format!("{read} read, {} could not be", count.failed));
        }
        if let Some(timing) = &self.spent {
            self.console.note(&machine::spent(timing));
        }
        if signals::seen().is_some() {
            let kept = count.read + count.failed;
            self.console.note(&format!(
                "interrupted after {kept} prompts of the file: those after them were not read"
            ));
        }
        self.out.end(self.console)
    }
}
