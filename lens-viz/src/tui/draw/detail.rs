//! The cell under the cursor.

use lens_core::{ReadoutTrace, Statistic};
use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::{grid, pen::Pen};
use crate::{
    context::in_sequence,
    digits::{digits, percent, rank},
    sheet::{label::Label, paint::Ink},
    tui::app::App,
};

/// Draws its tokens and numbers.
pub(super) fn detail(app: &App, pen: &mut Pen<'_>, area: Rect) {
    pen.rule(area, &title(app, pen));
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let Some(readout) = app.readout() else {
        let says = if app.is_running() { "not read yet" } else { "nothing was read here" };
        pen.put(inner.x, inner.y, inner.width, says, pen.ink(Ink::Faint));
        return;
    };
    let facts = facts(app, pen, readout);
    let wanted = facts.len() as u16;
    let for_tokens =
        (readout.top.len() as u16).min(inner.height.saturating_sub(wanted + 1).max(inner.height / 2));
    tokens(app, pen, Rect { height: for_tokens.min(inner.height), ..inner }, readout);
    let y = inner.y + for_tokens + u16::from(for_tokens + wanted < inner.height);
    for (y, (name, value)) in (y..inner.bottom()).zip(facts) {
        let value_room = (value.width() as u16).min(inner.width / 2);
        pen.put(inner.x, y, inner.width - value_room - 1, &name, pen.ink(Ink::Faint));
        pen.put_right(inner.right(), y, inner.width / 2, &value, Style::new());
    }
}

fn title(app: &App, pen: &Pen<'_>) -> String {
    let layer = app.place().map_or_else(String::new, |place| match place.0 {
        None => "embed".to_owned(),
        Some(layer) => format!("L{layer}.{}", place.1),
    });
    match app.position() {
        None => layer,
        Some(position) => {
            let token = in_sequence(app.run.tokens(), position).map(|text| pen.label(&text, 14));
            format!("{layer} at {position} {}", token.unwrap_or_default())
        }
    }
}

/// The most probable tokens, each with a bar.
fn tokens(app: &App, pen: &mut Pen<'_>, area: Rect, readout: &ReadoutTrace) {
    let sheet = pen.sheet();
    let labels = Label::of_list(&readout.top, &sheet);
    let room = usize::from(area.width.saturating_sub(20)).clamp(6, 24);
    for ((y, top), label) in (area.top()..area.bottom()).zip(&readout.top).zip(labels) {
        let i = y - area.y;
        let pin = app.pin_of(top.id);
        let style =
            pin.map_or_else(|| if i == 0 { pen.ink(Ink::Strong) } else { Style::new() }, |pin| pen.pin(pin));
        let mark = pin.map_or(" ", |pin| pen.pin_mark(pin));
        let x = pen.put(area.x, y, 3, &format!("{:>2}", i + 1), pen.ink(Ink::Faint));
        pen.put(x, y, 1, mark, style);
        let text = label.fit(room, sheet.ellipsis()).plain();
        pen.put(x + 1, y, room as u16, &text, style);
        let x = x + 1 + room as u16 + 1;
        pen.put(x, y, 6, &format!("{:>4}%", percent(top.prob, true)), Style::new());
        let x = x + 6;
        let left = usize::from(area.right().saturating_sub(x));
        let bar = bar(top.prob, left, pen.look.ascii);
        pen.put(x, y, left as u16, &bar, pen.ink(Ink::Faint).remove_modifier(ratatui::style::Modifier::DIM));
    }
}

/// A bar in eighths of a column.
fn bar(share: f32, width: usize, ascii: bool) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * 8.0 * width as f32).round() as usize;
    if ascii {
        return "#".repeat((eighths + 4) / 8);
    }
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{rest}", "█".repeat(eighths / 8))
}

/// Statistics, targets, and what the model itself says.
fn facts(app: &App, pen: &Pen<'_>, readout: &ReadoutTrace) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let last = app.run.last(readout.position);
    if let Some(top) = last.and_then(|last| last.top.first()) {
        let value = format!("{} {}%", pen.label(&top.text, 10), percent(top.prob, true));
        facts.push(("the model's answer".to_owned(), value));
    }
    if let Some(decided) = last.and_then(|last| last.decided_at) {
        facts.push(("decided at layer".to_owned(), decided.to_string()));
    }
    if let Some(next) = app.run.next(readout.position) {
        facts.push(("comes next".to_owned(), pen.label(&next.text, 12)));
    }
    for statistic in Statistic::ALL {
        if let Some(value) = digits(readout, statistic) {
            facts.push((pen.safe(statistic.title()), value));
        }
    }
    for target in &readout.targets {
        let value = format!("#{} {}%", rank(target), percent(target.token.prob, true));
        facts.push((pen.label(&target.token.text, 14), value));
    }
    facts
}

/// The same in one line.
pub(super) fn line(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let Some(readout) = app.readout() else { return };
    let place = app.place().map(grid::layer).unwrap_or_default();
    let place = if place == "embed" { place } else { format!("L{place}") };
    let strong = pen.ink(Ink::Strong);
    let mut x = pen.put(area.x + 1, area.y, 8, &place, strong) + 1;
    for top in &readout.top {
        let text = pen.label(&top.text, 14);
        let share = format!("{}%", percent(top.prob, true));
        let needed = (text.width() + share.len() + 3) as u16;
        if x + needed > area.right() {
            break;
        }
        let style = app.pin_of(top.id).map_or_else(Style::new, |pin| pen.pin(pin));
        x = pen.put(x, area.y, needed, &text, style) + 1;
        x = pen.put(x, area.y, needed, &share, pen.ink(Ink::Faint)) + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_eighths() {
        assert_eq!(bar(1.0, 3, false), "███");
        assert_eq!(bar(0.5, 3, false), "█▌");
        assert_eq!(bar(0.0, 3, false), "");
        assert_eq!(bar(f32::NAN, 3, false), "");
        assert_eq!(bar(0.5, 4, true), "##");
    }
}
