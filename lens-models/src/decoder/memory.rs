//! Whether the keys and values of a sequence fit into memory, asked before any of it is run.

use lens_checkpoint::memory::available;
use tch::Kind;

use super::ModelError;
use crate::{device::Placement, spec::DecoderSpec};

/// Refuses a sequence whose keys and values could not be kept in host memory. Where nobody knows how much there is,
/// nothing is refused; what lies on a card is the allocator's to refuse.
pub(super) fn check(
    spec: &DecoderSpec,
    placement: &Placement,
    kind: Kind,
    room: usize,
) -> Result<(), ModelError> {
    let Some(available) = available() else { return Ok(()) };
    let on_host = spec.layers.iter().zip(&placement.layers).filter(|(_, place)| place.is_host());
    let values = on_host.map(|(layer, _)| layer.mixer.kept_values(room)).fold(0, usize::saturating_add);
    let bytes = values.saturating_mul(kind.elt_size_in_bytes()) as u64;
    match bytes > available {
        true => Err(ModelError::SequenceTooLong { length: room, bytes, available }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use lens_core::{Backend, Forward, PointSet, TokenId};

    use crate::{
        decoder::{Decoder, LoadOptions},
        demo,
    };

    #[test]
    fn a_sequence_beyond_memory_is_refused_with_the_size_that_it_takes() {
        let mut model = Decoder::load(demo::checkpoint().unwrap(), &LoadOptions::default()).unwrap();
        let mut step = |room| {
            let (tokens, points) = ([TokenId(1)], PointSet::default());
            let step = Forward::new(&tokens, &points, &[]).with_total(1).with_room(room);
            model.forward(&step).map(drop)
        };
        if lens_checkpoint::memory::available().is_some() {
            let message = step(1 << 40).unwrap_err().to_string();
            assert!(
                message.contains("1099511627776 tokens") && message.contains("B of memory are free"),
                "{message}"
            );
        }
        step(64).unwrap();
    }
}
