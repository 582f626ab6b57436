//! The screen: what keys and runs do to it, and what is drawn.
//!
//! `tests/golden/tui.*.txt` are whole screens: the characters, then the styles of each line (how many cells have which), then what
//! the numbers of styles mean. After a change that is meant, `UPDATE_GOLDEN=1 cargo test -p lens-viz` writes them anew; read the difference
//! before keeping it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod synthetic;

use std::{fmt::Write as _, fs, ops::ControlFlow, path::Path, time::Duration};

use lens_core::{
    LensTrace, Request, Session, TokenId,
    sink::{End, LayersTrace, Sink, SinkError},
    toy::ToyBackend,
};
use lens_viz::{
    terminal::ColorLevel,
    tui::{App, Effect, Key, Look, Told, draw},
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::{Buffer, Cell},
    style::Color,
};
use unicode_width::UnicodeWidthStr as _;

/// A run of the toy model, whose tokens are ids.
fn trace(write: Option<usize>) -> LensTrace {
    let mut model = ToyBackend::new(3, 16, 50, 7);
    let mut request = Request::tokens([3, 14, 15, 9].map(TokenId)).positions("all".parse().unwrap());
    if let Some(n) = write {
        request = request.max_new_tokens(n);
    }
    Session::new(&mut model, &()).run(&request).unwrap()
}

fn screen(app: &mut App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(app, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// The lines of a screen, without blanks at their ends.
fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content().chunks(width);
    rows.map(|row| row.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned()).collect()
}

fn text(app: &mut App, width: u16, height: u16) -> String {
    lines(&screen(app, width, height)).join("\n")
}

/// Texts for the tokens of the toy model, by their ids: with spaces and without, wide, of no letters, long, and of bytes.
const TEXTS: [&str; 50] = [
    "<|bos|>",
    " the",
    " capital",
    " of",
    " France",
    " is",
    " Paris",
    ".",
    "\n",
    " a",
    " city",
    "法国",
    "的",
    "首都",
    " Rome",
    "ing",
    " Tuesday",
    " unbelievable",
    "🙂",
    "é",
    "\t",
    " ",
    "",
    "\u{fffd}",
    " 7",
    "42",
    " (",
    "),",
    "don",
    "'t",
    " Ωmega",
    "naïve",
    "ß",
    " Helsinki",
    " in",
    "ly",
    " Oslo",
    " and",
    " counterrevolutionaries",
    "-",
    "_x",
    "//",
    " Wien",
    " x",
    " y",
    " z",
    "end",
    "</s>",
    " 東京",
    "ö",
];

/// A run of the toy model whose tokens have texts.
fn spoken(layers: u16, prompt: &[u32], write: usize) -> LensTrace {
    let mut model = ToyBackend::new(layers, 16, 50, 7);
    let request = Request::tokens(prompt.iter().copied().map(TokenId)).positions("all".parse().unwrap());
    let mut trace = Session::new(&mut model, &()).run(&request.max_new_tokens(write)).unwrap();
    let say = |text: &mut std::sync::Arc<str>, id: TokenId| *text = TEXTS[id.0 as usize % TEXTS.len()].into();
    for readout in &mut trace.readouts {
        let named = readout.top.iter_mut().chain(&mut readout.tracked);
        named.for_each(|top| say(&mut top.text, top.id));
    }
    for last in &mut trace.finals {
        last.top.iter_mut().for_each(|top| say(&mut top.text, top.id));
    }
    trace.tokens.iter_mut().for_each(|token| say(&mut token.text, token.id));
    trace.steps.iter_mut().for_each(|step| say(&mut step.token.text, step.token.id));
    trace
}

/// A screen as a golden file has it: styles are numbered from 1 as they come, and 0 is none.
fn written(buffer: &Buffer) -> String {
    let mut numbers: Vec<String> = vec![style(&Cell::EMPTY)];
    let (mut text, mut styles) = (String::new(), String::new());
    for row in buffer.content().chunks(buffer.area.width.into()) {
        let mut covered = 0;
        let mut line = String::new();
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for cell in row {
            // The second half of a wide character is no character.
            if covered == 0 {
                line.push_str(cell.symbol());
            }
            covered = if covered > 0 { covered - 1 } else { cell.symbol().width().saturating_sub(1) };
            let style = style(cell);
            let number = numbers.iter().position(|known| *known == style).unwrap_or_else(|| {
                numbers.push(style);
                numbers.len() - 1
            });
            match runs.last_mut() {
                Some((last, count)) if *last == number => *count += 1,
                _ => runs.push((number, 1)),
            }
        }
        writeln!(text, "{}", line.trim_end()).unwrap();
        let runs: Vec<String> = runs.iter().map(|(number, count)| format!("{count}x{number}")).collect();
        writeln!(styles, "{}", runs.join(" ")).unwrap();
    }
    let meanings = numbers.iter().enumerate().map(|(number, style)| format!("{number}: {style}\n"));
    format!("{text}\n{styles}\n{}", meanings.collect::<String>())
}

fn style(cell: &Cell) -> String {
    format!("{} on {}, {:?}", cell.fg, cell.bg, cell.modifier)
}

#[test]
fn whole_screens_equal_the_golden_files() {
    let trace = spoken(12, &[0, 1, 2, 3, 4, 5], 5);
    let colors = Look { color: ColorLevel::TrueColor, ascii: false };
    let plain = Look { color: ColorLevel::None, ascii: true };
    for (name, look, pressed, width, height) in [
        ("grid", colors, "", 40, 10),
        ("grid", colors, "p", 80, 24),
        ("grid", colors, "p2kkhh", 120, 40),
        ("ascii", plain, "t", 80, 24),
        ("film", colors, "\tkk", 80, 24),
        ("detail", colors, "\np", 80, 24),
        ("help", colors, "?", 80, 24),
    ] {
        let mut app = App::of_trace(&trace, look);
        for key in pressed.chars() {
            app.key(match key {
                '\t' => Key::Tab,
                '\n' => Key::Enter,
                c => Key::Char(c),
            });
        }
        let shown = written(&screen(&mut app, width, height));
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/golden/tui.{name}.{width}x{height}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &shown).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(shown, golden, "{}\n{shown}", path.display());
    }
}

