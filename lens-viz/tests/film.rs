//! Films: what is seen of them, frame by frame.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod synthetic;

use lens_core::{Component, LensTrace, SampledTrace, Site, StepTrace};
use lens_viz::picture::{Film, FilmError, Fonts, PictureError, PictureOptions};
use synthetic::{HOSTILE, MIXED, Shape};

/// A run of so many tokens that wrote all but the first of them.
fn written(layers: u16, tokens: usize, texts: &[&str]) -> LensTrace {
    let components = [Component::Embed, Component::Site(Site::ResidPost)];
    let mut trace =
        synthetic::trace(&Shape { layers, components: &components, positions: 0..tokens, top: 2, texts });
    for token in &mut trace.tokens[1..] {
        token.generated = true;
    }
    trace.tokens.truncate(tokens + 1);
    let step = |i: usize| {
        let token = &trace.tokens[i + 1];
        StepTrace::new(i, i, SampledTrace::new(token.id, token.text.clone(), 0.5))
    };
    trace.steps = (0..trace.tokens.len() - 1).map(step).collect();
    trace
}

/// Size and frames of a GIF: the colours that are seen after each, and hundredths of a second that it stands.
struct Seen {
    width: usize,
    height: usize,
    repeats: gif::Repeat,
    frames: Vec<(Vec<[u8; 3]>, u16)>,
    /// Pixels that were written.
    written: usize,
}

fn seen(bytes: &[u8]) -> Seen {
    let mut decoder = gif::DecodeOptions::new();
    decoder.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = decoder.read_info(bytes).unwrap();
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let mut screen = vec![[0; 3]; width * height];
    let (mut frames, mut written) = (Vec::new(), 0);
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        let (left, top) = (usize::from(frame.left), usize::from(frame.top));
        let across = usize::from(frame.width);
        for (i, pixel) in frame.buffer.as_chunks::<4>().0.iter().enumerate() {
            screen[(top + i / across) * width + left + i % across] = [pixel[0], pixel[1], pixel[2]];
        }
        written += frame.buffer.len() / 4;
        frames.push((screen.clone(), frame.delay));
    }
    Seen { width, height, repeats: decoder.repeat(), frames, written }
}

fn filmed(trace: &LensTrace, options: &PictureOptions, scale: f32) -> Vec<u8> {
    let mut bytes = Vec::new();
    Film::new(trace, options, scale).unwrap().write(&mut bytes).unwrap();
    bytes
}

/// How many pixels differ.
fn apart(one: &[[u8; 3]], other: &[[u8; 3]]) -> usize {
    one.iter().zip(other).filter(|(a, b)| a != b).count()
}

#[test]
fn layers_form_from_the_first_to_the_last_and_then_the_token_is_written() {
    let trace = written(6, 3, &MIXED);
    let bytes = filmed(&trace, &PictureOptions::default(), 1.0);
    let film = seen(&bytes);
    assert_eq!(film.width, 800);
    assert!(matches!(film.repeats, gif::Repeat::Infinite));
    // Before the first token; then for each, a frame a row (embed and six layers) and one with the token written.
    assert_eq!(film.frames.len(), 1 + trace.steps.len() * (7 + 1));
    let stands: Vec<u16> = film.frames.iter().map(|(_, stands)| *stands).collect();
    assert_eq!((stands[0], stands[1], stands[8]), (100, 7, 60));
    assert_eq!((*stands.last().unwrap(), stands.iter().max()), (300, Some(&300)), "the end stands longest");
    // What changes with each part lies below what changed before.
    let mut below = 0;
    for pair in film.frames[..8].windows(2) {
        let rows: Vec<usize> = (0..film.height)
            .filter(|y| {
                let row = y * film.width..(y + 1) * film.width;
                pair[0].0[row.clone()] != pair[1].0[row]
            })
            .collect();
        assert!(!rows.is_empty() && rows[0] >= below, "{rows:?} from {below}");
        below = *rows.last().unwrap();
    }
    // Then text above changes too.
    assert!(apart(&film.frames[7].0[..film.width * 110], &film.frames[8].0[..film.width * 110]) > 0);
    assert!(film.written < 2 * film.width * film.height, "only what changes is written");
    assert_eq!(bytes, filmed(&trace, &PictureOptions::default(), 1.0), "the same bytes each time");
}

#[test]
fn a_long_film_turns_pages_and_writes_only_what_changes() {
    let trace = written(60, 12, &MIXED);
    let options = PictureOptions::default().with_width(Some(320));
    let film = seen(&filmed(&trace, &options, 0.5));
    let (steps, size) = (trace.steps.len(), film.width * film.height);
    assert_eq!((steps, film.width), (11, 160));
    // Two columns a page: it is turned before the third, the fifth and so on. Of 61 rows 21 are shown, in twelve parts.
    assert_eq!(film.frames.len(), 1 + steps * (12 + 1) + 5);
    let turned = 1 + 2 * 13;
    let begun = &film.frames[turned].0;
    let cells = film.width * film.height / 2..film.width * (film.height * 3 / 4);
    assert!(begun[cells.clone()] == film.frames[0].0[cells.clone()], "a new page is empty");
    assert!(begun[cells.clone()] != film.frames[turned - 1].0[cells]);
    assert!(film.written < size * (steps + 7), "{} pixels for pictures of {size}", film.written);
}

#[test]
fn any_text_width_and_scale_has_a_film() {
    let long = ["supercalifragilisticexpialidocious".repeat(20), "🙂".repeat(40), "سلام".to_owned()];
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    for texts in [&HOSTILE[..], &long] {
        for (layers, width, scale) in [(1, 160, 1.0), (80, 800, 0.3), (3, 3000, 1.0)] {
            let trace = written(layers, 5, texts);
            for fonts in [Fonts::Viewer, Fonts::Installed] {
                let options = PictureOptions::default().with_width(Some(width)).with_fonts(fonts);
                let film = seen(&filmed(&trace, &options, scale));
                assert_eq!(film.width, (width as f32 * scale).round() as usize);
                assert!(film.frames.len() > 5);
            }
        }
    }
}

#[test]
fn what_cannot_be_filmed_is_refused() {
    let trace = written(3, 3, &MIXED);
    let refused = |trace: &LensTrace, options: &PictureOptions, scale: f32| {
        Film::new(trace, options, scale).err().unwrap().to_string()
    };
    let usual = PictureOptions::default();
    let mut nothing = trace.clone();
    nothing.steps.clear();
    assert!(refused(&nothing, &usual, 1.0).contains("no token that the model wrote"));
    let mut unread = trace.clone();
    unread.readouts.retain(|readout| readout.position == 2);
    unread.steps.truncate(1);
    assert!(refused(&unread, &usual, 1.0).contains("no readout of these layers and components"));
    for scale in [0.0, -1.0, f32::NAN, 1e9, f32::INFINITY] {
        assert!(refused(&trace, &usual, scale).contains("choose a scale above 0"), "{scale}");
    }
    let narrow = refused(&trace, &usual.clone().with_width(Some(10)), 1.0);
    assert!(narrow.contains("choose a width from 160"), "{narrow}");
    let layer = Film::new(&trace, &usual.clone().with_layers(vec![9]), 1.0).err();
    assert!(matches!(layer, Some(PictureError::LayerNotRead { layer: 9, .. })));
}

#[test]
fn a_full_disk_is_an_error() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let trace = written(3, 3, &MIXED);
    for room in [0, 100, 5000] {
        let film = Film::new(&trace, &PictureOptions::default(), 1.0).unwrap();
        assert!(matches!(film.write(&mut Full(room)), Err(FilmError::Write(_))), "{room}");
    }
}
