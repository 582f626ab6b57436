//! The properties of the projection, for every kernel that this machine has.

mod properties;
mod random;

use lens_core::projection::Kernel;

/// The kernels under test.
fn kernels() -> Vec<Kernel> {
    Kernel::available()
}
