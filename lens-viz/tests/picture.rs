//! Pictures against golden files, and what they never do.
//!
//! `tests/golden/*.svg` are pictures of the traces beside them. After a change that is meant,
//! `LENS_BLESS=1 cargo test -p lens-viz` writes them anew; look at them before keeping them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod synthetic;

use std::{collections::BTreeSet, fs, num::NonZeroU16, path::PathBuf, sync::Arc};

use lens_core::{Component, InterventionTrace, LensTrace, ReadoutTrace, Site, Statistic, TokenId};
use lens_viz::{
    Measure, Ramp, Rgb, display_safe,
    picture::{
        Fonts, Importance, Paper, PaperWidth, Picture, PictureError, PictureKind, PictureOptions,
        RasterFormat, Unit, files, pdf, png, raster, svg,
    },
};
use proptest::prelude::*;
use synthetic::{HOSTILE, MIXED, SITES, Shape, kinds};

const RANK: Measure = Measure::Of(Statistic::RankOfFinal);
const KL: Measure = Measure::Of(Statistic::KlToFinal);
const RESID_POST: Component = Component::Site(Site::ResidPost);

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn saved(name: &str) -> LensTrace {
    serde_json::from_slice(&fs::read(golden(&format!("{name}.json"))).unwrap()).unwrap()
}

fn small(layers: u16, positions: std::ops::Range<usize>, texts: &[&str]) -> LensTrace {
    synthetic::trace(&Shape { layers, components: &SITES, positions, top: 4, texts })
}

fn one(trace: &LensTrace, kind: PictureKind, options: &PictureOptions) -> Picture {
    let mut pages = svg(trace, kind, options).unwrap();
    assert_eq!(pages.len(), 1);
    pages.remove(0)
}

/// The texts of a picture, in the order in which they are drawn. The SVG has to be well-formed for this.
fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap_or_default().trim_matches('\n').to_owned()).collect()
}

/// Filled rectangles in pixels: x, y, width, height, fill.
fn rects(svg: &str) -> Vec<([f64; 4], String)> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let rects = document.descendants().filter(|node| node.has_tag_name("rect"));
    rects
        .map(|node| {
            let number = |name| node.attribute(name).unwrap().parse::<f64>().unwrap() / 10.0;
            (["x", "y", "width", "height"].map(number), node.attribute("fill").unwrap().to_owned())
        })
        .collect()
}

fn hex(Rgb(r, g, b): Rgb) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// Width, height and pixels of an RGB PNG.
fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let image = image::load_from_memory(bytes).unwrap();
    assert_eq!(image.color(), image::ColorType::Rgb8);
    (image.width(), image.height(), image.into_bytes())
}

