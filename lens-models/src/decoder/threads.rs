//! Operations of libtorch that have other bits on other numbers of threads, asked so that they have the same.
//!
//! libtorch and MKL share an operation out among threads and compute by vectors or blocks; what is left over at the end of
//! a share is computed in another way, and where shares end depends on how many there are. Here nothing is left over: what
//! is missing to a whole block is filled with zeros, and taken off again. Nothing else in a decoder was found to depend on
//! threads, nor products in bfloat16 and float16; float64, in which no model is run, is left as it is, and so is a card.
//!
//! That is so of MKL's kernels for processors that are not Intel's. Of those for Intel's, which share out otherwise,
//! MKL promises it where it is asked to ([`ask_for_the_same_bits`](crate::device::ask_for_the_same_bits)).

use tch::{Device, Kind, TchError, Tensor};

use super::ModelError;

/// Rows that MKL's float32 product multiplies together.
const ROWS_TOGETHER: i64 = 4;

/// Columns of the result that MKL's float32 product makes together.
const COLUMNS_TOGETHER: i64 = 16;

/// What two of libtorch's widest vectors hold, which it computes in one step of a loop over values: of 16 bits, and so of
/// twice as many in float32.
const VALUES_TOGETHER: i64 = 64;

/// Whether an operation on `x` may depend on the number of threads.
pub(super) fn matter_to(x: &Tensor) -> bool {
    let is_run_in = matches!(x.kind(), Kind::Float | Kind::BFloat16 | Kind::Half);
    is_run_in && x.device() == Device::Cpu && x.numel() > 0
}

/// Whether a product by `x` may.
pub(super) fn matter_to_products_of(x: &Tensor) -> bool {
    x.kind() == Kind::Float && matter_to(x)
}

/// How many are missing to a multiple of `together`.
pub(super) fn missing(n: i64, together: i64) -> i64 {
    (together - n % together) % together
}

/// Rows of zeros that leave none of `rows` over. Of no more than four none is left over by any number of threads.
fn rows_to_add(rows: i64) -> i64 {
    if rows <= ROWS_TOGETHER { 0 } else { missing(rows, ROWS_TOGETHER) }
}

