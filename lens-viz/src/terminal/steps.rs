//! A continuation as it is written: one line for every token.

use std::sync::Arc;

use lens_core::{
    Component, FinalTrace, LensTrace, ReadoutTrace, Site, StepTrace, Stopped, TokenText, token_bytes,
};

use super::{
    TableOptions,
    header::{self, NAMES, named},
};
use crate::digits::{percent, percent_of};
use crate::sheet::{
    label::Label,
    line::{Line, Sheet, Span, cut},
    paint::{Ink, Paint},
};

/// Columns of a token.
const TOKEN: usize = 20;

/// The most columns of the layers' probabilities.
const FORMED: usize = 40;

/// Draws a continuation while it is written: what is read above, then a line for every step, then the text.
#[derive(Debug, Clone)]
pub struct StepsView {
    sheet: Sheet,
    n_layers: usize,
    /// Columns of the step's number.
    digits: usize,
    /// Layers that share a column.
    stride: usize,
    /// Whether the blocks' outputs are among what is read.
    formed: bool,
    /// The lens that is shown, where there is another than the plain one: the first.
    lens: Option<Arc<str>>,
}

impl StepsView {
    /// A view of the run that `head` begins, of at most `max_new_tokens` steps.
    pub fn new(head: &LensTrace, max_new_tokens: usize, options: &TableOptions) -> Self {
        let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
        let n_layers = usize::from(head.model.n_layers);
        let digits = max_new_tokens.saturating_sub(1).to_string().len().max(4);
        let room = options.width.saturating_sub(digits + TOKEN + 36).clamp(8, FORMED);
        let formed = n_layers > 0 && options.width >= digits + TOKEN + 34;
        let lens = head.lenses.first().map(|lens| lens.name.clone());
        Self { sheet, n_layers, digits, stride: n_layers.div_ceil(room).max(1), formed, lens }
    }

    /// The lines above the steps: the model, the prompt, and the columns' names.
    pub fn header(&self, head: &LensTrace) -> String {
        let mut lines = header::run(head, &self.sheet);
        lines.push(Line::default());
        let mut names = Line::default();
        names.push(self.faint(&format!("{:>1$}", "step", self.digits)));
        names.push(self.faint("  token"));
        names.pad(self.digits + 2 + TOKEN);
        names.push(self.faint("      p  decided"));
        if self.formed {
            let what = if self.columns() >= 6 { "  formed" } else { "  by layer" };
            names.push(self.faint(what));
            names.pad(self.after_formed());
        }
        names.push(self.faint("  important layers"));
        lines.push(names);
        self.text(lines)
    }

    /// The line of a step.
    pub fn step(&self, step: &StepTrace, last: &FinalTrace, readouts: &[ReadoutTrace]) -> String {
        let sheet = &self.sheet;
        let mut line = Line::default();
        line.push(self.faint(&format!("{:>1$}", step.step, self.digits)));
        line.space(2);
        let label = Label::new(&step.token.text, sheet).fit(TOKEN, sheet.ellipsis());
        line.push(sheet.span(&label.lead, Ink::Faint));
        line.push(sheet.span(&label.text, Ink::Strong));
        line.push(sheet.span(&label.trail, Ink::Faint));
        line.pad(self.digits + 2 + TOKEN);
        line.push(sheet.span(&format!("  {:>5}", percent(step.token.prob, true)), Ink::Plain));
        match last.decided_at {
            Some(layer) => line.push(sheet.span(&format!("  {:>7}", format!("L{layer}")), Ink::Decided)),
            None => line.push(self.faint(&format!("  {:>7}", "-"))),
        }
        if self.formed {
            line.space(2);
            line.extend(self.by_layer(step, readouts));
            line.pad(self.after_formed());
        }
        line.space(2);
        let room = sheet.width.saturating_sub(line.width());
        let layers = ranges(&last.important_layers);
        line.push(sheet.span(&cut(&layers, room, sheet.ellipsis()), Ink::Plain));
        self.text(vec![line])
    }

    /// The lines below the steps: the whole text, why it ended, and whether the numbers can be believed.
    pub fn footer(&self, trace: &LensTrace) -> String {
        let sheet = &self.sheet;
        let mut lines = self.legend(trace);
        lines.push(Line::default());
        lines.extend(self.wrapped("written", &written(trace)));
        if let Some(generation) = &trace.generation {
            let mut line = named("ended", sheet);
            line.push(sheet.span(&self.reason(generation.stopped, trace), Ink::Plain));
            lines.push(line);
        }
        lines.push(header::self_check(trace, sheet));
        self.text(lines)
    }

    fn legend(&self, trace: &LensTrace) -> Vec<Line> {
        let mut items = Vec::new();
        if self.formed {
            let stride = match self.stride {
                1 => "every layer's output".to_owned(),
                n => format!("the output of one layer in {n}, and the last"),
            };
            items.push(vec![self.faint(&format!("formed: the token's probability in {stride}"))]);
        }
        if let Some(threshold) = trace.important_above {
            let text = format!("important: a part adds or holds a token above {} %", percent_of(threshold));
            items.push(vec![self.faint(&text)]);
        }
        self.sheet.flow(&items, self.digits + 2)
    }

