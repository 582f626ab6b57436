//! `exp`, `tanh` and the logarithm of a vector, with a relative error of at most 2e-7.
//!
//! The coefficients interpolate the function at the Chebyshev nodes of the reduced range.

use super::simd::Simd;

/// The polynomial with these coefficients, lowest power first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::V, coefficients: [f32; N]) -> S::V {
    let mut value = simd.splat(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        value = simd.mul_add(value, x, simd.splat(coefficients[i]));
    }
    value
}

/// `exp(x)` for x <= 88: exactly 1 at 0, exactly 0 below `S::EXP_FLOOR`, NaN for NaN.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::V) -> S::V {
    let x = simd.max(simd.splat(S::EXP_FLOOR), x);
    // x = n ln 2 + r. The first part of ln 2 has nine bits, so that its multiple by n is exact.
    let n = simd.round(simd.mul(x, simd.splat(std::f32::consts::LOG2_E)));
    let r = simd.mul_add(n, simd.splat(-0.693_359_4), x);
    let r = simd.mul_add(n, simd.splat(2.121_944_4e-4), r);
    let rest = polynomial(simd, r, [0.5, 0.166_665_77, 0.041_666_555, 0.008_363_173, 0.001_392_617_6]);
    let near_one = simd.add(simd.mul_add(simd.mul(r, r), rest, r), simd.splat(1.0));
    simd.scale(near_one, n)
}

/// `tanh(x)`; NaN for NaN.
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: S::V) -> S::V {
    let square = simd.mul(x, x);
    let rest = polynomial(
        simd,
        square,
        [-0.333_333_33, 0.133_333_03, -0.053_959_26, 0.021_768_92, -0.008_343_946, 0.002_292_744_8],
    );
    let near_zero = simd.mul_add(simd.mul(square, x), rest, x);
    // tanh |x| = (1 - t) / (1 + t) with t = exp(-2 |x|) <= 0.29
    let negative = simd.neg_abs(x);
    let t = exp(simd, simd.add(negative, negative));
    let one = simd.splat(1.0);
    let far = simd.div(simd.sub(one, t), simd.add(one, t));
    let far = simd.select(simd.greater(simd.splat(0.0), x), simd.sub(simd.splat(0.0), far), far);
    simd.select(simd.greater(simd.splat(-0.625), negative), far, near_zero)
}

/// `ln(x)` of positive normal numbers.
#[inline(always)]
pub(super) fn ln<S: Simd>(simd: S, x: S::V) -> S::V {
    let one = simd.splat(1.0);
    let (mantissa, exponent) = simd.split(x);
    let upper = simd.greater(mantissa, simd.splat(std::f32::consts::SQRT_2));
    let mantissa = simd.select(upper, simd.mul(mantissa, simd.splat(0.5)), mantissa);
    let exponent = simd.select(upper, simd.add(exponent, one), exponent);
    // ln m = 2 artanh s with s = (m - 1) / (m + 1), |s| <= 0.172
    let s = simd.div(simd.sub(mantissa, one), simd.add(mantissa, one));
    let square = simd.mul(s, s);
    let series = polynomial(simd, square, [1.0 / 3.0, 0.2, 1.0 / 7.0, 1.0 / 9.0]);
    let twice = simd.add(s, s);
    let near_one = simd.mul_add(simd.mul(twice, square), series, twice);
    let low = simd.mul_add(exponent, simd.splat(-2.121_944_4e-4), near_one);
    simd.mul_add(exponent, simd.splat(0.693_359_4), low)
}
