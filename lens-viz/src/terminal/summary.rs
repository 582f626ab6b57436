//! The lines below the table: the final prediction, where it was decided, the targets, and what the signs mean.

use lens_core::{Component, FinalTrace, LensTrace, Site, Statistic, TopTrace};

use crate::measure::compared;

use super::{
    grid::Grid,
    header::{NAMES, named},
    layout::{Column, Layout},
};
use crate::digits::{percent, percent_of, ranges, rank};
use crate::sheet::{
    label::Label,
    line::{Line, Sheet, Span, cut},
    paint::Ink,
};

/// Columns of a bar that stands for certainty.
const BAR: usize = 32;

pub(super) fn summary(trace: &LensTrace, last: &FinalTrace, shown: usize, sheet: &Sheet) -> Vec<Line> {
    let top: Vec<&TopTrace> = last.top.iter().take(shown).collect();
    let mut lines = ranked("prediction", &top, sheet, |_| String::new());
    lines.push(decided(trace, last, sheet));
    lines.extend(important(trace, last, sheet));
    lines.extend(moving(last, sheet));
    let targets: Vec<&TopTrace> = last.targets.iter().map(|target| &target.token).collect();
    lines.extend(ranked("targets", &targets, sheet, |i| format!("  rank {}", rank(&last.targets[i]))));
    lines
}

/// Tokens, each with its probability and a bar.
fn ranked(name: &str, tokens: &[&TopTrace], sheet: &Sheet, note: impl Fn(usize) -> String) -> Vec<Line> {
    let labels = Label::of_list(tokens.iter().copied(), sheet);
    let most = sheet.width.saturating_sub(NAMES + 12).clamp(4, 24);
    let width = labels.iter().map(Label::width).max().unwrap_or(0).min(most);
    let notes: Vec<String> = (0..tokens.len()).map(note).collect();
    let note_width = notes.iter().map(String::len).max().unwrap_or(0);
    let bar = sheet.width.saturating_sub(NAMES + width + note_width + 12).min(BAR);
    labels
        .into_iter()
        .zip(tokens)
        .zip(notes)
        .enumerate()
        .map(|(i, ((label, token), note))| {
            let mut line = named(if i == 0 { name } else { "" }, sheet);
            let label = label.fit(width, sheet.ellipsis());
            let ink = if i == 0 { Ink::Strong } else { Ink::Plain };
            line.push(sheet.span(&label.lead, Ink::Faint));
            line.push(sheet.span(&label.text, ink));
            line.push(sheet.span(&label.trail, Ink::Faint));
            line.push(sheet.span(&label.id, Ink::Faint));
            line.pad(NAMES + width);
            line.push(sheet.span(&format!("  {:>5} %{note:<note_width$}  ", percent(token.prob, true)), ink));
            line.push(sheet.span(&draw_bar(token.prob, bar, sheet.ascii), Ink::Plain));
            line
        })
        .collect()
}

/// A bar of at most `width` columns, to an eighth of a column.
fn draw_bar(probability: f32, width: usize, ascii: bool) -> String {
    let p = probability.clamp(0.0, 1.0);
    if ascii {
        return "#".repeat((p * width as f32).round() as usize);
    }
    let eighths = (p * width as f32 * 8.0).round() as usize;
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{rest}", "█".repeat(eighths / 8))
}

fn decided(trace: &LensTrace, last: &FinalTrace, sheet: &Sheet) -> Line {
    let mut line = named("decided", sheet);
    match last.decided_at {
        Some(layer) => {
            line.push(sheet.span(
                &format!("at L{layer}, of L0 to L{}", trace.model.n_layers.saturating_sub(1)),
                Ink::Decided,
            ));
        }
        None => line.push(sheet.span("at no layer", Ink::Plain)),
    }
    let dot = sheet.glyph(" · ", ", ");
    if let Some(entropy) = last.get(Statistic::Entropy) {
        line.push(sheet.span(&format!("{dot}entropy {entropy:.2} nats"), Ink::Plain));
    }
    if let Some(cross_entropy) = last.get(Statistic::CrossEntropy) {
        line.push(sheet.span(&format!("{dot}next token {cross_entropy:.2} nats"), Ink::Plain));
    }
    line
}

/// The layers in which a part adds or holds a token above the threshold; nothing where no such part was read.
fn important(trace: &LensTrace, last: &FinalTrace, sheet: &Sheet) -> Option<Line> {
    let threshold = trace.important_above?;
    let counts = [Site::AttnOut, Site::MlpOut, Site::ResidPost].map(Component::Site);
    if !trace.readouts.iter().any(|readout| counts.contains(&readout.component)) {
        return None;
    }
    let above = format!(" (a token above {} %)", percent_of(threshold));
    Some(layers("important", &last.important_layers, &above, sheet))
}

