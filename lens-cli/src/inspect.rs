//! `lens inspect`: what a model is made of.

use std::io::{self, Write};

use anyhow::Result;
use lens_checkpoint::{DecoderSpec, Outline, StoredDtype, checkpoint::AdapterSummary};
use lens_core::{ByteSize, Point, Site};
use serde::Serialize;

use crate::{
    args::{Format, InspectArgs},
    describe::{describe, ranges},
    fields::{field, grouped},
    model::{self, Shard},
    output,
    style::Console,
};

pub(crate) fn inspect(args: &InspectArgs, console: &Console) -> Result<()> {
    let (outline, shards) = model::outline(args.model.name(), &args.source, console)?;
    let facts = Facts::new(&outline, &shards);
    output::print(|out| match args.format {
        Format::Json => output::json(out, &facts),
        Format::Table => facts.write(out, console, &outline.spec),
    })
}

/// What is said of a model.
#[derive(Serialize)]
struct Facts<'a> {
    id: &'a str,
    revision: Option<&'a str>,
    family: &'a str,
    family_assumed: bool,
    n_layers: usize,
    d_model: usize,
    n_vocab: usize,
    tied: bool,
    context: Option<usize>,
    bos_token_ids: Vec<u32>,
    /// The readable summary of the spec, as the table shows it.
    spec: serde_json::Map<String, serde_json::Value>,
    /// The points of a block; `embed` is one more.
    points_per_layer: Vec<&'static str>,
    points: usize,
    parameters: usize,
    stored_bytes: usize,
    stored_dtypes: Vec<&'static str>,
    /// How weights are quantised; null where none is.
    quantisation: Option<QuantisationFacts<'a>>,
    /// The adapters that are merged, in order.
    adapters: Vec<AdapterFacts<'a>>,
    /// Bytes of all weights in each type that they can be used in.
    needed_bytes: NeededBytes,
    shards: Vec<ShardFacts<'a>>,
}

#[derive(Serialize)]
struct QuantisationFacts<'a> {
    method: &'a str,
    bits: &'a [usize],
    tensors: usize,
}

#[derive(Serialize)]
struct AdapterFacts<'a> {
    id: &'a str,
    revision: Option<&'a str>,
    base: Option<&'a str>,
    method: &'static str,
    ranks: &'a [usize],
    scales: &'a [f64],
    /// The last parts of the names of the modules that are changed.
    targets: &'a [String],
    matrices: usize,
    replaced: usize,
    parameters: usize,
}

impl<'a> From<&'a AdapterSummary> for AdapterFacts<'a> {
    fn from(summary: &'a AdapterSummary) -> Self {
        Self {
            id: &summary.id,
            revision: summary.revision.as_deref(),
            base: summary.base.as_deref(),
            method: if summary.dora { "DoRA" } else { "LoRA" },
            ranks: &summary.ranks,
            scales: &summary.scales,
            targets: &summary.targets,
            matrices: summary.matrices,
            replaced: summary.replaced,
            parameters: summary.parameters,
        }
    }
}

impl AdapterFacts<'_> {
    fn line(&self) -> String {
        fn all<T: ToString>(values: &[T]) -> String {
            values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        }
        let commit = self.revision.map(|commit| format!("@{commit}")).unwrap_or_default();
        let mut parts = vec![format!("{}{commit}", self.id)];
        if self.matrices > 0 {
            let (ranks, scales) = (all(self.ranks), all(self.scales));
            parts.push(format!("{} of rank {ranks}, scale {scales}", self.method));
            parts.push(format!("{} matrices: {}", self.matrices, self.targets.join(", ")));
        }
        if self.replaced > 0 {
            parts.push(format!("{} tensors of its own", self.replaced));
        }
        parts.push(format!("{} parameters", grouped(self.parameters as u64)));
        parts.join("; ")
    }
}

#[derive(Serialize)]
struct NeededBytes {
    f32: usize,
    bf16: usize,
    f16: usize,
}

#[derive(Serialize)]
struct ShardFacts<'a> {
    file: &'a str,
    bytes: u64,
}

