//! Threads, device and type of the weights.

use anyhow::{Context, Result};
use lens_cli::{
    args::{Dtype, GenerateArgs, MachineArgs},
    values::Device,
};
use lens_core::TimingTrace;
use lens_models::{
    DecoderSpec, LoadOptions, StoredDtype,
    device::{DeviceMap, OnTorch as _, PartSizes, use_threads},
};

/// Bytes of a layer, times the tokens that pass by them, that are worth a thread. A layer has some eight matrices; for
/// one token, reading a quarter of a megabyte takes as long as waking a thread for it.
const WORTH_A_THREAD: u64 = 2 << 20;

/// Says how to load a model, and makes sure that its device is there. Everything that computes has as many threads from
/// here on as the user has named, or as there are cores.
pub(crate) fn apply(args: &MachineArgs) -> Result<LoadOptions> {
    let loading = loading(args)?;
    threads(args)?;
    Ok(loading)
}

/// Says how to load a model, and makes sure that its device is there.
pub(crate) fn loading(args: &MachineArgs) -> Result<LoadOptions> {
    let map = match (&args.device_map, args.device) {
        (Some(map), _) => map.clone(),
        (None, Device::Auto) => DeviceMap::Best,
        (None, Device::Place(place)) => {
            place.prepare()?; // before anything is downloaded for it
            DeviceMap::One(place)
        }
    };
    let dtype = match args.dtype {
        Dtype::Auto => None,
        Dtype::F32 => Some(StoredDtype::F32),
        Dtype::Bf16 => Some(StoredDtype::Bf16),
        Dtype::F16 => Some(StoredDtype::F16),
    };
    Ok(LoadOptions::default().with_dtype(dtype).with_map(map))
}

/// Gives everything that computes as many threads as the user has named, or as there are cores.
pub(crate) fn threads(args: &MachineArgs) -> Result<()> {
    let threads = args.threads.map_or_else(cores, usize::from);
    use_threads(threads);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .with_context(|| format!("cannot start {threads} threads"))
}

/// Has libtorch use no more threads than `tokens` in one pass through the layers of a model are worth, unless the user
/// has named a number: its products split even a small matrix among all of them, and wait for the last one, which on a
/// busy machine is late. Readouts have threads of their own, which take what is there to do.
pub(crate) fn suit(args: &MachineArgs, spec: &DecoderSpec, tokens: usize) {
    if args.threads.is_none() {
        let largest = PartSizes::of(spec, 2).layers.into_iter().max().unwrap_or(0);
        use_threads(worth(largest, tokens).min(cores()));
    }
}

/// The tokens of a pass that decides how long a run takes: the prompt's, or one where the model writes.
pub(crate) fn passing(args: &GenerateArgs, prompt: usize) -> usize {
    if args.max_new_tokens.is_some() { 1 } else { prompt }
}

/// The threads that so many tokens are worth that pass a layer of so many bytes.
fn worth(layer: u64, tokens: usize) -> usize {
    let work = layer.saturating_mul(tokens as u64);
    usize::try_from(work / WORTH_A_THREAD).unwrap_or(usize::MAX).max(1)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Where the time of a run went, in words.
pub(crate) fn spent(timing: &TimingTrace) -> String {
    format!("timing: forward {:.3} s, readout {:.3} s", timing.forward, timing.readout)
}

#[cfg(test)]
mod tests {
    use lens_models::demo;

    use super::*;

    #[test]
    fn a_small_model_is_worth_one_thread_and_a_large_one_many() {
        let largest = |spec: &DecoderSpec| PartSizes::of(spec, 2).layers.into_iter().max().unwrap();
        let demo = largest(&demo::checkpoint().unwrap().outline().spec);
        assert_eq!(worth(demo, 1), 1);
        assert!(worth(demo, 512) > 100);
        // A layer of Qwen2.5 0.5B and one of Llama 3.1 8B, in two bytes a value.
        assert_eq!((worth(29_800_000, 1), worth(436_000_000, 1)), (14, 207));
        assert_eq!((worth(0, 1), worth(u64::MAX, usize::MAX) > 1), (1, true));
    }
}