fn keys(app: &mut App, keys: &str) {
    keys.chars().for_each(|c| drop(app.key(Key::Char(c))));
}

#[test]
fn a_small_screen_shows_the_grid_and_the_cell_under_the_cursor() {
    let mut app = App::of_trace(&trace(None), Look::default());
    let shown = lines(&screen(&mut app, 60, 10));
    assert!(shown[0].starts_with(" lens toy · resid_post · logit lens"), "{shown:#?}");
    assert!(shown[1].starts_with("  pos"));
    let rows: Vec<&str> =
        shown[3..].iter().map(|line| line.split_whitespace().next().unwrap_or("")).collect();
    assert_eq!(&rows[..4], ["embed", "0", "1", "2"], "the first layer stands at the top");
    assert!(shown[8].starts_with(" L2 <id "), "{shown:#?}");
    assert!(shown[9].starts_with(" ? help  q quit"), "{shown:#?}");
}

#[test]
fn the_cursor_goes_where_keys_say_and_never_further() {
    let mut app = App::of_trace(&trace(None), Look::default());
    let at = |app: &mut App| {
        text(app, 60, 10).lines().nth(8).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(at(&mut app), "L2", "it begins at the last row and position");
    keys(&mut app, "kkkkkk");
    assert_eq!(at(&mut app), "embed");
    app.key(Key::Down);
    assert_eq!(at(&mut app), "L0");
    app.key(Key::PageDown);
    assert_eq!(at(&mut app), "L2");
    for key in [Key::Home, Key::Left, Key::Right, Key::End, Key::Right, Key::PageUp, Key::Up] {
        app.key(key);
        text(&mut app, 60, 10);
    }
    assert_eq!(at(&mut app), "embed");
}

#[test]
fn no_size_and_no_view_breaks_the_screen() {
    for hostile in [&synthetic::HOSTILE[..], &synthetic::MIXED[..]] {
        let mut trace = trace(Some(5));
        let mut at = 0;
        let mut next = || {
            at += 1;
            hostile[at % hostile.len()]
        };
        for token in &mut trace.tokens {
            token.text = next().into();
        }
        for readout in &mut trace.readouts {
            readout.top.iter_mut().for_each(|top| top.text = next().into());
        }
        for step in &mut trace.steps {
            step.token.text = next().into();
        }
        for (color, ascii) in [(ColorLevel::None, true), (ColorLevel::TrueColor, false)] {
            let look = Look { color, ascii };
            let mut app = App::of_trace(&trace, look);
            keys(&mut app, "p");
            for view in [Key::Enter, Key::Enter, Key::Tab, Key::Char('?'), Key::Char('?'), Key::Char('N')] {
                app.key(view);
                for (width, height) in
                    [(1, 1), (39, 9), (40, 10), (41, 13), (60, 20), (95, 30), (96, 25), (200, 60)]
                {
                    let buffer = screen(&mut app, width, height);
                    for cell in buffer.content() {
                        let bad = |c: char| {
                            c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}')
                        };
                        assert!(!cell.symbol().chars().any(bad), "{:?} at {width}x{height}", cell.symbol());
                        assert!(!ascii || cell.symbol().is_ascii(), "{:?} is not ASCII", cell.symbol());
                    }
                }
            }
        }
    }
}