impl<'a> Facts<'a> {
    fn new(outline: &'a Outline, shards: &'a [Shard]) -> Self {
        let spec = &outline.spec;
        let parameters = outline.parameters();
        let absent = spec.absent_points();
        let layers = 0..spec.layers.len() as u16;
        let has = |site: &Site| layers.clone().any(|layer| !absent.contains(Point::block(layer, *site)));
        let sites = Site::ALL.into_iter().filter(|site| spec.layers.is_empty() || has(site));
        let points_per_layer: Vec<&str> = sites.map(Site::name).collect();
        let needed = |dtype: StoredDtype| parameters.saturating_mul(dtype.bytes());
        Self {
            id: &outline.id,
            revision: outline.revision.as_deref(),
            family: &spec.family,
            family_assumed: outline.assumed_family.is_some(),
            n_layers: spec.layers.len(),
            d_model: spec.d_model,
            n_vocab: spec.n_vocab(),
            tied: spec.is_tied(),
            context: spec.context,
            bos_token_ids: outline.bos_token_ids(),
            spec: describe(spec).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
            points: 1 + spec.layers.len() * Site::ALL.len() - absent.len(),
            points_per_layer,
            parameters,
            stored_bytes: outline.stored_bytes(),
            stored_dtypes: outline.stored_dtypes().into_iter().map(StoredDtype::name).collect(),
            quantisation: outline.quantisation.as_ref().map(|quantisation| QuantisationFacts {
                method: &quantisation.method,
                bits: &quantisation.bits,
                tensors: quantisation.tensors,
            }),
            adapters: outline.adapters.iter().map(AdapterFacts::from).collect(),
            needed_bytes: NeededBytes {
                f32: needed(StoredDtype::F32),
                bf16: needed(StoredDtype::Bf16),
                f16: needed(StoredDtype::F16),
            },
            shards: shards.iter().map(|shard| ShardFacts { file: &shard.file, bytes: shard.bytes }).collect(),
        }
    }

    fn write(&self, out: &mut dyn Write, console: &Console, spec: &DecoderSpec) -> io::Result<()> {
        let mut say = |name: &str, value: &str| field(out, console, name, value);
        say("model", self.id)?;
        if let Some(revision) = self.revision {
            say("revision", revision)?;
        }
        say("family", &format!("{}{}", self.family, if self.family_assumed { " (assumed)" } else { "" }))?;
        for (name, value) in describe(spec) {
            say(name, &value)?;
        }
        let absent = spec.absent_points();
        let in_layer = |name: &&str| {
            let lacks = |layer: &usize| {
                absent
                    .as_slice()
                    .iter()
                    .any(|point| point.layer() == Some(*layer as u16) && point.component().name() == *name)
            };
            let layers: Vec<usize> = (0..spec.layers.len()).filter(|layer| !lacks(layer)).collect();
            if layers.len() == spec.layers.len() {
                return (*name).to_owned();
            }
            format!("{name} (only in {})", ranges(&layers))
        };
        let points = self.points_per_layer.iter().map(in_layer).collect::<Vec<_>>().join(", ");
        let per_layer = self.points_per_layer.len();
        say("points", &format!("{} in all: embed, and in each layer {per_layer}: {points}", self.points))?;
        say("parameters", &grouped(self.parameters as u64))?;
        let files = match self.shards.len() {
            0 => "part of lens".to_owned(),
            1 => "in 1 file".to_owned(),
            n => format!("in {n} files"),
        };
        let dtypes = self.stored_dtypes.join(" and ");
        say("stored", &format!("{} as {dtypes}, {files}", ByteSize(self.stored_bytes as u64)))?;
        if let Some(QuantisationFacts { method, bits, tensors }) = &self.quantisation {
            let bits = bits.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            say(
                "quantised",
                &format!("{tensors} tensors ({method}, {bits} bits), each dequantised when it is loaded"),
            )?;
        }
        for adapter in &self.adapters {
            say("adapter", &adapter.line())?;
        }
        let NeededBytes { f32, bf16, f16 } = self.needed_bytes;
        let [f32, bf16, f16] = [f32, bf16, f16].map(|needed| ByteSize(needed as u64).to_string());
        say("needed", &format!("f32 {f32}, bf16 {bf16}, f16 {f16}"))
    }
}
