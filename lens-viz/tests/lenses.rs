//! Traces of several lenses: each view shows one of them and says which.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::num::NonZeroUsize;

mod browser;

use browser::{Tab, tab};
use lens_core::{
    Backend, Component, Lens, LensChoice, LensMap, LensSet, LensTrace, Plan, Provenance, Question, Site,
    Statistic, TokenId, TraceContext, Translator, toy::ToyBackend,
};
use lens_viz::{
    excerpt, logitlenskit,
    page::{PageOptions, page},
    picture::{PictureKind, PictureOptions, svg},
    terminal::{TableOptions, heatmap, table},
};

const WIDTH: usize = 8;

/// A Jacobian lens that turns every vector around, so that none of its readouts is the plain one's.
fn jacobian() -> LensChoice {
    let turned = |i: usize| if i.is_multiple_of(WIDTH + 1) { -1.0 } else { 0.1 };
    let map = || LensMap::new(WIDTH, (0..WIDTH * WIDTH).map(turned).collect(), None, false).unwrap();
    let maps = (0..3).map(|layer| (layer, map()));
    let lens = Translator::jacobian(WIDTH, Site::ResidPost, maps, Provenance::default()).unwrap();
    LensChoice::Translated(lens.into())
}

/// A trace with one token kept of each readout.
fn trace(lenses: impl IntoIterator<Item = LensChoice>) -> LensTrace {
    let mut model = ToyBackend::new(3, WIDTH, 40, 5);
    let tokens: Vec<TokenId> = [3, 14, 15, 9].map(TokenId).to_vec();
    let plan = Plan::default()
        .with_positions("all".parse().unwrap())
        .with_components("resid_post".parse().unwrap())
        .with_question(Question::default().with_top_k(NonZeroUsize::MIN))
        .with_lenses(LensSet::new(lenses).unwrap());
    let reading = Lens::new(&mut model).read(&tokens, &plan).unwrap();
    LensTrace::new(&reading, &TraceContext::new(("test", "0"), model.info(), &tokens, &()))
}

/// The plain lens alone, with the verdict on its rows that a trace of several lenses has.
fn judged() -> LensTrace {
    let mut plain = trace([LensChoice::Logit]);
    plain.faithfulness = plain.rows_faithfulness();
    plain
}

fn both() -> LensTrace {
    trace([LensChoice::Logit, jacobian()])
}

