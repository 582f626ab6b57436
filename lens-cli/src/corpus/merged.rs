//! A corpus as one object: what was read, of what, and what it says.

use std::collections::BTreeMap;

use lens_core::corpus::CorpusReport;
use lens_data::parts::{Failure, Merged};
use serde::Serialize;
use serde_json::Value;

/// The version of the form.
const FORMAT: &str = "lens-corpus/1";

/// A corpus. Nothing in it depends on how it was cut, but what is named after parts.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    format: &'static str,
    /// What the results call the model.
    pub(super) model: String,
    revision: Option<&'a Value>,
    /// What the numbers depend on besides the texts.
    settings: &'a BTreeMap<String, Value>,
    texts_sha256: Option<&'a str>,
    parts: u64,
    part_documents: u64,
    /// Parts that are missing, if some are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts_missing: Vec<u64>,
    failures: &'a [Failure],
    /// What has to be known of the numbers.
    pub(super) notes: Vec<String>,
    #[serde(flatten)]
    pub(super) report: &'a CorpusReport,
}

impl<'a> Whole<'a> {
    pub(super) fn new(merged: &'a Merged, report: &'a CorpusReport) -> Self {
        let run = &merged.run;
        let model = run.about.get("model").and_then(Value::as_str).unwrap_or("a model").to_owned();
        let missing = merged.missing.as_ref();
        Self {
            format: FORMAT,
            model,
            revision: run.about.get("revision").filter(|revision| !revision.is_null()),
            settings: &run.settings,
            texts_sha256: merged.texts_sha256.as_deref(),
            parts: merged.parts,
            part_documents: run.part_documents.get(),
            parts_missing: missing.map_or_else(Vec::new, |missing| missing.parts.clone()),
            failures: &merged.failures,
            notes: notes(merged),
            report,
        }
    }

    /// The same for the head of a picture, the model first.
    pub(super) fn facts(&self) -> Vec<String> {
        let of = |name: &str| self.settings.get(name);
        let dtype = of("dtype").and_then(Value::as_str).map(str::to_owned);
        let context = of("context").map(|context| format!("windows of up to {context} tokens"));
        let text = self.texts_sha256.and_then(|hash| hash.get(..12));
        let text = text.map(|start| format!("texts sha256 {start}"));
        [Some(self.model.clone()), dtype, context, text].into_iter().flatten().collect()
    }
}

fn notes(merged: &Merged) -> Vec<String> {
    let outline = merged.run.about.get("notes").and_then(Value::as_array).into_iter().flatten();
    let mut notes: Vec<String> = outline.filter_map(Value::as_str).map(str::to_owned).collect();
    notes.extend(merged.notes.iter().cloned());
    match merged.failures.len() {
        0 => {}
        1 => notes.push("1 document could not be read".to_owned()),
        n => notes.push(format!("{n} documents could not be read")),
    }
    if let Some(missing) = &merged.missing {
        match missing.parts.len() {
            0 => {}
            1 => notes.push(format!("part {} is missing", missing.parts[0])),
            n => notes.push(format!("{n} parts are missing")),
        }
        if missing.end {
            notes.push("no process has read the corpus to its end: there may be more parts".to_owned());
        }
    }
    notes
}
