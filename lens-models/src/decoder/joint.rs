//! Linear maps of one input, multiplied together where that copies nothing more than is copied anyway.

use tch::Tensor;

use super::{
    ModelError,
    weights::{Linear, Weights},
};
use crate::spec::{Cut, LinearSpec, Param};

/// `N` linear maps of one input.
#[derive(Debug)]
pub(super) enum Joint<const N: usize> {
    /// One product, whose outputs lie beside each other; with the width of each.
    One(Linear, [i64; N]),
    /// A product each.
    Each([Linear; N]),
}

impl<const N: usize> Joint<N> {
    /// Maps that are stored as neighbours stay where they are and are used as one. On a device, where weights are copied
    /// to, others are put beside each other too; in host memory they stay mapped, each in its place.
    pub(super) fn load(specs: [&LinearSpec; N], weights: &Weights<'_>) -> Result<Self, ModelError> {
        if let Some((spec, widths)) = neighbours(specs) {
            return Ok(Self::One(weights.linear(&spec)?, widths));
        }
        let each = specs.into_iter().map(|spec| weights.linear(spec)).collect::<Result<Vec<_>, _>>()?;
        if !weights.place.is_host()
            && let Some(joined) = Linear::joined(&each)?
        {
            let mut widths = [0; N];
            widths.iter_mut().zip(&each).for_each(|(width, linear)| *width = linear.weight().size()[0]);
            return Ok(Self::One(joined, widths));
        }
        Ok(Self::Each(each.try_into().expect("there is a map for each spec")))
    }

    /// What each map makes of `x`, `[pos, in]`: `[pos, out]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<[Tensor; N], ModelError> {
        let parts: Vec<Tensor> = match self {
            Self::Each(each) => each.iter().map(|linear| linear.forward(x)).collect::<Result<_, _>>()?,
            Self::One(linear, widths) => {
                let all = linear.forward(x)?;
                let mut start = 0;
                let mut part = |width: &i64| -> Result<Tensor, ModelError> {
                    let part = all.f_narrow(-1, start, *width)?;
                    start += width;
                    Ok(part)
                };
                widths.iter().map(&mut part).collect::<Result<_, _>>()?
            }
        };
        Ok(parts.try_into().expect("there is an output for each map"))
    }
}

/// One map for those that are consecutive rows of one stored matrix (and of one stored bias), with the width of each.
fn neighbours<const N: usize>(specs: [&LinearSpec; N]) -> Option<(LinearSpec, [i64; N])> {
    let weight = consecutive(specs.map(|spec| &spec.weight))?;
    let bias = match specs.iter().filter_map(|spec| spec.bias.as_ref()).collect::<Vec<_>>() {
        none if none.is_empty() => None,
        all => Some(consecutive::<N>(all.try_into().ok()?)?),
    };
    let mut widths = [0; N];
    for (width, spec) in widths.iter_mut().zip(specs) {
        *width = rows(&spec.weight)?.len() as i64;
    }
    let mut joint = specs.first().map(|spec| (*spec).clone())?;
    (joint.weight, joint.bias) = (weight, bias);
    Some((joint, widths))
}

/// One parameter for those that are rows of the same tensor, one after the other.
fn consecutive<const N: usize>(params: [&Param; N]) -> Option<Param> {
    let (first, last) = (params.first()?, params.last()?);
    let follow = params.windows(2).all(|pair| {
        let [one, other] = pair else { return false };
        let before = |param: &Param| param.cuts.len().saturating_sub(1);
        one.tensors == other.tensors
            && one.cuts[..before(one)] == other.cuts[..before(other)]
            && rows(one).zip(rows(other)).is_some_and(|(one, other)| one.end == other.start)
    });
    let all = rows(first)?.start..rows(last)?.end;
    let mut joint = (*first).clone();
    *joint.cuts.last_mut()? = Cut::Rows(all);
    follow.then_some(joint)
}

/// The rows that a parameter takes in its last cut.
fn rows(param: &Param) -> Option<&std::ops::Range<usize>> {
    match param.cuts.last() {
        Some(Cut::Rows(rows)) => Some(rows),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn part(of: &LinearSpec, rows: std::ops::Range<usize>) -> LinearSpec {
        of.part(&Cut::Rows(rows))
    }

    #[test]
    fn consecutive_rows_of_one_matrix_are_one_map() {
        let all = LinearSpec::new("qkv", 12, 4, true);
        let (q, k, v) = (part(&all, 0..6), part(&all, 6..9), part(&all, 9..12));
        assert_eq!(neighbours([&q, &k, &v]), Some((part(&all, 0..12), [6, 3, 3])));
        assert_eq!(neighbours([&k, &v]), Some((part(&all, 6..12), [3, 3])));
        assert_eq!(neighbours([&q, &v]), None, "there is something between them");
        assert_eq!(neighbours([&k, &q]), None, "they are in another order");
        let other = LinearSpec::new("other", 12, 4, true);
        assert_eq!(neighbours([&q, &part(&other, 6..9)]), None);
        let plain = LinearSpec::new("qkv", 12, 4, false);
        assert_eq!(neighbours([&q, &part(&plain, 6..9)]), None, "only one of them has a bias");
        assert_eq!(neighbours([&all, &all]), None);
        let turned = LinearSpec::transposed("qkv", 12, 4);
        let (q, k) = (part(&turned, 0..6), part(&turned, 6..9));
        assert_eq!(neighbours([&q, &k]), Some((part(&turned, 0..9), [6, 3])));
        assert_eq!(neighbours([&part(&all, 0..6), &k]), None, "they are stored differently");
    }

    #[test]
    fn maps_beside_each_other_give_what_each_gives() {
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let linear = |out: i64, bias: bool| Linear::new(random(&[out, 8]), bias.then(|| random(&[out])));
        let x = random(&[3, 8]);
        for bias in [true, false] {
            let each = [linear(4, bias), linear(2, bias), linear(5, bias)];
            let joined = Linear::joined(&each).unwrap().expect("all have a bias, or none has");
            let one = Joint::One(joined, [4, 2, 5]).forward(&x).unwrap();
            for (one, other) in one.iter().zip(Joint::Each(each).forward(&x).unwrap()) {
                assert_eq!(one.size(), other.size());
                assert!(one.allclose(&other, 1e-5, 1e-6, false));
            }
        }
        assert!(Linear::joined(&[linear(4, true), linear(4, false)]).unwrap().is_none());
    }
}
