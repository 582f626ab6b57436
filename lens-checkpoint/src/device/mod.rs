//! Where a model can run, as data: names of devices, and maps of layers to devices. `lens-models` looks for the devices.

mod error;
mod map;
mod place;

pub use error::DeviceError;
pub use map::{Card, DeviceMap, Part, PartSizes, Placement};
pub use place::{Place, UnknownDevice};
