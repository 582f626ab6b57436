//! The JSON form of an attribution: `lens-attribution/1`.

use std::{fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use super::{
    parts::OutputMap,
    result::{Attribution, LogitCheck, NeuronContribution, TokenLogit},
};
use crate::{
    norm::NormMode,
    text::{TokenText, TokenTexts},
    token::TokenId,
    trace::{
        GeneratorTrace, InterventionTrace, LensKindTrace, LensTrace, ModelTrace, SelfCheckTrace, TokenTrace,
    },
    tracer::TraceContext,
    translate::{LensKind, Provenance, Translator},
};

/// The schema that this crate writes.
pub const SCHEMA: &str = "lens-attribution/1";

/// Numbers by name, in an order that means something; an object in JSON.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shares(pub Vec<(String, f64)>);

impl Shares {
    /// The number of a name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// The sum of all numbers.
    pub fn sum(&self) -> f64 {
        self.0.iter().map(|(_, value)| value).sum()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, f64)> for Shares {
    fn from_iter<I: IntoIterator<Item = (String, f64)>>(shares: I) -> Self {
        Self(shares.into_iter().collect())
    }
}

impl Serialize for Shares {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Shares {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Shares;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Shares, M::Error> {
                let mut shares = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    shares.push(entry);
                }
                Ok(Shares(shares))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A logit taken apart, as it is written to JSON. `contributions` and `bias` sum to `logit_before_cap`, up to `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttributionTrace {
    /// [`SCHEMA`].
    pub schema: String,
    /// What wrote it.
    pub generator: GeneratorTrace,
    /// The model.
    pub model: ModelTrace,
    /// Which statistics the final norm divides by: always those of the final residual.
    pub norm: NormMode,
    /// Its number in a run of many prompts, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_index: Option<u64>,
    /// What the file of prompts calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The prompt, as text.
    pub prompt: String,
    /// Every token of the prompt.
    pub tokens: Vec<TokenTrace>,
    /// The position whose next token is predicted, from 0.
    pub position: usize,
    /// Where in the stream the logit is read, such as `L4.resid_pre`; absent for the model's own logit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<String>,
    /// The lens that it is read through; absent for the plain one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens: Option<AttributionLens>,
    /// What was changed while the model ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<InterventionTrace>,
    /// The token whose logit it is.
    pub target: TargetLogit,
    /// The token whose logit is subtracted, if there is one: every number is then a difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versus: Option<TargetLogit>,
    /// The logit after the logit scale and before the soft cap, in float64 from the final residual.
    pub logit_before_cap: f64,
    /// The logit as the model has it, after scale and cap.
    pub logit: f64,
    /// `embed`, then `L{i}.attn_out` and `L{i}.mlp_out` of each block; then `steer.{point}`, what interventions change there;
    /// last, in half-precision models, `rounding`: what the rounding of the stream's sums adds.
    pub contributions: Shares,
    /// The biases outside of branches: of the final norm, of the unembedding, of norms on the stream itself, and of the
    /// lens.
    pub bias: f64,
    /// The sum of `contributions` and `bias`, less `logit_before_cap`.
    pub error: f64,
    /// `token` and `position`, the two parts of `embed`, where positions are learned.
    #[serde(default, skip_serializing_if = "Shares::is_empty")]
    pub embedding: Shares,
    /// `L{i}.h{j}`: the heads' parts of `attn_out`.
    pub heads: Shares,
    /// The largest difference between an `attn_out` and the sum of its heads and biases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads_error: Option<f64>,
    /// The neurons that contribute most either way, the largest first: `L{i}.n{j}`, of an expert `L{i}.e{k}.n{j}`, of a
    /// shared expert `L{i}.shared.n{j}`.
    pub neurons: Shares,
    /// The largest difference between an `mlp_out` and the sum of all its neurons and biases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neurons_error: Option<f64>,
    /// Every bias by name: those of `bias` (`final_norm`, `unembedding`, `lens`, `L{i}.stream`), and those that are parts of
    /// branches (`L{i}.attn_out`, `L{i}.mlp_out`).
    pub biases: Shares,
    /// Whether the logits agree with those of the plain matrix product.
    pub self_check: LogitCheck,
    /// What a reader has to know, as sentences for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A token whose logit is taken apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetLogit {
    /// Its id.
    pub id: TokenId,
    /// Its text.
    pub text: Arc<str>,
    /// Its exact bytes in hexadecimal; only where `text` does not spell them exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Arc<str>>,
    /// Its logit after the logit scale and before the soft cap.
    pub logit_before_cap: f64,
    /// Its logit as the model has it.
    pub logit: f64,
}

/// The lens that a logit is read through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttributionLens {
    /// What it does to a vector.
    pub kind: LensKind,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl From<&Translator> for AttributionLens {
    fn from(lens: &Translator) -> Self {
        Self { kind: lens.kind(), provenance: lens.provenance().clone() }
    }
}

impl AttributionTrace {
    /// An attribution with names and texts.
    pub fn new(attribution: &Attribution, context: &TraceContext<'_>) -> Self {
        let (name, version) = context.generator;
        let tokens: Vec<TokenTrace> = context.tokens.iter().map(|id| token(*id, context.texts)).collect();
        let target = |logit: TokenLogit| TargetLogit::new(logit, context.texts);
        let versus = attribution.versus.map_or(0.0, |versus| versus.logit);
        Self {
            schema: SCHEMA.to_owned(),
            generator: GeneratorTrace::new(name, version),
            model: context.model.into(),
            norm: NormMode::FinalScale,
            prompt_index: None,
            id: None,
            prompt: context
                .prompt
                .map_or_else(|| tokens.iter().map(|token| &*token.text).collect(), str::to_owned),
            tokens,
            position: attribution.position,
            point: attribution.point.map(|point| point.to_string()),
            lens: None,
            interventions: Vec::new(),
            target: target(attribution.target),
            versus: attribution.versus.map(target),
            logit_before_cap: attribution.logit_before_cap,
            logit: attribution.target.logit - versus,
            contributions: contributions(attribution),
            bias: attribution.bias.sum(),
            error: attribution.error(),
            embedding: attribution
                .embedding
                .iter()
                .flat_map(|parts| [("token", parts.token), ("position", parts.position)])
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            heads: heads(attribution),
            heads_error: attribution.heads_error(),
            neurons: attribution
                .neurons
                .iter()
                .map(|neuron| (neuron_name(neuron), neuron.contribution))
                .collect(),
            neurons_error: attribution.neurons_error(),
            biases: biases(attribution),
            self_check: attribution.check,
            notes: attribution.notes.clone(),
        }
    }

    /// The trace of the same run without any readout: model, prompt and tokens, as tables and pictures show them.
    pub fn head(&self) -> LensTrace {
        let kind = self.lens.as_ref().map_or(LensKind::Logit, |lens| lens.kind);
        let lens = LensKindTrace::new(kind.name(), self.norm);
        let mut head = LensTrace::empty(
            self.generator.clone(),
            self.model.clone(),
            lens,
            self.prompt.clone(),
            self.tokens.clone(),
        );
        let LogitCheck { max_abs_logit_error, passed } = self.self_check;
        head.self_check = Some(SelfCheckTrace::new(self.position, max_abs_logit_error as f32, 0.0, passed));
        head.interventions.clone_from(&self.interventions);
        head.notes.clone_from(&self.notes);
        head
    }

    /// The heads' contributions, layer by layer: `[n_layers]`, and in each layer its heads in order.
    pub fn heads_by_layer(&self) -> Vec<Vec<f64>> {
        let mut layers = vec![Vec::new(); usize::from(self.model.n_layers)];
        for (name, value) in &self.heads.0 {
            let layer = name.strip_prefix('L').and_then(|rest| rest.split_once('.')?.0.parse().ok());
            if let Some(heads) = layer.and_then(|layer: usize| layers.get_mut(layer)) {
                heads.push(*value);
            }
        }
        layers
    }
}

impl TargetLogit {
    fn new(logit: TokenLogit, texts: &dyn TokenTexts) -> Self {
        let TokenText { text, bytes } = texts.text(logit.token);
        Self { id: logit.token, text, bytes, logit_before_cap: logit.before_cap, logit: logit.logit }
    }
}

fn token(id: TokenId, texts: &dyn TokenTexts) -> TokenTrace {
    let TokenText { text, bytes } = texts.text(id);
    TokenTrace { id, text, bytes, generated: false }
}

fn contributions(attribution: &Attribution) -> Shares {
    let layers = attribution.layers.iter().enumerate().flat_map(|(i, layer)| {
        [(format!("L{i}.attn_out"), layer.attn_out), (format!("L{i}.mlp_out"), layer.mlp_out)]
    });
    let changes = attribution.changes.iter().map(|(point, share)| (format!("steer.{point}"), *share));
    let rounding = attribution.rounding.map(|rounding| ("rounding".to_owned(), rounding));
    let embed = std::iter::once(("embed".to_owned(), attribution.embed));
    embed.chain(layers).chain(changes).chain(rounding).collect()
}

fn heads(attribution: &Attribution) -> Shares {
    let of_layer = |(i, heads): (usize, &Vec<f64>)| {
        let named = heads.iter().enumerate().map(move |(h, value)| (format!("L{i}.h{h}"), *value));
        named.collect::<Vec<_>>()
    };
    attribution.layers.iter().map(|layer| &layer.heads).enumerate().flat_map(of_layer).collect()
}

fn biases(attribution: &Attribution) -> Shares {
    let bias = &attribution.bias;
    let outside = [("final_norm".to_owned(), bias.final_norm), ("unembedding".to_owned(), bias.unembedding)];
    let lens = (bias.lens != 0.0).then(|| ("lens".to_owned(), bias.lens));
    let stream = bias.stream_norms.iter().map(|(layer, value)| (format!("L{layer}.stream"), *value));
    let inside = attribution.layers.iter().enumerate().flat_map(|(i, layer)| {
        let named = [("attn_out", layer.attention_bias), ("mlp_out", layer.mlp_bias)];
        named.into_iter().filter_map(move |(name, value)| Some((format!("L{i}.{name}"), value?)))
    });
    outside.into_iter().chain(lens).chain(stream).chain(inside).collect()
}

fn neuron_name(neuron: &NeuronContribution) -> String {
    let NeuronContribution { layer, map, neuron, .. } = neuron;
    match map {
        OutputMap::Attention | OutputMap::Mlp => format!("L{layer}.n{neuron}"),
        OutputMap::Expert(expert) => format!("L{layer}.e{expert}.n{neuron}"),
        OutputMap::SharedExpert => format!("L{layer}.shared.n{neuron}"),
    }
}