#[test]
fn colours_are_those_of_the_terminal() {
    let grounds = |color| {
        let look = Look { color, ..Look::default() };
        let mut app = App::of_trace(&trace(None), look);
        let buffer = screen(&mut app, 100, 30);
        buffer
            .content()
            .iter()
            .flat_map(|cell| [cell.bg, cell.fg])
            .filter(|c| *c != Color::Reset)
            .collect::<Vec<_>>()
    };
    assert!(grounds(ColorLevel::None).is_empty(), "NO_COLOR means none");
    let some = grounds(ColorLevel::Ansi256);
    assert!(
        some.iter().any(|c| matches!(c, Color::Indexed(_)))
            && !some.iter().any(|c| matches!(c, Color::Rgb(..)))
    );
    assert!(grounds(ColorLevel::TrueColor).iter().any(|c| matches!(c, Color::Rgb(..))));
}

#[test]
fn a_token_is_followed_and_no_longer() {
    let mut app = App::of_trace(&trace(None), Look::default());
    assert!(text(&mut app, 120, 40).contains("p follows the token under the cursor"));
    keys(&mut app, "p");
    let shown = text(&mut app, 120, 40);
    assert!(shown.contains("¹<id ") && shown.contains("#1 "), "{shown}");
    keys(&mut app, "p");
    assert!(!text(&mut app, 120, 40).contains("¹<id "));
}

#[test]
fn the_film_plays_from_token_to_token_and_goes_from_layer_to_layer() {
    let mut app = App::of_trace(&trace(Some(6)), Look::default());
    app.key(Key::Tab);
    app.key(Key::Home);
    let first = text(&mut app, 100, 30);
    assert!(first.contains("what each layer would have written ‖ 1 of 6"), "{first}");
    keys(&mut app, " ");
    assert!(app.moves() && app.tick(Duration::from_millis(400)));
    assert!(text(&mut app, 100, 30).contains("▶ 2 of 6"));
    keys(&mut app, " k");
    let paused = text(&mut app, 100, 30);
    assert!(
        paused.contains("‖ 2 of 6") && paused.contains("layer 1, after the model's own text"),
        "{paused}"
    );
    app.key(Key::End);
    let written = text(&mut app, 100, 30);
    let trace = trace(Some(6));
    let model = written.lines().find(|line| line.starts_with("model")).unwrap();
    for step in &trace.steps {
        assert!(model.contains(&*step.token.text), "{model}");
    }
}

/// A sink that tells the screen, as an engine does.
struct Telling<'a>(&'a mut App, u64, usize);

impl Sink for Telling<'_> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.0.told(self.1, Told::Begin(Box::new(head.clone())));
        Ok(())
    }

    fn position(&mut self, position: lens_core::PositionTrace) -> Result<(), SinkError> {
        self.0.told(self.1, Told::Position(Box::new(position)));
        self.2 += 1;
        text(self.0, 100, 30);
        Ok(())
    }

    fn step(&mut self, step: lens_core::StepTrace, token: lens_core::TokenTrace) -> Result<(), SinkError> {
        self.0.told(self.1, Told::Step(Box::new((step, token))));
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<(), SinkError> {
        self.0.told(self.1, Told::End(Box::new(end)));
        Ok(())
    }
}

#[test]
fn a_prompt_is_typed_run_shown_as_it_is_read_and_cancelled() {
    let (mut app, first) = App::of_model(None, Some(4), Look::default());
    assert!(first.is_none());
    keys(&mut app, "hello q?");
    assert!(text(&mut app, 80, 24).ends_with(" prompt › hello q?"));
    let Some(Effect::Ask(ask)) = app.key(Key::Enter) else { panic!("nothing was asked") };
    assert_eq!((ask.run, &*ask.prompt, ask.tokens), (1, "hello q?", Some(4)));
    let whole = trace(Some(4));
    Telling(&mut app, 1, 0).whole(&whole).unwrap();
    assert!(!app.is_running());
    assert_eq!(app.trace().unwrap().readouts, whole.readouts);
    assert_eq!(app.trace().unwrap().steps, whole.steps);
    // What an older run still tells is dropped.
    keys(&mut app, "i");
    let Some(Effect::Ask(again)) = app.key(Key::Enter) else { panic!("nothing was asked") };
    assert_eq!((again.run, &*again.prompt), (2, "hello q?"));
    app.told(1, Told::Failed("too late".to_owned()));
    assert!(app.is_running());
    assert_eq!(app.key(Key::Esc), Some(Effect::Cancel));
    app.told(2, Told::Failed("cancelled".to_owned()));
    assert!(!app.is_running() && text(&mut app, 80, 24).contains("cancelled"));
}

/// Tells the screen of layers, and looks at it after each, until it has seen enough.
struct Filling<'a> {
    app: &'a mut App,
    seen: Vec<String>,
    enough: usize,
}

