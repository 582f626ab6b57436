//! How the columns of a table share the width of a terminal.

use lens_core::{Component, Statistic, Unit};

use super::grid::Grid;
use crate::sheet::{label::Label, line::Sheet};

/// Width of the column of layers: a marker, the number, a blank, and the sign of agreement.
pub(super) const LAYER_WIDTH: usize = 8;
/// Width of a number of nats, and of the blank before it.
pub(super) const NATS_WIDTH: usize = 6;
/// Width of a mark and a percentage, and of the blanks between.
const TRUST_WIDTH: usize = 7;

/// A token's columns that are worth having, and those that can be read at all.
const GOOD_LABEL: usize = 8;
const LEAST_LABEL: usize = 6;
/// Longer labels than this are cut even where there is room: a table should not fall apart.
const LONGEST_LABEL: usize = 18;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Component(Component),
    Statistic(Statistic),
    /// How far the component that is numbered can be trusted: its grade, and its agreement with the final readouts.
    Trust,
    /// Rank and probability of a target in the component that is numbered.
    Target(usize),
}

/// Columns that stand side by side under one header; several blocks stand below each other.
pub(super) type Block = Vec<Column>;

#[derive(Debug)]
pub(super) struct Layout {
    pub(super) blocks: Vec<Block>,
    /// Tokens in a cell.
    pub(super) tokens: usize,
    /// Columns of a token's text.
    pub(super) label: usize,
    /// Whether probabilities have a decimal.
    pub(super) decimals: bool,
    /// Columns of a rank.
    pub(super) rank: usize,
    /// The fewest columns of a token's text: enough for an id where that is all there is.
    least: usize,
}

impl Layout {
    pub(super) fn new(grid: &Grid<'_>, sheet: &Sheet, asked: usize, targets: usize) -> Self {
        let least = least_label(grid, sheet);
        let (blocks, rank) = (Vec::new(), rank_width(grid));
        let mut layout = Self { blocks, tokens: 1, label: least, decimals: false, rank, least };
        layout.blocks = layout.split(grid, sheet.width);
        layout.add_targets(targets, sheet.width);
        layout.share(grid, sheet, asked);
        layout
    }

    /// Width of a token with its probability: a blank, the text, a blank, the number, a blank.
    pub(super) fn chip(&self) -> usize {
        self.label + 3 + self.prob()
    }

    pub(super) fn prob(&self) -> usize {
        if self.decimals { 4 } else { 3 }
    }

    /// Width of a column with the blank before it.
    pub(super) fn width(&self, column: Column) -> usize {
        match column {
            Column::Component(_) => 1 + self.tokens * self.chip(),
            Column::Statistic(statistic) if statistic.unit() == Unit::Rank => 1 + self.rank,
            Column::Statistic(_) => NATS_WIDTH,
            Column::Trust => TRUST_WIDTH,
            Column::Target(_) => 2 + (self.rank + 5).max(10),
        }
    }

    fn block_width(&self, block: &[Column]) -> usize {
        LAYER_WIDTH + block.iter().map(|column| self.width(*column)).sum::<usize>()
    }

