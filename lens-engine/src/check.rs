//! `lens check`: whether the readouts of a model can be believed, as a report to paste.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use lens_cli::{
    args::CheckArgs,
    fields::{field, wrap},
    model, output,
    progress::Running,
    style::Console,
};
use lens_core::{Backend, ByteSize, Finding, ModelInfo, Outcome, TokenId, check_backend, projection::Kernel};
use lens_models::{Checkpoint, Decoder, session::Speech};

use crate::{
    machine,
    run::GENERATOR,
    weights::{self, Scan},
};

/// Length of the sequence when the user gives none.
const LENGTH: usize = 24;

/// Broken tensors that are named.
const NAMED: usize = 8;

pub(crate) fn check(args: &CheckArgs, console: &Console) -> Result<()> {
    let options = machine::apply(&args.machine)?;
    let kernel = Kernel::chosen()?;
    let checkpoint = model::open(args.model.name(), &args.source, args.machine.io.into(), console)?;
    checkpoint.outline().notes.iter().for_each(|note| console.note(note));
    let tokens = tokens(args, &checkpoint)?;
    machine::suit(&args.machine, &checkpoint.outline().spec, tokens.len());

    let running = Running::new("looking at every weight");
    let mut findings = vec![finite_weights(&weights::scan(&checkpoint))];
    drop(running);
    let running = Running::new("loading and running the model");
    let mut model = Decoder::load_with(checkpoint, &options, &mut |progress| {
        running.load(progress.done, progress.total);
    })?;
    // A failure here may well be what broken weights lead to: the report goes first.
    let checked = check_backend(&mut model, &tokens).context("the model cannot be run");
    drop(running);
    if let Ok(report) = &checked {
        findings.extend(report.findings.iter().cloned());
    }

    let facts = Facts { info: model.info(), kernel, threads: rayon::current_num_threads(), tokens: &tokens };
    output::print(|out| {
        facts.write(out, console)?;
        findings.iter().try_for_each(|finding| write_finding(out, console, finding))?;
        match (&checked, findings.iter().all(|finding| finding.outcome == Outcome::Passed)) {
            (Ok(_), true) => writeln!(out, "\nall {} checks passed", findings.len()),
            _ => Ok(()),
        }
    })?;
    checked?;
    match findings.iter().filter(|finding| finding.outcome == Outcome::Failed).count() {
        0 => Ok(()),
        failed => {
            bail!("{failed} of {} checks failed: do not believe these readouts", findings.len())
        }
    }
}

/// The sequence to check with.
fn tokens(args: &CheckArgs, checkpoint: &Checkpoint) -> Result<Vec<TokenId>> {
    let outline = checkpoint.outline();
    match (&args.prompt, &args.token_ids) {
        (Some(text), _) => Ok(Speech::of(checkpoint)?.encode(text)?),
        (None, Some(ids)) => Ok(ids.0.clone()),
        (None, None) => {
            let length = outline.spec.context.map_or(LENGTH, |context| context.clamp(2, LENGTH));
            Ok(spread(length, outline.spec.n_vocab()))
        }
    }
}

/// Ids from all over a vocabulary, the same ones every time, in no particular order.
fn spread(length: usize, n_vocab: usize) -> Vec<TokenId> {
    // Steps of the golden section fill a range evenly, however many there are.
    let section = |i: usize| ((i as f64 + 1.0) * 0.618_033_988_749_895).fract();
    (0..length).map(|i| TokenId((section(i) * n_vocab as f64) as u32)).collect()
}

fn finite_weights(scan: &Scan) -> Finding {
    let mut detail = format!("{} tensors, {}", scan.tensors, ByteSize(scan.bytes));
    if !scan.broken.is_empty() {
        let name = |(name, count): &(String, usize)| format!("{name} ({count} values)");
        let names: Vec<String> = scan.broken.iter().take(NAMED).map(name).collect();
        detail = format!("NaN or infinite: {}", names.join(", "));
        if scan.broken.len() > NAMED {
            detail.push_str(&format!(" and {} more tensors", scan.broken.len() - NAMED));
        }
    }
    Finding { claim: "every weight is finite", outcome: Outcome::of(scan.broken.is_empty()), detail }
}

/// What a reader of the report must know.
struct Facts<'a> {
    info: &'a ModelInfo,
    kernel: Kernel,
    threads: usize,
    tokens: &'a [TokenId],
}

impl Facts<'_> {
    fn write(&self, out: &mut dyn Write, console: &Console) -> io::Result<()> {
        let info = self.info;
        let mut say = |name: &str, value: &str| field(out, console, name, value);
        say("lens", &format!("{} on {} {}", GENERATOR.1, std::env::consts::OS, std::env::consts::ARCH))?;
        say("model", &info.id)?;
        if let Some(revision) = &info.revision {
            say("revision", revision)?;
        }
        let assumed = if info.family_assumed { " (assumed)" } else { "" };
        say(
            "family",
            &format!("{}{assumed}, {} layers, d_model {}", info.family, info.n_layers, info.d_model),
        )?;
        say("weights", &format!("{} on {}", info.dtype, info.device))?;
        say("kernel", &format!("{}, {} threads", self.kernel, self.threads))?;
        let ids: Vec<String> = self.tokens.iter().take(LENGTH).map(ToString::to_string).collect();
        let rest = if self.tokens.len() > LENGTH { ", …" } else { "" };
        say("tokens", &format!("{}: {}{rest}", self.tokens.len(), ids.join(", ")))?;
        writeln!(out)
    }
}

fn write_finding(out: &mut dyn Write, console: &Console, finding: &Finding) -> io::Result<()> {
    let paint = console.out;
    let mark = match finding.outcome {
        Outcome::Passed => paint.good("pass"),
        Outcome::Failed => paint.bad("FAIL"),
        Outcome::Undecided => paint.faint("n/a "),
    };
    writeln!(out, "{mark}  {}", finding.claim)?;
    for line in wrap(&lens_viz::display_safe(&finding.detail), console.width.saturating_sub(6)) {
        writeln!(out, "      {}", paint.faint(&line))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_spread_over_the_vocabulary() {
        let ids = spread(24, 101);
        assert!(ids.iter().all(|id| id.index() < 101));
        let mut distinct = ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 24, "{ids:?}");
        assert!(distinct[0].0 < 10 && distinct[23].0 > 90, "{distinct:?}");
        assert_eq!(spread(3, 1), [TokenId(0); 3]);
    }

    #[test]
    fn broken_tensors_are_named() {
        let scan = Scan { tensors: 2, bytes: 10, broken: vec![("a.weight".to_owned(), 3)] };
        let finding = finite_weights(&scan);
        assert!(finding.outcome == Outcome::Failed && finding.detail.contains("a.weight (3 values)"));
    }
}
