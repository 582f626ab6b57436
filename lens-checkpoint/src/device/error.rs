//! What can be wrong with a device or a map of devices.

use super::place::{Place, UnknownDevice};

/// A device that is not there, or a map that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// A name that no device has.
    #[error(transparent)]
    UnknownDevice(#[from] UnknownDevice),
    /// A map that cannot be read.
    #[error(
        "{item:?} is not an entry of a device map: {reason}; write auto, balanced, or entries with commas between such as \
         0-15=cuda:0,16-31=cuda:1,rest=cpu"
    )]
    MapEntry {
        /// The entry.
        item: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A layer that the model does not have.
    #[error("the device map names layer {layer}, and the model has {n_layers}: the last one is {}", n_layers - 1)]
    MapLayer {
        /// The layer.
        layer: u16,
        /// Number of layers.
        n_layers: usize,
    },
    /// A part that is mapped twice.
    #[error("the device map says twice where {part} goes: to {first} and to {second}")]
    MapTwice {
        /// The part.
        part: String,
        /// One place.
        first: Place,
        /// The other.
        second: Place,
    },
    /// A part that is not mapped.
    #[error("the device map does not say where {part} goes: add it, or end the map with rest=cpu")]
    MapMissing {
        /// The part.
        part: String,
    },
    /// No card to spread over.
    #[error("there is no card to spread the model over: {reason}")]
    NoCards {
        /// Why.
        reason: String,
    },
    /// The libtorch that runs is for processors alone.
    #[error(
        "the device {place} cannot be used: libtorch in {libtorch} has no CUDA half: install it beside that, or set \
         {variable} to the folder torch/lib of a Python with torch 2.11.0 and CUDA"
    )]
    NoCudaHalf {
        /// The device.
        place: Place,
        /// The folder of that libtorch.
        libtorch: String,
        /// The environment variable that names another.
        variable: &'static str,
    },
    /// A device that cannot be used.
    #[error("the device {place} cannot be used: {reason}")]
    Unavailable {
        /// The device.
        place: Place,
        /// Why, and what to do.
        reason: String,
    },
}
