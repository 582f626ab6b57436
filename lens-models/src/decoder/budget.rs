//! The steps that suit the devices of a model and their memory.

use lens_core::{LONGEST_STEP, StepBudget};

use super::mixer;
use crate::{
    device::{Place, Placement},
    spec::{DecoderSpec, MixerSpec},
};

/// What captured activations may take at most on a device, in bytes: longer steps gain nothing beyond.
const MOST_CAPTURED: u64 = 4 << 30;

/// Positions that are captured in one step on a device, whatever they take: fewer leave it idle.
const FEWEST_CAPTURED: usize = 256;

/// Tokens of the longest step on a device.
const LONGEST_ON_DEVICE: usize = 4096;

/// Memory that a device is taken to have free where nobody says how much it is, in bytes.
const ASSUMED_FREE: u64 = 2 << 30;

/// The steps for a model that lies at these places. `free` is how much memory a device has left, where that is known.
pub(super) fn of(
    spec: &DecoderSpec,
    placement: &Placement,
    free: impl Fn(Place) -> Option<u64>,
) -> StepBudget {
    let devices = placement.places().into_iter().filter(|place| !place.is_host());
    // What is captured lies where its layer does: the fullest device decides.
    let Some(free) = devices.map(|place| free(place).unwrap_or(ASSUMED_FREE)).min() else {
        return StepBudget::default();
    };
    // A quarter for what is captured; the rest is for keys and values, readouts, and a step's own values.
    let captured = usize::try_from((free / 4).min(MOST_CAPTURED)).unwrap_or(usize::MAX);
    StepBudget::default()
        .with_captured(captured)
        .with_fewest(FEWEST_CAPTURED)
        .with_longest(longest(spec, free / 8))
}

/// The longest step whose own values take no more than about `bytes`.
fn longest(spec: &DecoderSpec, bytes: u64) -> usize {
    // Scores that are written out grow with the keys of the whole sequence.
    if spec.layers.iter().any(|layer| writes_scores(&layer.mixer)) {
        return LONGEST_STEP;
    }
    // The inner values of an MLP are some four times as wide as the stream; a few of them exist at once, in float32.
    let per_token = 64 * spec.d_model as u64;
    let fits = usize::try_from(bytes / per_token.max(1)).unwrap_or(usize::MAX);
    fits.clamp(LONGEST_STEP, LONGEST_ON_DEVICE)
}

/// Whether the scores of a mixer exist as a tensor.
fn writes_scores(mixer: &MixerSpec) -> bool {
    match mixer {
        MixerSpec::Attention(attention) => mixer::writes_scores(attention),
        MixerSpec::SideBySide(both) => mixer::writes_scores(&both.attention),
        MixerSpec::LatentAttention(_) | MixerSpec::GatedDelta(_) | MixerSpec::ShortConvolution(_) => false,
        MixerSpec::Mamba(_) | MixerSpec::Mamba2(_) | MixerSpec::Lightning(_) | MixerSpec::Absent => false,
    }
}

/// The memory that a device has free.
pub(super) fn free(place: Place) -> Option<u64> {
    match place {
        Place::Cuda(_) => {
            crate::device::cards().ok()?.into_iter().find(|card| card.place == place).map(|card| card.free)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo;

    fn budget(place: Place, free: Option<u64>) -> StepBudget {
        let spec = demo::checkpoint().unwrap().outline().spec.clone();
        of(&spec, &Placement::one(place, spec.layers.len()), |_| free)
    }

    #[test]
    fn a_device_captures_a_share_of_what_is_free() {
        let budget_of = |free| budget(Place::Cuda(0), free);
        assert_eq!(budget_of(Some(8 << 30)).captured, 2 << 30);
        assert_eq!(budget_of(Some(140 << 30)).captured, 4 << 30);
        assert_eq!(budget_of(None).captured, 512 << 20, "nobody says how much is free");
        assert_eq!((budget_of(Some(1)).captured, budget_of(Some(1)).fewest), (0, 256));
        assert_eq!((budget_of(Some(140 << 30)).longest, budget_of(Some(1)).longest), (4096, 512));
    }

    #[test]
    fn a_processor_keeps_to_what_it_was() {
        assert_eq!(budget(Place::HOST, Some(140 << 30)), StepBudget::default());
    }
}
