//! Whether two devices read the same.

use super::lens::{Readout, Run};

/// What may differ.
pub(super) struct Bound {
    /// In words.
    pub(super) says: &'static str,
    /// A statistic or a log-probability, in nats; `None` compares top-1 tokens alone.
    nats: Option<f64>,
    /// Logits that are closer to each other may stand in another order.
    margin: f64,
}

pub(super) const F32: Bound = Bound { says: "float32 within 1e-4", nats: Some(1e-4), margin: 2e-4 };

/// Sums in another order round differently. A bfloat16 vector carries a relative error of 2^-8 for each rounding that
/// turns out differently, and so do logits: a quarter is four of them at a logit of 16.
pub(super) const BF16: Bound =
    Bound { says: "bfloat16 by top-1 where its margin exceeds 0.25", nats: None, margin: 0.25 };

/// The places where `there` differs from `host` beyond the bound.
pub(super) fn differences(host: &Run, there: &Run, bound: &Bound) -> Vec<String> {
    if host.readouts.len() != there.readouts.len() {
        return vec![format!("{} readouts and {}", host.readouts.len(), there.readouts.len())];
    }
    let pairs = host.readouts.iter().zip(&there.readouts);
    pairs.filter_map(|(host, there)| difference(host, there, bound)).collect()
}

fn difference(host: &Readout, there: &Readout, bound: &Bound) -> Option<String> {
    let layer = host.layer.map_or_else(String::new, |layer| format!("L{layer}."));
    let place = format!("{layer}{} at position {}", host.component, host.position);
    let margin = match &host.top[..] {
        [first, second, ..] => first.logit - second.logit,
        _ => f64::INFINITY,
    };
    if margin > bound.margin && host.top[0].id != there.top[0].id {
        return Some(format!(
            "{place}: top-1 is {} and {} (margin {margin:.2})",
            host.top[0].id, there.top[0].id
        ));
    }
    let nats = bound.nats?;
    let both = |name, of: fn(&Readout) -> Option<f64>| (name, of(host), of(there));
    let log_probs = host
        .top
        .iter()
        .zip(&there.top)
        .map(|(a, b)| ("log-probability", Some(a.prob.ln()), Some(b.prob.ln())));
    let statistics = [
        both("entropy", |readout| Some(readout.entropy)),
        both("KL", |readout| Some(readout.kl_to_final)),
        both("JS", |readout| readout.js_to_final),
        both("TV", |readout| readout.tv_to_final),
    ];
    let far = |(_, a, b): &(&str, Option<f64>, Option<f64>)| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() > nats || !(a - b).is_finite(),
        (None, None) => false,
        _ => true,
    };
    let (name, a, b) = log_probs.chain(statistics).find(far)?;
    Some(format!("{place}: {name} is {} and {}", a.unwrap_or(f64::NAN), b.unwrap_or(f64::NAN)))
}

#[cfg(test)]
mod tests {
    use super::super::lens::Top;
    use super::*;

    fn run(ids: [u32; 2], margin: f64, entropy: f64) -> Run {
        let top = ids.into_iter().zip([5.0, 5.0 - margin]).map(|(id, logit)| Top { id, logit, prob: 0.5 });
        let readout = Readout {
            layer: Some(2),
            component: "mlp_out".to_owned(),
            position: 7,
            top: top.collect(),
            entropy,
            kl_to_final: 0.0,
            js_to_final: None,
            tv_to_final: Some(0.5),
        };
        Run { readouts: vec![readout], timing: None }
    }

    #[test]
    fn another_top_1_counts_where_the_margin_is_wide() {
        let wide = differences(&run([1, 2], 1.0, 0.0), &run([2, 1], 1.0, 0.0), &BF16);
        assert_eq!(wide, ["L2.mlp_out at position 7: top-1 is 1 and 2 (margin 1.00)"]);
        assert!(differences(&run([1, 2], 0.1, 0.0), &run([2, 1], 0.1, 0.0), &BF16).is_empty());
    }

    #[test]
    fn statistics_count_in_float32_only() {
        let (a, b) = (run([1, 2], 1.0, 0.5), run([1, 2], 1.0, 0.501));
        assert!(differences(&a, &b, &F32)[0].contains("entropy is 0.5 and 0.501"));
        assert!(differences(&a, &b, &BF16).is_empty());
        assert!(!differences(&a, &run([1, 2], 1.0, f64::NAN), &F32).is_empty());
        assert!(differences(&a, &run([1, 2], 1.0, 0.5), &F32).is_empty());
    }
}
