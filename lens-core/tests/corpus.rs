//! Statistics of a corpus: what they are, and that it does not matter who read which documents.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use lens_core::{
    Lens, Plan, Reading, Statistic, TokenId,
    corpus::{Cell, CorpusError, CorpusOptions, CorpusReport, CorpusStatistics, Spelling},
    toy::ToyBackend,
};
use serde_json::{Value, json};

const N_VOCAB: u32 = 50;

/// Tokens of three scripts and of as many bytes as their number has digits.
struct Spelled;

impl Spelling for Spelled {
    fn script(&self, token: TokenId) -> &str {
        ["Latin", "Han", "Common"][token.0 as usize % 3]
    }

    fn language(&self, tokens: &[TokenId]) -> Option<&str> {
        Some(if tokens.len() > 4 { "long" } else { "short" })
    }

    fn bytes(&self, token: TokenId) -> Option<usize> {
        Some(token.0.to_string().len())
    }
}

/// A document in windows of at most five tokens.
fn windows(document: u64) -> Vec<Vec<TokenId>> {
    let n = 3 + document * 5 % 11;
    let tokens: Vec<TokenId> =
        (0..n).map(|k| TokenId(((document * 17 + k * k * 3 + k) % u64::from(N_VOCAB)) as u32)).collect();
    tokens.chunks(5).map(<[TokenId]>::to_vec).collect()
}

fn options() -> CorpusOptions {
    CorpusOptions::default().with_top_k(3.try_into().unwrap()).with_resamplings(60)
}

fn plan() -> Plan {
    options().ask(Plan::default().with_components("resid_pre,resid_post".parse().unwrap()))
}

fn read(model: &mut ToyBackend, tokens: &[TokenId]) -> Reading {
    Lens::new(model).read(tokens, &plan()).unwrap()
}

/// The statistics of some documents.
fn part(documents: impl IntoIterator<Item = u64>) -> CorpusStatistics {
    let mut model = ToyBackend::new(3, 16, N_VOCAB as usize, 7);
    let mut part = CorpusStatistics::new(options());
    for document in documents {
        for tokens in windows(document) {
            part.add(document, &tokens, &read(&mut model, &tokens), &Spelled).unwrap();
        }
    }
    part.end_documents();
    part
}

fn merged<'a>(parts: impl IntoIterator<Item = &'a CorpusStatistics>) -> CorpusReport {
    let mut whole = CorpusStatistics::new(options());
    parts.into_iter().for_each(|part| whole.merge(part).unwrap());
    whole.report(0.9)
}

/// The numbers of a report are equal: whole ones exactly, others to 1e-12 of their size.
fn assert_same(a: &CorpusReport, b: &CorpusReport) {
    fn compare(at: &str, a: &Value, b: &Value) {
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{at}");
                a.iter().for_each(|(key, a)| compare(&format!("{at}/{key}"), a, &b[key]));
            }
            (Value::Array(a), Value::Array(b)) => {
                assert_eq!(a.len(), b.len(), "{at}");
                a.iter().zip(b).enumerate().for_each(|(i, (a, b))| compare(&format!("{at}/{i}"), a, b));
            }
            (Value::Number(x), Value::Number(y)) if x.is_f64() => {
                let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
                assert!((x - y).abs() <= 1e-12 * x.abs().max(1.0), "{at}: {x} and {y}");
            }
            _ => assert_eq!(a, b, "{at}"),
        }
    }
    compare("", &json!(a), &json!(b));
}

#[test]
fn who_read_which_documents_does_not_matter() {
    let whole = part(0..17).report(0.9);
    let one_by_one: Vec<CorpusStatistics> = (0..17).map(|i| part([i])).collect();
    assert_same(&merged(&one_by_one), &whole);
    assert_same(&merged(one_by_one.iter().rev()), &whole);
    for n in [2, 3, 5, 20] {
        let shards: Vec<CorpusStatistics> = (0..n).map(|i| part((0..17).filter(|d| d % n == i))).collect();
        assert_same(&merged(&shards), &whole);
        // Two by two, from the end.
        let pairs: Vec<CorpusStatistics> = shards
            .chunks(2)
            .rev()
            .map(|pair| {
                let mut both = CorpusStatistics::new(options());
                pair.iter().rev().for_each(|part| both.merge(part).unwrap());
                both
            })
            .collect();
        assert_same(&merged(&pairs), &whole);
    }
}

