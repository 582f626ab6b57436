//! A run beside another one: the model as it is, and with interventions.

use lens_core::{Component, LensTrace, ReadoutTrace, SampledTrace, Site, TopTrace};

use super::{
    TableOptions,
    header::{self, named},
    steps::written,
};
use crate::digits::percent;
use crate::sheet::{
    label::Label,
    line::{Line, Sheet, Span},
    paint::{Ink, Paint},
};

/// The most columns of a token.
const TOKEN: usize = 24;

/// Columns of what stands in front.
const NAME: usize = 7;

/// Two runs of the same prompt side by side: what each layer says at the last position of the prompt that both read,
/// what each predicts, and what each writes. Where they differ, the line is marked.
pub fn compare(before: &LensTrace, after: &LensTrace, options: &TableOptions) -> String {
    let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
    let token = sheet.width.saturating_sub(NAME + 2 * 9 + 2).min(2 * TOKEN) / 2;
    let view = Compare { sheet, token, before, after };
    let mut lines = header::run(after, &sheet);
    lines.push(Line::default());
    lines.extend(view.layers());
    lines.extend(view.predictions(options.predictions));
    lines.extend(view.steps());
    lines.push(Line::default());
    lines.extend([before, after].map(|trace| header::self_check(trace, &sheet)));
    let mut text = String::new();
    for line in lines {
        line.write(&sheet, &mut text);
    }
    text
}

struct Compare<'a> {
    sheet: Sheet,
    /// Columns of a token.
    token: usize,
    before: &'a LensTrace,
    after: &'a LensTrace,
}

impl Compare<'_> {
    /// The first position that both have read a continuation from, or the last one of the prompt.
    fn position(&self) -> Option<usize> {
        let has = |trace: &LensTrace, position| trace.finals.iter().any(|last| last.position == position);
        let n_prompt = self.before.tokens.iter().take_while(|token| !token.generated).count();
        let read = self.before.finals.iter().map(|last| last.position);
        read.filter(|position| *position < n_prompt && has(self.after, *position)).max()
    }

    fn layers(&self) -> Vec<Line> {
        let Some(position) = self.position() else { return Vec::new() };
        let (before, after) = (outputs(self.before, position), outputs(self.after, position));
        let mut lines = vec![self.names("layer", "before", "after")];
        for (one, other) in before.iter().zip(&after) {
            let name = one.layer.map_or("embed".to_owned(), |layer| layer.to_string());
            lines.push(self.row(&name, one.top.first(), other.top.first()));
        }
        lines
    }

    fn predictions(&self, shown: usize) -> Vec<Line> {
        let Some(position) = self.position() else { return Vec::new() };
        let top = |trace: &LensTrace| -> Vec<TopTrace> {
            let last = trace.finals.iter().find(|last| last.position == position);
            last.map_or(Vec::new(), |last| last.top.iter().take(shown).cloned().collect())
        };
        let (before, after) = (top(self.before), top(self.after));
        let mut lines = vec![Line::default(), self.names("rank", "before", "after")];
        for rank in 0..before.len().max(after.len()) {
            lines.push(self.row(&(rank + 1).to_string(), before.get(rank), after.get(rank)));
        }
        lines
    }

    fn steps(&self) -> Vec<Line> {
        if self.before.steps.is_empty() && self.after.steps.is_empty() {
            return Vec::new();
        }
        let token = |trace: &LensTrace, step: usize| {
            trace.steps.get(step).map(|step| {
                let SampledTrace { id, text, bytes, prob, .. } = step.token.clone();
                let mut token = TopTrace::new(id, text, 0.0, prob);
                token.bytes = bytes;
                token
            })
        };
        let mut lines = vec![Line::default(), self.names("step", "before", "after")];
        for step in 0..self.before.steps.len().max(self.after.steps.len()) {
            let (one, other) = (token(self.before, step), token(self.after, step));
            lines.push(self.row(&step.to_string(), one.as_ref(), other.as_ref()));
        }
        lines.push(Line::default());
        for (name, trace) in [("before", self.before), ("after", self.after)] {
            let mut line = named(name, &self.sheet);
            line.push(self.sheet.span(&written(trace), Ink::Strong));
            lines.push(line);
        }
        lines
    }

    fn names(&self, name: &str, before: &str, after: &str) -> Line {
        let faint = |text: &str| self.sheet.span(text, Ink::Faint);
        let mut line = Line::default();
        line.push(faint(&format!("{name:>0$}  ", NAME - 2)));
        line.push(faint(before));
        line.pad(NAME + self.token + 9);
        line.space(2);
        line.push(faint(after));
        line
    }

    /// A token of each run, with its probability; a mark where they are not the same.
    fn row(&self, name: &str, before: Option<&TopTrace>, after: Option<&TopTrace>) -> Line {
        let differs = before.map(|top| top.id) != after.map(|top| top.id);
        let mut line = Line::default();
        line.push(self.sheet.span(&format!("{name:>0$}  ", NAME - 2), Ink::Faint));
        line.extend(self.cell(before, Ink::Plain));
        line.pad(NAME + self.token + 9);
        line.push(self.sheet.span(if differs { self.sheet.glyph("▸ ", "> ") } else { "  " }, Ink::Decided));
        line.extend(self.cell(after, if differs { Ink::Strong } else { Ink::Plain }));
        line
    }

    fn cell(&self, top: Option<&TopTrace>, ink: Ink) -> Vec<Span> {
        cell(top, ink, self.token, &self.sheet)
    }
}

/// A token in `width` columns, and its probability in seven more.
pub(super) fn cell(top: Option<&TopTrace>, ink: Ink, width: usize, sheet: &Sheet) -> Vec<Span> {
    let Some(top) = top else { return vec![sheet.span("-", Ink::Faint)] };
    let label = Label::new(&top.text, sheet).fit(width, sheet.ellipsis());
    let pad = width - label.width();
    vec![
        sheet.span(&label.lead, Ink::Faint),
        sheet.span(&label.text, ink),
        sheet.span(&label.trail, Ink::Faint),
        sheet.span(&" ".repeat(pad), Ink::Plain),
        sheet.span(&format!("  {:>5}", percent(top.prob, true)), ink),
    ]
}

/// The stream as each layer leaves it at a position, in order of execution; of a run that did not read it, the last
/// component that was read.
pub(super) fn outputs(trace: &LensTrace, position: usize) -> Vec<&ReadoutTrace> {
    // Of several lenses the first.
    let lens = trace.lenses.first().map(|lens| &lens.name);
    let is_here = move |readout: &&ReadoutTrace| {
        readout.position == position && readout.lens.as_ref().is_none_or(|name| Some(name) == lens)
    };
    let here = || trace.readouts.iter().filter(is_here);
    let stream = Component::Site(Site::ResidPost);
    let component = here().any(|readout| readout.component == stream);
    let shown = if component { Some(stream) } else { here().next_back().map(|readout| readout.component) };
    here().filter(|readout| Some(readout.component) == shown).collect()
}
