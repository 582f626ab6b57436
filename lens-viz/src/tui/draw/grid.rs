//! Layers down, positions across: the first token of every cell, coloured by a statistic.

use lens_core::ReadoutTrace;
use ratatui::{
    layout::Rect,
    style::{Modifier, Style},
};
use unicode_width::UnicodeWidthStr;

use super::pen::Pen;
use crate::{context::in_sequence, sheet::paint::Ink, source::Place, tui::app::App};

/// Columns of a layer's name.
const GUTTER: u16 = 6;

/// Columns of a number in a cell.
const NUMBER: usize = 5;

/// How a cell is laid out: a border, a mark, the token, the number where one is shown, and a mark.
struct Cells {
    width: u16,
    label: usize,
}

/// Draws the part of the grid that is seen, so that the cursor is.
pub(super) fn grid(app: &mut App, pen: &mut Pen<'_>, area: Rect) {
    let rows = app.rows();
    let label = app.cell.min(usize::from(area.width.saturating_sub(GUTTER + 12)).max(4));
    let width = (label + 3 + if app.numbers { NUMBER + 1 } else { 0 }) as u16;
    let cells = Cells { width, label };
    let has_legend = area.height >= 9;
    let body =
        Rect { y: area.y + 2, height: area.height.saturating_sub(2 + 2 * u16::from(has_legend)), ..area };
    let columns = usize::from((area.width.saturating_sub(GUTTER) / width).max(1));
    app.shown = (usize::from(body.height).max(1), columns);
    app.first.0 = seen(app.first.0, app.row_to_see(), app.shown.0, rows.len());
    app.first.1 = seen(app.first.1, app.column, columns, app.run.positions().len());
    app.scale();
    let app = &*app;
    names(app, pen, area, &cells);
    for (y, at) in (body.top()..body.bottom()).zip(app.first.0..rows.len()) {
        row(app, pen, Rect { y, height: 1, ..area }, rows[at], at == app.row, &cells);
    }
    more(app, pen, area, body, rows.len());
    if has_legend {
        legend(app, pen, Rect { y: body.bottom(), height: 2, ..area }, rows.len());
    }
}

/// The first of what is seen, so that the cursor is seen and nothing is empty that need not be.
fn seen(first: usize, cursor: usize, shown: usize, all: usize) -> usize {
    let cursor = cursor.min(all.saturating_sub(1));
    let first =
        if cursor < first { cursor } else { first.max(cursor.saturating_add(1).saturating_sub(shown)) };
    first.min(all.saturating_sub(shown))
}

/// The columns that are seen: their places on the screen and their positions.
fn columns<'a>(app: &'a App, area: Rect, cells: &Cells) -> impl Iterator<Item = (u16, usize, usize)> + 'a {
    let width = cells.width;
    let shown = app.run.positions().iter().enumerate().skip(app.first.1).take(app.shown.1);
    shown.enumerate().map(move |(i, (at, position))| (area.x + GUTTER + i as u16 * width, at, *position))
}

/// Numbers of positions and their tokens.
fn names(app: &App, pen: &mut Pen<'_>, area: Rect, cells: &Cells) {
    let faint = pen.ink(Ink::Faint);
    pen.put(area.x, area.y, GUTTER, "  pos", faint);
    pen.put(area.x, area.y + 1, GUTTER, "token", faint);
    let all: Vec<_> = columns(app, area, cells).collect();
    for (x, at, position) in all {
        let token = app.run.tokens().get(position);
        let said = in_sequence(app.run.tokens(), position);
        let here = at == app.column;
        let style = |style: Style| if here { style.add_modifier(Modifier::REVERSED) } else { style };
        border(app, pen, x, area.y, 2, position);
        pen.put(x + 1, area.y, cells.width - 1, &format!(" {position} "), style(faint));
        let text = said.map(|said| pen.label(&said, usize::from(cells.width) - 3)).unwrap_or_default();
        let strong = if token.is_some_and(|token| token.generated) {
            pen.ink(Ink::Decided)
        } else {
            pen.ink(Ink::Strong)
        };
        pen.put(x + 1, area.y + 1, cells.width - 1, &format!(" {text} "), style(strong));
    }
}

/// The border between what was given and what was written.
fn border(app: &App, pen: &mut Pen<'_>, x: u16, y: u16, height: u16, position: usize) {
    let generated =
        |at: Option<usize>| at.and_then(|at| app.run.tokens().get(at)).is_some_and(|token| token.generated);
    if generated(Some(position)) && !generated(position.checked_sub(1)) {
        pen.wall(x, Rect { x, y, width: 1, height });
    }
}

fn row(app: &App, pen: &mut Pen<'_>, area: Rect, place: Place, is_cursor: bool, cells: &Cells) {
    let name = layer(place);
    let style = if is_cursor {
        Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
    } else {
        pen.ink(Ink::Plain)
    };
    pen.put(area.x, area.y, GUTTER - 1, &format!("{name:>5}"), style);
    let all: Vec<_> = columns(app, area, cells).collect();
    for (x, at, position) in all {
        border(app, pen, x, area.y, 1, position);
        let is_here = is_cursor && at == app.column;
        match app.run.at(app.lens, position, place) {
            Some(readout) => cell(app, pen, (x + 1, area.y), readout, is_here, cells),
            None => {
                let style =
                    if is_here { Style::new().add_modifier(Modifier::REVERSED) } else { pen.ink(Ink::Faint) };
                pen.put(x + 1, area.y, cells.width - 1, pen.glyph(" ·", " ."), style);
            }
        }
    }
}

