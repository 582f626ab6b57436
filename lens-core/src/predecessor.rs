//! The files of LogitLens4LLMs, so that programs that read them go on working: `all_layers.json` and
//! `important_layers.json`.
//!
//! They name components as LogitLens4LLMs does and hold percentages (0 to 100), here with their decimals. Tokens are
//! texts there, so two tokens with the same text cannot be told apart: the full result is [`crate::LensTrace`].

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    point::{Component, Site},
    text::{TokenText, token_bytes},
    trace::{FinalTrace, LensTrace, ReadoutTrace},
};

/// A file: `step_0`, `step_1` and so on, each with its data.
pub type Steps<'a> = BTreeMap<StepKey, Step<'a>>;

/// By layer, then by LogitLens4LLMs's name of the component: tokens and their percentages, most probable first.
pub type Layers<'a> = BTreeMap<u16, BTreeMap<&'static str, Vec<(&'a str, f64)>>>;

/// A step of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step<'a> {
    /// The text that the model had read at this step.
    pub input_text: String,
    /// The token that was sampled next, or else the most probable one.
    pub predicted_token: &'a str,
    /// In `all_layers.json`: every layer that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_layers_data: Option<Layers<'a>>,
    /// In `important_layers.json`: the layers in which a token is above the threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub important_layers: Option<Layers<'a>>,
}

/// The number of a step, written as `step_0`; keys are ordered by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepKey(pub usize);

impl Serialize for StepKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("step_{}", self.0))
    }
}

/// The contents of `all_layers.json`. A run without a continuation has one step, at the last position read.
pub fn all_layers(trace: &LensTrace) -> Steps<'_> {
    steps(trace, |last| Step {
        all_layers_data: Some(layers(trace, last, &Site::ALL, |_| true)),
        ..Step::default_of(last)
    })
}

/// The contents of `important_layers.json`: only important layers, and of those only the three components that can
/// make a layer important.
pub fn important_layers(trace: &LensTrace) -> Steps<'_> {
    const DECISIVE: [Site; 3] = [Site::AttnOut, Site::MlpOut, Site::ResidPost];
    steps(trace, |last| Step {
        important_layers: Some(layers(trace, last, &DECISIVE, |layer| {
            last.important_layers.contains(&layer)
        })),
        ..Step::default_of(last)
    })
}

impl<'a> Step<'a> {
    fn default_of(last: &'a FinalTrace) -> Self {
        Self {
            input_text: String::new(),
            predicted_token: last.top.first().map_or("", |top| &*top.text),
            all_layers_data: None,
            important_layers: None,
        }
    }
}

fn steps<'a>(trace: &'a LensTrace, data: impl Fn(&'a FinalTrace) -> Step<'a>) -> Steps<'a> {
    let last_at = |position: usize| trace.finals.iter().find(|last| last.position == position);
    if trace.steps.is_empty() {
        let last = trace.finals.last().into_iter();
        return last
            .map(|last| (StepKey(0), Step { input_text: input_text(trace, last.position), ..data(last) }))
            .collect();
    }
    let written = trace.steps.iter().filter_map(|step| Some((step, last_at(step.position)?)));
    written
        .map(|(step, last)| {
            let input_text = input_text(trace, step.position);
            (StepKey(step.step), Step { input_text, predicted_token: &step.token.text, ..data(last) })
        })
        .collect()
}

/// The prompt, and what was written after it, up to a position.
fn input_text(trace: &LensTrace, position: usize) -> String {
    let n_prompt = trace.tokens.iter().take_while(|token| !token.generated).count();
    if position + 1 == n_prompt {
        return trace.prompt.clone();
    }
    let from = if position < n_prompt { 0 } else { n_prompt };
    let mut bytes = Vec::new();
    for token in trace.tokens.iter().take(position + 1).skip(from) {
        bytes.extend_from_slice(&token_bytes(&token.text, token.bytes.as_deref()));
    }
    let text = TokenText::from_bytes(&bytes).text;
    if from == 0 { text.to_string() } else { format!("{}{text}", trace.prompt) }
}

fn layers<'a>(
    trace: &'a LensTrace,
    last: &FinalTrace,
    sites: &[Site],
    keeps: impl Fn(u16) -> bool,
) -> Layers<'a> {
    let mut layers = Layers::new();
    // Of several lenses the first: the layout has no place for others.
    let lens = trace.lenses.first().map(|lens| &lens.name);
    let of_first = |readout: &&ReadoutTrace| readout.lens.as_ref() == lens;
    for readout in trace.readouts.iter().filter(of_first).filter(|readout| readout.position == last.position)
    {
        let Some(layer) = readout.layer.filter(|layer| keeps(*layer)) else { continue };
        let Component::Site(site) = readout.component else { continue };
        let Some(name) = site.predecessor_name().filter(|_| sites.contains(&site)) else { continue };
        let percents = readout.top.iter().map(|top| (&*top.text, f64::from(top.prob) * 100.0)).collect();
        layers.entry(layer).or_default().insert(name, percents);
    }
    layers
}