/// The layers that move the prediction most, where that is known.
fn moving(last: &FinalTrace, sheet: &Sheet) -> Option<Line> {
    let which = last.important_by_movement.as_deref()?;
    let long = " (over twice an even share of the movement of KL)";
    // The layers themselves matter more than what the rule is.
    let room = sheet.width.saturating_sub(NAMES + 7 + ranges(which).len());
    let why = if long.len() <= room { long } else { " (of KL)" };
    Some(layers("moved by", which, why, sheet))
}

/// A line of layers, and after them why they are named.
fn layers(name: &str, which: &[u16], why: &str, sheet: &Sheet) -> Line {
    let mut line = named(name, sheet);
    let room = sheet.width.saturating_sub(NAMES + 7 + why.len());
    let listed = cut(&ranges(which), room, sheet.ellipsis());
    let layers = match which.len() {
        0 => "no layer".to_owned(),
        1 => format!("layer {listed}"),
        _ => format!("layers {listed}"),
    };
    line.push(sheet.span(&layers, Ink::Plain));
    line.push(sheet.span(why, Ink::Faint));
    line
}

/// What the signs and columns of the table mean: only those that it has.
pub(super) fn legend(trace: &LensTrace, grid: &Grid<'_>, layout: &Layout, sheet: &Sheet) -> Vec<Line> {
    let shown = |column: Column| layout.blocks.iter().any(|block| block.contains(&column));
    let faint = |text: &str| vec![sheet.span(text, Ink::Faint)];
    let mut items: Vec<Vec<Span>> = Vec::new();
    if sheet.paint.has_ramp() {
        let steps = (0..12).map(|i| sheet.span(" ", Ink::Ramp(i as f32 / 11.0)));
        items.push(faint("0 % ").into_iter().chain(steps).chain(faint(" 100 %")).collect());
    } else {
        items.push(faint("probabilities in %"));
    }
    if grid.rows.iter().any(|row| row.agrees) {
        items.push(faint(sheet.glyph("✓ top-1 is the final one", "* top-1 is the final one")));
    }
    if grid.rows.iter().any(|row| row.decided) {
        items.push(faint(sheet.glyph("▸ decided", "> decided")));
    }
    if shown(Column::Trust) {
        items.push(faint(
            sheet.glyph("trust ● as the final layer, ○ very far", "trust 5 as the final layer, 1 very far"),
        ));
        items.push(faint("beside it % of positions with the final top-1"));
    }
    if shown(Column::Statistic(Statistic::KlToFinal)) {
        items.push(faint("KL to the final, nats"));
    }
    if shown(Column::Statistic(Statistic::JsToFinal)) {
        items.push(faint("JS Jensen-Shannon divergence to the final, nats"));
    }
    if shown(Column::Statistic(Statistic::TvToFinal)) {
        items.push(faint("TV total variation to the final, 0 to 1"));
    }
    if shown(Column::Statistic(Statistic::Entropy)) {
        items.push(faint("H entropy, nats"));
    }
    if shown(Column::Statistic(Statistic::RankOfFinal)) {
        items.push(faint("rank of the final top-1"));
    }
    if shown(Column::Statistic(Statistic::LogitDiff)) {
        let tokens = compared(trace).unwrap_or_else(|| "the target less another token".to_owned());
        items.push(faint(&format!("diff of logits: {tokens}")));
    }
    if shown(Column::Target(0)) {
        items.push(faint("targets: rank and %"));
    }
    // Next to the tokens of several parts, numbers are taken for those of the stream.
    let has_numbers = layout.blocks.iter().flatten().any(|column| !matches!(column, Column::Component(_)));
    let stream = [Component::Embed, Component::Site(Site::ResidPost)];
    if has_numbers && !stream.contains(&grid.numbered) {
        items.push(faint(&format!("numbers beside the tokens: of {}", grid.numbered)));
    }
    let mut lines = sheet.flow(&items, 1);
    if grid.has_virtual {
        let dagger = sheet.glyph("†", "^");
        let note = format!("{dagger} virtual: attention and MLP run side by side, nothing reads this sum");
        lines.extend(sheet.flow(&[faint(&note)], 1));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_probability() {
        assert_eq!(draw_bar(1.0, 4, false), "████");
        assert_eq!(draw_bar(0.53, 4, false), "██▏");
        assert_eq!(draw_bar(0.5, 4, true), "##");
        assert_eq!(draw_bar(f32::INFINITY, 2, false), "██");
    }
}