#[test]
fn parts_in_one_order_give_the_same_bits_however_they_were_shared_out() {
    let parts: Vec<CorpusStatistics> = (0..6).map(|i| part(3 * i..3 * i + 3)).collect();
    let again: Vec<CorpusStatistics> = (0..6).rev().map(|i| part(3 * i..3 * i + 3)).collect();
    assert_eq!(merged(&parts), merged(again.iter().rev()));
}

#[test]
fn rows_hold_everything() {
    let whole = part(0..9);
    let cells = whole.cells();
    let back = CorpusStatistics::from_cells(options(), &cells).unwrap();
    assert_eq!(back.report(0.9), whole.report(0.9));
    assert_eq!(back.cells(), cells);
    let mut twice = back.clone();
    twice.merge(&whole).unwrap();
    assert_eq!(twice.positions(), 2 * whole.positions());
    // A part of no document has nothing but its totals.
    let none = CorpusStatistics::new(options());
    assert_eq!(CorpusStatistics::from_cells(options(), &none.cells()).unwrap().documents(), 0);
}

#[test]
fn rows_of_something_else_are_refused() {
    let cells = part(0..2).cells();
    type Spoil = fn(&mut Cell);
    let spoils: [(&str, Spoil); 7] = [
        ("entropy", |cell| cell.measure = "enthalpy".to_owned()),
        ("entropy", |cell| cell.values.truncate(2)),
        ("entropy", |cell| cell.counts.clear()),
        ("entropy.sketch", |cell| cell.keys.push(3)),
        ("kl_to_final.resampled", |cell| cell.values.push(0.0)),
        ("calibration", |cell| cell.counts.push(1)),
        ("scripts", |cell| cell.component = "resid".to_owned()),
    ];
    for (measure, spoil) in spoils {
        let mut cells = cells.clone();
        spoil(cells.iter_mut().find(|cell| cell.measure == measure).unwrap());
        let read = CorpusStatistics::from_cells(options(), &cells);
        assert!(matches!(read, Err(CorpusError::Cells { .. })), "{measure}");
    }
}

