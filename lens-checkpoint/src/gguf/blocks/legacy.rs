//! Blocks of 32 values with one scale, and perhaps an offset.

use super::half;

/// The lower halves of all bytes, then the upper ones.
pub(super) fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|byte| byte & 15).chain(bytes.iter().map(|byte| byte >> 4))
}

/// The same, each with a fifth bit from `high`, whose bit `i` belongs to value `i`.
fn fives(bytes: &[u8], high: &[u8]) -> impl Iterator<Item = u8> {
    nibbles(bytes).enumerate().map(|(i, low)| low | (high[i / 8] >> (i % 8) & 1) << 4)
}

pub(super) fn q4_0(block: &[u8], out: &mut Vec<f32>) {
    let d = half(block);
    out.extend(nibbles(&block[2..]).map(|q| d * (f32::from(q) - 8.0)));
}

pub(super) fn q4_1(block: &[u8], out: &mut Vec<f32>) {
    let (d, m) = (half(block), half(&block[2..]));
    out.extend(nibbles(&block[4..]).map(|q| d * f32::from(q) + m));
}

pub(super) fn q5_0(block: &[u8], out: &mut Vec<f32>) {
    let d = half(block);
    out.extend(fives(&block[6..], &block[2..6]).map(|q| d * (f32::from(q) - 16.0)));
}

pub(super) fn q5_1(block: &[u8], out: &mut Vec<f32>) {
    let (d, m) = (half(block), half(&block[2..]));
    out.extend(fives(&block[8..], &block[4..8]).map(|q| d * f32::from(q) + m));
}

pub(super) fn q8_0(block: &[u8], out: &mut Vec<f32>) {
    let d = half(block);
    out.extend(block[2..].iter().map(|q| f32::from(*q as i8) * d));
}
