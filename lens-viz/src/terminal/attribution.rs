//! What contributes to a logit: layers down, heads across, and the largest parts of every kind.

use lens_core::attribution::{AttributionTrace, Shares, TargetLogit};

use super::{
    TableOptions,
    header::{NAMES, model_lines, named, position, prompt, self_check, told},
};
use crate::{
    digits::{place_read, signed, sum_of_shares},
    sheet::{
        label::Label,
        line::{Line, Sheet, Span},
        paint::{Ink, Paint},
    },
};

/// Columns of a contribution with its sign, and of the space before it.
const NUMBER: usize = 8;

/// Columns of the number of a layer.
const LAYER: usize = 6;

/// The contributions to a logit as text: model, prompt and target; the sum and its error; a grid with layers down, what
/// the branches add and the heads across, as signed digits and, where the terminal has colours, blue below zero and red
/// above it; and the `most` largest parts, heads and neurons.
///
/// Of `options`, width, colours and ASCII count. Every text of the trace goes through [`crate::display_safe`], no line
/// is wider than `options.width`, and every line ends in a line feed.
pub fn attribution(trace: &AttributionTrace, most: usize, options: &TableOptions) -> String {
    let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
    let head = trace.head();
    let mut lines = model_lines(&head, &sheet);
    if trace.position < trace.tokens.len() {
        lines.push(prompt(&head, trace.position, &sheet));
    }
    lines.push(position(&head, trace.position, &sheet));
    lines.push(self_check(&head, &sheet));
    lines.extend(targets(trace, &sheet));
    lines.extend(trace.notes.iter().flat_map(|note| told("note", note, &sheet)));
    lines.extend(grid(trace, &sheet));
    lines.extend(largest(trace, most, &sheet));
    let mut text = String::new();
    for line in lines {
        line.write(&sheet, &mut text);
    }
    text
}

/// Whose logit it is, and the sum of its parts.
fn targets(trace: &AttributionTrace, sheet: &Sheet) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, target) in [("logit of", Some(&trace.target)), ("less that of", trace.versus.as_ref())] {
        let Some(target) = target else { continue };
        let mut line = named(name, sheet);
        line.pad(NAMES + 1);
        line.extend(token(target, sheet));
        line.push(sheet.span(&capped(target), Ink::Plain));
        lines.push(line);
    }
    lines.extend(place_read(trace).iter().flat_map(|place| told("read at", place, sheet)));
    let sum = sum_of_shares(trace);
    lines.extend(told("sum", &sum, sheet));
    for (name, error) in [("heads", trace.heads_error), ("neurons", trace.neurons_error)] {
        if let Some(error) = error {
            let whole = if name == "heads" { "attn_out" } else { "mlp_out" };
            let says =
                format!("with the biases of a branch, off from {whole} by {:.1e} at most", error.abs());
            lines.extend(told(name, &says, sheet));
        }
    }
    lines
}

fn token(target: &TargetLogit, sheet: &Sheet) -> Vec<Span> {
    let label = Label::new(&target.text, sheet).fit(24, sheet.ellipsis());
    vec![sheet.span(&label.plain(), Ink::Focus), sheet.span(&format!(" <id {}>", target.id), Ink::Faint)]
}

/// A logit before the cap, and after it where that is another number.
fn capped(target: &TargetLogit) -> String {
    let before = format!("  {:.4}", target.logit_before_cap);
    if (target.logit - target.logit_before_cap).abs() < 0.005 {
        return before;
    }
    format!("{before} before the cap, {:.4} after it", target.logit)
}

/// A table with its columns in as many blocks as the width takes.
fn grid(trace: &AttributionTrace, sheet: &Sheet) -> Vec<Line> {
    let heads = trace.heads_by_layer();
    let most = heads.iter().map(Vec::len).max().unwrap_or(0);
    let branches = ["attn_out", "mlp_out"];
    let names: Vec<String> =
        branches.map(str::to_owned).into_iter().chain((0..most).map(|head| format!("h{head}"))).collect();
    let rows: Vec<Vec<Option<f64>>> = heads
        .iter()
        .enumerate()
        // Where a logit is read in the middle, later layers have no part in it.
        .take_while(|(layer, _)| trace.contributions.get(&format!("L{layer}.attn_out")).is_some())
        .map(|(layer, heads)| {
            let whole = branches.map(|name| trace.contributions.get(&format!("L{layer}.{name}")));
            whole.into_iter().chain((0..most).map(|head| heads.get(head).copied())).collect()
        })
        .collect();
    let largest = rows.iter().flatten().flatten().fold(0.0f64, |most, value| most.max(value.abs()));
    let at_once = (sheet.width.saturating_sub(LAYER) / (NUMBER + 1)).max(1);
    let mut lines = Vec::new();
    let columns: Vec<usize> = (0..names.len()).collect();
    for block in columns.chunks(at_once) {
        lines.push(Line::default());
        let mut line = Line::default();
        line.push(sheet.span(&format!("{:>LAYER$}", "layer"), Ink::Faint));
        line.extend(block.iter().map(|i| sheet.span(&format!(" {:>NUMBER$}", names[*i]), Ink::Strong)));
        lines.push(line);
        for (layer, row) in rows.iter().enumerate() {
            let mut line = Line::default();
            line.push(sheet.span(&format!("{layer:>LAYER$}"), Ink::Plain));
            for i in block {
                line.space(1);
                line.push(cell(row[*i], largest, sheet));
            }
            lines.push(line);
        }
    }
    lines
}

fn cell(value: Option<f64>, largest: f64, sheet: &Sheet) -> Span {
    let Some(value) = value else { return sheet.span(&" ".repeat(NUMBER), Ink::Plain) };
    let share = if largest > 0.0 { (value / largest + 1.0) / 2.0 } else { 0.5 };
    sheet.span(&format!("{:>NUMBER$}", signed(value)), Ink::Signed(share as f32))
}

/// The parts, heads and neurons that contribute most, either way.
fn largest(trace: &AttributionTrace, most: usize, sheet: &Sheet) -> Vec<Line> {
    let bias = ("biases".to_owned(), trace.bias);
    let parts = Shares(trace.contributions.0.iter().cloned().chain([bias]).collect());
    let mut lines = Vec::new();
    for (name, shares) in [("parts", &parts), ("heads", &trace.heads), ("neurons", &trace.neurons)] {
        let mut sorted: Vec<&(String, f64)> = shares.0.iter().collect();
        sorted.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let items: Vec<Vec<Span>> = sorted
            .into_iter()
            .take(most)
            .map(|(name, value)| {
                let value = sheet.span(&format!(" {}", signed(*value)), Ink::Strong);
                vec![sheet.span(name, Ink::Plain), value]
            })
            .collect();
        if !items.is_empty() {
            lines.push(Line::default());
            lines.push(named(&format!("largest {name}"), sheet));
            lines.extend(sheet.flow(&items, 2));
        }
    }
    lines
}
