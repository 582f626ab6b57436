//! The terminal's heatmap of layers and positions against golden files, and what it never does.
//!
//! `LENS_BLESS=1 cargo test -p lens-viz` writes the golden files anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod synthetic;

use std::{fs, path::PathBuf};

use lens_core::{LensTrace, Statistic};
use lens_viz::{
    Measure,
    picture::{PictureError, PictureOptions},
    terminal::{ColorLevel, TableOptions, heatmap},
};
use proptest::prelude::*;
use synthetic::{HOSTILE, MIXED, SITES, Shape, measures};
use unicode_width::UnicodeWidthStr;

const RANK: Measure = Measure::Of(Statistic::RankOfFinal);
const KL: Measure = Measure::Of(Statistic::KlToFinal);

fn synthetic(layers: u16, positions: usize, texts: &[&str]) -> LensTrace {
    synthetic::trace(&Shape { layers, components: &SITES, positions: 0..positions, top: 2, texts })
}

fn drawn(trace: &LensTrace, statistic: Measure, options: &TableOptions) -> String {
    heatmap(trace, statistic, &PictureOptions::default(), options).unwrap()
}

fn without_escapes(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain.push_str(piece.split_once('m').expect("every escape sequence sets a style").1);
    }
    plain
}

#[test]
fn heatmaps_equal_the_golden_files() {
    let trace = synthetic(6, 11, &MIXED);
    for (statistic, width) in [(Measure::Probability, 80), (RANK, 80), (KL, 200)] {
        let name = format!("tests/golden/heatmap.{statistic}.{width}.txt");
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = drawn(&trace, statistic, &TableOptions::default().with_width(width));
        if std::env::var_os("LENS_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{} is not what is drawn now:\n{text}", path.display());
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let trace = synthetic(4, 5, &MIXED);
    let cells = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        lines.take_while(|line| !line.starts_with("cells")).collect()
    };
    let plain = cells(&drawn(&trace, Measure::Probability, &TableOptions::default()));
    for color in [ColorLevel::Ansi16, ColorLevel::Ansi256, ColorLevel::TrueColor] {
        let coloured = drawn(&trace, Measure::Probability, &TableOptions::default().with_color(color));
        assert!(coloured.contains('\u{1b}'));
        assert_eq!(cells(&without_escapes(&coloured)), plain, "{color:?}");
    }
}

#[test]
fn a_trace_without_the_statistic_is_refused() {
    let mut trace = synthetic(2, 2, &MIXED);
    trace.readouts.iter_mut().for_each(|readout| readout.statistics.set(Statistic::KlToFinal, None));
    let drawn = heatmap(&trace, KL, &PictureOptions::default(), &TableOptions::default());
    assert!(matches!(drawn, Err(PictureError::Empty { .. })));
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal(
        layers in 1u16..5,
        positions in 1usize..20,
        width in 0usize..220,
        sub_blocks in any::<bool>(),
        statistic in prop::sample::select(measures()),
        color in prop::sample::select(vec![ColorLevel::None, ColorLevel::Ansi16, ColorLevel::TrueColor]),
        ascii in any::<bool>(),
    ) {
        let trace = synthetic(layers, positions, &HOSTILE);
        let what = PictureOptions::default().with_components(if sub_blocks { SITES.to_vec() } else { Vec::new() });
        let options = TableOptions::default().with_width(width).with_color(color).with_ascii(ascii);
        let text = without_escapes(&heatmap(&trace, statistic, &what, &options).unwrap());
        for line in text.lines() {
            prop_assert!(line.width() <= width, "{} columns of {width}: {line:?}", line.width());
            prop_assert!(!ascii || line.is_ascii(), "{line:?}");
            prop_assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}
