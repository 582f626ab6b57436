//! Differences of two traces as pictures and on the terminal.
//!
//! `LENS_BLESS=1 cargo test -p lens-viz` writes the golden files anew; look at them before keeping them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod synthetic;

use std::{fs, path::PathBuf, sync::Arc};

use lens_core::{Component, LensTrace, Site, Statistic, TokenId};
use lens_viz::{
    Measure, Named,
    difference::{Contrast, Difference, DifferenceError},
    picture::{self, PictureError, PictureOptions, png},
    terminal::{self, ColorLevel, TableOptions},
};
use proptest::prelude::*;
use synthetic::{HOSTILE, MIXED, SITES, Shape, measures};
use unicode_width::UnicodeWidthStr;

const KL: Contrast = Contrast::Of(Measure::Of(Statistic::KlToFinal));
const STREAM: [Component; 1] = [Component::Site(Site::ResidPost)];

fn trace(layers: u16, positions: usize) -> LensTrace {
    synthetic::trace(&Shape { layers, components: &SITES, positions: 0..positions, top: 3, texts: &MIXED })
}

/// The same trace with other numbers and, in every third readout, another top-1.
fn changed(trace: &LensTrace) -> LensTrace {
    let mut trace = trace.clone();
    for (i, readout) in trace.readouts.iter_mut().enumerate() {
        let kl = readout.get(Statistic::KlToFinal).unwrap();
        readout.statistics.set(Statistic::KlToFinal, Some(kl + 0.25 * (i % 5) as f64));
        readout.top.iter_mut().for_each(|token| token.prob *= 0.5);
        if i % 3 == 0 {
            readout.top[0].id = TokenId(9999);
            readout.top[0].text = Arc::from(" other");
        }
    }
    trace
}

fn pair<'a>(after: &'a LensTrace, before: &'a LensTrace) -> Difference<'a> {
    Difference::new(Named::new("after", after), Named::new("before", before)).unwrap()
}

fn text(difference: &Difference<'_>, contrast: Contrast, width: usize) -> String {
    let options = TableOptions::default().with_width(width);
    terminal::difference(difference, contrast, &PictureOptions::default(), &options).unwrap()
}

fn svg(difference: &Difference<'_>, contrast: Contrast) -> String {
    let pages = picture::difference(difference, contrast, &PictureOptions::default()).unwrap();
    pages.iter().map(|page| &*page.svg).collect()
}

fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap_or_default().trim().to_owned()).collect()
}