/// `x Wᵀ + b` of `x`, `[.., in]`, and `weight`, `[out, in]`: `[.., out]`.
pub(super) fn product(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, ModelError> {
    let mut shape = x.size();
    let (Some(width), Some(&out)) = (shape.last_mut(), weight.size().first()) else {
        return Ok(x.f_linear(weight, bias)?);
    };
    let n_rows = x.numel() as i64 / (*width).max(1);
    let (add_rows, left_over) = (rows_to_add(n_rows), out % COLUMNS_TOGETHER);
    if !matter_to_products_of(x) || (add_rows == 0 && left_over == 0) {
        return Ok(x.f_linear(weight, bias)?);
    }
    let rows = x.f_reshape([n_rows, *width])?.f_constant_pad_nd([0, 0, 0, add_rows])?;
    *width = out;
    let all = match left_over {
        0 => rows.f_linear(weight, bias)?,
        _ => in_two(&rows, weight, bias, out - left_over)?,
    };
    Ok(all.f_narrow(0, 0, n_rows)?.f_reshape(shape)?)
}

/// A product by a weight whose outputs are no multiple of [`COLUMNS_TOGETHER`]: by the first `whole` of them where they
/// lie, and by the others, which are few and are copied.
fn in_two(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, whole: i64) -> Result<Tensor, ModelError> {
    let left_over = weight.size()[0] - whole;
    let filled = missing(left_over, COLUMNS_TOGETHER);
    let last = weight.f_narrow(0, whole, left_over)?.f_constant_pad_nd([0, 0, 0, filled])?;
    let last_bias =
        bias.map(|bias| bias.f_narrow(0, whole, left_over)?.f_constant_pad_nd([0, filled])).transpose()?;
    let last = x.f_linear(&last, last_bias)?.f_narrow(1, 0, left_over)?;
    if whole == 0 {
        return Ok(last.f_contiguous()?);
    }
    let bias = bias.map(|bias| bias.f_narrow(0, 0, whole)).transpose()?;
    Ok(Tensor::f_cat(&[x.f_linear(&weight.f_narrow(0, 0, whole)?, bias)?, last], 1)?)
}

/// `a b` of matrices `[.., m, k]` and `[.., k, n]`, of one batch or of batches that spread to one: `[.., m, n]`.
pub(super) fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor, ModelError> {
    let (a_size, b_size) = (a.size(), b.size());
    let ([.., m, _], [.., n]) = (a_size.as_slice(), b_size.as_slice()) else { return Ok(a.f_matmul(b)?) };
    if !matter_to_products_of(a) {
        return Ok(a.f_matmul(b)?);
    }
    // A single row or column is one sum for each value, whoever makes it.
    let (rows, columns) = match (*m, *n) {
        (1, _) | (_, 1) => (0, 0),
        (m, n) => (rows_to_add(m), missing(n, COLUMNS_TOGETHER)),
    };
    let fill = |x: &Tensor, columns: i64, rows: i64| match (columns, rows) {
        (0, 0) => Ok(x.shallow_clone()),
        _ => x.f_constant_pad_nd([0, columns, 0, rows]),
    };
    let (a, b) = (fill(a, 0, rows)?, fill(b, columns, 0)?);
    let is_alone = [&a_size, &b_size].iter().all(|size| size[..size.len() - 2].iter().all(|n| *n == 1));
    let all = if is_alone { alone(&a, &b)? } else { a.f_matmul(&b)? };
    match (rows, columns) {
        (0, 0) => Ok(all),
        _ => Ok(all.f_narrow(-2, 0, *m)?.f_narrow(-1, 0, *n)?),
    }
}

/// The product of two matrices as the first of a batch of two: those of a batch are each made by one thread, and a single
/// one by several.
fn alone(a: &Tensor, b: &Tensor) -> Result<Tensor, ModelError> {
    let twice = |x: &Tensor| {
        let [.., rows, columns] = *x.size().as_slice() else { return Ok(x.shallow_clone()) };
        x.f_reshape([1, rows, columns])?.f_expand([2, rows, columns], false)
    };
    let product = twice(a)?.f_bmm(&twice(b)?)?.f_narrow(0, 0, 1)?;
    let mut shape = if a.dim() < b.dim() { b.size() } else { a.size() };
    let d = shape.len();
    shape[d - 2..].copy_from_slice(&product.size()[1..]);
    Ok(product.f_reshape(shape)?)
}

/// The logistic function of each value.
pub(super) fn sigmoid(x: &Tensor) -> Result<Tensor, ModelError> {
    by_value(x, by_grains, Tensor::f_sigmoid)
}

/// Each value times its logistic function.
pub(super) fn silu(x: &Tensor) -> Result<Tensor, ModelError> {
    by_value(x, by_grains, Tensor::f_silu)
}

/// ln(1 + eˣ) of each value.
pub(super) fn softplus(x: &Tensor) -> Result<Tensor, ModelError> {
    by_value(x, by_grains, Tensor::f_softplus)
}

/// GELU of each value, by its approximation with tanh or, without it, by its definition.
pub(super) fn gelu(x: &Tensor, approximate: bool) -> Result<Tensor, ModelError> {
    by_value(x, by_threads, |x| x.f_gelu(if approximate { "tanh" } else { "none" }))
}

/// A function of each value that libtorch computes by vectors, and what is left over of a share one by one.
/// `shares(n, threads)` is how many shares it makes of `n` values.
fn by_value(
    x: &Tensor,
    shares: impl Fn(i64, i64) -> i64,
    function: impl Fn(&Tensor) -> Result<Tensor, TchError>,
) -> Result<Tensor, ModelError> {
    let (n, threads) = (x.numel() as i64, i64::from(tch::get_num_threads()));
    // A short tensor is one share for any number of threads.
    if !matter_to(x) || shares(n, i64::MAX) == 1 {
        return Ok(function(x)?);
    }
    // Shares are of equal length, rounded up; with more values there may be more of them.
    let mut used = shares(n, threads);
    let mut filled = n;
    loop {
        filled += missing(filled, VALUES_TOGETHER * used);
        match shares(filled, threads) {
            same if same == used => break,
            more => used = more,
        }
    }
    if filled == n {
        return Ok(function(x)?);
    }
    let values = function(&x.f_reshape([n])?.f_constant_pad_nd([0, filled - n])?)?;
    Ok(values.f_narrow(0, 0, n)?.f_reshape(x.size())?)
}

/// Shares of most functions of libtorch: one for each of its `GRAIN_SIZE` values, as far as there are threads.
fn by_grains(n: i64, threads: i64) -> i64 {
    threads.min(1.max(n.saturating_add(32_767) / 32_768))
}

/// Shares of libtorch's GELU: one for each thread, of more than its `GELU_MIN_ELEMENTS_FOR_MULTI_THREADING` values.
fn by_threads(n: i64, threads: i64) -> i64 {
    if n > 16_384 { threads.min(n) } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alone::in_a_process_of_its_own, device::ask_for_the_same_bits};

    /// More than this machine may have, and numbers that share nothing out evenly.
    const THREADS: [i32; 5] = [2, 3, 5, 8, 16];

    fn random<const N: usize>(shape: [i64; N]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    /// What an operation gives on one thread, after it was compared with what it gives on more.
    fn same(what: &str, operation: impl Fn() -> Result<Tensor, ModelError>) -> Tensor {
        ask_for_the_same_bits();
        tch::set_num_threads(1);
        let one = operation().unwrap();
        for threads in THREADS {
            tch::set_num_threads(threads);
            assert!(operation().unwrap().equal(&one), "{what} on {threads} threads");
        }
        one
    }

    /// Any number of rows, of shapes of small and large models, in the dtypes that models are run in. Some outputs are fewer than
    /// are made together, as the scores of eight experts are, and some are left over.
    #[test]
    fn products_have_the_same_bits_on_any_number_of_threads() {
        if !in_a_process_of_its_own(
            "decoder::threads::tests::products_have_the_same_bits_on_any_number_of_threads",
        ) {
            return;
        }
        tch::manual_seed(7);
        for kind in [Kind::Float, Kind::BFloat16] {
            let whole = [(64, 64), (64, 32), (33, 48), (896, 128), (704, 256)];
            // Nothing is filled in bfloat16.
            let left_over: &[_] = match kind {
                Kind::Float => &[(64, 1), (2048, 8), (33, 37), (256, 24), (100, 257)],
                _ => &[],
            };
            for &(width, out) in whole.iter().chain(left_over) {
                let weight = (random([out, width]) / 8).to_kind(kind);
                let bias = (out % 2 == 1).then(|| random([out]).to_kind(kind));
                for rows in (1..30).chain([50, 99, 129]) {
                    let x = random([rows, width]).to_kind(kind);
                    let what = format!("{kind:?}: {rows} of [{out}, {width}]");
                    let y = same(&what, || product(&x, &weight, bias.as_ref()));
                    assert_eq!(y.size(), [rows, out]);
                }
            }
        }
    }

    #[test]
    fn what_is_filled_is_taken_off_again() {
        let range = |n| Tensor::arange(n, (Kind::Float, Device::Cpu));
        for n in [1, 3, 15, 16, 17, 40] {
            let identity = Tensor::eye(n, (Kind::Float, Device::Cpu));
            let x = range(10 * n).view([2, 5, n]);
            let one = Tensor::ones([n], (Kind::Float, Device::Cpu));
            assert!(product(&x, &identity, None).unwrap().equal(&x), "{n}");
            assert!(product(&x, &identity, Some(&one)).unwrap().equal(&(&x + 1)), "{n}");
            for x in [x, range(5 * n).view([1, 1, 5, n]), range(5 * n).view([5, n])] {
                assert!(matmul(&x, &identity).unwrap().equal(&x), "{n}");
            }
        }
    }

    #[test]
    fn products_of_batches_have_the_same_bits_on_any_number_of_threads() {
        if !in_a_process_of_its_own(
            "decoder::threads::tests::products_of_batches_have_the_same_bits_on_any_number_of_threads",
        ) {
            return;
        }
        tch::manual_seed(8);
        let shapes = [(2, 99, 249, 12), (3, 97, 204, 80), (4, 2, 222, 162), (2, 17, 31, 100), (1, 33, 8, 33)];
        let more = [(1, 1, 64, 9), (1, 13, 64, 200), (3, 257, 20, 128), (8, 1, 128, 257), (2, 30, 100, 1)];
        for (heads, m, k, n) in shapes.into_iter().chain(more) {
            let (a, b) = (random([1, heads, m, k]), random([1, heads, n, k]).transpose(2, 3));
            let product = same(&format!("{heads} of {m} x {k} x {n}"), || matmul(&a, &b));
            let expected = a.to_kind(Kind::Double).matmul(&b.to_kind(Kind::Double));
            assert_eq!(product.size(), expected.size());
            let apart = (product.to_kind(Kind::Double) - expected).abs().max().double_value(&[]);
            assert!(apart < 1e-4, "{heads} of {m} x {k} x {n}: {apart}");
        }
        // A batch of one spreads over that of the other.
        let (a, b) = (random([1, 1, 9, 20]), random([4, 20, 33]));
        assert_eq!(same("spread", || matmul(&a, &b)).size(), [1, 4, 9, 33]);
    }

    #[test]
    fn functions_have_the_same_bits_on_any_number_of_threads() {
        if !in_a_process_of_its_own(
            "decoder::threads::tests::functions_have_the_same_bits_on_any_number_of_threads",
        ) {
            return;
        }
        tch::manual_seed(9);
        type Function = fn(&Tensor) -> Result<Tensor, ModelError>;
        let functions: [(&str, Function, Function); 5] = [
            ("sigmoid", sigmoid, |x| Ok(x.f_sigmoid()?)),
            ("silu", silu, |x| Ok(x.f_silu()?)),
            ("softplus", softplus, |x| Ok(x.f_softplus()?)),
            ("gelu", |x| gelu(x, false), |x| Ok(x.f_gelu("none")?)),
            ("gelu tanh", |x| gelu(x, true), |x| Ok(x.f_gelu("tanh")?)),
        ];
        let shapes = [
            [3, 5, 7],
            [1, 5, 4864],
            [1, 33, 896],
            [1, 88, 896],
            [2, 77, 1001],
            [1, 16, 4096],
            [3, 33, 1024],
        ];
        for (kind, tolerance) in [(Kind::Float, 1e-6), (Kind::BFloat16, 1e-2), (Kind::Half, 2e-3)] {
            for shape in shapes {
                let x = random(shape).to_kind(kind);
                for (name, function, plain) in functions {
                    let y = same(&format!("{name} of {shape:?} in {kind:?}"), || function(&x));
                    let close = y.allclose(&plain(&x).unwrap(), tolerance, 1e-7, false);
                    assert!(close, "{name} of {shape:?} in {kind:?}");
                }
            }
        }
    }
}
