//! The lines above the table: model, lens, prompt, position, self-check.

use lens_core::{FinalTrace, LensTrace, MixerKind};
use unicode_width::UnicodeWidthStr;

use crate::context::{in_sequence, text_of};
use crate::digits::ranges;
use crate::named::Named;
use crate::sheet::{
    label::Label,
    line::{Line, Sheet, Span, cut, cut_start},
    paint::Ink,
};

/// Columns of the names on the left.
pub(super) const NAMES: usize = 12;

/// A line that begins with a name.
pub(super) fn named(name: &str, sheet: &Sheet) -> Line {
    let mut line = Line::default();
    line.push(sheet.span(name, Ink::Faint));
    line.pad(NAMES);
    line
}

/// The lines above one position's table.
pub(super) fn header(trace: &LensTrace, last: &FinalTrace, sheet: &Sheet) -> Vec<Line> {
    let mut lines = model_lines(trace, sheet);
    if last.position < trace.tokens.len() {
        lines.push(prompt(trace, last.position, sheet));
    }
    lines.push(position(trace, last.position, sheet));
    lines.push(self_check(trace, sheet));
    lines
}

/// The lines above a run that has only begun: its model and its whole prompt.
pub(super) fn run(head: &LensTrace, sheet: &Sheet) -> Vec<Line> {
    let mut lines = model_lines(head, sheet);
    let mut line = named("prompt", sheet);
    let room = sheet.width.saturating_sub(NAMES);
    let columns = 4 * room.max(1);
    let n_prompt = head.tokens.iter().take_while(|token| !token.generated).count();
    let text = sheet.safe(&text_of(head, (0..n_prompt).rev(), columns));
    line.push(sheet.span(&cut_start(&text, room, sheet.ellipsis()), Ink::Strong));
    lines.push(line);
    lines
}

pub(super) fn model_lines(trace: &LensTrace, sheet: &Sheet) -> Vec<Line> {
    let mut lines = vec![model(trace, sheet)];
    lines.extend(mixers(trace, sheet));
    lines.push(lens(trace, sheet));
    lines.extend(trace.interventions.iter().map(|change| intervention(&change.text, sheet)));
    lines
}

/// The header of what shows several positions.
pub(super) fn of_all(trace: &LensTrace, sheet: &Sheet) -> Vec<Line> {
    let mut lines = model_lines(trace, sheet);
    let mut prompt = named("prompt", sheet);
    let room = sheet.width.saturating_sub(NAMES);
    // Nobody sees more of it than this; a book is not to be made safe for a line.
    let start =
        trace.prompt.char_indices().nth(room + 1).map_or(&*trace.prompt, |(end, _)| &trace.prompt[..end]);
    prompt.push(sheet.span(&cut(&sheet.safe(start), room, sheet.ellipsis()), Ink::Plain));
    lines.extend([prompt, self_check(trace, sheet)]);
    lines
}

/// The header of what shows several traces: what is the same in all once, anything else under the name of its trace.
pub(super) fn of_several(runs: &[Named<'_>], sheet: &Sheet) -> Vec<Line> {
    let Some(first) = runs.first().map(|named| named.trace) else { return Vec::new() };
    let mut lines = Vec::new();
    let traces = || runs.iter().map(|named| named.trace);
    lines.extend(distinct(traces(), |trace| &trace.model).map(|trace| model(trace, sheet)));
    lines.extend(distinct(traces(), |trace| &trace.lens).map(|trace| lens(trace, sheet)));
    let is_one_prompt = traces().all(|trace| trace.prompt == first.prompt);
    let is_one_change = traces().all(|trace| trace.interventions == first.interventions);
    if is_one_change {
        lines.extend(first.interventions.iter().map(|change| intervention(&change.text, sheet)));
    }
    if is_one_prompt {
        lines.push(said("prompt", &first.prompt, Ink::Plain, sheet));
    }
    for Named { name, trace, .. } in runs {
        if !is_one_prompt {
            lines.push(said(name, &trace.prompt, Ink::Plain, sheet));
        }
        if !is_one_change {
            lines
                .extend(trace.interventions.iter().map(|change| said(name, &change.text, Ink::Focus, sheet)));
        }
    }
    // Of those that were passed, the largest error says all.
    let passed = traces().filter_map(|trace| Some((trace, trace.self_check.filter(|check| check.passed)?)));
    let worst = passed.max_by(|(_, a), (_, b)| a.max_abs_logit_error.total_cmp(&b.max_abs_logit_error));
    lines.extend(worst.map(|(trace, _)| self_check(trace, sheet)));
    let others = traces().filter(|trace| trace.self_check.is_none_or(|check| !check.passed));
    lines.extend(others.map(|trace| self_check(trace, sheet)));
    lines
}

/// The traces that are the first to have a fact.
fn distinct<'a, T: PartialEq>(
    traces: impl Iterator<Item = &'a LensTrace>,
    fact: fn(&LensTrace) -> &T,
) -> impl Iterator<Item = &'a LensTrace> {
    let mut known: Vec<&LensTrace> = Vec::new();
    traces.filter(move |trace| {
        let is_new = known.iter().all(|other| fact(other) != fact(trace));
        if is_new {
            known.push(trace);
        }
        is_new
    })
}

