//! Several runs side by side: what each layer says at the end of each prompt.

use std::collections::BTreeSet;

use lens_core::{FinalTrace, LensTrace};

use super::{
    TableOptions,
    compare::{cell, outputs},
    header,
};
use crate::{
    named::Named,
    sheet::{
        line::{Line, Sheet, cut},
        paint::{Ink, Paint},
    },
};

/// Columns of the layers' names.
const NAME: usize = 7;

/// Columns of a token: the fewest and the most.
const TOKEN: (usize, usize) = (9, 24);

/// Columns beside a token: the mark before it, its probability, and a blank.
const BESIDE: usize = 2 + 7 + 2;

/// Runs side by side, each at the last position of its prompt that was read: the most probable token of every layer,
/// and the predictions. The layer from which a run's top-1 token stays the final one is marked. Runs that do not fit
/// beside one another follow below.
///
/// Of `options`, the width, the colours, ASCII and the number of predictions count. Every text of the traces goes
/// through [`crate::display_safe`], no line is wider than `options.width`, and every line ends in a line feed.
pub fn side_by_side(runs: &[Named<'_>], options: &TableOptions) -> String {
    let sheet = Sheet { width: options.width, paint: Paint(options.color), ascii: options.ascii };
    let mut lines = header::of_several(runs, &sheet);
    let room = sheet.width.saturating_sub(NAME);
    let most = (room / (TOKEN.0 + BESIDE)).clamp(1, runs.len().max(1));
    // As even as can be: a last block of one run is hard to compare.
    let each = runs.len().max(1).div_ceil(runs.len().max(1).div_ceil(most));
    let token = (room / each).saturating_sub(BESIDE).clamp(TOKEN.0, TOKEN.1);
    for runs in runs.chunks(each) {
        let block = Block { runs, token, sheet: &sheet };
        lines.push(Line::default());
        lines.extend(block.layers());
        lines.push(Line::default());
        lines.extend(block.predictions(options.predictions));
    }
    lines.push(Line::default());
    let mark = sheet.glyph("▸", ">");
    lines.extend(sheet.flow(
        &[vec![sheet.span(&format!("{mark} from this layer on the top-1 is the final one"), Ink::Faint)]],
        0,
    ));
    let mut text = String::new();
    for line in lines {
        line.write(&sheet, &mut text);
    }
    text
}

/// The runs that stand beside one another.
struct Block<'a> {
    runs: &'a [Named<'a>],
    /// Columns of a token.
    token: usize,
    sheet: &'a Sheet,
}

/// The model's answer at the last position of the prompt that was read; of a run that only read what it wrote, the
/// last.
fn last(trace: &LensTrace) -> Option<&FinalTrace> {
    let n_prompt = trace.tokens.iter().take_while(|token| !token.generated).count();
    trace.finals.iter().rfind(|last| last.position < n_prompt).or(trace.finals.last())
}

impl Block<'_> {
    fn column(&self, index: usize) -> usize {
        NAME + index * (self.token + BESIDE)
    }

    fn names(&self, what: &str) -> Line {
        let mut line = Line::default();
        line.push(self.sheet.span(&format!("{what:>0$}", NAME - 2), Ink::Faint));
        for (index, run) in self.runs.iter().enumerate() {
            line.pad(self.column(index) + 2);
            let name = cut(&self.sheet.safe(&run.name), self.token + 7, self.sheet.ellipsis());
            line.push(self.sheet.span(&name, Ink::Faint));
        }
        line
    }

    fn layers(&self) -> Vec<Line> {
        let read: Vec<_> = self
            .runs
            .iter()
            .map(|run| last(run.trace).map_or(Vec::new(), |last| outputs(run.trace, last.position)))
            .collect();
        let layers: BTreeSet<Option<u16>> = read.iter().flatten().map(|readout| readout.layer).collect();
        let mut lines = vec![self.names("layer")];
        for layer in layers {
            let mut line = Line::default();
            let name = layer.map_or_else(|| "embed".to_owned(), |layer| layer.to_string());
            line.push(self.sheet.span(&format!("{name:>0$}", NAME - 2), Ink::Faint));
            for (index, (run, readouts)) in self.runs.iter().zip(&read).enumerate() {
                line.pad(self.column(index));
                let decided = last(run.trace).and_then(|last| last.decided_at);
                let is_here = layer.is_some() && layer.map(usize::from) == decided;
                let agrees =
                    layer.map(usize::from).zip(decided).is_some_and(|(layer, decided)| layer >= decided);
                line.push(
                    self.sheet.span(if is_here { self.sheet.glyph("▸ ", "> ") } else { "  " }, Ink::Decided),
                );
                let readout = readouts.iter().find(|readout| readout.layer == layer);
                let ink = if agrees { Ink::Strong } else { Ink::Plain };
                line.extend(cell(
                    readout.and_then(|readout| readout.top.first()),
                    ink,
                    self.token,
                    self.sheet,
                ));
            }
            lines.push(line);
        }
        lines
    }

    fn predictions(&self, shown: usize) -> Vec<Line> {
        let lasts: Vec<Option<&FinalTrace>> = self.runs.iter().map(|run| last(run.trace)).collect();
        let ranks = lasts.iter().flatten().map(|last| last.top.len()).max().unwrap_or(0).min(shown);
        let mut lines = vec![self.names("rank")];
        for rank in 0..ranks {
            let mut line = Line::default();
            line.push(self.sheet.span(&format!("{:>1$}", rank + 1, NAME - 2), Ink::Faint));
            for (index, last) in lasts.iter().enumerate() {
                line.pad(self.column(index) + 2);
                let ink = if rank == 0 { Ink::Strong } else { Ink::Plain };
                line.extend(cell(last.and_then(|last| last.top.get(rank)), ink, self.token, self.sheet));
            }
            lines.push(line);
        }
        lines
    }
}
