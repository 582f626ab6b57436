//! The table itself: header, rules, and a line for every layer.

use lens_core::{
    Component, FaithfulnessTrace, FinalTrace, Grade, ReadoutTrace, Site, Statistic, TopTrace, Unit,
};

use super::{
    grid::{Grid, Row},
    layout::{Column, LAYER_WIDTH, Layout},
};
use crate::digits::{digits, percent, rank};
use crate::sheet::{
    label::Label,
    line::{Line, Sheet, cut},
    paint::Ink,
};

/// Draws the lines of the table between its head and the summary.
pub(super) struct Body<'a> {
    pub(super) grid: &'a Grid<'a>,
    pub(super) layout: &'a Layout,
    pub(super) last: &'a FinalTrace,
    pub(super) sheet: &'a Sheet,
}

/// A statistic's name over its column.
fn heading(statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::KlToFinal => "KL",
        Statistic::JsToFinal => "JS",
        Statistic::TvToFinal => "TV",
        Statistic::Entropy => "H",
        Statistic::RankOfFinal => "rank",
        Statistic::LogitDiff => "diff",
        other => other.name(),
    }
}

/// The mark of a grade, less filled the farther it is, and at how many of the positions the top-1 is the final one.
fn mark(trust: &FaithfulnessTrace, sheet: &Sheet) -> String {
    let grade = match trust.grade {
        Some(Grade::AsFinal) => sheet.glyph("●", "5"),
        Some(Grade::Close) => sheet.glyph("◕", "4"),
        Some(Grade::Partly) => sheet.glyph("◑", "3"),
        Some(Grade::Far) => sheet.glyph("◔", "2"),
        Some(Grade::VeryFar) => sheet.glyph("○", "1"),
        None => "?",
    };
    format!("{grade}{:>4}", percent(trust.agreement as f32, false))
}

impl Body<'_> {
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for block in &self.layout.blocks {
            let width = LAYER_WIDTH + block.iter().map(|column| self.layout.width(*column)).sum::<usize>();
            lines.push(self.rule(width));
            lines.push(self.names(block));
            lines.push(self.rule(width));
            lines.extend(self.grid.rows.iter().map(|row| self.row(row, block)));
        }
        if let Some(block) = self.layout.blocks.last() {
            let width = LAYER_WIDTH + block.iter().map(|column| self.layout.width(*column)).sum::<usize>();
            lines.push(self.rule(width));
        }
        lines
    }

    fn rule(&self, width: usize) -> Line {
        let mut line = Line::default();
        let dash = self.sheet.glyph("─", "-");
        line.push(self.sheet.span(&dash.repeat(width.min(self.sheet.width)), Ink::Faint));
        line
    }

    fn names(&self, block: &[Column]) -> Line {
        let sheet = self.sheet;
        let mut line = Line::default();
        line.push(sheet.span(" layer", Ink::Faint));
        let mut end = LAYER_WIDTH;
        line.pad(end);
        let right = |line: &mut Line, name: &str, width: usize| {
            line.push(sheet.span(&format!("{name:>width$}"), Ink::Faint));
        };
        for column in block {
            end += self.layout.width(*column);
            match column {
                Column::Component(component) => {
                    line.space(2);
                    line.push(sheet.span(component.name(), Ink::Strong));
                    if self.grid.has_virtual && *component == Component::Site(Site::ResidMid) {
                        line.push(sheet.span(sheet.glyph("†", "^"), Ink::Strong));
                    }
                }
                Column::Statistic(statistic) => {
                    right(&mut line, heading(*statistic), self.layout.width(*column));
                }
                Column::Trust => right(&mut line, "trust", self.layout.width(*column)),
                Column::Target(target) => {
                    let width = self.layout.width(*column) - 2;
                    let tokens = self.last.targets.iter().map(|target| &target.token);
                    let label = Label::of_list(tokens, sheet).into_iter().nth(*target);
                    let label = label.map(|label| label.fit(width, sheet.ellipsis()));
                    line.space(2 + width - label.as_ref().map_or(0, Label::width));
                    line.push(sheet.span(&label.map_or(String::new(), |label| label.plain()), Ink::Strong));
                }
            }
            line.pad(end);
        }
        line
    }

    fn row(&self, row: &Row<'_>, block: &[Column]) -> Line {
        let sheet = self.sheet;
        let mut line = Line::default();
        let ink = if row.decided { Ink::Decided } else { Ink::Plain };
        line.push(sheet.span(if row.decided { sheet.glyph("▸", ">") } else { " " }, ink));
        let name = row.layer.map_or_else(|| "embed".to_owned(), |layer| layer.to_string());
        line.push(sheet.span(&format!("{name:>5}"), ink));
        line.push(sheet.span(if row.agrees { sheet.glyph(" ✓", " *") } else { "  " }, ink));
        let mut end = LAYER_WIDTH;
        for column in block {
            end += self.layout.width(*column);
            let numbered = row.numbered(self.grid.numbered);
            match column {
                Column::Component(component) => {
                    line.space(1);
                    if let Some(readout) = row.cells.get(component) {
                        self.cell(&mut line, readout);
                    }
                }
                Column::Statistic(statistic) => {
                    // An imported trace may not know the rank: that is not the same as none.
                    let unknown = || (statistic.unit() == Unit::Rank).then(|| "?".to_owned());
                    let text = numbered.and_then(|readout| digits(readout, *statistic).or_else(unknown));
                    self.number(&mut line, text, self.layout.width(*column));
                }
                Column::Trust => {
                    let text = self.grid.trust_of(row).map(|trust| mark(trust, sheet));
                    self.number(&mut line, text, self.layout.width(*column));
                }
                Column::Target(target) => {
                    let target = numbered.and_then(|readout| readout.targets.get(*target));
                    let text = target.map(|t| format!("{} {:>4}", rank(t), percent(t.token.prob, true)));
                    self.number(&mut line, text, self.layout.width(*column));
                }
            }
            line.pad(end);
        }
        line
    }

    fn number(&self, line: &mut Line, text: Option<String>, width: usize) {
        line.push(self.sheet.span(&format!("{:>width$}", text.unwrap_or_default()), Ink::Plain));
    }

    fn cell(&self, line: &mut Line, readout: &ReadoutTrace) {
        let tokens: Vec<&TopTrace> = readout.top.iter().take(self.layout.tokens).collect();
        let (sheet, width) = (self.sheet, self.layout.label);
        for (label, token) in Label::of_list(tokens.iter().copied(), sheet).into_iter().zip(tokens) {
            let label = label.fit(width, sheet.ellipsis());
            let (ink, faint) = (Ink::Chip(token.prob), Ink::ChipFaint(token.prob));
            let blank = width - label.width();
            let number = cut(&percent(token.prob, self.layout.decimals), self.layout.prob(), "");
            line.push(sheet.span(" ", ink));
            line.push(sheet.span(&label.lead, faint));
            line.push(sheet.span(&label.text, ink));
            line.push(sheet.span(&label.trail, faint));
            line.push(sheet.span(&label.id, faint));
            let number = format!("{:blank$} {number:>prob$} ", "", prob = self.layout.prob());
            line.push(sheet.span(&number, ink));
        }
    }
}
