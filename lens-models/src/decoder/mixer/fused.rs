//! libtorch's fused attention, asked in the way that keeps it fast.

use tch::{Kind, TchError, Tensor};

use crate::decoder::{ModelError, threads, visible::Seen};

/// What queries see, weighed: `[batch, n_heads, pos, d_value]` of queries `[batch, n_heads, pos, d_head]`, keys
/// `[batch, n_kv_heads, keys, d_head]` and values `[batch, n_kv_heads, keys, d_value]`. `grouped` says whether libtorch is given keys that heads share as they are.
pub(super) fn attend(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    seen: &Seen,
    scale: f64,
    grouped: bool,
) -> Result<Tensor, ModelError> {
    let (q_shape, shared) = (q.size(), q.size()[1] / k.size()[1]);
    let is_one_query = q_shape[2] == 1 && matches!(seen, Seen::All);
    let fused = |q: &Tensor, k: &Tensor, v: &Tensor, grouped: bool| {
        let (mask, is_causal) = match seen {
            Seen::Some(mask) => (Some(mask), false),
            Seen::Causal => (None, true),
            Seen::All => (None, false),
        };
        let asked = |q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>| {
            Tensor::f_scaled_dot_product_attention(q, k, v, mask, 0.0, is_causal, scale, grouped)
        };
        if threads::matter_to(q) { filled(q, k, v, mask, asked) } else { asked(q, k, v, mask) }
    };
    if shared == 1 {
        return Ok(fused(q, k, v, false)?);
    }
    if is_one_query {
        // Heads that share keys are as many queries of one head: the keys are read once for all of them.
        let folded = q.f_reshape([q_shape[0], k.size()[1], shared, q_shape[3]])?;
        let shape = [q_shape[0], q_shape[1], 1, v.size()[3]];
        return Ok(fused(&folded, k, v, false)?.f_reshape(shape)?);
    }
    if grouped {
        return Ok(fused(q, k, v, true)?);
    }
    let repeated = |x: &Tensor| x.f_repeat_interleave_self_int(shared, 1, None);
    Ok(fused(q, &repeated(k)?, &repeated(v)?, false)?)
}

/// Values of a head below which the products in the processor's kernel depend on whether several threads are at work.
const LEAST_HEAD: i64 = 16;

/// Queries that those products take together.
const QUERIES_TOGETHER: i64 = 4;

