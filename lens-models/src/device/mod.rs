//! Where a model runs: names of devices, maps of layers to devices, and CUDA, which is looked for at run time.

#[cfg(feature = "torch")]
mod cuda;
#[cfg(feature = "torch")]
mod mkl;
#[cfg(feature = "torch")]
mod torch;

#[cfg(feature = "torch")]
pub(crate) use cuda::library_folders;
#[cfg(feature = "torch")]
pub use cuda::{LIBTORCH_VARIABLE, cards, open as open_cuda};
pub use lens_checkpoint::device::{
    Card, DeviceError, DeviceMap, Part, PartSizes, Place, Placement, UnknownDevice,
};
#[cfg(feature = "torch")]
pub(crate) use mkl::ask_for_the_same_bits;
#[cfg(feature = "torch")]
pub use torch::{OnTorch, best, use_threads};
