//! Blocks whose four bits name a value of a table.

use super::{half, legacy::nibbles};

/// ggml's `kvalues_iq4nl`.
const IQ4: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Twice the values of the 4-bit float e2m1, from the OCP's Microscaling Formats.
const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

pub(super) fn iq4_nl(block: &[u8], out: &mut Vec<f32>) {
    let d = half(block);
    out.extend(nibbles(&block[2..]).map(|q| d * f32::from(IQ4[usize::from(q)])));
}

pub(super) fn iq4_xs(block: &[u8], out: &mut Vec<f32>) {
    let (d, high) = (half(block), u16::from_le_bytes([block[2], block[3]]));
    for i in 0..8 {
        let low = block[4 + i / 2] >> (i % 2 * 4) & 15;
        let scale = low | ((high >> (2 * i) & 3) as u8) << 4;
        let scale = d * (f32::from(scale) - 32.0);
        out.extend(nibbles(&block[8 + 16 * i..][..16]).map(|q| scale * f32::from(IQ4[usize::from(q)])));
    }
}

/// A power of two in eight bits, and 32 values.
pub(super) fn mxfp4(block: &[u8], out: &mut Vec<f32>) {
    // Half of 2^(e - 127), because the table holds twice the values; the two lowest are subnormal.
    let d = match u32::from(block[0]) {
        e @ 0..2 => f32::from_bits(0x0020_0000 << e),
        e => f32::from_bits((e - 1) << 23),
    };
    out.extend(nibbles(&block[1..]).map(|q| d * f32::from(E2M1[usize::from(q)])));
}