/// Attention that has the same bits for any number of threads: of a single head as the first of two, as each of several is
/// one thread's and a single one is shared out; and but for bfloat16 of heads that are filled with zeros up to [`LEAST_HEAD`]
/// values, and of whole [`QUERIES_TOGETHER`].
fn filled(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: Option<&Tensor>,
    asked: impl Fn(&Tensor, &Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor, TchError>,
) -> Result<Tensor, TchError> {
    let ((batch, heads, n, d_head), d_value) = (q.size4()?, v.size()[3]);
    let (is_alone, fills) = (batch * heads == 1, q.kind() != Kind::BFloat16);
    let queries = if fills { threads::missing(n, QUERIES_TOGETHER) } else { 0 };
    if !is_alone && queries == 0 && (!fills || d_head >= LEAST_HEAD) {
        return asked(q, k, v, mask);
    }
    let fill = |x: &Tensor, rows: i64| -> Result<Tensor, TchError> {
        let columns = if fills { (LEAST_HEAD - x.size()[3]).max(0) } else { 0 };
        let x =
            if columns + rows == 0 { x.shallow_clone() } else { x.f_constant_pad_nd([0, columns, 0, rows])? };
        if is_alone { x.f_expand([1, 2, -1, -1], false) } else { Ok(x) }
    };
    let mask = mask.map(|mask| mask.f_constant_pad_nd([0, 0, 0, queries])).transpose()?;
    let z = asked(&fill(q, queries)?, &fill(k, 0)?, &fill(v, 0)?, mask.as_ref())?.f_transpose(1, 2)?;
    z.f_narrow(1, 0, n)?.f_narrow(2, 0, heads)?.f_narrow(3, 0, d_value)?.f_contiguous()?.f_transpose(1, 2)
}

/// Whether libtorch's kernels for a card take keys that heads share as they are: its flash kernel alone does, and that
/// has no mask, no float32, and heads of up to 256 values. Where it is not used, another is, if keys are repeated; else
/// scores would be written out. On the processor every kernel takes them, and is up to a third faster for it (512 tokens,
/// 14 heads on 2, float32).
pub(super) fn card_groups(q: &Tensor, seen: &Seen) -> bool {
    !matches!(seen, Seen::Some(_)) && q.kind() != Kind::Float && q.size()[3] <= 256
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::{alone::in_a_process_of_its_own, device::ask_for_the_same_bits};

    fn random(shape: [i64; 4], kind: Kind) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu)).to_kind(kind)
    }

    /// The definition, in float64.
    fn expected(q: &Tensor, k: &Tensor, v: &Tensor, hidden: &Tensor, scale: f64) -> Tensor {
        let shared = q.size()[1] / k.size()[1];
        let wide = |x: &Tensor| x.to_kind(Kind::Double);
        let per_query = |x: &Tensor| wide(x).repeat_interleave_self_int(shared, 1, None);
        let scores = wide(q).matmul(&per_query(k).transpose(2, 3)) * scale;
        scores.masked_fill(hidden, f64::NEG_INFINITY).softmax(-1, Kind::Double).matmul(&per_query(v))
    }

    #[test]
    fn every_way_of_asking_gives_the_same() {
        tch::manual_seed(3);
        for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::BFloat16, 2e-2)] {
            for (heads, kv_heads) in [(6, 2), (4, 4), (5, 1)] {
                for (n, past) in [(1, 6), (7, 0), (3, 4)] {
                    let keys = past + n;
                    let q = random([2, heads, n, 8], kind);
                    let (k, v) = (random([2, kv_heads, keys, 8], kind), random([2, kv_heads, keys, 8], kind));
                    let hidden = Tensor::ones([n, keys], (Kind::Bool, Device::Cpu)).triu(past + 1);
                    let added =
                        Tensor::zeros([n, keys], (kind, Device::Cpu)).masked_fill(&hidden, f64::NEG_INFINITY);
                    let mut seen = vec![Seen::Some(added)];
                    if n == 1 {
                        seen.push(Seen::All);
                    }
                    if past == 0 {
                        seen.push(Seen::Causal);
                    }
                    let expected = expected(&q, &k, &v, &hidden, 0.4);
                    for seen in seen {
                        for grouped in [true, false] {
                            let got = attend(&q, &k, &v, &seen, 0.4, grouped).unwrap();
                            assert_eq!(got.size(), q.size());
                            let error = (got.to_kind(Kind::Double) - &expected).abs().max().double_value(&[]);
                            assert!(
                                error < tolerance,
                                "{kind:?} {heads}/{kv_heads} {n}+{past} {seen:?}: {error}"
                            );
                        }
                    }
                }
            }
        }
    }

    /// Prompts and single steps, heads alone and together, narrow and wide.
    #[test]
    fn attention_has_the_same_bits_on_any_number_of_threads() {
        if !in_a_process_of_its_own(
            "decoder::mixer::fused::tests::attention_has_the_same_bits_on_any_number_of_threads",
        ) {
            return;
        }
        ask_for_the_same_bits();
        tch::manual_seed(4);
        let lengths = [
            (1, 8),
            (1, 36),
            (2, 17),
            (3, 24),
            (5, 12),
            (9, 9),
            (17, 317),
            (3, 33),
            (24, 24),
            (31, 31),
            (33, 100),
        ];
        let heads = [(1, 1, 64), (2, 2, 6), (4, 2, 8), (8, 1, 64), (3, 3, 80)];
        let all = [Kind::Float, Kind::BFloat16, Kind::Half].map(|kind| heads.map(|heads| (kind, heads)));
        for (kind, (heads, kv_heads, d_head)) in all.into_iter().flatten() {
            for (n, keys) in lengths {
                let q = random([1, heads, n, d_head], kind);
                let [k, v] = [(); 2].map(|()| random([1, kv_heads, keys, d_head], kind));
                let hidden = Tensor::ones([n, keys], (Kind::Bool, Device::Cpu)).triu(keys - n + 1);
                let zeros = Tensor::zeros([n, keys], (kind, Device::Cpu));
                let mut seen = vec![Seen::Some(zeros.masked_fill(&hidden, f64::NEG_INFINITY))];
                seen.extend((n == 1).then_some(Seen::All));
                seen.extend((n == keys).then_some(Seen::Causal));
                for seen in seen {
                    let on = |threads| {
                        tch::set_num_threads(threads);
                        attend(&q, &k, &v, &seen, 0.3, true).unwrap()
                    };
                    let one = on(1);
                    for threads in [2, 3, 5, 16] {
                        let what =
                            format!("{kind:?} {heads}/{kv_heads} of {d_head}, {n} of {keys}, {seen:?}");
                        assert!(on(threads).equal(&one), "{what} on {threads} threads");
                    }
                }
            }
        }
    }

    #[test]
    fn a_card_repeats_keys_where_its_flash_kernel_cannot_be_used() {
        let q = |kind, d_head| random([1, 4, 3, d_head], kind);
        let mask = Seen::Some(Tensor::zeros([3, 3], (Kind::BFloat16, Device::Cpu)));
        assert!(card_groups(&q(Kind::BFloat16, 128), &Seen::Causal));
        assert!(!card_groups(&q(Kind::BFloat16, 128), &mask));
        assert!(!card_groups(&q(Kind::Float, 128), &Seen::Causal));
        assert!(!card_groups(&q(Kind::Half, 512), &Seen::Causal));
    }
}
