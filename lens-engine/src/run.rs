//! `lens run`: a prompt, a model, what it says at every layer, and what it goes on to write.

use anyhow::{Context, Result, bail};
use lens_cli::{
    args::RunArgs,
    folder::{self, Folder},
    format::RunFormat,
    hint, model,
    output::{self, Stdout},
    progress::Running,
    results, signals,
    style::Console,
    tables,
    values::Pictures,
};
use lens_core::{LensTrace, SelfCheckTrace, sink::Sink};
use lens_models::{Session, demo, session::Prepared};
use lens_viz::terminal::compare;
use serde::Serialize;

use crate::{
    gathered::Gathered,
    lenses::Lenses,
    machine,
    many::{self, Outputs},
    prompt, request, show,
    watched::{Bar, Watched},
    weights,
};

/// The program and its version, as a trace names them.
pub(crate) const GENERATOR: (&str, &str) = ("lens", env!("CARGO_PKG_VERSION"));

pub(crate) fn run(args: &RunArgs, console: &Console) -> Result<()> {
    let options = machine::apply(&args.machine)?;
    let folder = args.out_folder().map(Folder::for_results).transpose()?;
    let out = Stdout::new(args.out_file())?;
    note_what_does_nothing(args, console);
    let (input, tools) = match &args.input.prompts {
        None => prompt::input(&args.input, &args.chat).map(|(input, tools)| (Some(input), tools))?,
        Some(_) => (None, None),
    };

    let model = args.model.as_deref().unwrap_or(demo::ID);
    let checkpoint = model::open(model, &args.source, args.machine.io.into(), console)?;
    let lenses = Lenses::open(&args.read.lenses, &checkpoint, &args.source, console)?;
    let mut session = Session::new(checkpoint, options)?.with_generator(GENERATOR.0, GENERATOR.1);
    session = session.with_chat(prompt::extras(&args.chat, tools))?;
    let Some(input) = input else {
        let file = args.input.prompts.as_deref().context("there is no file of prompts")?;
        return many::run(args, file, session, lenses, Outputs { folder, out: &out }, console);
    };
    let mut prepared = session.prepare(&request::of(args, &lenses.set, input))?;
    prepared.notes.extend(lenses.notes);
    prepared.notes.iter().for_each(|note| console.note(note));

    let tokens = machine::passing(&args.generate, prepared.tokens.len());
    machine::suit(&args.machine, &session.outline().spec, tokens);
    let running = Running::new("loading the model");
    session.model_with(&mut |progress| running.load(progress.done, progress.total))?;
    drop(running);
    Trials { args, console, session, folder, prepared, gathered: Gathered::default(), out: &out }.run()
}

/// Says what was written on the command line and changes nothing, or not what it seems to.
fn note_what_does_nothing(args: &RunArgs, console: &Console) {
    let generate = &args.generate;
    if generate.temperature.0 == 0.0 && generate.seed != 0 {
        console.note("--seed has no effect at temperature 0, which takes the most probable token");
    }
    if let Some(word) =
        hint::after_grid(std::env::args_os()).filter(|word| args.input.prompt.as_ref() == Some(word))
    {
        console.note(&format!(
            "{word:?} is the prompt here; for the grid of that statistic, write --grid={word}"
        ));
    }
}

/// One run, or several that differ in their seeds.
struct Trials<'a> {
    args: &'a RunArgs,
    console: &'a Console,
    session: Session,
    folder: Option<Folder>,
    prepared: Prepared,
    /// What one page shows, where there are several runs and a folder for it.
    gathered: Gathered,
    /// Files matter even when nobody reads stdout: its failure is told when all is written.
    out: &'a Stdout,
}

