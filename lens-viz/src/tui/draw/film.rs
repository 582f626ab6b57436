//! The film: a line for each layer, with what it would have written up to a frame.

use lens_core::ReadoutTrace;
use ratatui::{
    layout::Rect,
    style::{Modifier, Style},
};
use unicode_width::UnicodeWidthStr;

use super::{grid, pen::Pen};
use crate::{
    context::running,
    sheet::paint::Ink,
    source::Place,
    tui::{
        app::App,
        film::{frames, is_written, line},
    },
};

/// Columns of a layer's name.
const GUTTER: u16 = 7;

/// Draws the lines, and the texts of the model and of the layer under the cursor below them.
pub(super) fn film(app: &mut App, pen: &mut Pen<'_>, area: Rect) {
    let (frames, rows) = (frames(&app.run), app.rows());
    app.scale();
    pen.rule(area, &title(app, pen, frames.len()));
    let below = match area.height {
        ..12 => 0,
        12..18 => 3,
        _ => 7,
    };
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(2 + below), ..area };
    let shown = usize::from(body.height).max(1);
    app.shown.0 = shown;
    let row = app.row.min(rows.len().saturating_sub(1));
    let first = app.first.0.min(row).max((row + 1).saturating_sub(shown));
    app.first.0 = first.min(rows.len().saturating_sub(shown));
    let app = &*app;
    if frames.is_empty() {
        pen.put(body.x + 1, body.y, body.width - 1, "nothing was read yet", pen.ink(Ink::Faint));
        return;
    }
    let until = &frames[..=app.film.frame.min(frames.len() - 1)];
    for (y, at) in (body.top()..body.bottom()).zip(app.first.0..rows.len()) {
        let style = if at == app.row {
            Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
        } else {
            Style::new()
        };
        pen.put(body.x, y, GUTTER - 2, &format!("{:>5}", grid::layer(rows[at])), style);
        pen.put(body.x + GUTTER - 1, y, 1, pen.glyph("│", "|"), pen.ink(Ink::Faint));
        written(
            app,
            pen,
            Rect { x: body.x + GUTTER, y, width: body.width - GUTTER, height: 1 },
            rows[at],
            until,
        );
    }
    let own = Rect { y: body.bottom(), height: 1, ..area };
    model(app, pen, own, until);
    if below > 0 {
        texts(app, pen, Rect { y: own.bottom(), height: below, ..area }, until);
    }
}

fn title(app: &App, pen: &Pen<'_>, frames: usize) -> String {
    let state = if app.film.playing { pen.glyph("▶", ">") } else { pen.glyph("‖", "||") };
    let what = if is_written(&app.run) {
        "what each layer would have written"
    } else {
        "what each layer would have written after each token of the prompt"
    };
    format!("{what} {state} {} of {frames}", (app.film.frame + 1).min(frames))
}

/// The tokens that are seen of a line, the newest last.
fn tail<'a, T>(
    tokens: impl DoubleEndedIterator<Item = T> + 'a,
    width: usize,
    text: impl Fn(&T) -> String,
) -> (Vec<(T, String)>, bool) {
    let (mut seen, mut used, mut is_cut) = (Vec::new(), 0, false);
    for token in tokens.rev() {
        let text = text(&token);
        used += text.width();
        if used > width.saturating_sub(1) && !seen.is_empty() {
            is_cut = true;
            break;
        }
        seen.push((token, text));
    }
    seen.reverse();
    (seen, is_cut)
}

/// A token as it stands in a text.
fn in_text(pen: &Pen<'_>, readout: Option<&ReadoutTrace>) -> String {
    match readout.and_then(|readout| readout.top.first()) {
        Some(top) if top.text.is_empty() => "\"\"".to_owned(),
        Some(top) => pen.safe(&top.text),
        None => pen.glyph("·", ".").to_owned(),
    }
}

/// What a layer would have written: each token in the colour of the statistic, those of the model bold.
fn written(app: &App, pen: &mut Pen<'_>, area: Rect, place: Place, until: &[usize]) {
    let tokens = line(&app.run, app.lens, place, until);
    let (seen, is_cut) = tail(tokens, area.width.into(), |readout| in_text(pen, *readout));
    let mut x = area.x;
    if is_cut {
        x = pen.put(x, area.y, 1, pen.sheet().ellipsis(), pen.ink(Ink::Faint));
    }
    let newest = seen.len().saturating_sub(1);
    for (i, (readout, text)) in seen.into_iter().enumerate() {
        let mut style =
            readout.map_or_else(|| pen.ink(Ink::Faint), |readout| pen.ink(grid::ink(app, readout)));
        if readout.is_some_and(|readout| app.run.is_right(readout)) {
            style = style.add_modifier(Modifier::BOLD);
        }
        if i == newest {
            style = style.add_modifier(Modifier::UNDERLINED);
        }
        x = pen.put(x, area.y, area.right().saturating_sub(x), &text, style);
    }
}

/// What came in truth.
fn model(app: &App, pen: &mut Pen<'_>, area: Rect, until: &[usize]) {
    let name = if is_written(&app.run) { "model" } else { "text" };
    pen.put(area.x, area.y, GUTTER - 2, &format!("{name:>5}"), pen.ink(Ink::Strong));
    pen.put(area.x + GUTTER - 1, area.y, 1, pen.glyph("│", "|"), pen.ink(Ink::Faint));
    let tokens = until.iter().map(|position| app.run.next(*position));
    let room = area.width - GUTTER;
    let (seen, is_cut) =
        tail(tokens, room.into(), |token| token.map_or_else(String::new, |t| pen.safe(&t.text)));
    let text = pen.safe(&running(seen.into_iter().filter_map(|(token, _)| token)));
    let text = if is_cut { format!("{}{text}", pen.sheet().ellipsis()) } else { text };
    pen.put(area.x + GUTTER, area.y, room, &text, pen.ink(Ink::Decided));
}

/// The whole text up to here, and what the layer under the cursor would have made of it.
fn texts(app: &App, pen: &mut Pen<'_>, area: Rect, until: &[usize]) {
    let Some(place) = app.place() else { return };
    let name = grid::layer(place);
    let name = if place.0.is_some() { format!("layer {name}") } else { name };
    pen.rule(area, &format!("{name}, after the model's own text up to each token"));
    let inner = Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 1 };
    let text: String = line(&app.run, app.lens, place, until).map(|readout| in_text(pen, readout)).collect();
    // The end of it, which is new.
    let lines = super::pen::wrapped(&text, inner.width.into());
    let past = lines.len().saturating_sub(inner.height.into());
    for (y, line) in (inner.top()..inner.bottom()).zip(&lines[past..]) {
        pen.put(inner.x, y, inner.width, line, Style::new());
    }
}
