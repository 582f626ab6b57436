//! From a checkpoint to a decoder: every part in its place.

use std::sync::Arc;

use lens_core::{ByteSize, HeadsInfo, ModelInfo, Site};

use super::{
    Decoder, ModelError,
    block::Block,
    budget,
    embed::Embedding,
    held::Held,
    readout::{Readout, ReadoutPath},
    translate::Translations,
    weights::Weights,
};
use crate::{
    checkpoint::{Checkpoint, StoredDtype},
    device::{self, DeviceError, DeviceMap, OnTorch as _, PartSizes, Place, Placement},
    spec::LayerSpec,
};

/// How to load a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The type to use the weights in; `None` keeps the one they are stored in.
    pub dtype: Option<StoredDtype>,
    /// Where its parts go; all of it to the processor by default.
    pub map: DeviceMap,
    /// What decodes the readouts.
    pub readout: ReadoutPath,
}

impl LoadOptions {
    lens_core::setters! {
        /// The type to use the weights in; `None` keeps the one they are stored in.
        with_dtype => dtype: Option<StoredDtype>,
        /// Where its parts go; all of it to the processor by default.
        with_map => map: DeviceMap,
        /// What decodes the readouts.
        with_readout => readout: ReadoutPath,
    }
}

/// How much of a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadProgress {
    /// Bytes that are in their place.
    pub done: u64,
    /// Bytes of the whole model.
    pub total: u64,
}

impl Decoder {
    /// Loads a checkpoint. On the processor, weights that keep their dtype stay mapped: nothing is copied.
    ///
    /// # Errors
    /// When a device of the map is not there, the map does not fit the model, or memory does not suffice.
    pub fn load(checkpoint: Checkpoint, options: &LoadOptions) -> Result<Self, ModelError> {
        Self::load_with(checkpoint, options, &mut |_| {})
    }

    /// [`Decoder::load`], calling `progress` as weights go to their devices, part by part.
    ///
    /// # Errors
    /// As [`Decoder::load`].
    pub fn load_with(
        checkpoint: Checkpoint,
        options: &LoadOptions,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, ModelError> {
        device::ask_for_the_same_bits();
        let checkpoint = Arc::new(checkpoint);
        let outline = checkpoint.outline();
        let dtype = options.dtype.unwrap_or_else(|| outline.main_dtype());
        let spec = outline.spec.clone();
        let sizes = PartSizes::of(&spec, dtype.bytes());
        let placement = place(&options.map, &sizes)?;

        let total = sizes.total();
        let mut done = 0;
        let mut part = |bytes: u64| {
            done += bytes;
            progress(LoadProgress { done, total });
        };
        let at = |place| Weights { checkpoint: &checkpoint, dtype, place };
        let needed = |what: String, bytes: u64, place: Place| {
            move || format!("{what} ({}, of {} in all) on {place}", ByteSize(bytes), ByteSize(total))
        };

        let embed = Embedding::load(&spec.embed, &at(placement.embed)).map_err(|error| {
            error.of_memory(needed("the embedding".to_owned(), sizes.embed, placement.embed))
        })?;
        part(sizes.embed);
        let mut blocks = Vec::with_capacity(spec.layers.len());
        for (i, (layer, place)) in spec.layers.iter().zip(&placement.layers).enumerate() {
            let block = Block::load(i as u16, layer, &at(*place))
                .map_err(|error| error.of_memory(needed(format!("layer {i}"), sizes.layers[i], *place)))?;
            blocks.push(Held::new(block, &checkpoint));
            part(sizes.layers[i]);
        }
        let tied = (placement.embed == placement.unembed).then(|| embed.tokens());
        let mut notes = Vec::new();
        let readout = Readout::load(&spec, tied, &at(placement.unembed), options.readout, &mut notes)
            .map_err(|error| {
                error.of_memory(needed(
                    "the unembedding".to_owned(),
                    sizes.unembed.max(sizes.embed),
                    placement.unembed,
                ))
            })?;
        part(sizes.unembed);

        let mut info = ModelInfo::new(
            &outline.id,
            &spec.family,
            spec.layers.len() as u16,
            spec.d_model,
            spec.n_vocab(),
            dtype,
        )
        .with_device(placement.to_string());
        info.revision.clone_from(&outline.revision);
        info.family_assumed = outline.assumed_family.is_some();
        info.parallel_blocks = spec.is_parallel();
        info.routed = spec.is_routed();
        info.mixers = spec.layers.iter().map(|layer| layer.mixer.kind()).collect();
        info.heads = spec.layers.iter().map(heads).collect();
        info.absent = spec.absent_points();
        info.notes = notes;
        info.max_positions = spec.embed.positions.as_ref().map(|positions| positions.n);
        let budget = budget::of(&spec, &placement, budget::free);
        Ok(Self {
            info,
            spec,
            placement,
            embed: Held::new(embed, &checkpoint),
            blocks,
            readout: Held::new(readout, &checkpoint),
            edit: None,
            applied: None,
            translations: Translations::default(),
            budget,
            seen: 0,
            depth: 0,
            checkpoint,
        })
    }
}

/// The heads of a block that are parts of what it adds to the stream.
fn heads(layer: &LayerSpec) -> HeadsInfo {
    let is_summand = !layer.wiring.absent_sites().contains(&Site::AttnOut);
    match layer.mixer.z_shape().filter(|_| is_summand) {
        Some([n_heads, _]) => {
            HeadsInfo::new(n_heads.try_into().unwrap_or(u16::MAX), layer.attn_post_norm.is_some())
        }
        None => HeadsInfo::default(),
    }
}

/// Every part's place, on devices that are there.
fn place(map: &DeviceMap, sizes: &PartSizes) -> Result<Placement, DeviceError> {
    let cards = match map {
        DeviceMap::One(_) | DeviceMap::Explicit(_) => Vec::new(),
        DeviceMap::Best if device::best() == Place::Mps => {
            return Ok(Placement::one(Place::Mps, sizes.layers.len()));
        }
        // Without a card, the processor takes it all.
        DeviceMap::Auto | DeviceMap::Best if device::best().is_host() => Vec::new(),
        DeviceMap::Auto | DeviceMap::Best => device::cards()?,
        DeviceMap::Balanced => {
            device::cards().map_err(|error| DeviceError::NoCards { reason: error.to_string() })?
        }
    };
    let placement = map.resolve(sizes, &cards)?;
    placement.places().into_iter().try_for_each(Place::prepare)?;
    Ok(placement)
}