impl Trials<'_> {
    fn run(mut self) -> Result<()> {
        let trials = self.args.generate.trials.get();
        if trials > 1 && self.args.generate.temperature.0 == 0.0 {
            self.console.note("greedy trials are all the same: give a --temperature above 0");
        }
        let mut verdicts = Vec::new();
        for trial in 0..trials {
            if trials > 1 && self.args.format == RunFormat::Table {
                let title = format!("{}{}", gap(trial), self.console.out.strong(&self.title(trial)));
                self.out.print(|out| writeln!(out, "{title}"));
            }
            let trace = self.trial(trial);
            // Whatever else happened: what was asked for last was to end.
            if signals::seen().is_some() {
                self.out.end(self.console)?;
                trace?;
                return Err(signals::Interrupted.into());
            }
            verdicts.push(verdict(trace?.self_check.as_ref()));
            signals::release();
            if self.out.is_closed() && self.folder.is_none() {
                break;
            }
        }
        if let Some(folder) = &mut self.folder {
            self.gathered.write(folder, self.console)?;
        }
        self.out.end(self.console)?;
        verdicts.into_iter().collect()
    }

    /// What stands above a trial: its number as in the trace and in the folder's name, from 0.
    fn title(&self, trial: usize) -> String {
        let generate = &self.args.generate;
        let seed = generate.seed.wrapping_add(trial as u64);
        format!("trial {trial} (of {}, seed {seed})", generate.trials)
    }

    /// Runs a trial, writes its files, and shows it.
    fn trial(&mut self, trial: usize) -> Result<LensTrace> {
        let args = self.args;
        let trials = args.generate.trials.get();
        let place = if trials > 1 { format!("trial_{trial}/") } else { String::new() };
        let prepared = self.prepared.for_trial(trial);
        if args.compare {
            return self.comparison(&prepared, &place);
        }
        let (mut live, bar) = show::live(args, self.console, self.out);
        let trace = self.run_shown(&prepared, &mut *live, bar, &place)?;
        show::document(args, self.console, self.out).whole(&trace).map_err(folder::cause)?;
        Ok(trace)
    }

    /// Runs the model as it is and with its interventions, and shows both side by side.
    fn comparison(&mut self, prepared: &Prepared, place: &str) -> Result<LensTrace> {
        let bar = Bar::Counts(self.args.generate.max_new_tokens.map(usize::from));
        let plain = prepared.without_interventions();
        let before = self.run_shown(&plain, &mut (), bar, &format!("{place}before/"))?;
        verdict(before.self_check.as_ref())?;
        if signals::seen().is_some() {
            self.console
                .note("interrupted before the model was run with its changes: there is nothing to compare");
            return Ok(before);
        }
        signals::release(); // until something of the second run is there
        let after = self.run_shown(prepared, &mut (), bar, &format!("{place}after/"))?;
        match self.args.format {
            RunFormat::Table => {
                let text = compare(&before, &after, &tables::options(self.console));
                self.out.print(|out| out.write_all(text.as_bytes()));
            }
            _ => {
                let both = Comparison { before: &before, after: &after };
                self.out.print(|out| output::json(out, &both));
            }
        }
        Ok(after)
    }

    /// Runs the model, shows it as it runs, and writes its files below `place`.
    fn run_shown(
        &mut self,
        prepared: &Prepared,
        live: &mut dyn Sink,
        bar: Bar,
        place: &str,
    ) -> Result<LensTrace> {
        let mut watched = Watched::new(live, self.out, bar, self.folder.is_some());
        let result = self.session.run_prepared(prepared, &mut watched);
        drop(watched); // and the bar with it
        let mut trace = result?;
        trace.notes.extend(weights::changed_weights());
        if trace.finals.is_empty() && signals::seen().is_some() {
            self.console.note("interrupted before any position was read: nothing is written");
            return Err(signals::Interrupted.into());
        }
        // The rest was said before the run.
        trace.notes.iter().skip(prepared.notes.len()).for_each(|note| self.console.note(note));
        if let Some(timing) = trace.timing {
            self.console.note(&machine::spent(&timing));
        }
        if let Some(folder) = &mut self.folder {
            let pictures = self.args.pictures.unwrap_or(Pictures::USUAL);
            results::write(folder, place, &trace, pictures, self.console)?;
            if !place.is_empty() {
                self.gathered.add(place.trim_end_matches('/').replace(['_', '/'], " "), &trace);
            }
        }
        Ok(trace)
    }
}

/// Two runs, as JSON.
#[derive(Serialize)]
struct Comparison<'a> {
    before: &'a LensTrace,
    after: &'a LensTrace,
}

fn gap(trial: usize) -> &'static str {
    if trial == 0 { "" } else { "\n" }
}

/// Readouts that contradict the model's own logits are shown, but never as a success.
fn verdict(check: Option<&SelfCheckTrace>) -> Result<()> {
    let Some(check) = check.filter(|check| !check.passed) else { return Ok(()) };
    bail!(
        "THE SELF-CHECK FAILED: at position {} a logit is off by {:e} and the log-sum-exp by {:e} from the model's \
         own plain product. Do not believe these results, and please report this with what `lens check` says of \
         the model: {}/issues",
        check.position,
        check.max_abs_logit_error,
        check.log_sum_exp_error,
        env!("CARGO_PKG_REPOSITORY")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_self_check_is_a_failure() {
        let mut check = SelfCheckTrace::new(4, 0.5, 0.1, false);
        assert!(verdict(Some(&check)).unwrap_err().to_string().contains("SELF-CHECK FAILED"));
        check.passed = true;
        assert!(verdict(Some(&check)).is_ok());
    }
}
