//! The JSON objects of a file, one after another or in an array, and what each of them is.

use anyhow::{Context, Result, anyhow, bail};
use lens_core::LensTrace;
use lens_viz::logitlenskit::{V2, from_v2};
use serde::{Deserialize, de::IgnoredAny};

use super::{events::Events, trace};

/// The names of a comparison's sides.
pub(super) const BEFORE: &str = "before";
pub(super) const AFTER: &str = "after";

/// The runs of a file.
#[derive(Default)]
pub(super) struct Runs {
    /// What each is called, where the file says so.
    pub(super) labels: Vec<Option<String>>,
    pub(super) traces: Vec<LensTrace>,
    /// What was left out.
    pub(super) notes: Vec<String>,
}

impl Runs {
    fn push(&mut self, label: Option<&str>, trace: LensTrace) {
        self.labels.push(label.map(str::to_owned));
        self.traces.push(trace);
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.labels.append(&mut other.labels);
        self.traces.append(&mut other.traces);
        self.notes.append(&mut other.notes);
    }
}

/// The fields by which objects are told apart.
#[derive(Deserialize)]
struct Fields {
    event: Option<String>,
    schema: Option<IgnoredAny>,
    before: Option<IgnoredAny>,
    after: Option<IgnoredAny>,
    error: Option<String>,
    prompt_index: Option<u64>,
    topk: Option<IgnoredAny>,
    tracked: Option<IgnoredAny>,
}

/// Two runs of `lens run --compare`.
#[derive(Deserialize)]
struct Comparison {
    before: LensTrace,
    after: LensTrace,
}

/// The runs that a text holds.
pub(super) fn read(bytes: &[u8], name: &str) -> Result<Runs> {
    let mut runs = Runs::default();
    // Most files are one trace: it is not gone through twice.
    if let Ok(trace) = LensTrace::from_json(bytes) {
        runs.push(None, trace);
        return Ok(runs);
    }
    let (pieces, incomplete) = split(bytes);
    if pieces.is_empty() || (pieces.len() == 1 && incomplete) {
        // What is wrong with the text as a trace.
        trace(bytes, name)?;
    }
    let mut events = Events::default();
    let several = pieces.len() > 1;
    for (number, piece) in pieces.into_iter().enumerate() {
        let place = if several { format!("{name}, object {}", number + 1) } else { name.to_owned() };
        one(piece, &place, &mut events, &mut runs)?;
    }
    runs.append(events.end()?);
    if incomplete {
        runs.notes.push(format!("{name} breaks off in the middle of an object, which is left out"));
    }
    if runs.traces.is_empty() {
        let why = if runs.notes.is_empty() { String::new() } else { format!(": {}", runs.notes.join("; ")) };
        bail!("{name} holds no trace{why}");
    }
    Ok(runs)
}

/// Reads one object.
fn one(bytes: &[u8], place: &str, events: &mut Events, runs: &mut Runs) -> Result<()> {
    let Ok(fields) = serde_json::from_slice::<Fields>(bytes) else {
        return trace(bytes, place).map(|trace| runs.push(None, trace));
    };
    match fields {
        Fields { event: Some(event), .. } => events
            .add(&event, bytes)
            .with_context(|| format!("{place} is not an event of lens run --format jsonl")),
        Fields { error: Some(error), prompt_index: Some(index), schema: None, .. } => {
            runs.notes.push(failure(index, &error));
            Ok(())
        }
        Fields { before: Some(_), after: Some(_), .. } => {
            let Comparison { before, after } = serde_json::from_slice(bytes)
                .with_context(|| format!("{place} is not a comparison of two traces"))?;
            for (side, trace) in [(BEFORE, before), (AFTER, after)] {
                let wrong = || format!("{side} of {place} cannot be true: nothing of it is shown");
                trace.validate().with_context(wrong)?;
                runs.push(Some(side), trace);
            }
            Ok(())
        }
        Fields { topk: Some(_), tracked: Some(_), schema: None, .. } => {
            let file: V2 = serde_json::from_slice(bytes)
                .with_context(|| format!("{place} is not a file of logitlenskit, version 2"))?;
            let trace = from_v2(&file).with_context(|| format!("cannot show {place}"))?;
            runs.push(None, trace);
            Ok(())
        }
        Fields { .. } => trace(bytes, place).map(|trace| runs.push(None, trace)),
    }
}

/// What is said of a prompt that was not read.
pub(super) fn failure(index: u64, error: &str) -> String {
    format!("prompt {index} is left out, it could not be read: {error}")
}

/// The objects of a text, and whether it breaks off in the last one, which is then not among them.
fn split(bytes: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut pieces = Vec::new();
    let blank = |byte: &u8| byte.is_ascii_whitespace() || b"[],".contains(byte);
    let mut rest = bytes;
    loop {
        let Some(start) = rest.iter().position(|byte| !blank(byte)) else { return (pieces, false) };
        rest = &rest[start..];
        let mut objects = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        match objects.next() {
            Some(Ok(_)) => {
                let (piece, after) = rest.split_at(objects.byte_offset());
                pieces.push(piece);
                rest = after;
            }
            Some(Err(error)) if error.is_eof() => return (pieces, true),
            // Whoever reads it as an object says what is wrong with it.
            _ => {
                pieces.push(rest);
                return (pieces, false);
            }
        }
    }
}

/// The error of an event that comes where none is expected.
pub(super) fn unexpected(event: &str) -> anyhow::Error {
    anyhow!("a {event:?} before the run that it belongs to has begun")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> (Vec<&str>, bool) {
        let (pieces, incomplete) = split(text.as_bytes());
        (pieces.into_iter().map(|piece| std::str::from_utf8(piece).unwrap()).collect(), incomplete)
    }

    #[test]
    fn objects_are_found_in_lines_arrays_and_side_by_side() {
        for text in ["{\"a\":1}\n{\"b\":[2,{}]}\n", "[{\"a\":1},{\"b\":[2,{}]}]", "{\"a\":1}{\"b\":[2,{}]}"] {
            assert_eq!(pieces(text), (vec!["{\"a\":1}", "{\"b\":[2,{}]}"], false), "{text}");
        }
        assert_eq!(pieces("{}\n{\"a\":"), (vec!["{}"], true));
        assert_eq!(pieces("{} x"), (vec!["{}", "x"], false));
        assert_eq!(pieces(" \n"), (vec![], false));
    }
}
