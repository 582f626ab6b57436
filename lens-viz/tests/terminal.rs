//! The terminal table against golden files, and what it never does.
//!
//! `tests/golden/*.json` are traces; beside each lie its tables at 80 and 200 columns. After a change that is
//! meant, `UPDATE_GOLDEN=1 cargo test -p lens-viz` writes them anew; read the difference before keeping it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::PathBuf, sync::Arc};

use lens_core::{FinalTrace, GenerationTrace, LensTrace, Sampling, Statistic, StepTrace, Stopped, TokenId};
use lens_viz::{
    Named, display_safe,
    terminal::{ColorLevel, StepsView, TableError, TableOptions, side_by_side, table},
};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn trace(name: &str) -> LensTrace {
    serde_json::from_slice(&fs::read(golden(&format!("{name}.json"))).unwrap()).unwrap()
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(golden(""))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "there is no golden file");
    names
}

/// The tables of every position, one after the other.
fn tables(trace: &LensTrace, options: &TableOptions) -> String {
    let each = trace
        .finals
        .iter()
        .map(|last| table(trace, &options.clone().with_position(Some(last.position))).unwrap());
    each.collect::<Vec<_>>().join("\n")
}

/// The lines of a continuation that took a token at every position of the trace.
fn steps(trace: &LensTrace, options: &TableOptions) -> String {
    let mut trace = trace.clone();
    trace.generation = Some(GenerationTrace::new(&Sampling::default(), Stopped::EndOfText));
    let sampled =
        |(step, last): (usize, &FinalTrace)| StepTrace::new(step, last.position, last.top[0].clone().into());
    trace.steps = trace.finals.iter().enumerate().map(sampled).collect();
    let view = StepsView::new(&trace, 200, options);
    let mut text = view.header(&trace);
    for (step, last) in trace.steps.iter().zip(&trace.finals) {
        let readouts: Vec<_> =
            trace.readouts.iter().filter(|readout| readout.position == last.position).cloned().collect();
        text.push_str(&view.step(step, last, &readouts));
    }
    text + &view.footer(&trace)
}

#[test]
fn a_step_says_where_it_was_decided_and_how_it_formed() {
    let text = steps(&trace("common"), &TableOptions::default());
    let line = text.lines().find(|line| line.starts_with("   0")).unwrap();
    let last = &trace("common").finals[0];
    assert!(line.contains(&format!("L{}", last.decided_at.unwrap())), "{text}");
    assert!(line.contains("·····▂▄▅"), "{text}");
    assert!(text.contains("written ") && text.contains("ends a text"), "{text}");
}

fn without_escapes(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (sequence, rest) = piece.split_once('m').expect("every escape sequence sets a style");
        assert!(sequence.starts_with('['), "ESC {sequence:?} does more than set a style");
        plain.push_str(rest);
    }
    plain
}

#[test]
fn tables_equal_the_golden_files() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for name in names() {
        for width in [80, 200] {
            let path = golden(&format!("{name}.{width}.txt"));
            let text = tables(&trace(&name), &TableOptions::default().with_width(width));
            if update {
                fs::write(&path, &text).unwrap();
            }
            let expected = fs::read_to_string(&path).unwrap_or_default();
            assert!(text == expected, "{} is not what is drawn now:\n{text}", path.display());
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let body = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        lines.take_while(|line| !line.starts_with(" 0 %") && !line.starts_with(" probabilities")).collect()
    };
    for name in names() {
        let plain = body(&tables(&trace(&name), &TableOptions::default()));
        for color in [ColorLevel::Ansi16, ColorLevel::Ansi256, ColorLevel::TrueColor] {
            let coloured = tables(&trace(&name), &TableOptions::default().with_color(color));
            assert!(coloured.contains('\u{1b}'));
            assert_eq!(body(&without_escapes(&coloured)), plain, "{name} at {color:?}");
        }
    }
}

