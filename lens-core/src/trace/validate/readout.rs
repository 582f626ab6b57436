//! One readout: its place, its tokens and its statistics.

use std::collections::HashSet;

use super::{
    check_id, check_important, check_layer, check_position, check_rank,
    wrong::{Checked, Under as _, finite, probability, within, wrong},
};
use crate::{
    point::{Component, Site},
    statistic::{Limits, Statistic, Statistics},
    trace::{FinalTrace, LensTrace, ReadoutTrace, TargetTrace, TopTrace},
};

/// How far probabilities may add up beyond 1: by the rounding of a softmax in bfloat16, and for each of them by that of
/// three decimals.
fn most_sum(n: usize) -> f64 {
    1.005 + 5e-4 * n as f64
}

pub(super) fn check_readout(trace: &LensTrace, readout: &ReadoutTrace) -> Checked {
    match (readout.component, readout.layer) {
        (Component::Embed, None) => {}
        (Component::Embed, Some(layer)) => {
            let problem =
                format!("{layer} is not a layer of embed, which comes before the layers: it has null");
            return Err(wrong("layer", problem));
        }
        (component, None) => {
            return Err(wrong("layer", format!("{component} needs the number of its layer")));
        }
        (_, Some(layer)) => check_layer(trace, "layer", usize::from(layer))?,
    }
    if !readout.component.is_readable() {
        return Err(wrong("component", format!("{} cannot be decoded into tokens", readout.component)));
    }
    if readout.is_virtual && readout.component != Component::Site(Site::ResidMid) {
        return Err(wrong("virtual", format!("only resid_mid can be virtual, not {}", readout.component)));
    }
    check_position(trace, readout.position)?;
    check_top(trace, &readout.top)?;
    check_targets(trace, &readout.targets)?;
    check_tracked(trace, readout)?;
    check_lens(trace, readout)?;
    check_statistics(trace, &readout.statistics)?;
    check_margin(&readout.statistics, &readout.top)
}

/// A readout names its lens where the trace lists some.
fn check_lens(trace: &LensTrace, readout: &ReadoutTrace) -> Checked {
    let names = trace.lens_names();
    match readout.lens.as_deref() {
        Some(lens) if !names.contains(&lens) => {
            Err(wrong("lens", format!("{lens:?} is not a lens of this trace (it has: {})", names.join(", "))))
        }
        None if trace.lenses.len() > 1 => Err(wrong(
            "lens",
            format!("the trace has several lenses ({}), and this names none", names.join(", ")),
        )),
        _ => Ok(()),
    }
}

/// Tracked tokens: each once, and none that the readout keeps already.
fn check_tracked(trace: &LensTrace, readout: &ReadoutTrace) -> Checked {
    let targets = readout.targets.iter().map(|target| &target.token);
    let mut ids: HashSet<_> = readout.top.iter().chain(targets).map(|token| token.id).collect();
    for (i, token) in readout.tracked.iter().enumerate() {
        let at = || format!("tracked[{i}]");
        check_token(trace, token).under(at)?;
        if !ids.insert(token.id) {
            return Err(wrong("id", format!("the readout has the token {} already", token.id))).under(at);
        }
    }
    Ok(())
}

pub(super) fn check_final(trace: &LensTrace, last: &FinalTrace) -> Checked {
    check_position(trace, last.position)?;
    check_top(trace, &last.top)?;
    check_targets(trace, &last.targets)?;
    check_statistics(trace, &last.statistics)?;
    check_margin(&last.statistics, &last.top)?;
    if let Some(layer) = last.decided_at {
        check_layer(trace, "decided_at", layer)?;
    }
    check_important(trace, last)
}

/// Every statistic lies within its limits.
fn check_statistics(trace: &LensTrace, statistics: &Statistics) -> Checked {
    statistics.iter().try_for_each(|(statistic, value)| {
        let (least, most) = match statistic.limits() {
            Limits::Any => (f64::NEG_INFINITY, f64::INFINITY),
            Limits::NotNegative => (0.0, f64::INFINITY),
            Limits::Within(least, most) => (least, most),
            // Of a uniform distribution; an imported trace does not know its vocabulary.
            Limits::VocabularyNats if trace.model.n_vocab > 0 => (0.0, (trace.model.n_vocab as f64).ln()),
            Limits::VocabularyNats => (0.0, f64::INFINITY),
            Limits::Ranks => return check_rank(trace, statistic.name(), value as u32),
        };
        within(statistic.name(), value as f32, least as f32, most as f32)
    })
}

/// The margin is the difference of the two largest logits, where both are kept.
fn check_margin(statistics: &Statistics, top: &[TopTrace]) -> Checked {
    let (Some(margin), [first, second, ..]) = (statistics.get(Statistic::Margin), top) else { return Ok(()) };
    let (first, second) = (f64::from(first.logit), f64::from(second.logit));
    // As far as one rounding of each logit may take it.
    let rounding = 1e-6 * (first.abs() + second.abs()) + f64::from(f32::MIN_POSITIVE);
    if (margin - (first - second)).abs() > rounding {
        let problem =
            format!("{margin} is not the difference of the two largest logits, {first} and {second}");
        return Err(wrong("margin", problem));
    }
    Ok(())
}

/// The most probable tokens: each once, larger logits first.
fn check_top(trace: &LensTrace, top: &[TopTrace]) -> Checked {
    let (mut ids, mut sum) = (HashSet::with_capacity(top.len()), 0.0);
    for (i, token) in top.iter().enumerate() {
        let at = || format!("top[{i}]");
        check_token(trace, token).under(at)?;
        if !ids.insert(token.id) {
            return Err(wrong("id", format!("the token {} is in the list already", token.id))).under(at);
        }
        if let Some(before) = i.checked_sub(1).map(|before| &top[before]) {
            for (name, one, next) in [("logit", before.logit, token.logit), ("prob", before.prob, token.prob)]
            {
                if next > one {
                    let problem = format!("{next} cannot follow {one}: the most probable token comes first");
                    return Err(wrong(name, problem)).under(at);
                }
            }
        }
        sum += f64::from(token.prob);
        if sum > most_sum(i + 1) {
            let problem = format!("the probabilities up to here add up to {sum:.4}, which is more than 1");
            return Err(wrong("prob", problem)).under(at);
        }
    }
    Ok(())
}

fn check_targets(trace: &LensTrace, targets: &[TargetTrace]) -> Checked {
    let mut ids = HashSet::with_capacity(targets.len());
    for (i, target) in targets.iter().enumerate() {
        let at = || format!("targets[{i}]");
        check_token(trace, &target.token).under(at)?;
        if let Some(rank) = target.rank {
            check_rank(trace, "rank", rank).under(at)?;
        }
        if !ids.insert(target.token.id) {
            return Err(wrong("id", format!("the token {} is a target already", target.token.id))).under(at);
        }
    }
    Ok(())
}

fn check_token(trace: &LensTrace, token: &TopTrace) -> Checked {
    check_id(trace, token.id.index())?;
    check_bytes(token.bytes.as_deref())?;
    finite("logit", token.logit)?;
    probability("prob", token.prob)
}

/// Bytes are pairs of hexadecimal digits.
pub(super) fn check_bytes(hex: Option<&str>) -> Checked {
    let Some(hex) = hex else { return Ok(()) };
    if hex.len().is_multiple_of(2) && hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(wrong("bytes", format!("{hex:?} is not bytes in hexadecimal")))
}