impl Sink for Filling<'_> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.app.told(1, Told::Begin(Box::new(head.clone())));
        Ok(())
    }

    fn layers_every(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn layers(&mut self, layers: LayersTrace) -> Result<ControlFlow<()>, SinkError> {
        self.app.told(1, Told::Layers(Box::new(layers)));
        self.seen.push(text(self.app, 100, 12));
        Ok(if self.seen.len() < self.enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    fn position(&mut self, position: lens_core::PositionTrace) -> Result<(), SinkError> {
        self.app.told(1, Told::Position(Box::new(position)));
        text(self.app, 100, 12);
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<(), SinkError> {
        self.app.told(1, Told::End(Box::new(end)));
        Ok(())
    }
}

/// What is seen while a long prompt is read by a model of twelve blocks, and when it is over.
fn filled(enough: usize) -> (App, Vec<String>, LensTrace) {
    let (mut app, _) = App::of_model(None, None, Look::default());
    keys(&mut app, "x");
    assert!(app.key(Key::Enter).is_some());
    let mut toy = ToyBackend::new(12, 16, 50, 3);
    let request = Request::tokens((0..200).map(|i| TokenId(i % 50))).positions("all".parse().unwrap());
    let mut filling = Filling { app: &mut app, seen: Vec::new(), enough };
    Session::new(&mut toy, &()).run_into(&request, &mut filling).unwrap();
    let seen = filling.seen;
    (app, seen, Session::new(&mut toy, &()).run(&request).unwrap())
}

#[test]
fn a_long_prompt_fills_layer_by_layer_and_the_view_follows() {
    let (mut app, seen, trace) = filled(usize::MAX);
    assert!(seen.len() > 10, "{} looks", seen.len());
    // Upper rows first, with dots where something is still to come.
    let layer = |line: &str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        first.trim_end_matches(['↑', '↓']).to_owned()
    };
    assert!(seen[0].lines().any(|line| layer(line) == "embed" && line.contains("<id ")), "{}", seen[0]);
    let below = seen[0].lines().find(|line| layer(line) == "1").unwrap();
    assert!(below.contains(" ·") && !below.contains("<id "), "{}", seen[0]);
    // The newest row is always in sight, though the cursor waits in the last one.
    let newest = &seen[seen.len() - 1];
    assert!(newest.lines().any(|line| layer(line) == "10" && line.contains("<id ")), "{newest}");
    assert!(!newest.lines().any(|line| layer(line) == "embed"), "{newest}");
    assert_eq!(app.trace().unwrap().readouts, trace.readouts);
    let whole = text(&mut app, 100, 12);
    assert!(whole.lines().any(|line| layer(line) == "11" && line.contains("[<id ")), "{whole}");
}

#[test]
fn what_is_cancelled_between_layers_leaves_nothing_behind() {
    let (mut app, seen, _) = filled(3);
    assert_eq!(seen.len(), 3);
    assert!(!app.is_running());
    assert!(app.trace().unwrap().readouts.is_empty());
    let left = text(&mut app, 100, 12);
    assert!(!left.contains("<id 0"), "{left}");
    keys(&mut app, "N");
    assert!(text(&mut app, 100, 20).contains("positions from 0 on were not read"));
}

#[test]
fn a_saved_trace_has_no_prompt_to_type() {
    let mut app = App::of_trace(&trace(None), Look::default());
    assert_eq!(app.key(Key::Char('i')), None);
    assert!(text(&mut app, 80, 24).contains("no model to run"));
    assert_eq!(app.key(Key::Char('q')), Some(Effect::Quit));
    assert_eq!(app.key(Key::Ctrl('c')), Some(Effect::Quit));
}

#[test]
fn a_token_is_found() {
    let trace = trace(None);
    let last = trace.finals.last().unwrap().top[0].text.clone();
    let mut app = App::of_trace(&trace, Look::default());
    app.key(Key::Home);
    keys(&mut app, "f");
    keys(&mut app, &last);
    app.key(Key::Enter);
    let shown = text(&mut app, 100, 12);
    assert!(shown.contains(&format!("[{last}")), "{shown}");
    keys(&mut app, "fzzz");
    app.key(Key::Enter);
    assert!(text(&mut app, 100, 12).contains("no cell shows"));
}

#[test]
fn an_export_names_what_is_shown_and_replaces_nothing_unasked() {
    let mut app = App::of_trace(&trace(None), Look::default());
    keys(&mut app, "e");
    let Some(Effect::Export(what)) = app.key(Key::Enter) else { panic!("nothing was asked") };
    assert_eq!((&*what.file, what.replace, what.component.name()), ("lens.html", false, "resid_post"));
    app.exists(what.file);
    let Some(Effect::Export(what)) = app.key(Key::Enter) else { panic!("nothing was asked") };
    assert!(what.replace);
}