#[test]
fn ascii_means_ascii() {
    for name in names() {
        let text = tables(&trace(&name), &TableOptions::default().with_ascii(true));
        assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{name}:\n{text}");
    }
}

#[test]
fn more_tokens_appear_only_where_asked_and_where_they_fit() {
    let count = |width, tokens: usize| {
        let options =
            TableOptions::default().with_width(width).with_tokens_per_cell(tokens.try_into().unwrap());
        let text = table(&trace("common"), &options).unwrap();
        let row = text.lines().find(|line| line.starts_with("     0")).unwrap().to_owned();
        row.split_whitespace().count()
    };
    // Layer, KL, rank, and the entropy where there is room; then a token and a number in each of 4 cells.
    assert_eq!(count(80, 3), 3 + 4 * 2);
    assert_eq!(count(200, 1), 4 + 4 * 2);
    assert_eq!(count(200, 2), 4 + 4 * 4);
    assert_eq!(count(200, 3), 4 + 4 * 6);
}

#[test]
fn components_stack_where_they_do_not_fit_side_by_side() {
    let text = table(&trace("common"), &TableOptions::default().with_width(50)).unwrap();
    let headers: Vec<&str> = text.lines().filter(|line| line.starts_with(" layer")).collect();
    assert_eq!(headers.len(), 2, "{text}");
    assert!(headers[0].contains("resid_mid") && headers[1].contains("resid_post"), "{text}");
}

#[test]
fn numbers_of_a_target_are_those_of_what_was_read() {
    let mut trace = trace("parallel_targets");
    let all = table(&trace, &TableOptions::default()).unwrap();
    assert!(!all.contains("numbers beside the tokens"), "{all}");
    trace.readouts.retain(|readout| readout.component.name() == "mlp_out");
    let text = table(&trace, &TableOptions::default()).unwrap();
    assert!(text.contains("numbers beside the tokens: of mlp_out"), "{text}");
    let target = &trace.readouts[0].targets[0];
    let row = text.lines().find(|line| line.starts_with("     0") || line.starts_with("▸    0")).unwrap();
    let rank = target.rank.unwrap();
    assert!(row.contains(&format!(" {rank} ")), "{row} has no {rank}");
}

#[test]
fn a_position_that_was_not_read_is_refused_with_those_that_were() {
    let error = table(&trace("few_layers"), &TableOptions::default().with_position(Some(7)));
    assert_eq!(error, Err(TableError::NotRead { position: 7, available: vec![0, 20, 33] }));
    assert_eq!(error.unwrap_err().to_string(), "position 7 was not read; the trace holds 0, 20, 33");
    let mut nothing = trace("common");
    nothing.finals.clear();
    assert_eq!(table(&nothing, &TableOptions::default()), Err(TableError::Empty));
}

#[test]
fn a_trace_that_contradicts_itself_is_still_drawn() {
    let mut odd = trace("parallel_targets");
    odd.finals[0].position = usize::MAX;
    odd.readouts.iter_mut().for_each(|readout| readout.position = usize::MAX);
    odd.readouts[3].layer = None;
    odd.readouts[4].top.clear();
    odd.readouts[5].targets.clear();
    odd.readouts[6].statistics.set(Statistic::KlToFinal, Some(f64::INFINITY));
    odd.readouts[7].top[0].prob = f32::NAN;
    odd.readouts[8].top[0].prob = -1e30;
    odd.finals[0].top[0].prob = 1e30;
    let text = table(&odd, &TableOptions::default()).unwrap();
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
}

