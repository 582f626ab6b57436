//! Characters whose bytes are spread over several tokens: every view says the whole one and the bytes that are a token's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod browser;
mod support;

use browser::tab;
use lens_core::{LensTrace, TokenText};
use lens_viz::{
    page::{PageOptions, page},
    picture::{PictureKind, PictureOptions, svg},
    terminal::{TableOptions, heatmap, table},
    tui::{App, Key, Look, draw},
};
use ratatui::{Terminal, backend::TestBackend, buffer::Cell};
use serde_json::json;
use support::{Model, trace};

/// "a🙂ü" in tokens of which none but the first is a text, and a byte that comes to nothing.
const PIECES: [&[u8]; 6] = [b"a", b"\xF0\x9F", b"\x99", b"\x82\xC3", b"\xBC", b"\xE4"];
const SAID: [&str; 6] = ["a", "🙂<0xF0><0x9F>", "🙂<0x99>", "🙂<0x82>ü<0xC3>", "ü<0xBC>", "<0xE4>"];

fn spread() -> LensTrace {
    let mut trace = trace(&Model::default());
    for (token, piece) in trace.tokens.iter_mut().skip(1).zip(PIECES) {
        let TokenText { text, bytes } = TokenText::from_bytes(piece);
        (token.text, token.bytes) = (text, bytes);
    }
    trace
}

#[test]
fn tables_pictures_and_the_screen_say_it() {
    let trace = spread();
    let wide = TableOptions::default().with_width(200);
    let measure = lens_viz::Measure::default();
    let grid = heatmap(&trace, measure, &PictureOptions::default(), &wide).unwrap();
    let picture = svg(&trace, PictureKind::Grid(measure), &PictureOptions::default()).unwrap();
    let picture = picture[0].svg.replace("&lt;", "<").replace("&gt;", ">");
    let mut app = App::of_trace(&trace, Look::default());
    "v++++++++".chars().for_each(|c| drop(app.key(Key::Char(c))));
    let mut terminal = Terminal::new(TestBackend::new(220, 20)).unwrap();
    terminal.draw(|frame| draw(&mut app, frame)).unwrap();
    let screen: String = terminal.backend().buffer().content().iter().map(Cell::symbol).collect();
    let screen = screen.replace("🙂 ", "🙂");
    for said in &SAID[1..] {
        // The columns of a table have an end.
        let begins: String = said.chars().take(9).collect();
        assert!(grid.contains(&begins), "{begins} is not in\n{grid}");
        assert!(picture.contains(said), "{said} is not in {picture}");
        assert!(screen.contains(said), "{said} is not in {screen}");
    }
    assert!(screen.contains("a🙂ü<0xE4>"), "the text at the top has whole characters: {screen}");
    // What stands before and after a position is text, in which characters are whole.
    let at = |position: &str| {
        let mut one = spread();
        let position: usize = position.parse().unwrap();
        one.readouts.retain(|readout| readout.position == position);
        one.finals.retain(|last| last.position == position);
        table(&one, &wide).unwrap()
    };
    let third = at("3");
    assert!(third.contains("after 🙂<0x99> ") && third.contains("next 🙂<0x82>ü<0xC3> "), "{third}");
    assert!(at("7").contains("a🙂ü<0xE4>"), "{}", at("7"));
    // The file keeps what each token is.
    assert_eq!(&*trace.tokens[3].text, "<0x99>");
}

#[test]
fn the_page_says_it_at_every_place_of_the_token() {
    let trace = spread();
    let html = page(&trace, &PageOptions::default()).unwrap();
    let Some(mut tab) = tab(1280, 900) else { return };
    tab.open(&html, "#position=3");
    let heads = "[...document.querySelectorAll('[role=columnheader] .token')].map((token) => token.textContent).slice(1, 7)";
    assert_eq!(tab.run(heads), json!(SAID));
    assert!(tab.text_of("#detail .after").starts_with("Position 3, after 🙂<0x99>; next 🙂<0x82>ü<0xC3>"));
    let text = tab.text_of("#slice");
    assert!(text.contains(&SAID.concat()), "{text}");
    assert!(tab.text_of("#by-layer-says").ends_with("after position 3 🙂<0x99>"));
    // Identity stays with the token: what comes next is recognised, and a search finds its bytes.
    let names =
        "[...document.querySelectorAll('#slice [data-column]')].map((word) => word.textContent).slice(2, 4)";
    assert_eq!(tab.run(names), json!(["🙂<0xF0><0x9F>", "🙂<0x99>"]));
    tab.assert_quiet();
    tab.disable_scripts();
    tab.open(&html, "");
    assert!(tab.text_of("noscript, body").contains("🙂<0x99>"));
}
