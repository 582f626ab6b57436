//! Distances to the final readout, where they were asked for: in the table and in the curves.
#![allow(clippy::unwrap_used)]

use lens_core::{
    Backend, Lens, LensTrace, Plan, Question, Statistic, StatisticSet, TokenId, TraceContext, toy::ToyBackend,
};
use lens_viz::{
    picture::{PictureKind, PictureOptions, svg},
    terminal::{ColorLevel, TableOptions, table},
};

fn read(statistics: StatisticSet) -> LensTrace {
    let mut model = ToyBackend::new(3, 16, 50, 7);
    let tokens: Vec<TokenId> = [3, 14, 15, 9].map(TokenId).to_vec();
    let reading = Lens::new(&mut model)
        .read(&tokens, &Plan::default().with_question(Question::default().with_statistics(statistics)))
        .unwrap();
    LensTrace::new(&reading, &TraceContext::new(("example", "1.0"), model.info(), &tokens, &()))
}

fn with_distances() -> LensTrace {
    read(StatisticSet::default().with(Statistic::JsToFinal).with(Statistic::TvToFinal))
}

fn text(trace: &LensTrace, width: usize) -> String {
    table(trace, &TableOptions::default().with_width(width).with_color(ColorLevel::None)).unwrap()
}

/// The words over the columns.
fn names(text: &str) -> Vec<&str> {
    text.lines().find(|line| line.trim_start().starts_with("layer")).unwrap().split_whitespace().collect()
}

#[test]
fn a_table_has_columns_for_distances_that_were_read() {
    let trace = with_distances();
    let text = text(&trace, 120);
    assert!(names(&text).ends_with(&["KL", "JS", "TV", "H", "rank"]), "{text}");
    for meaning in
        ["JS Jensen-Shannon divergence to the final, nats", "TV total variation to the final, 0 to 1"]
    {
        assert!(text.contains(meaning), "{text}");
    }
    // The first layer's numbers are those of the trace.
    let first = trace.readouts.iter().find(|r| r.component.name() == "resid_post").unwrap();
    let line = text.lines().find(|line| line.trim_start().starts_with("0 ")).unwrap();
    for statistic in [Statistic::JsToFinal, Statistic::TvToFinal] {
        let number = format!("{:.2}", first.get(statistic).unwrap());
        assert!(line.split_whitespace().any(|word| word == number), "{number}: {line}");
    }
}

#[test]
fn a_narrow_table_leaves_distances_out_before_the_divergence() {
    let trace = with_distances();
    for width in 40..120 {
        let text = text(&trace, width);
        let names: Vec<&str> =
            text.lines().filter(|line| line.contains("resid_post")).flat_map(str::split_whitespace).collect();
        assert!(!names.contains(&"JS") || names.contains(&"KL"), "{width}: {text}");
        assert!(!names.contains(&"rank") || names.contains(&"TV"), "{width}: {text}");
    }
}

#[test]
fn nothing_is_said_of_distances_that_were_not_read() {
    let text = text(&read(StatisticSet::default()), 120);
    assert!(!text.contains("JS") && !text.contains("TV"), "{text}");
}

#[test]
fn curves_have_a_panel_for_each_distance() {
    let drawn = |trace: &LensTrace| {
        svg(trace, PictureKind::Curves, &PictureOptions::default()).unwrap().remove(0).svg
    };
    let (with, without) = (drawn(&with_distances()), drawn(&read(StatisticSet::default())));
    for statistic in [Statistic::JsToFinal, Statistic::TvToFinal] {
        assert!(with.contains(statistic.title()) && !without.contains(statistic.title()), "{statistic}");
    }
}
