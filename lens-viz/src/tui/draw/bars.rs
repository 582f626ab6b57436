//! The lines at the top and the bottom.

use ratatui::{
    layout::Rect,
    style::{Modifier, Style},
};
use unicode_width::UnicodeWidthStr;

use super::pen::Pen;
use crate::{
    context::running,
    sheet::{
        line::{cut, cut_start},
        paint::Ink,
    },
    tui::{
        app::{App, Doing, View},
        entry::{Entry, Purpose},
    },
};

/// Draws the model, what is shown of it, and the text; how many lines that took is returned.
pub(super) fn head(app: &App, pen: &mut Pen<'_>, area: Rect) -> u16 {
    let state = state(app, pen);
    let room = area.width - (state.width() as u16 + 2).min(area.width);
    let strong = Style::new().add_modifier(Modifier::BOLD);
    let bar = Style::new().add_modifier(Modifier::REVERSED);
    let dot = pen.glyph(" · ", " - ");
    pen.put(area.x, area.y, area.width, &" ".repeat(area.width.into()), bar);
    let x = pen.put(area.x, area.y, room, " lens ", bar.patch(strong));
    let model = app.trace().map(|trace| pen.safe(&trace.model.id)).unwrap_or_default();
    let mut parts = vec![];
    if let Some(trace) = app.trace() {
        parts.push(model);
        parts.push(app.component.to_string());
        let lens = app.run.lenses().get(app.lens).map_or(&*trace.lens.kind, String::as_str);
        parts.push(format!("{} lens", pen.safe(lens)));
        parts.push(app.measure.name().to_owned());
        if !trace.interventions.is_empty() {
            parts.push("changed".to_owned());
        }
    }
    pen.put(x, area.y, room.saturating_sub(x - area.x), &parts.join(dot), bar);
    pen.put_right(area.right() - 1, area.y, area.width - 1, &state, bar.patch(strong));
    if area.height < 14 {
        return 1;
    }
    text(app, pen, Rect { y: area.y + 1, height: 1, ..area });
    2
}

fn state(app: &App, pen: &Pen<'_>) -> String {
    let dots = pen.glyph("…", "...");
    match app.doing {
        Doing::Reading(done, total) if done < total => format!("reading {done} of {total}{dots}"),
        Doing::Reading(..) => format!("reading{dots}"),
        Doing::Writing(tokens) => format!("writing, {tokens} so far{dots}"),
        Doing::Nothing => {
            let failed = app.trace().and_then(|trace| trace.self_check).is_some_and(|check| !check.passed);
            if failed { "SELF-CHECK FAILED".to_owned() } else { String::new() }
        }
    }
}

/// The sequence as text, what the model wrote in another style.
fn text(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let tokens = app.run.tokens();
    // What is far away is not on the line: from the end, as much as may fit.
    let few = tokens.len().saturating_sub(area.width.into());
    let of = |generated: bool| -> String {
        running(tokens[few..].iter().filter(|token| token.generated == generated))
    };
    let (prompt, written) = (pen.safe(&of(false)), pen.safe(&of(true)));
    let room = area.width.saturating_sub(1);
    let for_prompt = room.saturating_sub(written.width() as u16).max(room / 2);
    let x = pen.put_end(area.x + 1, area.y, for_prompt, &prompt, Style::new());
    let style = pen.ink(Ink::Decided).add_modifier(Modifier::BOLD);
    pen.put_end(x, area.y, area.right().saturating_sub(x), &written, style);
}

/// Draws the line that is typed, what is to be said, or the keys; the caret's place is returned.
pub(super) fn foot(app: &App, pen: &mut Pen<'_>, area: Rect) -> Option<(u16, u16)> {
    if let Some(entry) = &app.entry {
        return Some(typed(entry, pen, area));
    }
    if let Some(message) = &app.message {
        let text = pen.safe(message);
        pen.put(area.x + 1, area.y, area.width - 1, &text, Style::new().add_modifier(Modifier::BOLD));
        return None;
    }
    let mut x = area.x + 1;
    for (key, does) in hints(app, pen) {
        let needed = (key.width() + does.width() + 3) as u16;
        if x + needed > area.right() {
            break;
        }
        x = pen.put(x, area.y, needed, key, Style::new().add_modifier(Modifier::BOLD));
        x = pen.put(x + 1, area.y, needed, does, pen.ink(Ink::Faint)) + 2;
    }
    None
}

fn hints(app: &App, pen: &Pen<'_>) -> Vec<(&'static str, &'static str)> {
    if app.overlay.is_some() {
        return vec![("Esc", "back"), (pen.glyph("↑↓", "jk"), "scroll")];
    }
    let mut hints = vec![("?", "help"), ("q", "quit")];
    if app.is_running() {
        hints.push(("Esc", "cancel"));
    } else if app.model.is_some() {
        hints.push(("i", "prompt"));
        hints.push(("g", if app.model.is_some_and(|writing| writing.on) { "only read" } else { "write" }));
    }
    match app.view {
        View::Film => {
            hints.push(("space", if app.film.playing { "pause" } else { "play" }));
            hints.extend([(pen.glyph("←→", "hl"), "token"), (pen.glyph("↑↓", "jk"), "layer")]);
            hints.extend([("+-", "pace"), ("Tab", "grid")]);
        }
        View::Grid | View::Detail => {
            hints
                .extend([("Tab", "film"), ("Enter", if app.view == View::Grid { "detail" } else { "grid" })]);
            hints.extend([("p", "follow"), ("c", "component"), ("s", "statistic"), ("f", "find")]);
        }
    }
    hints.push(("e", "export"));
    hints
}

fn typed(entry: &Entry, pen: &mut Pen<'_>, area: Rect) -> (u16, u16) {
    let name = match entry.purpose {
        Purpose::Prompt => "prompt",
        Purpose::Find => "find",
        Purpose::Pin => "follow",
        Purpose::Export => "write to (.html .png .svg .csv .json)",
    };
    let name = if area.width < 60 { name.split(" (").next().unwrap_or(name) } else { name };
    let strong = Style::new().add_modifier(Modifier::BOLD);
    let x = pen.put(area.x + 1, area.y, area.width, &format!("{name} {} ", pen.glyph("›", ">")), strong);
    let room = usize::from(area.right().saturating_sub(x + 1)).max(2);
    let (before, after) = entry.halves();
    let mark = pen.sheet().ellipsis();
    let before = cut_start(&pen.safe(&before), room - 1, mark);
    let after = cut(&pen.safe(&after), room - before.width().min(room), mark);
    let caret = pen.put(x, area.y, room as u16, &before, Style::new());
    pen.put(caret, area.y, area.right().saturating_sub(caret), &after, Style::new());
    (caret.min(area.right() - 1), area.y)
}
