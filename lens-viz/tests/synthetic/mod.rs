//! Traces that no model made: of any size, with tokens of many scripts and tokens that mean harm.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "shared by tests and the benchmark")]

use lens_core::{
    Component, FinalTrace, LensTrace, ReadoutTrace, Site, Statistic, Statistics, TargetTrace, TokenId,
    TokenTrace, TopTrace, toy::Random,
};
use lens_viz::{Measure, picture::PictureKind};

/// Tokens as vocabularies have them.
pub const MIXED: [&str; 32] = [
    " the",
    " Paris",
    "ization",
    " capital",
    "的",
    "法国",
    "。",
    "こんにちは",
    "서울",
    " город",
    "Привет",
    " πόλη",
    "مرحبا",
    " של",
    "नमस्ते",
    "ภาษา",
    "\n",
    "\t",
    "  ",
    "    ",
    ".",
    "\"",
    "<|endoftext|>",
    " naïve",
    "é",
    "🦀",
    "👍🏽",
    "<0xE4>",
    "ing",
    "123",
    "();",
    " supercalifragilistic",
];

/// Tokens that break what shows them, or try to.
pub const HOSTILE: [&str; 20] = [
    "</text>",
    "<script>alert(1)</script>",
    "&amp;",
    "\"'",
    "]]>",
    "\u{0}",
    "\u{1b}[31m",
    "\u{202e}evil",
    "\u{200d}",
    "\u{2028}",
    "\u{fffe}",
    "\u{feff}",
    "\u{ad}",
    "\u{10fffd}",
    "\u{301}",
    "a\r\nb",
    "",
    " ",
    "\u{e0041}",
    "<!--",
];

/// What a trace is to hold.
pub struct Shape<'a> {
    pub layers: u16,
    pub components: &'a [Component],
    pub positions: std::ops::Range<usize>,
    pub top: usize,
    pub texts: &'a [&'a str],
}

pub const SITES: [Component; 5] = [
    Component::Embed,
    Component::Site(Site::AttnOut),
    Component::Site(Site::ResidMid),
    Component::Site(Site::MlpOut),
    Component::Site(Site::ResidPost),
];

/// Embedding and the five sites of a block that can be decoded.
pub const EVERY: [Component; 6] = Component::READABLE;

fn top(dice: &mut Random, shape: &Shape<'_>, sure: f32) -> Vec<TopTrace> {
    let first = dice.below(shape.texts.len());
    (0..shape.top)
        .map(|rank| {
            let place = (first + rank * 7) % shape.texts.len();
            // Two ids for each text, so that texts repeat.
            let id = TokenId((2 * place + rank % 2) as u32);
            let (logit, prob) = (20.0 * sure - rank as f32, sure / f32::powi(2.5, rank as i32));
            TopTrace::new(id, shape.texts[place], logit, prob)
        })
        .collect()
}

/// A trace in which certainty grows with the layer.
/// The measures and kinds of pictures that a synthetic trace has.
#[allow(dead_code, reason = "not every test draws every kind")]
pub fn kinds() -> Vec<PictureKind> {
    let has = |kind: &PictureKind| match kind {
        PictureKind::Grid(measure) => measures().contains(measure),
        PictureKind::Heads(_) => false,
        _ => true,
    };
    PictureKind::all().into_iter().filter(has).collect()
}

/// The measures that a synthetic trace has.
pub fn measures() -> Vec<Measure> {
    let statistics = [Statistic::Entropy, Statistic::KlToFinal, Statistic::RankOfFinal].map(Measure::Of);
    [Measure::Probability, Measure::Logit].into_iter().chain(statistics).collect()
}

pub fn trace(shape: &Shape<'_>) -> LensTrace {
    let mut dice = Random::new(7);
    let mut readouts = Vec::new();
    let mut finals = Vec::new();
    for position in shape.positions.clone() {
        for layer in 0..shape.layers {
            for component in shape.components.iter().filter(|c| layer == 0 || **c != Component::Embed) {
                let embed = *component == Component::Embed;
                let sure = (f32::from(layer) + 1.0) / f32::from(shape.layers)
                    * (dice.below(60) as f32 + 40.0)
                    / 100.0;
                let far = 1.0 - f32::from(layer + 1) / f32::from(shape.layers);
                let top = top(&mut dice, shape, sure);
                let token = top.first().cloned();
                let mut readout = ReadoutTrace::new((!embed).then_some(layer), *component, position, top);
                if position % 2 == 1 {
                    readout.targets =
                        token.map(|token| TargetTrace::new(token, Some(1))).into_iter().collect();
                }
                readout.statistics = Statistics::NONE
                    .with(Statistic::Entropy, f64::from(10.0 * far))
                    .with(Statistic::KlToFinal, f64::from(15.0 * far * far))
                    .with(Statistic::RankOfFinal, f64::from(1 + (3000.0 * far * far * far) as u32));
                readouts.push(readout);
            }
        }
        let top = readouts.last().map(|readout| readout.top.clone()).unwrap_or_default();
        let mut last = FinalTrace::new(position, top);
        last.statistics = Statistics::NONE.with(Statistic::Entropy, 0.5);
        last.decided_at = shape.layers.checked_sub(2).map(usize::from);
        last.important_layers = (shape.layers / 6..shape.layers).collect();
        finals.push(last);
    }
    let token = |i: usize| {
        let place = i % shape.texts.len();
        TokenTrace::new(TokenId(2 * place as u32), shape.texts[place])
    };
    let tokens: Vec<TokenTrace> = (0..shape.positions.end).map(token).collect();
    let mut trace: LensTrace = serde_json::from_str(EMPTY).unwrap();
    trace.model.n_layers = shape.layers;
    trace.prompt = tokens.iter().map(|token| &*token.text).collect();
    (trace.tokens, trace.readouts, trace.finals) = (tokens, readouts, finals);
    trace
}

const EMPTY: &str = r#"{
    "schema": "lens-trace/1", "generator": {"name": "lens", "version": "0.0.0"},
    "model": {"id": "example/synthetic", "revision": "0123456789abcdef0123456789abcdef01234567", "family": "llama",
              "n_layers": 0, "d_model": 64, "n_vocab": 151936, "dtype": "bf16", "device": "cpu"},
    "lens": {"kind": "logit", "norm": "recomputed"}, "prompt": "", "tokens": [], "readouts": [], "final": [],
    "self_check": {"max_abs_logit_error": 0.000001, "passed": true}
}"#;
