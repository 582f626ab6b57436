//! Blocks of 256 values, whose scales are quantised themselves.

use super::half;

/// 16 scales and minima of four bits, 256 values of two, and the scales of both.
pub(super) fn q2(block: &[u8], out: &mut Vec<f32>) {
    let (scales, rest) = block.split_at(16);
    let (qs, rest) = rest.split_at(64);
    let (d, dmin) = (half(rest), half(&rest[2..]));
    for (i, scale) in scales.iter().enumerate() {
        let (scale, min) = (d * f32::from(scale & 15), dmin * f32::from(scale >> 4));
        let values = twos(qs, i).map(|q| scale * f32::from(q) - min);
        out.extend(values);
    }
}

/// The 16 values of two bits of part `i`: each half of the bytes holds four runs of 32 values, one above the other.
fn twos(qs: &[u8], i: usize) -> impl Iterator<Item = u8> {
    let (half, shift, start) = (i / 8, i / 2 % 4 * 2, i % 2 * 16);
    qs[half * 32 + start..][..16].iter().map(move |byte| byte >> shift & 3)
}

/// 256 third bits, 256 values of two bits, 16 scales of six bits, and their scale.
pub(super) fn q3(block: &[u8], out: &mut Vec<f32>) {
    let (high, rest) = block.split_at(32);
    let (qs, rest) = rest.split_at(64);
    let (packed, rest) = rest.split_at(12);
    let d = half(rest);
    for i in 0..16 {
        let low = packed[i % 8] >> (i / 8 * 4) & 15;
        let scale = low | (packed[8 + i % 4] >> (i / 4 * 2) & 3) << 4;
        let scale = d * (f32::from(scale) - 32.0);
        // Four is taken off where the third bit is not set.
        let thirds = high[i % 2 * 16..][..16].iter().map(|byte| byte >> (i / 2) & 1);
        let values = twos(qs, i).zip(thirds);
        out.extend(values.map(|(q, third)| scale * (f32::from(q) - 4.0 * f32::from(1 - third))));
    }
}

/// The eight scales and minima of six bits that Q4_K and Q5_K pack into twelve bytes.
fn scales_and_minima(packed: &[u8]) -> impl Iterator<Item = (f32, f32)> {
    (0..8).map(move |i| {
        let (scale, min) = match i {
            0..4 => (packed[i] & 63, packed[i + 4] & 63),
            _ => (packed[i + 4] & 15 | packed[i - 4] >> 6 << 4, packed[i + 4] >> 4 | packed[i] >> 6 << 4),
        };
        (f32::from(scale), f32::from(min))
    })
}

pub(super) fn q4(block: &[u8], out: &mut Vec<f32>) {
    let (d, dmin, qs) = (half(block), half(&block[2..]), &block[16..]);
    for (i, (scale, min)) in scales_and_minima(&block[4..16]).enumerate() {
        let (scale, min) = (d * scale, dmin * min);
        let values = qs[i / 2 * 32..][..32].iter().map(|byte| byte >> (i % 2 * 4) & 15);
        out.extend(values.map(|q| scale * f32::from(q) - min));
    }
}

pub(super) fn q5(block: &[u8], out: &mut Vec<f32>) {
    let (d, dmin, high, qs) = (half(block), half(&block[2..]), &block[16..48], &block[48..]);
    for (i, (scale, min)) in scales_and_minima(&block[4..16]).enumerate() {
        let (scale, min) = (d * scale, dmin * min);
        let low = qs[i / 2 * 32..][..32].iter().map(|byte| byte >> (i % 2 * 4) & 15);
        let values = low.zip(high).map(|(low, high)| low | (high >> i & 1) << 4);
        out.extend(values.map(|q| scale * f32::from(q) - min));
    }
}

/// 256 lower halves, 256 upper pairs of bits, 16 scales of eight bits, and their scale.
pub(super) fn q6(block: &[u8], out: &mut Vec<f32>) {
    let (ql, rest) = block.split_at(128);
    let (qh, rest) = rest.split_at(64);
    let (scales, rest) = rest.split_at(16);
    let d = half(rest);
    for (i, scale) in scales.iter().enumerate() {
        let scale = d * f32::from(*scale as i8);
        // Each half of the block has two runs of 64 lower halves, one above the other, and four of 32 upper pairs.
        let (half, run, start) = (i / 8, i / 2 % 4, i % 2 * 16);
        let low = &ql[half * 64 + run % 2 * 32 + start..][..16];
        let high = &qh[half * 32 + start..][..16];
        out.extend(low.iter().zip(high).map(|(low, high)| {
            let q = low >> (run / 2 * 4) & 15 | (high >> (run * 2) & 3) << 4;
            scale * (f32::from(q) - 32.0)
        }));
    }
}

/// A scale in single precision, 256 values of eight bits, and sums that only products need.
pub(super) fn q8(block: &[u8], out: &mut Vec<f32>) {
    let d = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    out.extend(block[4..260].iter().map(|q| d * f32::from(*q as i8)));
}
