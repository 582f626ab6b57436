//! Comparisons of two models, drawn and written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{
    Backend, Site, TokenId,
    diff::{Condition, Diff, DiffPlan, DiffText, DiffTrace},
    evaluate::EvaluationOptions,
    toy::ToyBackend,
};
use lens_viz::{
    page,
    picture::{self, PictureError, PictureOptions},
    terminal::{self, ColorLevel, TableOptions},
};

/// Two toys that differ in one matrix of the second block.
fn trace(components: &str, changes: bool) -> DiffTrace {
    let (mut a, mut b) = (ToyBackend::new(3, 16, 50, 7), ToyBackend::new(3, 16, 50, 7));
    if changes {
        b.add_to_weight(1, Site::AttnOut, (2, 12), 0.5);
    }
    let plan = DiffPlan::default()
        .with_components(components.parse().unwrap())
        .with_options(EvaluationOptions::default().with_resamplings(20));
    let mut diff = Diff::new(&mut a, &mut b, plan).unwrap();
    for i in 0..3 {
        diff.add(&[3, 14, 15 + i, 9].map(TokenId)).unwrap();
    }
    let report = diff.report().unwrap();
    let judge = |written: &str| written.parse::<Condition>().unwrap().judge(&report).unwrap();
    let judged = vec![judge("kl>1e-9"), judge("top1<0")];
    let text = DiffText::new(Some("0123456789ab".repeat(5) + "0123"), 4);
    let notes = vec!["<b>a note</b> \u{1b}[31m".to_owned()];
    DiffTrace::new(("test", "0"), [a.info(), b.info()], text, report, judged, notes)
}

fn plain() -> TableOptions {
    TableOptions::default().with_color(ColorLevel::None)
}

#[test]
fn there_is_a_picture_for_every_number_with_every_cell() {
    let trace = trace("all,heads", true);
    let pictures = picture::diff(&trace, &PictureOptions::default()).unwrap();
    let stems: Vec<&str> = pictures.iter().map(|picture| &*picture.stem).collect();
    assert_eq!(stems, ["own", "relative", "kl", "heads_own", "heads_relative", "heads_kl"]);
    for picture in &pictures {
        let svg = &picture.pages[0].svg;
        roxmltree::Document::parse(svg).unwrap();
        for says in
            ["A: toy · toy · 3 layers · f32 · cpu", "3 sequences of up to 4 tokens, 12 positions", "layer"]
        {
            assert!(svg.contains(says), "{says} is not in {}", picture.stem);
        }
    }
    let texts = |stem: &str| {
        let picture = pictures.iter().find(|picture| picture.stem == stem).unwrap();
        let document = roxmltree::Document::parse(&picture.pages[0].svg).unwrap();
        let texts = document.descendants().filter(|node| node.has_tag_name("text"));
        texts.map(|node| node.text().unwrap_or_default().trim().to_owned()).collect::<Vec<String>>()
    };
    // Of six components one differs by its own doing.
    let own = texts("own");
    let (zeros, at) =
        (own.iter().filter(|text| *text == "0").count(), own.iter().filter(|t| *t == "attn_out").count());
    // Five cells, the name of a layer, and the beginning of the scale.
    assert_eq!((zeros, at), (7, 1), "{own:?}");
    assert!(texts("heads_own").iter().any(|text| text == "head"));
    assert!(texts("kl").iter().any(|text| text == "resid_post"));
}

#[test]
fn what_is_equal_is_drawn_too_and_nothing_is_refused() {
    let pictures = picture::diff(&trace("all", false), &PictureOptions::default()).unwrap();
    assert_eq!(pictures.len(), 3);
    let error = picture::diff(&trace("embed", false), &PictureOptions::default()).unwrap_err();
    assert!(matches!(error, PictureError::Empty { .. }), "{error}");
    let ranged = PictureOptions::default().with_range(Some((0.0, 2.0)));
    assert_ne!(
        picture::diff(&trace("all", true), &ranged).unwrap(),
        picture::diff(&trace("all", true), &PictureOptions::default()).unwrap()
    );
}

#[test]
fn a_terminal_has_the_answers_first_and_then_where() {
    let trace = trace("all,heads", true);
    let text = terminal::diff(&trace, 4, &plain().with_width(100));
    let order = [
        "A ",
        "B ",
        "text",
        "note",
        "final",
        "KL(A || B)",
        "same top-1",
        "changed",
        "gate",
        "fails",
        "passes",
        "most by own",
        "\n layer   attn_out",
    ];
    let places: Vec<usize> =
        order.iter().map(|says| text.find(says).unwrap_or_else(|| panic!("{says}: {text}"))).collect();
    assert!(places.is_sorted(), "{places:?}: {text}");
    assert!(text.contains("2 of 13 components, beyond rounding (3.9e-6): the first is L1.head.1"), "{text}");
    assert!(!text.contains('\u{1b}') && text.contains("kl>1e-9: it is "), "{text}");
    for width in [20, 40, 79] {
        let narrow = terminal::diff(&trace, 4, &plain().with_width(width));
        assert!(narrow.lines().all(|line| line.chars().count() <= width), "{narrow}");
    }
    let ascii = terminal::diff(&trace, 4, &plain().with_ascii(true));
    assert!(ascii.is_ascii(), "{ascii}");
    let colours = terminal::diff(&trace, 4, &plain().with_color(ColorLevel::TrueColor));
    assert!(colours.contains("\u{1b}[48;2;"));
}

#[test]
fn a_page_loads_nothing_and_no_text_is_markup() {
    let mut trace = trace("all", true);
    trace.a.id = "<script>alert(1)</script>https://example.com/\u{202e}".to_owned();
    let page = page::diff(&trace, &PictureOptions::default()).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("default-src 'none'"));
    assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains('\u{202e}'));
    // An address is text: nothing names one to be loaded or followed.
    for loads in ["href", "src=", "url(", "@import", "<link", "<img", "<iframe"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("<th scope=\"row\">L1.attn_out</th>"));
    assert_eq!(page.matches("<tr><th scope=\"row\">").count(), trace.report.rows.len());
}
