//! `exp` and `tanh` of a vector, with a relative error of at most 2e-7.
//!
//! The coefficients interpolate the function at the Chebyshev nodes of the reduced range.

use super::simd::Simd;

/// The polynomial with these coefficients, lowest power first.
#[inline(always)]
pub(super) fn polynomial<S: Simd, const N: usize>(simd: S, x: S::V, coefficients: [f32; N]) -> S::V {
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

#[cfg(test)]
mod tests {
    use super::super::simd::plain::Lanes;
    use super::super::simd::{MAX_LANES, Task};
    #[cfg(target_arch = "x86_64")]
    use super::super::simd::{avx2::Avx2, avx512::Avx512};
    use super::*;

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Tanh,
    }

    struct Apply<'a>(Function, &'a mut [f32]);

    impl<S: Simd> Task<S> for Apply<'_> {
        #[inline(always)]
        fn run(self, simd: S) {
            for values in self.1.chunks_exact_mut(S::LANES) {
                let x = simd.load(values);
                let y = match self.0 {
                    Function::Exp => exp(simd, x),
                    Function::Tanh => tanh(simd, x),
                };
                simd.store(y, values);
            }
        }
    }

    fn on_every_machine(function: Function, values: &[f32], check: impl Fn(&str, &[f32])) {
        assert_eq!(values.len() % MAX_LANES, 0);
        let with = |name: &str, apply: &dyn Fn(&mut [f32])| {
            let mut values = values.to_vec();
            apply(&mut values);
            check(name, &values);
        };
        with("plain", &|values| Lanes::<4>.run(Apply(function, values)));
        with("sixteen plain lanes", &|values| Lanes::<16>.run(Apply(function, values)));
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = Avx2::detect() {
                with("avx2", &|values| simd.run(Apply(function, values)));
            }
            if let Some(simd) = Avx512::detect() {
                with("avx512", &|values| simd.run(Apply(function, values)));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if let Some(simd) = super::super::simd::neon::Neon::detect() {
            with("neon", &|values| simd.run(Apply(function, values)));
        }
    }

    fn relative_error_is_small(function: Function, values: &[f32], truth: impl Fn(f64) -> f64) {
        on_every_machine(function, values, |name, got| {
            for (&x, &y) in values.iter().zip(got) {
                let truth = truth(f64::from(x));
                let error = (f64::from(y) - truth).abs();
                assert!(error <= 2e-7 * truth.abs() + 1e-45, "{name} at {x}: {y}, not {truth}");
            }
        });
    }

    /// How many numbers a function is tried with; few in Miri, which takes a thousand times as long for each.
    const TRIED: i32 = if cfg!(miri) { 1 << 9 } else { 1 << 20 };

    #[test]
    fn exp_is_good_to_two_in_ten_million() {
        let values: Vec<f32> = (0..TRIED).map(|i| -87.0 * i as f32 / TRIED as f32).collect();
        relative_error_is_small(Function::Exp, &values, f64::exp);
    }

    #[test]
    fn exp_is_exact_at_the_ends() {
        let mut values = [0.0_f32; MAX_LANES];
        values[1] = -f32::MAX;
        values[2] = f32::NEG_INFINITY;
        values[3] = f32::NAN;
        values[5] = -200.0;
        on_every_machine(Function::Exp, &values, |name, got| {
            assert_eq!((got[0], got[1], got[2], got[5]), (1.0, 0.0, 0.0, 0.0), "{name}");
            assert!(got[3].is_nan(), "{name}");
        });
    }

    #[test]
    fn tanh_is_good_to_two_in_ten_million() {
        let values: Vec<f32> = (0..TRIED).map(|i| (2.0 * i as f32 / TRIED as f32 - 1.0) * 12.0).collect();
        relative_error_is_small(Function::Tanh, &values, f64::tanh);
        let small: Vec<f32> =
            (0..TRIED.min(1 << 12)).map(|i| 0.7_f32.powi(i / 50) * (1.0 + i as f32 * 1e-4)).collect();
        relative_error_is_small(Function::Tanh, &small, f64::tanh);
        let mut ends = [f32::NAN; MAX_LANES];
        (ends[0], ends[1], ends[2]) = (1e30, f32::NEG_INFINITY, 0.0);
        on_every_machine(Function::Tanh, &ends, |name, got| {
            assert_eq!(got[..3], [1.0, -1.0, 0.0], "{name}");
            assert!(got[3].is_nan(), "{name}");
        });
    }
}