#[test]
fn runs_stand_side_by_side_as_far_as_they_fit() {
    let traces = names().iter().map(|name| trace(name)).collect::<Vec<_>>();
    let runs: Vec<Named<'_>> =
        names().into_iter().zip(&traces).map(|(name, trace)| Named::new(name, trace)).collect();
    for (width, ascii) in [(40, false), (80, true), (200, false)] {
        let options = TableOptions::default().with_width(width).with_ascii(ascii);
        let text = side_by_side(&runs, &options);
        assert!(text.lines().all(|line| line.width() <= width), "{text}");
        assert!(!ascii || text.is_ascii(), "{text}");
        // Every run has one column of layers and one of predictions.
        for run in &runs {
            let begins: String = run.name.chars().take(8).collect();
            assert!(text.matches(&begins).count() >= 2, "{begins} is not in {text}");
        }
    }
    let common = trace("common");
    let alone = side_by_side(&[Named::new("a", &common), Named::new("b", &common)], &TableOptions::default());
    let decided = common.finals.last().unwrap().decided_at.unwrap();
    let marked: Vec<&str> = alone.lines().filter(|line| line.matches("▸ ").count() == 2).collect();
    assert_eq!(marked.len(), 1, "{alone}");
    assert!(marked[0].trim_start().starts_with(&decided.to_string()), "{alone}");
}

fn breaks_the_sink(text: &str) -> Option<char> {
    text.chars().find(|c| {
        matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    })
}

/// Texts in which what is dangerous or difficult is as common as everything else together.
fn text() -> impl Strategy<Value = String> {
    let difficult = prop::sample::select(vec![
        '\n',
        '\t',
        '\u{1b}',
        '\0',
        '\u{7f}',
        '\u{9b}',
        '\u{202e}',
        '\u{2066}',
        '\u{200d}',
        '\u{200b}',
        '\u{fe0f}',
        '\u{301}',
        ' ',
        '·',
        '你',
        '👩',
        '🏽',
        '🇫',
        '🇷',
        'ل',
        'ا',
        '\u{1100}',
        '\u{1161}',
        '…',
        '\u{338}',
        '<',
        '\u{17d2}',
        '\u{1780}',
        '\u{e000}',
        '\u{e0041}',
    ]);
    prop::collection::vec(prop_oneof![difficult, any::<char>()], 0..24)
        .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn display_safe_lets_nothing_through_that_acts_or_hides(text in text()) {
        let safe = display_safe(&text);
        prop_assert_eq!(breaks_the_sink(&safe), None);
        prop_assert_eq!(display_safe(&safe), safe.as_ref(), "a second time changes it");
        prop_assert_eq!(safe.is_empty(), text.is_empty());
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_whatever_the_trace_says(
        name in prop::sample::select(names()),
        texts in prop::collection::vec(text(), 1..12),
        ids in prop::collection::vec(any::<u32>(), 1..4),
        width in 0usize..220,
        tokens in 1usize..5,
        color in prop::sample::select(vec![ColorLevel::None, ColorLevel::Ansi16, ColorLevel::TrueColor]),
        ascii in any::<bool>(),
    ) {
        let mut trace = trace(&name);
        let mut next = texts.iter().cycle().map(|text| Arc::<str>::from(text.as_str()));
        let mut id = ids.iter().cycle().map(|id| TokenId(*id));
        for token in &mut trace.tokens {
            token.text = next.next().unwrap();
        }
        for readout in &mut trace.readouts {
            for token in readout.top.iter_mut().chain(readout.targets.iter_mut().map(|t| &mut t.token)) {
                token.text = next.next().unwrap();
                token.id = id.next().unwrap();
            }
        }
        for last in &mut trace.finals {
            for token in last.top.iter_mut().chain(last.targets.iter_mut().map(|t| &mut t.token)) {
                token.text = next.next().unwrap();
                token.id = id.next().unwrap();
            }
        }
        trace.model.id = texts[0].clone();
        trace.model.device = texts.concat();
        trace.lens.kind = texts[0].clone();
        let options = TableOptions::default().with_width(width).with_color(color).with_ascii(ascii).with_tokens_per_cell(tokens.try_into().unwrap());
        let plain = without_escapes(&(tables(&trace, &options) + &steps(&trace, &options)));
        for line in plain.lines() {
            prop_assert!(line.width() <= width, "{} columns of {width}: {line:?}", line.width());
            prop_assert_eq!(breaks_the_sink(line), None);
        }
    }
}
