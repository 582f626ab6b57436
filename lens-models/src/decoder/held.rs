//! What points into a checkpoint's maps, and the maps with it.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use crate::checkpoint::Checkpoint;

/// A part of a decoder, whose tensors may be views of mapped weights. It holds the checkpoint that owns the maps: they stay
/// for as long as any part does, in whatever order parts are dropped, and wherever they go.
pub(crate) struct Held<T> {
    part: T,
    _maps: Arc<Checkpoint>,
}

impl<T> Held<T> {
    /// A part whose tensors were taken out of `maps`.
    pub(super) fn new(part: T, maps: &Arc<Checkpoint>) -> Self {
        Self { part, _maps: Arc::clone(maps) }
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.part
    }
}

impl<T> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.part
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use lens_core::TokenId;

    use super::*;
    use crate::{
        decoder::{Decoder, LoadOptions, embed::Embedding, weights::values},
        source::{Silent, SourceOptions, locate},
    };

    #[test]
    fn a_part_that_outlives_its_decoder_keeps_the_maps() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/checkpoints/llama2");
        let files = locate(folder.to_str().unwrap(), &SourceOptions::from_env(), &mut Silent).unwrap();
        let checkpoint = Checkpoint::open(&files).unwrap();
        let decoder = Decoder::load(checkpoint, &LoadOptions::default()).unwrap();
        let weak = Arc::downgrade(&decoder.checkpoint);
        let of = |embed: &Embedding| {
            values(&embed.forward(&[TokenId(1), TokenId(100)], &[0, 1]).unwrap()).unwrap()
        };
        let before = of(&decoder.embed);
        let embed = {
            let decoder = decoder;
            decoder.embed
        }; // the rest of it is dropped here, its own hold on the checkpoint too
        assert_eq!(weak.strong_count(), 1, "the part alone");
        assert_eq!(of(&embed), before);
        drop(embed);
        assert_eq!(weak.strong_count(), 0);
    }
}
