//! Two prompts, patched into one another.

use std::ops::ControlFlow;

use lens_core::{
    Backend, Site, TokenId,
    patch::{
        GridColumns, PatchRequest, PatchSite, PatchSites, PatchTrace, Patched, PatchedToken, Places, Prompt,
        pairs, patch,
    },
};
use serde::Serialize;

use crate::failure::Failure;

/// Patches the stream before every block, at every position, from `clean` into the run of `corrupted`. Answers are read at the
/// end of each, and are what each run itself says.
///
/// # Errors
/// When the prompts have different lengths or the same answer, or the run fails or is ended.
pub fn sweep<B: Backend>(
    backend: &mut B,
    [clean, corrupted]: [&[TokenId]; 2],
    go_on: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Patched, Failure> {
    let last = corrupted.len().saturating_sub(1);
    let pairing = pairs(None, None, [corrupted.len(), clean.len()], last).map_err(|error| {
        Failure::new(error.to_string()).with_help("give two prompts with the same number of tokens")
    })?;
    let sites = PatchSites::new([PatchSite::One(Site::ResidPre)]);
    let request = PatchRequest::new(Prompt::new(clean), Prompt::new(corrupted))
        .with_places(Places::new(sites).with_pairs(Some(pairing.pairs)));
    let mut watch = |_: usize, _: usize| go_on();
    let mut patched = patch(backend, &request, &mut watch).map_err(|error| Failure::new(words(&error)))?;
    patched.notes.extend(pairing.notes);
    Ok(patched)
}

/// An error with its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let says = inner.to_string();
        if !words.contains(&says) {
            words = format!("{words}: {says}");
        }
        cause = inner.source();
    }
    words
}

/// The stream's grid, as the page shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    says: String,
    layers: Vec<String>,
    positions: Vec<String>,
    rows: Vec<Vec<Option<f64>>>,
    notes: Vec<String>,
}

/// A text whose spaces at the ends are seen.
fn with_spaces(text: &str) -> String {
    let inner = text.trim_matches(' ');
    let lead = text.len() - text.trim_start_matches(' ').len();
    let dots = |count| "·".repeat(count);
    format!("{}{inner}{}", dots(lead), dots(text.len() - lead - inner.len()))
}

/// What the page shows of a sweep.
pub(crate) fn shown(trace: &PatchTrace) -> Option<Shown> {
    let grid = trace.grids.iter().find(|grid| grid.columns == GridColumns::Positions)?;
    let token = |position: &usize| {
        let text = trace.changed.tokens.get(*position).map_or("", |token| &token.text);
        format!("{position} {}", with_spaces(&lens_viz::display_safe(text)))
    };
    let word = |token: &Option<PatchedToken>| token.as_ref().map(|token| format!("{:?}", &*token.text));
    let measured = match (word(&trace.target), word(&trace.versus)) {
        (Some(target), Some(versus)) => format!("the logit difference of {target} and {versus}"),
        (Some(target), None) => format!("the logit of {target}"),
        _ => "the answer".to_owned(),
    };
    let mut notes = trace.notes.clone();
    if !trace.self_check.passed {
        notes.insert(0, "THE SELF-CHECK FAILED: do not believe these numbers".to_owned());
    }
    Some(Shown {
        says: format!(
            "The stream before each block of the second prompt (the corrupted one) takes the value that the first prompt (the \
             clean one) has there. A number is the share of {measured} that comes back: 0 as in the second prompt, 1 as in the \
             first."
        ),
        layers: grid.layers.iter().map(ToString::to_string).collect(),
        positions: grid.of_columns.iter().map(token).collect(),
        rows: grid.shares.clone(),
        notes,
    })
}

impl Shown {
    pub(crate) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_at_the_ends_are_seen() {
        for (text, seen) in [(" Paris", "·Paris"), ("a b  ", "a b··"), ("  ", "··"), ("", ""), ("x", "x")]
        {
            assert_eq!(with_spaces(text), seen);
        }
    }
}