/// Marks where rows and positions go on.
fn more(app: &App, pen: &mut Pen<'_>, area: Rect, body: Rect, rows: usize) {
    let faint = pen.ink(Ink::Faint);
    let gutter = area.x + GUTTER - 1;
    let end = (app.first.0 + app.shown.0, app.first.1 + app.shown.1);
    for (is_more, x, y, mark, ascii) in [
        (app.first.1 > 0, gutter, area.y, "‹", "<"),
        (end.1 < app.run.positions().len(), area.right() - 1, area.y, "›", ">"),
        (app.first.0 > 0, gutter, body.y, "↑", "^"),
        (end.0 < rows, gutter, body.bottom().saturating_sub(1), "↓", "v"),
    ] {
        if is_more && body.height > 0 {
            pen.put(x, y, 1, pen.glyph(mark, ascii), faint);
        }
    }
}

/// What a row is called.
pub(super) fn layer(place: Place) -> String {
    place.0.map_or_else(|| "embed".to_owned(), |layer| layer.to_string())
}

fn cell(
    app: &App,
    pen: &mut Pen<'_>,
    (x, y): (u16, u16),
    readout: &ReadoutTrace,
    is_here: bool,
    cells: &Cells,
) {
    let usual = ink(app, readout);
    let mut style = if app.run.is_echo(readout) { echo(pen, usual) } else { pen.ink(usual) };
    if app.is_found(readout) {
        style = style.add_modifier(Modifier::UNDERLINED | Modifier::BOLD);
    }
    let top = readout.top.first();
    let pin = top.and_then(|top| app.pin_of(top.id));
    let (left, right) = match (is_here, pin) {
        (true, _) => ("[", "]"),
        (false, pin) => {
            (pin.map_or(" ", |pin| pen.pin_mark(pin)), if app.run.is_right(readout) { "*" } else { " " })
        }
    };
    if is_here {
        style = style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
    }
    let text = top.map(|top| pen.label(&top.text, cells.label)).unwrap_or_default();
    let blank = " ".repeat(cells.label.saturating_sub(text.width()));
    let number = match app.numbers {
        true => format!(" {:>NUMBER$}", crate::sheet::line::cut(&app.measure.digits(readout), NUMBER, "")),
        false => String::new(),
    };
    pen.put(x, y, cells.width - 1, &format!("{left}{text}{blank}{number}{right}"), style);
}

/// How a token is written that only repeats what stands at its position.
fn echo(pen: &Pen<'_>, usual: Ink) -> Style {
    let ink = match usual {
        Ink::Chip(share) => Ink::Echo(share),
        Ink::Signed(share) => Ink::SignedEcho(share),
        _ => Ink::Faint,
    };
    pen.ink(ink).add_modifier(Modifier::ITALIC)
}

/// The colour of a readout.
pub(super) fn ink(app: &App, readout: &ReadoutTrace) -> Ink {
    let Some(scale) = app.scale_now() else { return Ink::Plain };
    match app.measure.value(readout) {
        None => Ink::Plain,
        Some(value) if scale.is_diverging() => Ink::Signed(scale.share(value) as f32),
        Some(value) => Ink::Chip(scale.share(value) as f32),
    }
}

/// What colours and signs mean, and what part is seen.
fn legend(app: &App, pen: &mut Pen<'_>, area: Rect, rows: usize) {
    let faint = pen.ink(Ink::Faint);
    let y = area.y + 1;
    let mut x = area.x + 1;
    if let Some(scale) = app.scale_now() {
        if app.look.color >= crate::terminal::ColorLevel::Ansi256 {
            let (from, to) = scale.ends();
            x = pen.put(x, y, area.width, &format!("{from} "), faint);
            for i in 0..10 {
                let share = i as f32 / 9.0;
                let ink = if scale.is_diverging() { Ink::Signed(share) } else { Ink::Ramp(share) };
                x = pen.put(x, y, 1, " ", pen.ink(ink));
            }
            x = pen.put(x, y, area.width, &format!(" {to}  "), faint);
        }
        let name = if pen.look.ascii { scale.name.replace('−', "-") } else { scale.name.clone() };
        let name = pen.safe(&name);
        x = pen.put(x, y, area.right().saturating_sub(x), &name, faint) + 2;
    }
    let star = "* comes next";
    let part = part(app, rows);
    if x + (star.len() + part.len() + 4) as u16 <= area.right() {
        pen.put(x, y, area.right() - x, star, faint);
    }
    // What is not seen is said, above the rest where that leaves no room.
    let above = u16::from(x + part.len() as u16 > area.right());
    pen.put_right(area.right() - 1, y - above, area.width, &part, faint);
}

/// What is seen of how much, where not all of it is.
fn part(app: &App, rows: usize) -> String {
    let positions = app.run.positions();
    let mut parts = Vec::new();
    if app.shown.0 < rows {
        parts.push(format!("rows {}-{} of {rows}", app.first.0 + 1, app.first.0 + app.shown.0));
    }
    if app.shown.1 < positions.len() {
        let end = app.first.1 + app.shown.1;
        parts.push(format!("columns {}-{end} of {}", app.first.1 + 1, positions.len()));
    }
    parts.join(", ")
}
