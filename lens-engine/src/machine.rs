//! Threads, device and type of the weights.

use anyhow::{Context, Result};
use lens_cli::{
    args::{Dtype, MachineArgs},
    values::Device,
};
use lens_models::{
    LoadOptions, StoredDtype,
    device::{DeviceMap, OnTorch as _, use_threads},
};

/// Sets the number of threads of everything that computes, and returns how to load a model.
pub(crate) fn apply(args: &MachineArgs) -> Result<LoadOptions> {
    let map = match (&args.device_map, args.device) {
        (Some(map), _) => map.clone(),
        (None, Device::Auto) => DeviceMap::Best,
        (None, Device::Place(place)) => {
            place.prepare()?; // before anything is downloaded for it
            DeviceMap::One(place)
        }
    };
    let threads = match args.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    use_threads(threads);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .with_context(|| format!("cannot start {threads} threads"))?;
    let dtype = match args.dtype {
        Dtype::Auto => None,
        Dtype::F32 => Some(StoredDtype::F32),
        Dtype::Bf16 => Some(StoredDtype::Bf16),
        Dtype::F16 => Some(StoredDtype::F16),
    };
    Ok(LoadOptions::default().with_dtype(dtype).with_map(map))
}
