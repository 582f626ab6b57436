//! Numbers of eight bits and fewer.

/// The values of `float8_e4m3fn` (Micikevicius et al. 2022): seven bits of exponent bias, no infinities, one NaN of each
/// sign.
pub(super) static E4M3: [f32; 256] = table(4, 3);

/// The values of `float8_e5m2`, as IEEE 754 would have them.
pub(super) static E5M2: [f32; 256] = table(5, 2);

/// The values of e2m1, the four bits of the OCP microscaling formats.
pub(super) const E2M1: [f32; 16] =
    [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0];

/// All values of a format of one sign, `exponent` and `mantissa` bits.
const fn table(exponent: u32, mantissa: u32) -> [f32; 256] {
    let mut values = [0.0; 256];
    let mut byte = 0;
    while byte < 256 {
        values[byte] = value(byte as u32, exponent, mantissa);
        byte += 1;
    }
    values
}

const fn value(byte: u32, exponent: u32, mantissa: u32) -> f32 {
    let sign = (byte >> 7) << 31;
    let e = (byte >> mantissa) & ((1 << exponent) - 1);
    let m = byte & ((1 << mantissa) - 1);
    let (last, bias) = ((1 << exponent) - 1, (1 << (exponent - 1)) - 1);
    if exponent == 4 && e == last && m == (1 << mantissa) - 1 {
        return f32::NAN;
    }
    if exponent == 5 && e == last {
        return if m == 0 { f32::from_bits(sign | 0x7f80_0000) } else { f32::NAN };
    }
    if e == 0 {
        // m units of 2^(1 - bias - mantissa), which float32 has exactly.
        let unit = f32::from_bits((127 + 1 - bias - mantissa) << 23);
        return f32::from_bits((m as f32 * unit).to_bits() | sign);
    }
    f32::from_bits(sign | ((e + 127 - bias) << 23) | (m << (23 - mantissa)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_numbers_that_their_formats_say() {
        assert_eq!((E4M3[0x7e], E4M3[0xfe], E4M3[0x38]), (448.0, -448.0, 1.0));
        assert_eq!((E4M3[0x01], E4M3[0x08]), (2.0f32.powi(-9), 2.0f32.powi(-6)));
        assert!(E4M3[0x7f].is_nan() && E4M3[0xff].is_nan() && E4M3[0x80].is_sign_negative());
        assert_eq!((E5M2[0x7b], E5M2[0x3c], E5M2[0x01]), (57344.0, 1.0, 2.0f32.powi(-16)));
        assert!(E5M2[0x7c].is_infinite() && E5M2[0x7d].is_nan());
        // Every value but those is another.
        let mut all: Vec<u32> = E4M3.iter().map(|value| value.to_bits()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 255);
    }
}