fn golden(name: &str, drawn: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("LENS_BLESS").is_some() {
        fs::write(&path, drawn).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(drawn == expected, "{} is not what is drawn now; LENS_BLESS=1 keeps it", path.display());
}

#[test]
fn differences_equal_the_golden_files() {
    let before = trace(5, 6);
    let after = changed(&before);
    let difference = pair(&after, &before);
    golden("difference.kl.80.txt", &text(&difference, KL, 80));
    golden("difference.probability.200.txt", &text(&difference, Contrast::default(), 200));
    golden("difference.kl.svg", &svg(&difference, KL));
}

#[test]
fn each_cell_is_the_first_less_the_second() {
    let before = trace(3, 2);
    let after = changed(&before);
    let picture = svg(&pair(&after, &before), KL);
    let texts = texts(&picture);
    assert!(
        texts.contains(&"KL(final ‖ readout) of resid_post, after − before, nats".to_owned()),
        "{texts:?}"
    );
    let is_shown = |readout: &&lens_core::ReadoutTrace| {
        STREAM.contains(&readout.component) || readout.component == Component::Embed
    };
    let pairs = after.readouts.iter().filter(is_shown).zip(before.readouts.iter().filter(is_shown));
    let mut counted = 0;
    for (one, other) in pairs {
        let by = one.get(Statistic::KlToFinal).unwrap() - other.get(Statistic::KlToFinal).unwrap();
        let written = if by == 0.0 { "0.00".to_owned() } else { format!("{by:+.2}") };
        assert!(texts.contains(&written), "{written} is not in {texts:?}");
        counted += 1;
    }
    assert_eq!(counted, 2 * 4);
    assert!(png(&picture, 1.0).is_ok());
}

#[test]
fn a_trace_less_itself_is_nothing_everywhere() {
    let trace = trace(3, 3);
    for measure in measures() {
        let text = text(&pair(&trace, &trace), Contrast::Of(measure), 120);
        assert!(text.contains("0.00") && !text.contains('≠'), "{text}");
        assert!(!text.contains("+0") && !text.contains("-0"), "{text}");
    }
}

#[test]
fn a_token_is_followed_whatever_is_on_top() {
    let before = trace(3, 2);
    let after = changed(&before);
    // The second most probable of the last readout: the change halves it everywhere.
    let token = before.readouts.last().unwrap().top[1].clone();
    let text = text(&pair(&after, &before), Contrast::Token(token.id), 100);
    let by = -50.0 * token.prob;
    assert!(text.contains("percentage points") && text.contains("probability of"), "{text}");
    assert!(
        text.contains(&format!("{by:+.1}")) || text.contains(&format!("{by:+.2}")),
        "{by} is not in {text}"
    );
    let options = TableOptions::default();
    let missing = terminal::difference(
        &pair(&after, &before),
        Contrast::Token(TokenId(77_777)),
        &PictureOptions::default(),
        &options,
    );
    assert!(missing.unwrap_err().to_string().contains("make it a target of both runs"));
}

#[test]
fn what_one_lacks_is_blank_and_said() {
    let before = trace(4, 3);
    let mut after = changed(&before);
    after.readouts.retain(|readout| readout.layer != Some(1) || readout.position != 1);
    after.readouts.retain(|readout| readout.position != 2);
    after.finals.retain(|last| last.position != 2);
    let difference = pair(&after, &before);
    let said = text(&difference, KL, 200);
    assert!(said.contains("1 cell is blank: not in both traces"), "{said}");
    assert!(said.contains("1 position of before left out: not read in after"), "{said}");
    let texts = texts(&svg(&difference, KL));
    assert!(texts.iter().any(|text| text.contains("1 cell is blank")), "{texts:?}");
}

#[test]
fn prompts_of_different_lengths_are_laid_end_to_end() {
    let long = trace(3, 5);
    let mut short = trace(3, 5);
    short.tokens.remove(0);
    short.readouts.retain(|readout| readout.position > 0);
    short.finals.retain(|last| last.position > 0);
    short.readouts.iter_mut().for_each(|readout| readout.position -= 1);
    short.finals.iter_mut().for_each(|last| last.position -= 1);
    let difference = pair(&short, &long);
    assert!(difference.notes()[0].contains("paired from the prompts' last tokens backwards"));
    let drawn = text(&difference, KL, 200);
    // Each readout stands on the one that it was copied from.
    assert!(!drawn.contains("+0") && !drawn.contains("-0"), "{drawn}");
}

#[test]
fn other_tokens_and_models_are_noted() {
    let one = trace(3, 4);
    let mut other = trace(4, 4);
    other.tokens[2].id = TokenId(4321);
    other.model.id = "another".to_owned();
    let notes = pair(&one, &other).notes().join("\n");
    for said in ["models differ", "3 and 4 layers", "prompts differ at position 2"] {
        assert!(notes.contains(said), "{notes}");
    }
    let mut written = one.clone();
    let mut token = one.tokens[0].clone();
    token.generated = true;
    written.tokens.push(token.clone());
    let mut differently = written.clone();
    differently.tokens[4].id = TokenId(4322);
    let notes = pair(&written, &differently).notes().join("\n");
    assert!(notes.contains("continuations differ from position 4 on"), "{notes}");
}

#[test]
fn traces_without_a_common_readout_are_refused() {
    let one = trace(3, 2);
    let mut other = trace(3, 2);
    other.readouts.retain(|readout| readout.layer == Some(2));
    let mut first = one.clone();
    first.readouts.retain(|readout| readout.layer == Some(0));
    let error = Difference::new(Named::new("a", &first), Named::new("b", &other)).err().unwrap();
    assert!(matches!(error, DifferenceError::Apart { .. }));
    let said = error.to_string();
    assert!(said.contains("layers 0, positions 0 to 1") && said.contains("layers 2"), "{said}");
    let mut empty = one.clone();
    empty.readouts.clear();
    let error = Difference::new(Named::new("a", &one), Named::new("b", &empty)).err().unwrap();
    assert_eq!(error, DifferenceError::Empty { name: "b".to_owned() });
}

#[test]
fn only_what_was_read_can_be_chosen() {
    let trace = trace(3, 2);
    let what = PictureOptions::default().with_layers(vec![7]);
    let error = picture::difference(&pair(&trace, &trace), KL, &what).unwrap_err();
    assert!(matches!(error, PictureError::LayerNotRead { layer: 7, .. }));
    let range = PictureOptions::default().with_range(Some((-1.0, 3.0)));
    assert!(picture::difference(&pair(&trace, &trace), KL, &range).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_traces_say_lines_fit_and_nothing_acts(
        (layers, positions, width) in (1u16..5, 1usize..9, 20usize..160),
        (removed, level) in (any::<proptest::sample::Index>(), 0usize..4),
        name in "\\PC{1,30}",
    ) {
        let before = synthetic::trace(&Shape { layers, components: &SITES, positions: 0..positions, top: 3, texts: &HOSTILE });
        let mut after = before.clone();
        after.readouts.remove(removed.index(before.readouts.len()));
        let color = [ColorLevel::None, ColorLevel::Ansi16, ColorLevel::Ansi256, ColorLevel::TrueColor][level];
        let difference = Difference::new(Named::new(format!("{name}\u{1b}]0;x\u{7}"), &after), Named::new("\u{202e}b", &before)).unwrap();
        for measure in measures() {
            let options = TableOptions::default().with_width(width).with_color(color).with_ascii(level == 0);
            let drawn = terminal::difference(&difference, Contrast::Of(measure), &PictureOptions::default(), &options);
            let Ok(drawn) = drawn else { continue };
            let mut plain = String::new();
            for (i, piece) in drawn.split('\u{1b}').enumerate() {
                plain.push_str(if i == 0 { piece } else { piece.split_once('m').unwrap().1 });
            }
            prop_assert!(!plain.chars().any(|c| c.is_control() && c != '\n'), "{plain:?}");
            prop_assert!(level > 0 || drawn.is_ascii(), "{drawn}");
            let least = 26;
            prop_assert!(plain.lines().all(|line| line.width() <= width.max(least)), "{plain}");
            let pages = picture::difference(&difference, Contrast::Of(measure), &PictureOptions::default()).unwrap();
            for page in pages {
                prop_assert!(roxmltree::Document::parse(&page.svg).is_ok());
            }
        }
    }
}