/// A text under a name; what is too long for the line loses its end.
pub(super) fn said(name: &str, text: &str, ink: Ink, sheet: &Sheet) -> Line {
    let room = sheet.width.saturating_sub(NAMES);
    let mut line = named(&cut(&sheet.safe(name), NAMES - 1, sheet.ellipsis()), sheet);
    // Nobody sees more of it than this; a book is not to be made safe for a line.
    let start = text.char_indices().nth(4 * room + 1).map_or(text, |(end, _)| &text[..end]);
    line.push(sheet.span(&cut(&sheet.safe(start), room, sheet.ellipsis()), ink));
    line
}

/// A sentence under a name, on as many lines as it takes.
pub(super) fn told(name: &str, sentence: &str, sheet: &Sheet) -> Vec<Line> {
    let room = sheet.width.saturating_sub(NAMES).max(1);
    let mut rows: Vec<String> = Vec::new();
    for word in sheet.safe(sentence).split(' ') {
        match rows.last_mut().filter(|row| row.width() + 1 + word.width() <= room) {
            Some(row) => row.push_str(&format!(" {word}")),
            None => rows.push(cut(word, room, sheet.ellipsis())),
        }
    }
    let line = |(i, row): (usize, &String)| said(if i == 0 { name } else { "" }, row, Ink::Plain, sheet);
    rows.iter().enumerate().map(line).collect()
}

fn model(trace: &LensTrace, sheet: &Sheet) -> Line {
    let model = &trace.model;
    let dot = sheet.glyph(" · ", ", ");
    let layers =
        if model.n_layers == 1 { "1 layer".to_owned() } else { format!("{} layers", model.n_layers) };
    let family =
        if model.family_assumed { format!("{} (assumed)", model.family) } else { model.family.clone() };
    // A long path loses its beginning, never the facts after it.
    let facts: String = [&family, &layers, &model.dtype, &model.device]
        .map(|fact| format!("{dot}{}", sheet.safe(fact)))
        .concat();
    let room = sheet.width.saturating_sub(NAMES + facts.width()).max(12);
    let mut line = named("model", sheet);
    line.push(sheet.span(&cut_start(&sheet.safe(&model.id), room, sheet.ellipsis()), Ink::Strong));
    line.push(sheet.span(&facts, Ink::Plain));
    line
}