#[test]
fn a_picture_shows_one_lens_and_says_which() {
    let (both, plain) = (both(), judged());
    let drawn = |trace: &LensTrace, kind, lens: Option<&str>| {
        let options = PictureOptions::default().with_lens(lens.map(str::to_owned));
        svg(trace, kind, &options).map(|pages| pages[0].svg.clone())
    };
    for kind in PictureKind::all() {
        let Ok(expected) = drawn(&plain, kind, None) else { continue };
        assert_eq!(drawn(&both, kind, None).unwrap(), expected, "{kind:?}");
        assert!(expected.contains("logit lens"));
        let other = drawn(&both, kind, Some("jacobian")).unwrap();
        assert!(other.contains("jacobian lens") && !other.contains("logit lens") && other != expected);
    }
    let error = drawn(&both, PictureKind::AllLayers, Some("tuned")).unwrap_err().to_string();
    assert!(error.contains(r#"no lens "tuned" (it has: logit, jacobian)"#), "{error}");
}

#[test]
fn a_table_shows_one_lens_and_says_which() {
    let (both, plain) = (both(), judged());
    let mut options = TableOptions::default();
    assert_eq!(table(&both, &options).unwrap(), table(&plain, &options).unwrap());
    let what = PictureOptions::default().with_lens(Some("jacobian".to_owned()));
    let alone = excerpt(both.clone(), &what).unwrap();
    assert!(alone.readouts.iter().all(|readout| readout.lens.as_deref() == Some("jacobian")));
    options.lens = Some("jacobian".to_owned());
    let text = table(&both, &options).unwrap();
    assert_eq!(text, table(&alone, &TableOptions::default()).unwrap());
    assert!(text.contains("jacobian"), "{text}");
    let measure = lens_viz::Measure::Probability;
    let one = heatmap(&both, measure, &what, &TableOptions::default()).unwrap();
    assert_eq!(one, heatmap(&alone, measure, &PictureOptions::default(), &TableOptions::default()).unwrap());
}

#[test]
fn a_row_that_cannot_be_trusted_is_grey_and_the_table_says_how_far_each_can() {
    let mut judged = judged();
    let grid = |trace: &LensTrace| {
        let pages = svg(trace, PictureKind::default_grid(), &PictureOptions::default()).unwrap();
        pages[0].svg.clone()
    };
    judged.faithfulness.iter_mut().for_each(|row| row.trusted = true);
    let coloured = grid(&judged);
    assert!(!coloured.contains("grey rows"));
    let mut unjudged = judged.clone();
    unjudged.faithfulness.clear();
    assert_eq!(grid(&unjudged), coloured);
    judged.faithfulness[0].trusted = false;
    let grey = grid(&judged);
    assert!(grey.contains("grey rows") && grey != coloured);

    let wide = TableOptions::default().with_width(120);
    let text = table(&judged, &wide).unwrap();
    assert!(text.contains("trust") && text.contains("●"), "{text}");
    assert!(!table(&unjudged, &wide).unwrap().contains("trust"));
    let ascii = table(&judged, &wide.with_ascii(true)).unwrap();
    assert!(ascii.is_ascii() && ascii.contains("5 as the final layer"), "{ascii}");
}

#[test]
fn every_lens_has_pictures_of_its_own() {
    let stems = |trace: &LensTrace| {
        lens_viz::picture::files(trace).into_iter().map(|file| file.stem).collect::<Vec<_>>()
    };
    let plain = stems(&judged());
    let all = stems(&both());
    assert_eq!(all.len(), 2 * plain.len());
    assert_eq!(all[..plain.len()], plain);
    assert!(all[plain.len()..].iter().all(|stem| stem.ends_with("_jacobian")), "{all:?}");
}

#[test]
fn tables_of_a_run_have_one_for_every_lens() {
    use lens_core::sink::Sink;
    let mut out = Vec::new();
    let mut sink = lens_viz::sink::tables(&mut out, TableOptions::default(), "=====\n".to_owned());
    sink.whole(&both()).unwrap();
    drop(sink);
    let text = String::from_utf8(out).unwrap();
    // Four positions, two lenses.
    assert_eq!(text.matches("=====").count(), 7);
    assert_eq!(text.matches("jacobian").count(), 4);
}

#[test]
fn a_page_has_every_lens_to_choose() {
    let html = page(&both(), &PageOptions::default()).unwrap();
    for head in [r#"id="head-0">"#, r#"id="head-1" hidden>"#, "Logit lens", "Jacobian lens"] {
        assert!(html.contains(head), "{head}");
    }
    assert!(!page(&trace([jacobian()]), &PageOptions::default()).unwrap().contains(r#"id="head-1""#));
}

/// With one token kept of each readout, a line from layer to layer is made of what the position tracks.
#[test]
fn trajectories_have_no_gaps() {
    let plain = trace([LensChoice::Logit]);
    let has_gap = |trace: &LensTrace| {
        let pages = svg(trace, PictureKind::Trajectories, &PictureOptions::default()).unwrap();
        pages.iter().any(|page| page.svg.contains("a gap: the token"))
    };
    assert!(!has_gap(&plain));
    let mut without = plain.clone();
    without.readouts.iter_mut().for_each(|readout| readout.tracked.clear());
    assert!(has_gap(&without), "this trace would have a gap");

    let written = logitlenskit::to_v2(&plain, Component::Site(Site::ResidPost)).unwrap();
    let tracked = written.tracked.iter().flat_map(|by_token| by_token.values().flatten());
    assert!(tracked.clone().count() > 3 && tracked.clone().all(|prob| *prob > 0.0));
}

/// What the page says of every cell, by row and column: its number, its classes, and whether it is marked.
fn grid(tab: &mut Tab) -> Vec<Vec<(f64, String, bool)>> {
    let cells = tab.run(
        "[...document.querySelectorAll('[role=gridcell]')].map((cell) => \
         [+cell.parentNode.getAttribute('aria-rowindex') - 2, +cell.getAttribute('aria-colindex') - 2, \
         cell.querySelector('.number').textContent, cell.className, cell.classList.contains('hit')])",
    );
    let mut grid = vec![vec![(f64::NAN, String::new(), false); 4]; 3];
    for cell in cells.as_array().unwrap() {
        let [row, column] = [0, 1].map(|i| cell[i].as_u64().unwrap() as usize);
        let written = cell[2].as_str().unwrap().replace('−', "-");
        let number = written.parse().unwrap_or_else(|_| panic!("{written} is no number"));
        grid[row][column] = (number, cell[3].as_str().unwrap().to_owned(), cell[4].as_bool().unwrap());
    }
    grid
}

/// The class that is a cell's colour.
fn colour(class: &str) -> String {
    let is_colour = |one: &&str| {
        one.strip_prefix(['q', 'd'])
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    class.split(' ').find(is_colour).unwrap_or_default().to_owned()
}

/// What a tooltip says of the middle of the curves, and what stands beside the grid.
fn curve_and_detail(tab: &mut Tab) -> [String; 2] {
    tab.hover("#by-layer");
    [tab.text_of("#by-layer ~ .tip"), tab.text_of("#detail")]
}

#[test]
fn every_view_of_a_page_follows_the_lens_that_is_chosen() {
    let Some(mut tab) = tab(1280, 1200) else { return };
    let both = both();
    let lenses = ["logit", "jacobian"].map(|name| both.of_lens(Some(name)).unwrap().into_owned());
    let html = page(&both, &PageOptions::default()).unwrap();
    tab.open(&html, "#at=L1.resid_post&position=2");
    tab.choose("statistic", "kl_to_final");
    let choices = "[...document.getElementById('trace').options].map((option) => option.textContent)";
    assert_eq!(tab.run(choices), serde_json::json!(["logit lens", "jacobian lens"]));
    let kl = |lens: usize, layer: usize, position: usize| {
        let here = |r: &&lens_core::ReadoutTrace| r.layer == Some(layer as u16) && r.position == position;
        lenses[lens].readouts.iter().find(here).unwrap().get(Statistic::KlToFinal).unwrap()
    };
    let near = |number: f64, expected: f64| (number - expected).abs() <= 0.006_f64.max(0.01 * expected.abs());

    let mut said = Vec::new();
    for lens in [0, 1, 0] {
        tab.choose("trace", &lens.to_string());
        let cells = grid(&mut tab);
        for (layer, row) in cells.iter().enumerate() {
            for (position, (number, ..)) in row.iter().enumerate() {
                let expected = kl(lens, layer, position);
                assert!(
                    near(*number, expected),
                    "lens {lens}, layer {layer} at {position}: {number} for {expected}"
                );
            }
        }
        // The text at the chosen layer has the colours of that row.
        let words = tab.run("[...document.querySelectorAll('.word-here')].map((word) => word.className)");
        let words: Vec<String> = serde_json::from_value(words).unwrap();
        for (position, class) in words.iter().enumerate() {
            assert_eq!(colour(class), colour(&cells[1][position].1), "lens {lens} at {position}");
        }
        said.push(curve_and_detail(&mut tab));
        // What is found is found in this lens.
        let top = |layer: usize, position: usize| {
            let here = |r: &&lens_core::ReadoutTrace| r.layer == Some(layer as u16) && r.position == position;
            lenses[lens].readouts.iter().find(here).unwrap().top[0].id
        };
        let sought = top(1, 2);
        tab.run("document.querySelector('#detail tbody tr:first-child .everywhere').click()");
        for (layer, row) in grid(&mut tab).iter().enumerate() {
            for (position, (_, _, hit)) in row.iter().enumerate() {
                assert_eq!(*hit, top(layer, position) == sought, "lens {lens}, layer {layer} at {position}");
            }
        }
        tab.run("document.querySelector('#detail tbody tr:first-child .everywhere').click()");
        assert_eq!(tab.count(".cell.hit"), 0);
    }
    assert_eq!(said[0], said[2], "it is as it was");
    assert!(said[0][0] != said[1][0], "the curve is the same: {}", said[0][0]);
    assert!(said[0][1] != said[1][1], "the readout is the same: {}", said[0][1]);

    // One lens less the other, in numbers and in words, and by a link.
    tab.choose("trace", "1");
    tab.choose("minus", "0");
    assert!(tab.text_of("#pair-says").contains("The lenses differ"), "{}", tab.text_of("#pair-says"));
    let less = grid(&mut tab);
    for (layer, row) in less.iter().enumerate() {
        for (position, (number, class, _)) in row.iter().enumerate() {
            let expected = kl(1, layer, position) - kl(0, layer, position);
            assert!(near(*number, expected), "layer {layer} at {position}: {number} for {expected}");
            assert!(colour(class).starts_with('d'), "{class}");
        }
    }
    let link = tab.text("location.hash");
    tab.open(&html, &link);
    assert_eq!(grid(&mut tab), less);
    tab.assert_quiet();
}

#[test]
fn cells_of_a_page_say_where_they_only_repeat_the_input() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let mut trace = judged();
    let echo = trace.readouts.iter_mut().find(|r| r.layer == Some(1) && r.position == 2).unwrap();
    let own = &trace.tokens[2];
    (echo.top[0].id, echo.top[0].text) = (own.id, own.text.clone());
    let others: usize = trace
        .readouts
        .iter()
        .filter(|r| r.component.name() == "resid_post" && r.top[0].id == trace.tokens[r.position].id)
        .count();
    tab.open(&page(&trace, &PageOptions::default()).unwrap(), "");
    assert_eq!(tab.count(".cell.echoes"), others as u64);
    let styles = tab.run(
        "(() => { const at = document.querySelector(\"[role=row][aria-rowindex='3'] > [aria-colindex='4'] .token\"); \
         const { fontStyle, color } = getComputedStyle(at); const cell = getComputedStyle(at.closest('.cell')); \
         return [fontStyle, color, cell.color]; })()",
    );
    assert_eq!(styles[0], "italic", "{styles}");
    // What it is on every colour is tested with the ramps.
    let rule = "[...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).filter((rule) => \
                rule.selectorText?.startsWith('.q40.echoes .token')).length";
    assert_eq!(tab.run(rule), serde_json::json!(1));
    tab.choose("statistic", "kl_to_final");
    assert_eq!(tab.count(".cell.echoes"), others as u64);
    tab.assert_quiet();
}