#[test]
fn numbers_are_those_of_the_readouts() {
    let mut model = ToyBackend::new(3, 16, N_VOCAB as usize, 7);
    let (mut kl, mut ranks, mut surprise, mut next) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut scripts, mut decided) = (BTreeMap::<&str, u64>::new(), BTreeMap::<Option<usize>, u64>::new());
    let (mut overlap, mut bytes, mut confident) = (0, 0, Vec::new());
    const COLUMN: usize = 3;
    for tokens in (0..12).flat_map(windows) {
        let reading = read(&mut model, &tokens);
        for (index, last) in reading.finals.iter().enumerate() {
            let (_, point, readout) = reading.all_at(index).nth(COLUMN).unwrap();
            assert_eq!(point.to_string(), "L1.resid_post");
            kl.push(readout.get(Statistic::KlToFinal).unwrap());
            ranks.push(readout.get(Statistic::RankOfFinal).unwrap());
            surprise.extend(readout.get(Statistic::CrossEntropy));
            *scripts.entry(Spelled.script(readout.top[0].id)).or_default() += 1;
            *decided.entry(last.decided_at).or_default() += 1;
            let finals: Vec<TokenId> = last.readout.top.iter().map(|score| score.id).collect();
            overlap += readout.top.iter().filter(|score| finals.contains(&score.id)).count();
            if let Some(token) = tokens.get(last.position + 1) {
                next.push(readout.get(Statistic::RankOfNext).unwrap());
                bytes += token.0.to_string().len();
                confident.push((f64::from(readout.top[0].prob), readout.top[0].id == *token));
            }
        }
    }
    let report = part(0..12).report(0.9);
    let row = &report.rows[COLUMN];
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-9, "{got}, not {expected}");
    near(row.kl_to_final.unwrap().mean.value, mean(&kl));
    near(row.rank_of_final.unwrap().mean, mean(&ranks));
    near(
        row.rank_of_final.unwrap().geometric_mean.value,
        mean(&ranks.iter().map(|r| r.ln()).collect::<Vec<_>>()).exp(),
    );
    near(row.own.cross_entropy.unwrap().mean.value, mean(&surprise));
    near(row.own.rank_of_next.unwrap().mean, mean(&next));
    near(
        row.own.bits_per_byte.unwrap().value,
        surprise.iter().sum::<f64>() / bytes as f64 / std::f64::consts::LN_2,
    );
    near(row.top_k_overlap.value, overlap as f64 / kl.len() as f64 / 3.0);
    near(
        row.own.next_top1.unwrap().value,
        next.iter().filter(|r| **r == 1.0).count() as f64 / next.len() as f64,
    );
    near(
        row.own.next_top_k.unwrap().value,
        next.iter().filter(|r| **r <= 3.0).count() as f64 / next.len() as f64,
    );
    near(row.top1_agreement.value, ranks.iter().filter(|r| **r == 1.0).count() as f64 / ranks.len() as f64);
    for share in &row.own.scripts {
        assert_eq!(share.n, scripts[share.name.as_str()]);
    }
    for at in &report.decided_at {
        assert_eq!(at.n, decided.get(&at.layer.map(usize::from)).copied().unwrap_or(0));
    }
    // Every position is in one bin; the error is the mean distance of the bins, weighted.
    assert_eq!(row.own.calibration.iter().map(|bin| bin.n).sum::<u64>(), confident.len() as u64);
    let mut apart = 0.0;
    for bin in &row.own.calibration {
        let own: Vec<_> = confident
            .iter()
            .filter(|(p, _)| (*p * 20.0) as usize == (bin.from * 20.0).round() as usize)
            .collect();
        let right = own.iter().filter(|(_, right)| *right).count() as f64;
        assert_eq!(own.len() as u64, bin.n);
        near(bin.accuracy, right / own.len() as f64);
        apart += (own.iter().map(|(p, _)| p).sum::<f64>() - right).abs();
    }
    near(row.own.calibration_error.unwrap(), apart / confident.len() as f64);
    let mut sorted = kl.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted[sorted.len().div_ceil(2) - 1];
    let spread = row.kl_to_final.unwrap().spread;
    assert!((spread.p50 / median - 1.0).abs() < 1.0 / 60.0, "{} and {median}", spread.p50);
    assert_eq!((spread.min, spread.max), (sorted[0], sorted[sorted.len() - 1]));
    let interval = row.kl_to_final.unwrap().mean;
    assert!(interval.low < interval.value && interval.value < interval.high);
    assert_eq!(row.own.languages.iter().map(|share| share.n).sum::<u64>(), report.positions);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut model = ToyBackend::new(3, 16, N_VOCAB as usize, 7);
    let tokens = &windows(3)[0];
    let mut statistics = part([1]);
    let other = options().ask(Plan::default().with_components("resid_post".parse().unwrap()));
    let reading = Lens::new(&mut model).read(tokens, &other).unwrap();
    assert_eq!(statistics.add(3, tokens, &reading, &Spelled), Err(CorpusError::OtherPoints));
    let bare = Lens::new(&mut model)
        .read(tokens, &Plan::default().with_components("resid_pre,resid_post".parse().unwrap()))
        .unwrap();
    assert!(matches!(statistics.add(3, tokens, &bare, &Spelled), Err(CorpusError::NotAsked { .. })));
    let other = CorpusStatistics::new(options().with_seed(4));
    assert_eq!(statistics.merge(&other), Err(CorpusError::OtherOptions));
}