#[test]
fn pictures_equal_the_golden_files() {
    let bless = std::env::var_os("LENS_BLESS").is_some();
    let cases = [
        ("hostile", PictureKind::AllLayers),
        ("common", PictureKind::ImportantLayers),
        ("few_layers", PictureKind::Grid(Measure::Logit)),
        ("parallel_targets", PictureKind::Trajectories),
        ("common", PictureKind::Curves),
        ("common", PictureKind::Grid(KL)),
    ];
    for (name, kind) in cases {
        let options = PictureOptions::default().with_top(4.try_into().unwrap());
        let path = golden(&format!("{name}.{kind}.svg"));
        let picture = one(&saved(name), kind, &options).svg;
        if bless {
            fs::write(&path, &picture).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(picture == expected, "{} is not what is drawn now; LENS_BLESS=1 keeps it", path.display());
        assert!(picture.len() < 100_000, "{} is too large to be kept", path.display());
    }
}

#[test]
fn every_cell_says_its_token_and_shows_its_probability() {
    let trace = small(3, 4..5, &["alpha", " beta", "你好", "\n"]);
    let picture = one(&trace, PictureKind::AllLayers, &PictureOptions::default());
    let texts = texts(&picture.svg);
    let rects = rects(&picture.svg);
    for token in trace.readouts.iter().flat_map(|readout| &readout.top) {
        let id = format!(" <id {}>", token.id);
        let name = display_safe(&token.text).replace(' ', "·");
        assert!(
            texts.contains(&name) || texts.contains(&format!("{name}{id}")),
            "{name} is not in {texts:?}"
        );
        let colour = hex(Ramp::default().at(token.prob));
        assert!(rects.iter().any(|(_, fill)| *fill == colour), "no cell has the colour {colour}");
    }
    let cells = trace.readouts.len() * 4;
    assert!(rects.len() > cells, "{} rectangles for {cells} cells", rects.len());
}

#[test]
fn tokens_with_one_text_keep_their_columns_and_say_their_ids() {
    let mut trace = small(1, 0..1, &["the"]);
    for readout in &mut trace.readouts {
        for (id, token) in readout.top.iter_mut().enumerate() {
            token.id = TokenId(id as u32);
        }
    }
    let texts = texts(&one(&trace, PictureKind::AllLayers, &PictureOptions::default()).svg);
    for id in 0..4 {
        let n = texts.iter().filter(|text| **text == format!("the <id {id}>")).count();
        assert_eq!(n, trace.readouts.len(), "the <id {id}> in {texts:?}");
    }
}

#[test]
fn a_star_stands_where_the_model_is_right() {
    let mut trace = small(2, 0..3, &["a", "b"]);
    for (i, token) in trace.tokens.iter_mut().enumerate() {
        (token.id, token.text) = (TokenId(100 + i as u32), Arc::from(format!("t{i}")));
    }
    let options = PictureOptions::default();
    let stars = |trace: &LensTrace| {
        let picture = one(trace, PictureKind::Grid(RANK), &options);
        texts(&picture.svg).iter().filter(|text| *text == "*").count()
    };
    assert_eq!(stars(&trace), 0);
    let right = trace.readouts.iter_mut().find(|r| r.component == RESID_POST && r.position == 1).unwrap();
    right.top[0].id = TokenId(102);
    assert_eq!(stars(&trace), 1, "one cell");
    trace.finals[1].top[0].id = TokenId(102);
    assert_eq!(stars(&trace), 1, "columns have none");
    trace.finals[2].top[0].id = TokenId(103);
    assert_eq!(stars(&trace), 1, "nothing comes after the last position");
}

#[test]
fn only_signs_that_are_drawn_are_explained() {
    let mut trace = small(3, 0..3, &["a", "b"]);
    for (i, token) in trace.tokens.iter_mut().enumerate() {
        token.id = TokenId(100 + i as u32);
    }
    trace.finals[2].decided_at = Some(1);
    let says = |trace: &LensTrace, kind, options: &PictureOptions, sign: &str| {
        texts(&one(trace, kind, options).svg).iter().any(|text| text.starts_with(sign))
    };
    let all = PictureOptions::default();
    let last = PictureOptions::default().with_layers(vec![2]);
    assert!(says(&trace, PictureKind::AllLayers, &all, "▸ from this layer"));
    assert!(!says(&trace, PictureKind::AllLayers, &last, "▸ from this layer"));
    let grid = PictureKind::Grid(Measure::Probability);
    assert!(!says(&trace, grid, &all, "* it is"));
    trace.readouts.iter_mut().find(|r| r.component == RESID_POST).unwrap().top[0].id = TokenId(101);
    assert!(says(&trace, grid, &all, "* it is"));
}

#[test]
fn cells_and_legends_have_one_unit_and_name_their_component() {
    let trace = small(2, 0..2, &["a"]);
    for (kind, name) in [
        (PictureKind::AllLayers, "probability, %"),
        (PictureKind::Grid(Measure::Probability), "probability of the top-1 token of resid_post, %"),
        (PictureKind::Grid(RANK), "rank of the final top-1 token in resid_post"),
    ] {
        let texts = texts(&one(&trace, kind, &PictureOptions::default()).svg);
        let at = texts.iter().position(|text| text == name).unwrap_or_else(|| panic!("{name}: {texts:?}"));
        let ends = if kind == PictureKind::Grid(RANK) { ["1", "10"] } else { ["0", "20"] };
        assert_eq!(texts[at + 1..at + 3], ends);
    }
}

#[test]
fn what_the_model_wrote_is_not_called_the_prompt() {
    let mut trace = small(2, 0..2, &["a", "b"]);
    trace.tokens[1].generated = true;
    let texts = texts(&one(&trace, PictureKind::AllLayers, &PictureOptions::default()).svg);
    assert!(texts.iter().any(|text| text.starts_with("text: ")), "{texts:?}");
    assert!(!texts.iter().any(|text| text.starts_with("prompt")), "{texts:?}");
}

#[test]
fn a_picture_says_what_no_font_has() {
    let trace = small(2, 0..2, &["a", "\u{10fffd}\u{10fffc}\u{10fffd}"]);
    let missing = |fonts| {
        let options = PictureOptions::default().with_fonts(fonts);
        one(&trace, PictureKind::Grid(Measure::Probability), &options).missing
    };
    assert_eq!(missing(Fonts::Installed), ['\u{10fffc}', '\u{10fffd}']);
    assert!(missing(Fonts::Viewer).is_empty(), "who looks at it may have the font");
}

#[test]
fn a_stride_keeps_the_last_layer() {
    let trace = small(12, 0..2, &MIXED);
    let options = PictureOptions::default().with_stride(NonZeroU16::new(5).unwrap());
    let texts = texts(&one(&trace, PictureKind::Grid(KL), &options).svg);
    let layers: Vec<&str> =
        ["5", "6", "10", "11"].into_iter().filter(|layer| texts.iter().any(|text| text == layer)).collect();
    assert_eq!(layers, ["5", "10", "11"]);
    assert!(texts.iter().any(|text| text == "embed"));
}

#[test]
fn the_title_says_what_the_picture_is_of() {
    let mut trace = small(2, 0..2, &["one"]);
    trace.model.id = "org/model".to_owned();
    trace.model.family_assumed = true;
    trace.lens.kind = "logit".to_owned();
    trace.self_check.as_mut().unwrap().passed = false;
    trace.interventions.push(InterventionTrace::new("L1.mlp_out", "zero", "zero L1.mlp_out"));
    for kind in kinds() {
        let text = texts(&one(&trace, kind, &PictureOptions::default()).svg).join("\n");
        for fact in [
            "org/model @ 0123456789ab",
            "(family assumed)",
            "bf16",
            "logit lens",
            "norm recomputed",
            "prompt: ",
            "changed: zero L1.mlp_out",
            "self-check FAILED",
        ] {
            assert!(text.contains(fact), "{kind} does not say {fact:?}:\n{text}");
        }
    }
    let options = PictureOptions::default().with_title(Some("Figure <3>".to_owned()));
    let picture = one(&trace, PictureKind::Curves, &options);
    assert_eq!((picture.title.as_str(), texts(&picture.svg)[0].as_str()), ("Figure <3>", "Figure <3>"));
}

#[test]
fn every_picture_of_one_component_names_it() {
    let trace = small(3, 0..2, &MIXED);
    for component in [Component::Site(Site::MlpOut), Component::Site(Site::AttnOut), Component::Embed] {
        let options = PictureOptions::default().with_components(vec![component]);
        for kind in kinds() {
            let drawn = one(&trace, kind, &options);
            // No layer is important of `embed`, so there is nothing that could be named.
            if kind == PictureKind::ImportantLayers && component == Component::Embed {
                continue;
            }
            assert!(drawn.title.contains(component.name()), "{kind} of {component}: {:?}", drawn.title);
        }
    }
}

#[test]
fn nothing_reaches_outside_the_page() {
    for (width, layers, positions) in
        [(160, 12, 0..12), (320, 40, 0..30), (500, 40, 0..30), (1000, 40, 0..30), (2000, 40, 0..30)]
    {
        for kind in kinds() {
            let options = PictureOptions::default().with_width(Some(width));
            for page in svg(&small(layers, positions.clone(), &MIXED), kind, &options).unwrap() {
                assert!(page.width <= f64::from(width), "{kind} is {} wide", page.width);
                for ([x, y, w, h], _) in rects(&page.svg) {
                    assert!(x >= 0.0 && y >= 0.0, "{kind} at {width}");
                    assert!(x + w <= page.width + 0.05 && y + h <= page.height + 0.05, "{kind} at {width}");
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_a_page_is_split_between_layers() {
    let trace =
        synthetic::trace(&Shape { layers: 80, components: &SITES, positions: 0..40, top: 10, texts: &MIXED });
    let pages = svg(&trace, PictureKind::AllLayers, &PictureOptions::default()).unwrap();
    assert!(pages.len() > 1);
    assert!(pages.iter().all(|page| page.height <= 1.5 * 1000.0 + 20.0));
    assert_eq!(pages[1].file_stem("all_layers_step_0"), "all_layers_step_0_page_2");
    let note = texts(&pages[1].svg).into_iter().find(|text| text.starts_with("page 2 of")).unwrap();
    assert!(note.contains("layers"), "{note}");
    let grid = svg(&trace, PictureKind::Grid(Measure::Logit), &PictureOptions::default()).unwrap();
    assert_eq!(grid.len(), 1, "positions go on in a second band");
    let asked = PictureOptions::default().with_width(Some(1000));
    assert!(svg(&trace, PictureKind::Grid(Measure::Logit), &asked).unwrap().len() > 1);
}

/// Texts with the places that they are written at, in pixels.
fn placed(svg: &str) -> Vec<(f64, f64, String)> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts
        .map(|node| {
            let number = |name| node.attribute(name).unwrap().parse::<f64>().unwrap() / 10.0;
            let text = node.text().unwrap_or_default().trim_matches('\n').to_owned();
            (number("x"), number("y"), text)
        })
        .collect()
}

#[test]
fn the_first_layer_is_at_the_top_of_every_grid() {
    let trace = small(9, 0..3, &MIXED);
    for kind in kinds() {
        if matches!(kind, PictureKind::Trajectories | PictureKind::Curves) {
            continue;
        }
        let picture = one(&trace, kind, &PictureOptions::default());
        let height = |layer: &str| {
            let found = placed(&picture.svg).into_iter().filter(|(x, _, text)| *x < 90.0 && text == layer);
            found.map(|(_, y, _)| y).next().unwrap_or_else(|| panic!("{kind} has no row {layer}"))
        };
        assert!(height("3") < height("8"), "{kind}");
        assert!(texts(&picture.svg).iter().any(|text| text == "layer, the first at the top"), "{kind}");
    }
}

#[test]
fn a_long_prompt_goes_on_below_on_one_page() {
    for (layers, positions) in [(32, 60), (80, 60), (12, 36), (4, 150)] {
        let shape = Shape { layers, components: &SITES, positions: 0..positions, top: 1, texts: &MIXED };
        let picture = one(&synthetic::trace(&shape), PictureKind::Grid(KL), &PictureOptions::default());
        assert!(
            picture.width <= 2400.0 && picture.height <= 1.52 * picture.width.max(1000.0),
            "{layers} by {positions}: {} by {}",
            picture.width,
            picture.height
        );
        // Every position has its column, and every band the names of all layers.
        let texts = texts(&picture.svg);
        for position in 0..positions {
            assert!(texts.iter().any(|text| *text == position.to_string()), "{position}");
        }
        assert!(texts.iter().filter(|text| *text == "embed").count() > 1);
    }
}

#[test]
fn wrapped_cells_are_wide_enough_for_their_tokens() {
    let shape = Shape {
        layers: 6,
        components: &[RESID_POST],
        positions: 0..70,
        top: 1,
        texts: &[" the", " capitalisation"],
    };
    let picture = one(&synthetic::trace(&shape), PictureKind::Grid(KL), &PictureOptions::default());
    let texts = texts(&picture.svg);
    assert!(texts.iter().any(|text| text == "·capitalisation" || text == " capitalisation"), "{texts:?}");
    let is_cut = |text: &&String| text.contains('…') && !text.starts_with("prompt:");
    assert_eq!(texts.iter().find(is_cut), None);
}

#[test]
fn a_line_stands_before_what_the_model_wrote() {
    let mut trace = small(3, 0..8, &["a", "b"]);
    let lines = |trace: &LensTrace| {
        let picture = one(trace, PictureKind::Grid(KL), &PictureOptions::default());
        let says = texts(&picture.svg).iter().filter(|text| text.starts_with("upright line: ")).count();
        let document = roxmltree::Document::parse(&picture.svg).unwrap();
        let wide = |node: &roxmltree::Node<'_, '_>| node.attribute("stroke-width") == Some("18");
        (document.descendants().filter(wide).count(), says)
    };
    assert_eq!(lines(&trace), (0, 0));
    trace.tokens.iter_mut().skip(5).for_each(|token| token.generated = true);
    assert_eq!(lines(&trace), (1, 1));
    trace.tokens.iter_mut().for_each(|token| token.generated = true);
    assert_eq!(lines(&trace), (0, 0), "there is no prompt to set it apart from");
}

#[test]
fn a_token_that_repeats_the_input_is_pale() {
    let mut trace = small(2, 0..3, &["a", "b"]);
    for (i, token) in trace.tokens.iter_mut().enumerate() {
        token.id = TokenId(100 + i as u32);
    }
    let grid = PictureKind::Grid(KL);
    let drawn = |trace: &LensTrace| one(trace, grid, &PictureOptions::default()).svg;
    let before = drawn(&trace);
    assert!(!texts(&before).iter().any(|text| text.starts_with("pale, in italics: ")));
    let echo = trace.readouts.iter_mut().find(|r| r.component == RESID_POST && r.position == 1).unwrap();
    echo.top[0].id = TokenId(101);
    let after = drawn(&trace);
    assert!(texts(&after).iter().any(|text| text.starts_with("pale, in italics: ")));
    let inks = |svg: &str| -> Vec<String> {
        let document = roxmltree::Document::parse(svg).unwrap();
        let texts = document.descendants().filter(|node| node.has_tag_name("text"));
        let texts = texts.filter(|node| !node.text().unwrap_or_default().contains("pale, in italics: "));
        texts.map(|node| node.attribute("fill").unwrap_or_default().to_owned()).collect()
    };
    let changed = inks(&before).iter().zip(inks(&after)).filter(|(a, b)| *a != b).count();
    assert_eq!(changed, 1, "one token is written in another ink");
    let fills = |svg: &str| rects(svg).into_iter().map(|(_, fill)| fill).collect::<Vec<_>>();
    assert_eq!(fills(&before), fills(&after), "colours of cells say what they said");
}

/// The texts that are slanted, with the contrast of each to the cell that it stands on.
fn slanted(svg: &str) -> Vec<(String, f32)> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let rects = rects(svg);
    let colour = |hex: &str| {
        let channel = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Rgb(channel(1), channel(3), channel(5))
    };
    let of = |node: roxmltree::Node<'_, '_>| {
        let place = node.attribute("transform")?.strip_prefix("translate(")?.strip_suffix(") skewX(-14)")?;
        let (x, y) = place.split_once(',')?;
        let [x, y] = [x, y].map(|number| number.parse::<f64>().unwrap() / 10.0);
        let is_below = |[left, top, width, height]: [f64; 4]| {
            (left..left + width).contains(&x) && (top..top + height).contains(&y)
        };
        // What was drawn last is on top.
        let (_, ground) = rects.iter().rfind(|(frame, _)| is_below(*frame)).unwrap();
        let contrast = colour(node.attribute("fill").unwrap()).contrast(colour(ground));
        Some((node.text().unwrap().trim_matches('\n').to_owned(), contrast))
    };
    document.descendants().filter(|node| node.has_tag_name("text")).filter_map(of).collect()
}

#[test]
fn tokens_that_repeat_the_input_are_slanted_and_can_be_read_on_every_colour() {
    let mut trace = small(40, 0..3, &["a", "b"]);
    for (i, token) in trace.tokens.iter_mut().enumerate() {
        token.id = TokenId(100 + i as u32);
    }
    assert_eq!(slanted(&one(&trace, PictureKind::Grid(KL), &PictureOptions::default()).svg), []);
    for readout in &mut trace.readouts {
        readout.top[0].id = trace.tokens[readout.position].id;
    }
    for ramp in [Ramp::Viridis, Ramp::Cividis] {
        for measure in [KL, RANK, Measure::Probability, Measure::Logit] {
            let mut options = PictureOptions::default();
            options.ramp = ramp;
            let found = slanted(&one(&trace, PictureKind::Grid(measure), &options).svg);
            assert!(found.len() >= 40, "{found:?}");
            for (text, contrast) in found {
                assert!(contrast >= 4.5, "{text:?} has a contrast of {contrast} in {measure:?}, {ramp:?}");
            }
        }
    }
}

#[test]
fn what_would_take_very_many_pages_is_refused_with_advice() {
    let trace = synthetic::trace(&Shape {
        layers: 100,
        components: &[RESID_POST],
        positions: 0..2000,
        top: 1,
        texts: &MIXED,
    });
    let error = svg(&trace, PictureKind::Grid(KL), &PictureOptions::default()).unwrap_err();
    assert!(matches!(error, PictureError::TooManyPages { rows: 100, columns: 2000, .. }), "{error}");
    assert!(error.to_string().contains("choose fewer positions"), "{error}");
}

#[test]
fn what_was_not_read_is_refused_with_what_was() {
    let trace = small(3, 1..3, &MIXED);
    let refused = |options: &PictureOptions, kind| svg(&trace, kind, options).unwrap_err().to_string();
    let position = PictureOptions::default().with_position(Some(9));
    assert_eq!(refused(&position, PictureKind::AllLayers), "position 9 was not read; the trace holds 1, 2");
    let layers = PictureOptions::default().with_layers(vec![7]);
    assert_eq!(refused(&layers, PictureKind::Curves), "layer 7 was not read; the trace holds 0, 1, 2");
    let components = PictureOptions::default().with_components(vec![Component::Site(Site::ResidPre)]);
    assert!(refused(&components, PictureKind::Trajectories).starts_with("resid_pre was not read"));
    let tokens = PictureOptions::default().with_tokens(vec![TokenId(999_999)]);
    assert!(refused(&tokens, PictureKind::Trajectories).starts_with("token 999999 is in no readout"));
    let width = PictureOptions::default().with_width(Some(1));
    assert!(refused(&width, PictureKind::Curves).contains("from 160 to 10000"));
    let range = PictureOptions::default().with_range(Some((1.0, f32::NAN)));
    assert!(refused(&range, PictureKind::Curves).contains("two finite numbers"));
    let mut nothing = trace.clone();
    nothing.readouts.clear();
    let error = svg(&nothing, PictureKind::Curves, &PictureOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "the trace holds no readout: there is nothing to draw");
}

#[test]
fn a_position_without_important_layers_says_so() {
    let mut trace = small(3, 0..1, &MIXED);
    trace.finals[0].important_layers.clear();
    let said =
        |options: &PictureOptions| texts(&one(&trace, PictureKind::ImportantLayers, options).svg).join("\n");
    assert!(
        said(&PictureOptions::default()).contains("no layer shown has a token above the run's threshold")
    );
    let threshold = PictureOptions::default().with_threshold(Some(0.03));
    assert!(said(&threshold).contains("has a token above 3 %"));
}

#[test]
fn the_layers_that_move_most_can_be_drawn() {
    let mut trace = small(3, 0..1, &MIXED);
    let by_movement = PictureOptions::default().with_importance(Importance::Movement);
    let said = |trace: &LensTrace| texts(&one(trace, PictureKind::ImportantLayers, &by_movement).svg);
    trace.finals[0].important_by_movement = Some(vec![1]);
    let shown = said(&trace);
    assert!(shown.iter().any(|text| text.starts_with("layers that make more than twice")), "{shown:?}");
    let layers = |shown: &[String]| {
        let rows = |name: &&str| shown.iter().any(|text| text == name);
        ["embed", "0", "1", "2"].iter().filter(|name| rows(name)).count()
    };
    assert_eq!(layers(&said(&trace)), layers(&shown));
    trace.finals[0].important_by_movement = Some(vec![]);
    assert!(said(&trace).join("\n").contains("no layer shown makes more than twice"));
    // What the trace does not say is found in its readouts, and what they lack is said.
    trace.finals[0].important_by_movement = None;
    for (readout, kl) in stream(&mut trace).into_iter().zip([9.0, 8.9, 1.0, 0.0]) {
        readout.statistics.set(Statistic::KlToFinal, Some(kl));
    }
    assert_eq!(trace.important_by_movement(0), Some(vec![1]));
    assert_eq!(said(&trace), shown);
    for readout in stream(&mut trace) {
        readout.statistics.set(Statistic::KlToFinal, None);
    }
    let error = svg(&trace, PictureKind::ImportantLayers, &by_movement).unwrap_err().to_string();
    assert!(error.contains("the trace holds no distance of resid_post from the final answer"), "{error}");
}

/// The embedding and what each layer leaves.
fn stream(trace: &mut LensTrace) -> Vec<&mut ReadoutTrace> {
    let is_stream = |readout: &ReadoutTrace| matches!(readout.component.name(), "embed" | "resid_post");
    trace.readouts.iter_mut().filter(|readout| is_stream(readout)).collect()
}

#[test]
fn a_run_writes_its_steps_and_a_grid() {
    let mut trace = small(2, 0..3, &MIXED);
    let stems = |trace: &LensTrace| files(trace).into_iter().map(|file| file.stem).collect::<Vec<_>>();
    assert_eq!(stems(&trace), ["all_layers_step_0", "important_layers_step_0", "grid"]);
    assert_eq!(files(&trace)[0].options.position, Some(2));
    trace.readouts.retain(|readout| readout.position == 1);
    assert_eq!(stems(&trace).len(), 2);
    let step = r#"[{"step": 3, "position": 1, "token": {"id": 1, "text": "x", "prob": 0.5}},
                   {"step": 4, "position": 9, "token": {"id": 1, "text": "x", "prob": 0.5}}]"#;
    trace.steps = serde_json::from_str(step).unwrap();
    assert_eq!(stems(&trace), ["all_layers_step_3", "important_layers_step_3"]);
    for file in files(&trace) {
        svg(&trace, file.kind, &file.options).unwrap();
    }
    trace.readouts.clear();
    assert!(files(&trace).is_empty());
}

#[test]
fn a_png_has_the_pixels_of_its_svg() {
    let trace = small(4, 2..3, &["ab", " c", "法国"]);
    let picture = one(&trace, PictureKind::AllLayers, &PictureOptions::default());
    for scale in [1.0f32, 2.0] {
        let (width, height, pixels) = decode(&png(&picture.svg, scale).unwrap());
        let scaled = |length: f64| (length * f64::from(scale)).round() as u32;
        assert_eq!((width, height), (scaled(picture.width), scaled(picture.height)));
        let at = |x: f64, y: f64| {
            let start = 3 * (scaled(y) as usize * width as usize + scaled(x) as usize);
            hex(Rgb(pixels[start], pixels[start + 1], pixels[start + 2]))
        };
        // A cell's upper left corner has no text; the last rectangles are the bar of colours.
        let cells: Vec<_> = rects(&picture.svg).into_iter().filter(|([.., h], _)| *h == 16.0).collect();
        assert_eq!(cells.len(), trace.readouts.len() * 4);
        for ([x, y, ..], fill) in cells {
            assert_eq!(at(x + 1.0, y + 1.0), fill, "at {x}, {y}");
        }
        assert_eq!(at(1.0, 1.0), "#FFFFFF");
    }
}

#[test]
fn what_no_font_has_is_drawn_as_its_code_point() {
    let svg = |text: &str| {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"120\" height=\"20\">\
             <text x=\"4\" y=\"14\" font-size=\"10\">{text}</text></svg>"
        )
    };
    let drawn = |text: &str| png(&svg(text), 1.0).unwrap();
    assert_eq!(drawn("a\u{10fffd}b"), drawn("a‹U+10FFFD›b"));
    assert_ne!(drawn("a\u{10fffd}b"), drawn("ab"));
}

#[test]
fn every_script_can_be_set_beside_another() {
    // A lam before an alef, and twice before a heh, are one sign in most fonts of Arabic.
    let texts =
        ["prompt: سلام", "الله a", "a لا", "لا🙂لا", "שָׁלוֹם a", "a नमस्ते क्ष", "a ကြောင်", "a 👩‍👩‍👧 b", "ﷲ fi ﬁ"];
    for text in texts {
        let mut trace = small(2, 0..2, &[text, "a"]);
        trace.prompt = text.to_owned();
        let options = PictureOptions::default().with_fonts(Fonts::Installed);
        let page = one(&trace, PictureKind::Grid(Measure::Probability), &options);
        png(&page.svg, 1.0).unwrap();
        pdf(&[page]).unwrap();
    }
}

#[test]
fn a_webp_has_the_pixels_of_the_png_and_a_jpeg_nearly() {
    let svg =
        &one(&small(4, 2..3, &["ab", " c", "法国"]), PictureKind::AllLayers, &PictureOptions::default()).svg;
    let pixels = |format| {
        let bytes = raster(svg, format, 2.0).unwrap();
        let guessed = image::guess_format(&bytes).unwrap().extensions_str();
        assert_eq!(RasterFormat::of_ending(guessed[0]), Some(format));
        (image::load_from_memory(&bytes).unwrap().into_rgb8(), bytes)
    };
    let (png, _) = pixels(RasterFormat::Png);
    assert_eq!(png, pixels(RasterFormat::WebP).0);
    let (jpeg, bytes) = pixels(RasterFormat::Jpeg);
    assert_eq!(png.dimensions(), jpeg.dimensions());
    let apart: u64 = png.as_raw().iter().zip(jpeg.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(apart > 0 && apart < 3 * png.as_raw().len() as u64, "{apart} of {}", png.as_raw().len());
    // JFIF: 192 dots per inch, the size on paper that the SVG has.
    assert_eq!(bytes[6..18], *b"JFIF\0\x01\x02\x01\0\xc0\0\xc0");
}

#[test]
fn endings_name_formats_whatever_their_case() {
    for (ending, format) in RasterFormat::ENDINGS {
        assert_eq!(RasterFormat::of_ending(&ending.to_uppercase()), Some(format));
    }
    assert_eq!(RasterFormat::of_ending("gif"), None);
}

#[test]
fn a_side_that_a_format_cannot_have_is_refused() {
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"16500\"/>";
    let refused = raster(svg, RasterFormat::WebP, 1.0).unwrap_err();
    assert!(matches!(refused, PictureError::Side { longest: 16_384, .. }), "{refused}");
    assert!(refused.to_string().contains("write a PNG"), "{refused}");
    assert!(raster(svg, RasterFormat::Jpeg, 1.0).is_ok() && png(svg, 1.0).is_ok());
    let refused = raster(svg, RasterFormat::Jpeg, 4.0).unwrap_err();
    assert!(refused.to_string().starts_with("a JPEG has at most 65535 pixels a side"), "{refused}");
}

#[test]
fn a_png_that_cannot_be_is_refused() {
    let svg = &one(&small(1, 0..1, &["a"]), PictureKind::Curves, &PictureOptions::default()).svg;
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e6] {
        assert!(matches!(png(svg, scale), Err(PictureError::Scale { .. })), "{scale}");
    }
    assert!(matches!(png("<svg", 1.0), Err(PictureError::NoSvg { .. })));
}

#[test]
fn hostile_tokens_are_shown_and_do_nothing() {
    let trace =
        synthetic::trace(&Shape { layers: 3, components: &SITES, positions: 0..6, top: 10, texts: &HOSTILE });
    for kind in kinds() {
        for fonts in [Fonts::Viewer, Fonts::Installed] {
            let options = PictureOptions::default().with_fonts(fonts);
            let picture = one(&trace, kind, &options);
            let document = roxmltree::Document::parse(&picture.svg).unwrap();
            let elements: BTreeSet<&str> =
                document.descendants().map(|node| node.tag_name().name()).collect();
            let known = ["", "svg", "title", "rect", "text", "polyline", "circle", "polygon"];
            assert!(elements.iter().all(|element| known.contains(element)), "{elements:?}");
            for text in texts(&picture.svg) {
                assert_eq!(display_safe(&text), text, "in {kind}");
            }
            png(&picture.svg, 1.0).unwrap();
        }
    }
}

/// Anything that a trace may say.
fn broken(mut trace: LensTrace, seed: u64) -> LensTrace {
    let mut dice = lens_core::toy::Random::new(seed);
    let numbers = [0.0, 1.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, 1e-30];
    for _ in 0..dice.below(12) {
        let n = trace.readouts.len();
        if n == 0 {
            break;
        }
        let number = numbers[dice.below(numbers.len())];
        let readout = &mut trace.readouts[dice.below(n)];
        match dice.below(14) {
            0 => readout.layer = None,
            1 => readout.layer = Some(u16::MAX),
            2 => readout.position = usize::MAX,
            3 => readout.top.clear(),
            4 => readout.top.iter_mut().for_each(|token| token.prob = number),
            5 => readout.top.iter_mut().for_each(|token| token.logit = number),
            6 => readout.statistics.set(Statistic::KlToFinal, Some(number.into())),
            7 => readout.statistics.set(Statistic::Entropy, Some(number.into())),
            8 => readout.statistics.set(Statistic::RankOfFinal, Some((dice.bits() as u32).into())),
            9 => readout.component = Component::READABLE[dice.below(6)],
            10 => trace.finals.clear(),
            11 => trace.tokens.truncate(1),
            12 => trace.model.n_vocab = dice.below(3),
            _ => trace.readouts.truncate(dice.below(n)),
        }
    }
    trace
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_a_trace_says_there_is_a_picture_or_an_error(
        layers in 0u16..9,
        positions in 0usize..5,
        seed in any::<u64>(),
        kind in prop::sample::select(kinds()),
        width in prop::option::of(320u32..1400),
        stride in 1u16..5,
        top in 1usize..6,
    ) {
        let trace = broken(small(layers, 0..positions, &HOSTILE), seed);
        let options = PictureOptions::default().with_width(width).with_stride(NonZeroU16::new(stride).unwrap()).with_top(top.try_into().unwrap());
        match svg(&trace, kind, &options) {
            Ok(pages) => {
                prop_assert!(!pages.is_empty());
                for page in pages {
                    let document = roxmltree::Document::parse(&page.svg).unwrap();
                    let attributes = document.descendants().flat_map(|node| node.attributes());
                    let no_number = attributes.map(|a| a.value()).find(|v| v.contains("NaN") || v.contains("inf"));
                    prop_assert_eq!(no_number, None);
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn a_pdf_is_as_large_as_its_pages_and_its_text_is_text() {
    let trace = small(3, 2..3, &["alpha", " beta", "naïve", "Ж"]);
    let page = one(&trace, PictureKind::AllLayers, &PictureOptions::default());
    let (bytes, again) =
        (pdf(&[page.clone(), page.clone()]).unwrap(), pdf(&[page.clone(), page.clone()]).unwrap());
    assert_eq!(bytes, again, "the same pages make the same bytes");
    let said = String::from_utf8_lossy(&bytes);
    assert!(said.starts_with("%PDF-"));
    let (width, height) = (page.width * 0.75, page.height * 0.75);
    assert_eq!(said.matches(&format!("/MediaBox[0 0 {width} {height}]")).count(), 2, "points, on both pages");
    // Fonts lie in the file, with what their glyphs say; nothing is a picture.
    assert!(
        said.matches("/FontFile").count() >= 3
            && said.contains("/ToUnicode")
            && !said.contains("/Subtype/Image")
    );
}

#[test]
fn a_pdf_of_what_it_cannot_draw_is_refused() {
    let page = |inner: &str, width: f64| Picture {
        svg: format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"20\">{inner}</svg>"
        ),
        ..one(&small(1, 0..1, &["a"]), PictureKind::AllLayers, &PictureOptions::default())
    };
    let refused = |page: Picture| pdf(&[page]).unwrap_err().to_string();
    let mask = "<mask id=\"m\"><rect width=\"5\" height=\"5\" fill=\"white\"/></mask>";
    let masked = format!("{mask}<g mask=\"url(#m)\"><rect width=\"5\" height=\"5\"/></g>");
    assert!(refused(page(&masked, 20.0)).contains("effects"));
    // Half of what is below shows through: what a shape says of itself, and what its group does.
    let half = String::from_utf8_lossy(
        &pdf(&[page("<rect width=\"5\" height=\"5\" opacity=\"0.5\"/>", 20.0)]).unwrap(),
    )
    .into_owned();
    assert!(half.contains("/ca 0.5"), "{half}");
    assert!(refused(page("", 20_000.0)).contains("larger than readers of PDF take"));
    assert!(matches!(pdf(&[page("<rect", 20.0)]), Err(PictureError::NoSvg { .. })));
    pdf(&[page("<text y=\"9\">a\u{10fffd} <tspan fill=\"red\">b</tspan></text>", 20.0)]).unwrap();
}

#[test]
fn a_figure_has_the_width_and_the_text_that_were_asked_for() {
    let trace = small(6, 0..9, &MIXED);
    let millimetre = 96.0 / 25.4;
    for (width, points) in [(85.0, 7.0), (180.0, 7.0), (120.0, 5.5)] {
        let paper = Paper::new(Some(PaperWidth::Exactly(width, Unit::Millimetre)), Some(points)).unwrap();
        let options = PictureOptions::default().with_width(paper.layout_width());
        for kind in [PictureKind::Grid(KL), PictureKind::Curves, PictureKind::AllLayers] {
            let options = if kind == PictureKind::Grid(KL) {
                options.clone()
            } else {
                options.clone().with_position(Some(3))
            };
            for page in paper.finish(svg(&trace, kind, &options).unwrap()).unwrap() {
                assert!((page.width - width * millimetre).abs() < 1e-3, "{} is not {width} mm", page.width);
                let document = roxmltree::Document::parse(&page.svg).unwrap();
                let root = document.root_element();
                let view: Vec<f64> =
                    root.attribute("viewBox").unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
                let number = |name: &str| root.attribute(name).unwrap().parse::<f64>().unwrap();
                // A unit of the picture in pixels, the same across and down.
                let unit = number("width") / view[2];
                assert!((number("height") / view[3] / unit - 1.0).abs() < 2e-3);
                let sizes: BTreeSet<u64> = document
                    .descendants()
                    .filter_map(|node| node.attribute("font-size")?.parse::<f64>().ok())
                    .map(|size| (size * unit * 0.75 * 100.0).round() as u64)
                    .collect();
                let wanted = (points * 100.0) as u64;
                assert!(
                    sizes.iter().any(|size| size.abs_diff(wanted) <= 1),
                    "no text of {points} points in {kind}: {sizes:?}"
                );
                // White up to the edge.
                let (ground, fill) = &rects(&page.svg)[0];
                assert_eq!((ground[2], fill.as_str()), (view[2] / 10.0, "#FFFFFF"));
            }
        }
    }
}