/// What `attn_out` is the output of, where that is not attention in every layer.
fn mixers(trace: &LensTrace, sheet: &Sheet) -> Option<Line> {
    let mixers = &trace.model.mixers;
    let mut kinds: Vec<MixerKind> = Vec::new();
    for kind in mixers {
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    let layers = |kind: &MixerKind| {
        let layers = (0..).zip(mixers).filter(|(_, mixer)| *mixer == kind).map(|(layer, _)| layer);
        format!("{} in {}", kind.name().replace('_', " "), ranges(&layers.collect::<Vec<u16>>()))
    };
    let text = kinds.iter().map(layers).collect::<Vec<_>>().join("; ");
    let mut line = named("attn_out", sheet);
    line.push(sheet.span(&cut(&text, sheet.width.saturating_sub(NAMES), sheet.ellipsis()), Ink::Plain));
    (!kinds.is_empty()).then_some(line)
}

fn lens(trace: &LensTrace, sheet: &Sheet) -> Line {
    let mut line = named("lens", sheet);
    let dot = sheet.glyph(" · ", ", ");
    line.push(sheet.span(&trace.lens.kind, Ink::Plain));
    line.push(sheet.span(&format!("{dot}norm {}", trace.lens.norm.name()), Ink::Plain));
    if let [lens] = trace.lenses.as_slice()
        && let Some(source) = &lens.provenance.source
    {
        let room = sheet.width.saturating_sub(line.width());
        let text = cut(&sheet.safe(&format!("{dot}from {source}")), room, sheet.ellipsis());
        line.push(sheet.span(&text, Ink::Faint));
    }
    line
}

/// Something that was changed while the model ran: whoever reads the table must not take it for the model as it is.
fn intervention(text: &str, sheet: &Sheet) -> Line {
    let mut line = named("changed", sheet);
    let width = sheet.width.saturating_sub(NAMES);
    line.push(sheet.span(&cut(&sheet.safe(text), width, sheet.ellipsis()), Ink::Focus));
    line
}

/// The tokens around the position, itself in brackets. What came before it matters more than what follows.
pub(super) fn prompt(trace: &LensTrace, position: usize, sheet: &Sheet) -> Line {
    let width = sheet.width.saturating_sub(NAMES + 2);
    let focus = in_sequence(&trace.tokens, position).unwrap_or_default();
    let focus = Label::new(&focus, sheet).fit(width / 2, sheet.ellipsis());
    let room = width.saturating_sub(focus.width());
    let before = sheet.safe(&text_of(trace, (0..position).rev(), room));
    let after = sheet.safe(&text_of(trace, position + 1..trace.tokens.len(), room));
    let for_after = after.width().min((room / 4).max(room.saturating_sub(before.width())));
    // What the model wrote is not part of the prompt.
    let written = trace.tokens.iter().any(|token| token.generated);
    let mut line = named(if written { "text" } else { "prompt" }, sheet);
    line.push(sheet.span(&cut_start(&before, room - for_after, sheet.ellipsis()), Ink::Plain));
    line.push(sheet.span("[", Ink::Faint));
    line.push(sheet.span(&focus.plain(), Ink::Focus));
    line.push(sheet.span("]", Ink::Faint));
    line.push(sheet.span(&cut(&after, for_after, sheet.ellipsis()), Ink::Plain));
    line
}

pub(super) fn position(trace: &LensTrace, position: usize, sheet: &Sheet) -> Line {
    let mut line = named("position", sheet);
    let label = |index: usize, room: usize| -> Vec<Span> {
        let Some(token) = trace.tokens.get(index) else { return Vec::new() };
        let text = in_sequence(&trace.tokens, index).unwrap_or_default();
        let label = Label::new(&text, sheet).fit(room, sheet.ellipsis());
        vec![sheet.span(&label.plain(), Ink::Strong), sheet.span(&format!(" <id {}>", token.id), Ink::Faint)]
    };
    let room = sheet.width.saturating_sub(NAMES + 52).clamp(8, 24) / 2 + 6;
    line.push(sheet.span(&format!("{position} of 0..{}, after ", trace.tokens.len()), Ink::Plain));
    line.extend(label(position, room));
    let next = label(position.saturating_add(1), room);
    if !next.is_empty() {
        line.push(sheet.span("; next ", Ink::Plain));
        line.extend(next);
    }
    if trace.tokens.get(position).is_some_and(|token| token.generated) {
        line.push(sheet.span("; generated", Ink::Faint));
    }
    line
}

/// Whether the numbers can be believed.
pub(super) fn self_check(trace: &LensTrace, sheet: &Sheet) -> Line {
    let mut line = named("self-check", sheet);
    let Some(check) = &trace.self_check else {
        line.push(sheet.span("not checked", Ink::Plain));
        return line;
    };
    let dot = sheet.glyph(" · ", ", ");
    let error = format!("{dot}largest logit error {:.1e}", check.max_abs_logit_error);
    if check.passed {
        line.push(sheet.span("passed", Ink::Good));
        line.push(sheet.span(&error, Ink::Plain));
    } else {
        line.push(sheet.span("FAILED, do not believe these numbers", Ink::Bad));
        line.push(sheet.span(&error, Ink::Bad));
    }
    line
}
