//! What contributes to a logit, drawn; and heads, read like any component.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{
    Backend, Lens, LensTrace, Plan, TokenId, TraceContext,
    attribution::{AttributionRequest, AttributionTrace, attribute},
    toy::ToyBackend,
};
use lens_viz::{
    page::{self, PageOptions},
    picture::{self, PictureKind, PictureOptions, svg},
    terminal::{self, ColorLevel, TableOptions, table},
};
use unicode_width::UnicodeWidthStr;

fn tokens() -> Vec<TokenId> {
    [3, 14, 15, 9].map(TokenId).to_vec()
}

fn attributed() -> AttributionTrace {
    let mut toy = ToyBackend::new(5, 16, 50, 7);
    let tokens = tokens();
    let ask = AttributionRequest::new(TokenId(9), 3).with_versus(Some(TokenId(8)));
    let parts = attribute(&mut toy, &tokens, &ask).unwrap();
    AttributionTrace::new(&parts, &TraceContext::new(("test", "0"), toy.info(), &tokens, &()))
}

fn of_heads(components: &str) -> LensTrace {
    let mut toy = ToyBackend::new(5, 16, 50, 7);
    let plan = Plan::default().with_components(components.parse().unwrap());
    let reading = Lens::new(&mut toy).read(&tokens(), &plan).unwrap();
    let tokens = tokens();
    LensTrace::new(&reading, &TraceContext::new(("test", "0"), toy.info(), &tokens, &()))
}

#[test]
fn a_picture_has_every_contribution_and_the_sum() {
    let trace = attributed();
    let pages = picture::attribution(&trace, &PictureOptions::default()).unwrap();
    let svg = &pages[0].svg;
    roxmltree::Document::parse(svg).unwrap();
    assert!(
        pages[0].title.contains("&lt;id 9&gt;") || pages[0].title.contains("<id 9>"),
        "{}",
        pages[0].title
    );
    for (_, value) in trace.heads.0.iter().chain(&trace.contributions.0).filter(|(name, _)| name != "embed") {
        let digits = format!("{value:+.2}");
        assert!(value.abs() < 0.005 || svg.contains(&digits), "{digits} is not in the picture");
    }
    assert!(svg.contains("attn_out") && svg.contains("mlp_out") && svg.contains("off by"));
    assert!(svg.contains(">layer</text>") && svg.contains(">head</text>"), "{svg}");
    let other = PictureOptions::default().with_layers(vec![9]);
    assert!(picture::attribution(&trace, &other).unwrap_err().to_string().contains("layer 9 was not read"));
}

#[test]
fn a_page_has_the_picture_and_every_share_and_nothing_that_acts() {
    let mut trace = attributed();
    trace.prompt = "<script>alert('x')</script>".to_owned();
    let page = page::attribution(&trace, &PictureOptions::default()).unwrap();
    assert!(page.contains("<svg ") && !page.contains("<script") && page.contains("default-src 'none'"));
    for (name, share) in trace.heads.0.iter().chain(&trace.neurons.0).chain(&trace.biases.0) {
        let row = format!("<th scope=\"row\">{name}</th><td class=\"share\">{share:+.4}</td>");
        assert!(page.contains(&row), "{row} is not on the page");
    }
}

#[test]
fn a_table_fits_its_width_and_names_the_largest_parts() {
    let trace = attributed();
    for width in [20, 40, 80, 200] {
        for color in [ColorLevel::None, ColorLevel::TrueColor] {
            let options = TableOptions::default().with_width(width).with_color(color);
            let text = terminal::attribution(&trace, 5, &options);
            if color == ColorLevel::None {
                let widest = text.lines().map(UnicodeWidthStr::width).max().unwrap();
                assert!(widest <= width, "a line of {widest} columns for {width}:\n{text}");
            }
        }
    }
    let text = terminal::attribution(&trace, 3, &TableOptions::default().with_width(100));
    let mut heads = trace.heads.0.clone();
    heads.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    assert!(text.contains(&heads[0].0) && !text.contains(&format!("{} ", heads[3].0)), "{text}");
    assert!(text.contains("less that of") && text.contains("biases") && text.contains("h1"), "{text}");
}

#[test]
fn heads_have_a_grid_and_columns_of_a_table() {
    let trace = of_heads("heads,attn_out");
    trace.validate().unwrap();
    let json = serde_json::to_vec(&trace).unwrap();
    assert_eq!(LensTrace::from_json(&json).unwrap(), trace);
    let pages = svg(&trace, PictureKind::Heads(Default::default()), &PictureOptions::default()).unwrap();
    assert!(pages[0].title.contains("every head"), "{}", pages[0].title);
    let cells = trace.readouts.iter().filter(|readout| readout.component.head().is_some());
    for readout in cells.clone() {
        let token = format!("&lt;id {}&gt;", readout.top[0].id);
        assert!(pages[0].svg.contains(&token), "{token} is not in the picture");
    }
    assert_eq!(cells.count(), 10);
    let text = table(&trace, &TableOptions::default().with_width(100)).unwrap();
    let (heads, whole) = (text.find("head.1").unwrap(), text.find("attn_out").unwrap());
    assert!(text.contains("head.0") && heads < whole, "{text}");
    let html = page::page(&trace, &PageOptions::default()).unwrap();
    assert!(
        html.contains("What each head adds, position 3") && html.contains(&pages[0].svg),
        "no grid on the page"
    );
    let without = of_heads("attn_out");
    let html = page::page(&without, &PageOptions::default()).unwrap();
    assert!(!html.contains("What each head adds"));
    let error =
        svg(&without, PictureKind::Heads(Default::default()), &PictureOptions::default()).unwrap_err();
    assert!(error.to_string().contains("no readout of a head"), "{error}");
}