    /// The fewest blocks that hold every component, with as many statistics as fit.
    fn split(&self, grid: &Grid<'_>, width: usize) -> Vec<Block> {
        let n = grid.components.len();
        // Columns that were asked for by name are dropped last.
        let wish = |shown: &[Statistic]| -> Block {
            let shown = shown.iter().filter(|statistic| grid.has.contains(**statistic));
            let trust = (!grid.trust.is_empty()).then_some(Column::Trust);
            trust.into_iter().chain(shown.map(|statistic| Column::Statistic(*statistic))).collect()
        };
        let [diff, kl, entropy, rank] =
            [Statistic::LogitDiff, Statistic::KlToFinal, Statistic::Entropy, Statistic::RankOfFinal];
        let (js, tv) = (Statistic::JsToFinal, Statistic::TvToFinal);
        let wishes = [
            wish(&[diff, kl, js, tv, entropy, rank]),
            wish(&[diff, kl, js, tv, rank]),
            wish(&[diff, kl, js, tv]),
            wish(&[diff, kl, js]),
            wish(&[diff, kl]),
            wish(&[diff]),
        ];
        let components: Block = grid.components.iter().map(|c| Column::Component(*c)).collect();
        for blocks in 1..=n {
            let per_block = n.div_ceil(blocks);
            for label in [GOOD_LABEL, self.least] {
                let trial = Self { blocks: Vec::new(), label, ..*self };
                for wish in &wishes {
                    let mut split: Vec<Block> =
                        components.chunks(per_block).map(<[Column]>::to_vec).collect();
                    if let Some(last) = split.last_mut() {
                        last.extend(wish);
                    }
                    if split.iter().all(|block| trial.block_width(block) <= width) {
                        return split;
                    }
                }
            }
        }
        components.chunks(1).map(<[Column]>::to_vec).collect()
    }

    /// Adds the targets where there is room, else in blocks of their own.
    fn add_targets(&mut self, targets: usize, width: usize) {
        for target in (0..targets).map(Column::Target) {
            let trial = Self { blocks: Vec::new(), label: GOOD_LABEL, ..*self };
            let room = width.saturating_sub(trial.width(target));
            match self.blocks.last_mut().filter(|block| trial.block_width(block) <= room) {
                Some(block) => block.push(target),
                None => self.blocks.push(vec![target]),
            }
        }
    }

    /// Gives the components what is left: more tokens first, then decimals, then longer texts.
    fn share(&mut self, grid: &Grid<'_>, sheet: &Sheet, asked: usize) {
        let room = |layout: &Self| {
            let of_block = |block: &Block| {
                let (components, others): (Block, Block) =
                    block.iter().partition(|column| matches!(column, Column::Component(_)));
                let free = sheet.width.saturating_sub(layout.block_width(&others));
                free.checked_div(components.len()).map(|share| share.saturating_sub(1))
            };
            layout.blocks.iter().filter_map(of_block).min().unwrap_or(0)
        };
        let room = room(self);
        let most = grid.readouts().map(|readout| readout.top.len()).max().unwrap_or(1);
        let asked = asked.min(most).max(1);
        self.tokens = (2..=asked).rev().find(|k| k * (GOOD_LABEL + 6) <= room).unwrap_or(1);
        let natural = grid
            .readouts()
            .flat_map(|readout| Label::of_list(readout.top.iter().take(self.tokens), sheet))
            .map(|label| label.width())
            .max()
            .unwrap_or(0)
            .min(LONGEST_LABEL);
        let share = room / self.tokens;
        self.decimals = share >= natural.min(GOOD_LABEL + 2) + 7;
        self.label = 0;
        // A column is never narrower than its name.
        let least = 12usize.div_ceil(self.tokens).saturating_sub(self.chip());
        self.label = natural.max(least).min(share.saturating_sub(self.chip())).max(1);
    }
}

/// Columns that the label of every first token needs to say which one it is.
fn least_label(grid: &Grid<'_>, sheet: &Sheet) -> usize {
    let tops = grid.readouts().filter_map(|readout| readout.top.first());
    let ids = tops.filter_map(|token| Label::new(&token.text, sheet).id_width());
    ids.max().unwrap_or(0).max(LEAST_LABEL)
}

/// Columns of the widest rank shown.
fn rank_width(grid: &Grid<'_>) -> usize {
    let shown = grid.rows.iter().filter_map(|row| row.numbered(grid.numbered)).flat_map(|readout| {
        readout
            .statistics
            .whole(Statistic::RankOfFinal)
            .into_iter()
            .chain(readout.targets.iter().filter_map(|target| target.rank))
    });
    shown.map(|rank| rank.to_string().len()).max().unwrap_or(0).max(4)
}
