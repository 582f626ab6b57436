//! Tokens that are followed, from layer to layer at the cursor's position.

use lens_core::{ReadoutTrace, TokenId};
use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::pen::Pen;
use crate::{
    digits::percent,
    sheet::paint::Ink,
    tui::app::{App, Pin},
};

/// Lines that the pane takes with all there is in it.
pub(super) fn lines(app: &App) -> u16 {
    2 + 3 * (app.pins.len().max(1) as u16)
}

/// Draws how the probability of every token goes, with its rank under the cursor.
pub(super) fn pins(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let title = app.position().map_or_else(String::new, |position| format!(" at {position}"));
    pen.rule(area, &format!("layer by layer{title}"));
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let own = app.position().and_then(|position| app.run.last(position)?.top.first());
    // With nothing to follow, what the model says.
    let own = own.map(|top| Pin { id: top.id, text: top.text.clone() });
    let followed: Vec<(usize, &Pin)> = match app.pins.is_empty() {
        true => own.iter().enumerate().collect(),
        false => app.pins.iter().enumerate().collect(),
    };
    let tall = inner.height >= 3 * followed.len() as u16;
    let each = if tall { 3 } else { 2 };
    let mut y = inner.y;
    for (i, pin) in followed {
        if y + each > inner.bottom() {
            let rest = app.pins.len() - i;
            if y < inner.bottom() {
                pen.put(inner.x, y, inner.width, &format!("and {rest} more: Enter"), pen.ink(Ink::Faint));
            }
            return;
        }
        let marked = !app.pins.is_empty();
        trajectory(app, pen, Rect { y, height: each, ..inner }, pin, marked.then_some(i));
        y += each;
    }
    if app.pins.is_empty() && y < inner.bottom() {
        pen.put(inner.x, y, inner.width, "p follows the token under the cursor", pen.ink(Ink::Faint));
    }
}

/// A token: what it is under the cursor, and a bar for every layer.
fn trajectory(app: &App, pen: &mut Pen<'_>, area: Rect, pin: &Pin, number: Option<usize>) {
    let style = number.map_or_else(|| pen.ink(Ink::Strong), |number| pen.pin(number));
    let here = app.readout();
    let value = here.map_or_else(String::new, |readout| said(readout, pin.id));
    let mark = number.map_or("", |number| pen.pin_mark(number));
    let room = usize::from(area.width).saturating_sub(value.width() + 2);
    let name = format!("{mark}{}", pen.label(&pin.text, room.saturating_sub(2)));
    pen.put(area.x, area.y, area.width, &name, style);
    pen.put_right(area.right(), area.y, area.width, &value, Style::new());
    let rows = app.rows();
    let Some(position) = app.position() else { return };
    let probs: Vec<Option<f32>> =
        rows.iter().map(|row| Some(app.run.at(app.lens, position, *row)?.score(pin.id)?.prob)).collect();
    let (bars, per_bar) = binned(&probs, area.width.into());
    let width = if per_bar == 1 { (area.width as usize / bars.len().max(1)).clamp(1, 3) } else { 1 };
    let height = area.height - 1;
    for (i, prob) in bars.iter().enumerate() {
        let x = area.x + (i * width) as u16;
        let is_here = app.row / per_bar == i;
        let style = if is_here { style.add_modifier(ratatui::style::Modifier::REVERSED) } else { style };
        column(pen, (x, area.y + 1), (width, height), *prob, style);
    }
}

/// A bar from the bottom up. What was not kept is a dot.
fn column(
    pen: &mut Pen<'_>,
    (x, y): (u16, u16),
    (width, height): (usize, u16),
    prob: Option<f32>,
    style: Style,
) {
    let levels: [&str; 9] = match pen.look.ascii {
        true => [" ", "_", ".", ".", "-", "-", "=", "#", "#"],
        false => [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    };
    let Some(prob) = prob else {
        pen.put(x, y + height - 1, width as u16, pen.glyph("·", "."), pen.ink(Ink::Faint));
        return;
    };
    // Whatever is there is seen.
    let most = 8 * usize::from(height);
    let eighths = ((prob.clamp(0.0, 1.0) * most as f32).round() as usize).clamp(1, most);
    for line in 0..height {
        let below = 8 * usize::from(height - 1 - line);
        let level = levels[eighths.saturating_sub(below).min(8)];
        let bar = if width > 1 { width - 1 } else { 1 };
        pen.put(x, y + line, bar as u16, &level.repeat(bar), style);
    }
}

/// A bar for every layer; where there is no room for that, for the highest of several. How many is returned.
fn binned(probs: &[Option<f32>], room: usize) -> (Vec<Option<f32>>, usize) {
    let per_bar = probs.len().div_ceil(room.max(1)).max(1);
    let highest = |some: &[Option<f32>]| some.iter().flatten().copied().reduce(f32::max);
    (probs.chunks(per_bar).map(highest).collect(), per_bar)
}

/// A token's rank and probability in a readout, as far as they are known.
fn said(readout: &ReadoutTrace, id: TokenId) -> String {
    let among = readout.top.iter().position(|top| top.id == id).map(|at| at as u32 + 1);
    let asked = || readout.targets.iter().find(|target| target.token.id == id)?.rank;
    match (among.or_else(asked), readout.score(id)) {
        (Some(rank), Some(score)) => format!("#{rank} {}%", percent(score.prob, true)),
        (None, Some(score)) => format!("beyond #{} {}%", readout.top.len(), percent(score.prob, true)),
        (_, None) => format!("beyond #{}, not kept", readout.top.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_without_room_share_a_bar() {
        let probs: Vec<Option<f32>> = (0..80).map(|i| (i % 2 == 0).then_some(i as f32 / 80.0)).collect();
        assert_eq!(binned(&probs, 80).1, 1);
        let (bars, per_bar) = binned(&probs, 36);
        assert_eq!((bars.len(), per_bar), (27, 3));
        assert_eq!(bars[0], Some(2.0 / 80.0));
    }
}
