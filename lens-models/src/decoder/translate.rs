//! What lenses do to captured vectors, by libtorch.

use std::{
    cell::RefCell,
    sync::{Arc, Weak},
};

use lens_core::LensMap;
use tch::{Device, Kind, Tensor};

use super::{ModelError, weights::times_transposed};

/// Applies lenses' maps where the vectors are. The processor multiplies by a map where it lies; a device keeps a copy
/// of each that it has used, for as long as the lens lives.
#[derive(Default)]
pub(super) struct Translations {
    on_devices: RefCell<Vec<OnDevice>>,
}

struct OnDevice {
    map: Weak<LensMap>,
    device: Device,
    weight: Tensor, // [d_model, d_model], float32
}

impl Translations {
    /// The rows of `hidden`, `[rows, d_model]` in any dtype, translated: `[rows, d_model]` in float32.
    pub(super) fn apply(&self, hidden: &Tensor, map: &Arc<LensMap>) -> Result<Tensor, ModelError> {
        let x = hidden.f_to_kind(Kind::Float)?;
        let mut y = match x.device() {
            Device::Cpu => times_transposed(&x, map.weight(), map.d_model())?,
            device => x.f_mm(&self.on_device(map, device)?.f_transpose(0, 1)?)?,
        };
        if let Some(bias) = map.bias() {
            y = y.f_add_(&Tensor::f_from_slice(bias)?.f_to_device(y.device())?)?;
        }
        Ok(if map.is_residual() { y.f_add_(&x)? } else { y })
    }

    /// A map's weight on a device.
    fn on_device(&self, map: &Arc<LensMap>, device: Device) -> Result<Tensor, ModelError> {
        let mut kept = self.on_devices.borrow_mut();
        // What no lens needs any more gives its memory back.
        kept.retain(|kept| kept.map.strong_count() > 0);
        let is_this =
            |kept: &&OnDevice| kept.device == device && std::ptr::eq(kept.map.as_ptr(), Arc::as_ptr(map));
        if let Some(found) = kept.iter().find(is_this) {
            return Ok(found.weight.shallow_clone());
        }
        let d = map.d_model() as i64;
        let weight = Tensor::f_from_slice(map.weight())?.f_view([d, d])?.f_to_device(device)?;
        kept.push(OnDevice { map: Arc::downgrade(map), device, weight: weight.shallow_clone() });
        Ok(weight)
    }
}