    /// The probability of the step's token in the output of the layers, a column each; a dot where the run did not
    /// keep it.
    fn by_layer(&self, step: &StepTrace, readouts: &[ReadoutTrace]) -> Vec<Span> {
        let is_output = |readout: &&ReadoutTrace| {
            readout.component == Component::Site(Site::ResidPost) && readout.lens == self.lens
        };
        let mut by_layer: Vec<Option<Option<f32>>> = vec![None; self.n_layers];
        for readout in readouts.iter().filter(is_output) {
            let prob = readout.score(step.token.id).map(|token| token.prob);
            if let Some(place) = readout.layer.and_then(|layer| by_layer.get_mut(usize::from(layer))) {
                *place = Some(prob);
            }
        }
        // The last layer is the model's answer: it is always shown.
        let mut kept: Vec<_> = by_layer.into_iter().rev().step_by(self.stride).collect();
        kept.reverse();
        kept.into_iter()
            .map(|prob| match prob {
                None => self.sheet.span(" ", Ink::Plain),
                Some(None) => self.faint(self.sheet.glyph("·", ".")),
                Some(Some(prob)) if self.sheet.paint.has_ramp() => self.sheet.span(" ", Ink::Ramp(prob)),
                Some(Some(prob)) => self.sheet.span(bar(prob, self.sheet.ascii), Ink::Ramp(prob)),
            })
            .collect()
    }

    /// Columns of the layers' probabilities.
    fn columns(&self) -> usize {
        self.n_layers.div_ceil(self.stride)
    }

    /// The column behind them.
    fn after_formed(&self) -> usize {
        self.digits + 2 + TOKEN + 18 + self.columns().max(8)
    }

    fn reason(&self, stopped: Stopped, trace: &LensTrace) -> String {
        let n = trace.steps.len();
        let tokens = if n == 1 { "1 token".to_owned() } else { format!("{n} tokens") };
        match stopped {
            Stopped::Length => format!("after {tokens}, as asked"),
            Stopped::EndOfText => {
                let last = trace.steps.last().map_or("", |step| &*step.token.text);
                format!("after {tokens}: {} ends a text", self.sheet.safe(last))
            }
            Stopped::StopText => format!("after {tokens}, at a text to stop at"),
            Stopped::Context => {
                format!("after {tokens}: the sequence is as long as the model's context")
            }
            Stopped::Interrupted => format!("interrupted after {tokens}; what was read is whole"),
        }
    }

    /// A named text over as many lines as it takes.
    fn wrapped(&self, name: &str, text: &str) -> Vec<Line> {
        let width = self.sheet.width.saturating_sub(NAMES).max(8);
        let safe = self.sheet.safe(text);
        let mut rest = safe.as_str();
        let mut lines = Vec::new();
        loop {
            let mut line = named(if lines.is_empty() { name } else { "" }, &self.sheet);
            let piece = cut(rest, width, "");
            // A piece that cannot begin would never end.
            let piece = if piece.is_empty() { rest.to_owned() } else { piece };
            rest = &rest[piece.len()..];
            line.push(self.sheet.span(&piece, Ink::Strong));
            lines.push(line);
            if rest.is_empty() {
                return lines;
            }
        }
    }

    fn faint(&self, text: &str) -> Span {
        self.sheet.span(text, Ink::Faint)
    }

    fn text(&self, lines: Vec<Line>) -> String {
        let mut text = String::new();
        for line in lines {
            line.write(&self.sheet, &mut text);
        }
        text
    }
}

/// What the model wrote, characters that are spread over several tokens together again.
pub(super) fn written(trace: &LensTrace) -> String {
    let mut bytes = Vec::new();
    for step in &trace.steps {
        bytes.extend_from_slice(&token_bytes(&step.token.text, step.token.bytes.as_deref()));
    }
    TokenText::from_bytes(&bytes).text.to_string()
}

/// A probability as a block of that height.
fn bar(prob: f32, ascii: bool) -> &'static str {
    const BLOCKS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let glyphs: &[&str] = if ascii { &DIGITS } else { &BLOCKS };
    let at = (prob.clamp(0.0, 1.0) * glyphs.len() as f32) as usize;
    glyphs[at.min(glyphs.len() - 1)]
}

/// Layers that ascend, with those that follow each other as a range.
pub(super) fn ranges(layers: &[u16]) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for layer in layers {
        match runs.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(*layer) => *end = *layer,
            _ => runs.push((*layer, *layer)),
        }
    }
    let run = |(start, end): &(u16, u16)| match end - start {
        0 => start.to_string(),
        1 => format!("{start}, {end}"),
        _ => format!("{start}-{end}"),
    };
    if runs.is_empty() { "none".to_owned() } else { runs.iter().map(run).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_that_follow_each_other_are_a_range() {
        assert_eq!(ranges(&[]), "none");
        assert_eq!(ranges(&[3]), "3");
        assert_eq!(ranges(&[0, 1, 4, 5, 6, 9]), "0, 1, 4-6, 9");
    }

    #[test]
    fn a_bar_is_as_high_as_its_probability() {
        assert_eq!([0.0, 0.5, 1.0, f32::NAN].map(|p| bar(p, false)), ["▁", "▅", "█", "▁"]);
        assert_eq!([0.0, 0.55, 1.0].map(|p| bar(p, true)), ["0", "5", "9"]);
    }
}
