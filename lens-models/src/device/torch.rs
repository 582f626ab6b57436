//! Places as libtorch knows them.

use tch::{Device, Tensor};

use super::{DeviceError, Place, cuda};

/// What libtorch makes of a [`Place`].
pub trait OnTorch: Sized {
    /// libtorch's name for it.
    fn device(self) -> Device;

    /// Makes sure that the place can be used: opens CUDA where it is needed.
    ///
    /// # Errors
    /// When the device, or what libtorch needs for it, is not there; the reason says what to do.
    fn prepare(self) -> Result<(), DeviceError>;

    /// Moves a value here from wherever it is; `from` is that place.
    ///
    /// # Errors
    /// When libtorch cannot copy it, for want of memory for example.
    fn take(self, value: Tensor, from: Self) -> Result<Tensor, tch::TchError>;
}

impl OnTorch for Place {
    fn device(self) -> Device {
        match self {
            Self::Cpu(_) => Device::Cpu,
            Self::Cuda(n) => Device::Cuda(usize::from(n)),
            Self::Mps => Device::Mps,
        }
    }

    fn prepare(self) -> Result<(), DeviceError> {
        let unavailable = |reason: String| Err(DeviceError::Unavailable { place: self, reason });
        match self {
            Self::Cpu(_) => Ok(()),
            Self::Cuda(n) => match cuda::open().map_err(|error| at(error, self))? {
                count if n < count => Ok(()),
                1 => unavailable("this machine has one card, cuda:0".to_owned()),
                count => unavailable(format!("this machine has cuda:0 to cuda:{}", count - 1)),
            },
            Self::Mps if tch::utils::has_mps() => Ok(()),
            Self::Mps => {
                unavailable("this libtorch has no MPS: it is part of macOS on Apple's processors".to_owned())
            }
        }
    }

    fn take(self, value: Tensor, from: Self) -> Result<Tensor, tch::TchError> {
        if self == from {
            return Ok(value);
        }
        // Between two names of the processor it is a copy too.
        value.f_to_device_(self.device(), value.kind(), false, true)
    }
}

/// The same error about another place.
fn at(error: DeviceError, place: Place) -> DeviceError {
    match error {
        DeviceError::Unavailable { reason, .. } => DeviceError::Unavailable { place, reason },
        DeviceError::NoCudaHalf { libtorch, variable, .. } => {
            DeviceError::NoCudaHalf { place, libtorch, variable }
        }
        other => other,
    }
}

/// The best single device of this machine: the first card, else MPS, else the processor.
///
/// Where there is no driver, the large CUDA library is not opened just to learn that there is no card.
pub fn best() -> Place {
    let candidates = [Place::Cuda(0), Place::Mps].into_iter();
    let can = |place: &Place| (*place == Place::Mps || cuda::has_driver()) && place.prepare().is_ok();
    candidates.into_iter().find(can).unwrap_or_default()
}

/// Sets how many threads libtorch computes with on the processor, in this process and from now on.
pub fn use_threads(threads: usize) {
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
}
