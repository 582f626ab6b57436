//! An emulator of the tile instructions: state and arithmetic, decoding, and the signal that an illegal instruction raises.

pub(crate) mod decode;
pub(crate) mod state;
mod trap;

pub(crate) use trap::{emulated_products, is_emulated, provide_tiles};
