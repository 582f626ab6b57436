//! What tables and pictures of a sweep over places share.

use lens_core::patch::{Experiment, GridColumns, PatchTrace, PatchingGrid};

/// A column of a table.
pub(crate) struct Column {
    /// The position, head, layer or site.
    pub(crate) name: String,
    /// The token of the changed prompt there.
    pub(crate) token: Option<String>,
    /// That of the other prompt, where it is another one.
    pub(crate) source: Option<String>,
    /// The grid of the table and the column in it.
    pub(crate) place: (usize, usize),
}

/// The grids in tables: those of one column that have the same layers stand side by side.
pub(crate) fn tables(trace: &PatchTrace) -> Vec<Vec<&PatchingGrid>> {
    let mut tables: Vec<Vec<&PatchingGrid>> = Vec::new();
    for grid in &trace.grids {
        let belongs = |table: &&mut Vec<&PatchingGrid>| {
            grid.columns == GridColumns::All
                && table
                    .first()
                    .is_some_and(|first| first.columns == GridColumns::All && first.layers == grid.layers)
        };
        match tables.iter_mut().find(belongs) {
            Some(table) => table.push(grid),
            None => tables.push(vec![grid]),
        }
    }
    tables
}

/// The columns of a table.
pub(crate) fn columns(table: &[&PatchingGrid], trace: &PatchTrace) -> Vec<Column> {
    let Some(first) = table.first() else { return Vec::new() };
    if first.columns == GridColumns::All {
        let column = |(i, grid): (usize, &&PatchingGrid)| Column {
            name: grid.site.clone(),
            token: None,
            source: None,
            place: (i, 0),
        };
        return table.iter().enumerate().map(column).collect();
    }
    let is_of_positions = first.columns == GridColumns::Positions;
    let tokens = &trace.changed.tokens;
    let source = trace.source.as_ref().map_or(&[][..], |source| &source.tokens);
    let column = |(i, name): (usize, &usize)| {
        let own = tokens.get(*name).filter(|_| is_of_positions);
        let partner = first.source_positions.get(i).and_then(|position| source.get(*position));
        let other = partner.filter(|other| own.is_some_and(|own| own.id != other.id));
        Column {
            name: name.to_string(),
            token: own.map(|token| token.text.to_string()),
            source: other.map(|token| token.text.to_string()),
            place: (0, i),
        }
    };
    first.of_columns.iter().enumerate().map(column).collect()
}

/// What stands in a cell, in words.
pub(crate) fn cells_say(trace: &PatchTrace) -> String {
    let metric = trace.metric;
    match trace.experiment {
        Experiment::Patching { .. } => format!("{metric}, 0 as corrupted and 1 as clean"),
        Experiment::Ablation { with } => format!("change of {metric} by {}", ablated(with)),
        _ => format!("{metric}"),
    }
}

fn ablated(with: lens_core::patch::Ablated) -> &'static str {
    match with {
        lens_core::patch::Ablated::Zero => "zeros",
        lens_core::patch::Ablated::Mean => "a mean",
        lens_core::patch::Ablated::Resample => "another prompt's activation",
    }
}

/// The largest number in any cell, either way, so that all grids have one scale.
pub(crate) fn of_range(trace: &PatchTrace) -> f64 {
    let all = trace.grids.iter().flat_map(|grid| grid.shares.iter().flatten().flatten());
    all.fold(0.0, |most, value| value.abs().max(most))
}
