//! `lens families`: what is supported.

use std::io::{self, Write};

use anyhow::Result;
use lens_checkpoint::{
    families::{FAMILIES, Family},
    spec::Mechanisms,
};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::{
    args::{FamiliesArgs, ListFormat},
    fields::wrap,
    output,
    style::Console,
};

pub(crate) fn families(args: &FamiliesArgs, console: &Console) -> Result<()> {
    output::print(|out| match args.format {
        ListFormat::Table => table(out, console),
        ListFormat::Json => output::json(out, &FAMILIES.iter().map(FamilyFacts::from).collect::<Vec<_>>()),
        ListFormat::Markdown => markdown(out),
    })
}

#[derive(Serialize)]
struct FamilyFacts {
    model_types: &'static [&'static str],
    models: &'static str,
    particulars: &'static str,
    mechanisms: Mechanisms,
}

impl From<&Family> for FamilyFacts {
    fn from(family: &Family) -> Self {
        Self {
            model_types: family.model_types,
            models: family.models,
            particulars: family.particulars,
            mechanisms: family.mechanisms(),
        }
    }
}

/// The mechanisms of a family in one line: each kind that it has, and what of that kind.
fn in_words(mechanisms: &Mechanisms) -> String {
    let kinds = mechanisms.lists().into_iter().filter(|(_, words)| !words.is_empty());
    let kinds = kinds.map(|(kind, words)| {
        format!("{kind}: {}", words.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    });
    kinds.collect::<Vec<_>>().join("; ")
}

/// Space between columns.
const GAP: usize = 2;

/// From so many columns on, mechanisms have one of their own; below that they stand under the rest of a family.
const WIDE: usize = 140;

/// The widths of the columns.
struct Columns(Vec<usize>);

impl Columns {
    fn of(width: usize) -> Self {
        let names = FAMILIES.iter().flat_map(|family| family.model_types).map(|name| name.width());
        let first = names.chain(["model_type".len()]).max().unwrap_or(0);
        let longest = FAMILIES.iter().map(|family| family.models.width()).max().unwrap_or(0);
        let words = FAMILIES.iter().flat_map(|family| family.models.split(' ')).map(UnicodeWidthStr::width);
        let least = words.max().unwrap_or(0);
        let models = |rest: usize, share: usize| (rest / share).min(longest).max(least);
        if width < WIDE {
            let rest = width.saturating_sub(first + 2 * GAP).max(16);
            let second = models(rest * 2, 5);
            return Self(vec![first, second, rest.saturating_sub(second).max(16)]);
        }
        let rest = width - first - 3 * GAP;
        let second = models(rest, 5);
        let third = (rest - second) / 2;
        Self(vec![first, second, third, rest - second - third])
    }

    /// The columns that a row of mechanisms below the others has after the first.
    fn rest(&self) -> usize {
        self.0[1..].iter().sum::<usize>() + GAP * (self.0.len() - 2)
    }

    /// Writes cells side by side, each a list of lines; `paint` is told the column and the text of a line.
    fn row(
        &self,
        out: &mut dyn Write,
        cells: &[Vec<String>],
        paint: impl Fn(usize, &str) -> String,
    ) -> io::Result<()> {
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let (mut text, mut owed) = (String::new(), 0);
            for (column, cell) in cells.iter().enumerate() {
                let part = cell.get(line).map_or("", String::as_str);
                if !part.is_empty() {
                    text.push_str(&" ".repeat(owed));
                    text.push_str(&paint(column, part));
                    owed = 0;
                }
                owed += (self.0[column] + GAP).saturating_sub(part.width());
            }
            writeln!(out, "{text}")?;
        }
        Ok(())
    }
}

fn table(out: &mut dyn Write, console: &Console) -> io::Result<()> {
    let columns = Columns::of(console.width);
    let paint = console.out;
    let wide = columns.0.len() == 4;
    let names = ["model_type", "models", "particulars", "mechanisms"].map(|name| vec![name.to_owned()]);
    columns.row(out, &names[..columns.0.len()], |_, text| paint.faint(text))?;
    for family in FAMILIES {
        let mechanisms = in_words(&family.mechanisms());
        let types = family.model_types.join(" ");
        let texts = [types.as_str(), family.models, family.particulars, mechanisms.as_str()];
        let cells: Vec<_> = texts.iter().zip(&columns.0).map(|(text, width)| wrap(text, *width)).collect();
        columns.row(out, &cells, |column, text| match column {
            0 => paint.strong(text),
            3 => paint.faint(text),
            _ => text.to_owned(),
        })?;
        if !wide && !mechanisms.is_empty() {
            columns
                .row(out, &[Vec::new(), wrap(&mechanisms, columns.rest())], |_, text| paint.faint(text))?;
        }
    }
    Ok(())
}

fn markdown(out: &mut dyn Write) -> io::Result<()> {
    let escape = |text: &str| text.replace('|', "\\|");
    writeln!(out, "| `model_type` | models | particulars | mechanisms |")?;
    writeln!(out, "|---|---|---|---|")?;
    for family in FAMILIES {
        let types: Vec<String> = family.model_types.iter().map(|name| format!("`{name}`")).collect();
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            types.join(", "),
            escape(family.models),
            escape(family.particulars),
            escape(&in_words(&family.mechanisms()))
        )?;
    }
    Ok(())
}
