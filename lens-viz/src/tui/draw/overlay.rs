//! Help and notes.

use lens_core::{SelfCheckTrace, Stopped};
use ratatui::{
    layout::Rect,
    style::{Modifier, Style},
};

use super::pen::{Pen, wrapped};
use crate::{
    sheet::paint::Ink,
    tui::app::{App, Overlay},
};

/// Keys and what they do; an empty key begins a section.
const KEYS: [(&str, &str); 37] = [
    ("", "Where"),
    ("arrows, h j k l", "move the cursor"),
    ("Home End, 0 $", "first and last position"),
    ("t G", "first and last layer"),
    ("PageUp PageDown", "a screen of layers up and down"),
    ("b w", "a screen of positions back and on"),
    ("f", "find a token; n and m go to the next and the one before"),
    ("", "What"),
    ("c C", "next component and the one before"),
    ("s S", "next statistic and the one before"),
    ("L", "next lens"),
    ("v", "numbers in the cells, or none"),
    ("+ -", "wider and narrower cells"),
    ("Enter, d", "the cell under the cursor on the whole screen, and back"),
    ("", "Tokens to follow"),
    ("p", "follow the first token of the cell, or no longer"),
    ("1 to 9", "the same for another of its tokens"),
    ("P", "follow a token by its text"),
    ("x", "follow none"),
    ("", "The film: what each layer would have written"),
    ("Tab", "the film, and back to the grid"),
    ("space", "play and pause"),
    ("left right", "a token back and on"),
    ("up down", "another layer"),
    ("+ -", "faster and slower"),
    ("", "The model"),
    ("i /", "type a prompt; Enter runs it"),
    ("g", "let the model write, or only read"),
    ("Esc", "cancel a run; else back to the grid"),
    ("", "Else"),
    ("e", "write a page (.html), picture (.png, .svg), table (.csv, .parquet, .arrow, .txt) or"),
    ("", "trace (.json, .jsonl; .gz and .zst pack them)"),
    ("N", "notes: what was assumed or left out"),
    ("?", "this"),
    ("q, Ctrl-C", "leave"),
    ("*", "in a cell: its first token is the one that comes next"),
    ("italics", "its first token only repeats what stands at the position"),
];

/// Draws what lies over the rest.
pub(super) fn overlay(app: &mut App, which: Overlay, pen: &mut Pen<'_>, area: Rect) {
    let inner = Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 1 };
    let lines = match which {
        Overlay::Help => help(pen, inner.width.into()),
        Overlay::Notes => notes(app, pen, inner.width.into()),
    };
    pen.rule(area, if which == Overlay::Help { "keys" } else { "notes" });
    app.shown.0 = inner.height.into();
    app.past = app.past.min(lines.len().saturating_sub(inner.height.into()));
    for (y, (left, right, style)) in (inner.top()..inner.bottom()).zip(lines.iter().skip(app.past)) {
        let x = pen.put(inner.x, y, inner.width, left, *style);
        let x = if left.is_empty() { x } else { x.max(inner.x + KEY) };
        pen.put(x, y, inner.right().saturating_sub(x), right, Style::new());
    }
}

/// Columns of a key.
const KEY: u16 = 17;

fn help(pen: &Pen<'_>, width: usize) -> Vec<(String, String, Style)> {
    let strong = pen.ink(Ink::Strong);
    let heading = Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
    let mut lines: Vec<(String, String, Style)> = Vec::new();
    let mut section = true;
    for (key, does) in KEYS {
        // What goes on from the line before has a small letter.
        if key.is_empty() && does.starts_with(char::is_uppercase) {
            if !section {
                lines.push((String::new(), String::new(), strong));
            }
            lines.push((does.to_owned(), String::new(), heading));
            section = false;
            continue;
        }
        let indented = wrapped(does, width.saturating_sub(KEY.into()).max(10));
        for (i, line) in indented.into_iter().enumerate() {
            let key = if i == 0 && !key.is_empty() { key } else { " " };
            lines.push((key.to_owned(), line, strong));
        }
    }
    lines
}

fn ended(why: Stopped) -> &'static str {
    match why {
        Stopped::Length => "as many tokens as were asked for",
        Stopped::EndOfText => "a token that ends a text",
        Stopped::StopText => "a text to stop at",
        Stopped::Context => "no more positions",
        Stopped::Interrupted => "interrupted",
    }
}

/// What the self-check found. Its second number is the larger one by far where all logits are rounded to a narrow dtype
/// before they are summed, which is no fault of the readout: so it is said.
fn self_check(check: &SelfCheckTrace, dtype: &str) -> String {
    let verdict = if check.passed { "passed" } else { "FAILED, do not believe these numbers" };
    let rounded = if dtype == "f32" {
        String::new()
    } else {
        format!(", which rounds every logit to {dtype}; the check allows for that rounding and for no more")
    };
    format!(
        "self-check {verdict}: at position {}, largest logit error {:.1e}, from sums in float32; the log-sum-exp of the vocabulary \
         is {:.1e} nats from that of the model's own plain product{rounded}",
        check.position, check.max_abs_logit_error, check.log_sum_exp_error
    )
}

fn notes(app: &App, pen: &Pen<'_>, width: usize) -> Vec<(String, String, Style)> {
    let mut notes: Vec<String> = app.trace().map(|trace| trace.notes.clone()).unwrap_or_default();
    if let Some(trace) = app.trace() {
        if let Some(check) = trace.self_check {
            notes.push(self_check(&check, &trace.model.dtype));
        }
        notes.extend(trace.interventions.iter().map(|change| format!("changed: {}", change.text)));
        notes.extend(trace.generation.as_ref().map(|generation| {
            format!(
                "written at temperature {}, top-p {}, seed {}; ended: {}",
                generation.temperature,
                generation.top_p,
                generation.seed,
                ended(generation.stopped)
            )
        }));
    }
    if notes.is_empty() {
        notes.push("there are none".to_owned());
    }
    let mut lines = Vec::new();
    for note in notes {
        for line in wrapped(&pen.safe(&note), width.saturating_sub(1).max(10)) {
            lines.push((String::new(), line, Style::new()));
        }
        lines.push((String::new(), String::new(), Style::new()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_log_sum_exp_is_explained_and_an_unrounded_one_is_not() {
        let check = SelfCheckTrace::new(5, 6.2e-6, 5.3e-2, true);
        let rounded = self_check(&check, "bf16");
        assert!(
            rounded.starts_with("self-check passed: at position 5, largest logit error 6.2e-6"),
            "{rounded}"
        );
        assert!(
            rounded.contains("5.3e-2 nats") && rounded.contains("rounds every logit to bf16"),
            "{rounded}"
        );
        assert!(!self_check(&check, "f32").contains("rounds"));
        let failed = self_check(&SelfCheckTrace::new(5, 1.0, 1.0, false), "bf16");
        assert!(failed.starts_with("self-check FAILED, do not believe these numbers"), "{failed}");
    }
}
