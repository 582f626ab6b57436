//! Where a model runs: names of devices, maps of layers to devices, and CUDA, which is looked for at run time.

#[cfg(feature = "torch")]
mod cuda;
mod error;
mod map;
mod place;
#[cfg(feature = "torch")]
mod torch;

#[cfg(feature = "torch")]
pub(crate) use cuda::library_folders;
#[cfg(feature = "torch")]
pub use cuda::{LIBTORCH_VARIABLE, cards, open as open_cuda};
pub use error::DeviceError;
pub use map::{Card, DeviceMap, Part, PartSizes, Placement};
pub use place::{Place, UnknownDevice};
#[cfg(feature = "torch")]
pub use torch::{best, use_threads};
