//! What is rendered: everything that `lens run` writes, and the JSON of logitlenskit's viewer.

mod events;
mod folder;
mod pieces;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use lens_core::{LensTrace, TraceError};
use lens_viz::Named;

use pieces::Runs;

use crate::packed;

/// The largest file that is read, bytes.
const MOST_BYTES: u64 = 4 << 30;

/// A run and the name that tells it from the others.
pub(super) struct Run {
    pub(super) name: String,
    pub(super) trace: LensTrace,
}

impl Run {
    pub(super) fn named(&self) -> Named<'_> {
        Named::new(&*self.name, &self.trace)
    }
}

/// Everything that was given, in its order.
pub(super) struct Input {
    pub(super) runs: Vec<Run>,
    /// What was left out, as sentences.
    pub(super) notes: Vec<String>,
}

impl Input {
    /// Reads files, folders, and `-`, which is stdin.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut given = Vec::new();
        for path in paths {
            given.push((title(path), one(path)?));
        }
        let several = given.len() > 1;
        let mut input = Self { runs: Vec::new(), notes: Vec::new() };
        for (title, Runs { labels, traces, notes }) in given {
            input.notes.extend(notes);
            let alone = traces.len() == 1;
            let natural: Vec<String> = Named::all(&traces).into_iter().map(|named| named.name).collect();
            for ((label, natural), trace) in labels.into_iter().zip(natural).zip(traces) {
                let inner = label.unwrap_or(natural);
                let name = match (several, alone) {
                    (false, _) => inner,
                    (true, true) => title.clone(),
                    (true, false) => format!("{title}: {inner}"),
                };
                input.runs.push(Run { name, trace });
            }
        }
        input.tell_apart();
        Ok(input)
    }

    /// Names that several runs have get a number.
    fn tell_apart(&mut self) {
        let names: Vec<String> = self.runs.iter().map(|run| run.name.clone()).collect();
        for (number, run) in self.runs.iter_mut().enumerate() {
            if names.iter().filter(|name| **name == run.name).count() > 1 {
                run.name = format!("{} ({number})", run.name);
            }
        }
    }

    /// Keeps the runs asked for, in the order in which they were asked for; all, if none was.
    pub(super) fn choose(&mut self, asked: &[String]) -> Result<()> {
        if asked.is_empty() {
            return Ok(());
        }
        let find = |asked: &String| {
            let by_name = || self.runs.iter().position(|run| run.name == *asked);
            let by_number = asked.parse::<usize>().ok().filter(|number| *number < self.runs.len());
            by_number
                .or_else(by_name)
                .with_context(|| format!("--trace {asked:?}: there is no such trace: {}", self.list()))
        };
        let chosen: Vec<usize> = asked.iter().map(find).collect::<Result<_>>()?;
        if let Some(twice) = (1..chosen.len()).find(|i| chosen[..*i].contains(&chosen[*i])) {
            bail!("--trace {:?} was chosen twice", asked[twice]);
        }
        let mut runs: Vec<Option<Run>> = self.runs.drain(..).map(Some).collect();
        self.runs = chosen.into_iter().filter_map(|number| runs[number].take()).collect();
        Ok(())
    }

    /// The numbers and names of the runs.
    pub(super) fn list(&self) -> String {
        const SHOWN: usize = 16;
        let named = self.runs.iter().enumerate().take(SHOWN).map(|(number, run)| {
            let short: String = run.name.chars().take(40).collect();
            let more = if short.len() < run.name.len() { "…" } else { "" };
            format!("{number} ({short}{more})")
        });
        let mut list = named.collect::<Vec<_>>().join(", ");
        if self.runs.len() > SHOWN {
            list.push_str(&format!(" and {} more", self.runs.len() - SHOWN));
        }
        list
    }

    /// The only run; the error says how to choose among several.
    pub(super) fn only(&mut self, shows: &str) -> Result<Run> {
        if self.runs.len() > 1 {
            bail!(
                "there are {} traces, and {shows} shows one: choose one with --trace: {}",
                self.runs.len(),
                self.list()
            );
        }
        self.runs.pop().context("there is no trace in what was given")
    }

    /// The model as it is and as it was changed, where that is what was given.
    pub(super) fn comparison(&self) -> Option<(&Run, &Run)> {
        match self.runs.as_slice() {
            [before, after] if before.name == pieces::BEFORE && after.name == pieces::AFTER => {
                Some((before, after))
            }
            _ => None,
        }
    }
}

/// What a file is called among several.
fn title(path: &Path) -> String {
    let text = path.display().to_string();
    let short = text.strip_suffix("/trace.json").unwrap_or(&text);
    if path == Path::new("-") { "stdin".to_owned() } else { short.trim_end_matches('/').to_owned() }
}

/// The runs of a file or folder.
fn one(path: &Path) -> Result<Runs> {
    if path.is_dir() {
        return folder::read(path);
    }
    let name = if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() };
    let bytes = if path == Path::new("-") {
        packed::bounded(io::stdin().lock(), MOST_BYTES).and_then(whole)
    } else {
        let opened = File::open(path);
        opened.and_then(|file| packed::bounded(BufReader::new(file), MOST_BYTES)).and_then(whole)
    };
    let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
    pieces::read(&bytes, &name)
}

/// A trace by itself, checked.
fn trace(bytes: &[u8], name: &str) -> Result<LensTrace> {
    LensTrace::from_json(bytes).map_err(|error| {
        let what = match error {
            TraceError::Json { .. } => "is not a trace (lens run writes one with --out or --format json)",
            TraceError::Schema { .. } => "has another schema",
            _ => "is a trace that cannot be true: nothing of it is shown",
        };
        anyhow::Error::from(error).context(format!("{name} {what}"))
    })
}

/// All that a reader has, unless it cannot be a trace: a device that never ends must not fill the memory.
fn whole(mut reader: impl BufRead) -> io::Result<Vec<u8>> {
    let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
    let start = reader.fill_buf()?;
    if start.starts_with(b"PAR1") || start.starts_with(b"ARROW1") {
        return Err(invalid(
            "it is a table of readouts, which other programs read (docs/tables.md); lens render takes the traces of lens \
             run --format json, or -o"
                .to_owned(),
        ));
    }
    if start.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| !b"{[".contains(byte)) {
        return Err(invalid("it does not begin with `{`, as a trace does".to_owned()));
    }
    let mut bytes = Vec::new();
    reader.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(invalid(format!("it is larger than {} GiB, the most that is read", MOST_BYTES >> 30)));
    }
    Ok(bytes)
}
