//! `lens families`: what is supported.

use std::io::{self, Write};

use anyhow::Result;
use lens_checkpoint::families::{FAMILIES, Family};
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
}

impl From<&Family> for FamilyFacts {
    fn from(family: &Family) -> Self {
        Self { model_types: family.model_types, models: family.models, particulars: family.particulars }
    }
}

/// Space between columns.
const GAP: usize = 2;

fn table(out: &mut dyn Write, console: &Console) -> io::Result<()> {
    let types = |family: &Family| family.model_types.join(" ");
    let first = FAMILIES
        .iter()
        .flat_map(|family| family.model_types)
        .map(|name| name.width())
        .chain(["model_type".len()])
        .max()
        .unwrap_or(0);
    let rest = console.width.saturating_sub(first + 2 * GAP).max(16);
    let longest = FAMILIES.iter().map(|family| family.models.width()).max().unwrap_or(0);
    let second = (rest * 2 / 5).min(longest).max("models".len());
    let third = rest - second;

    let row = |out: &mut dyn Write, cells: [Vec<String>; 3], header: bool| -> io::Result<()> {
        let cell = |column: usize, line: usize| cells[column].get(line).map_or("", String::as_str);
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let [a, b, c] = [0, 1, 2].map(|column| cell(column, line));
            let pad = |text: &str, width: usize| " ".repeat((width + GAP).saturating_sub(text.width()));
            let paint = console.out;
            let (name, last) =
                if header { (paint.faint(a), paint.faint(c)) } else { (paint.strong(a), c.to_owned()) };
            let middle = if header { paint.faint(b) } else { b.to_owned() };
            let text = format!("{name}{}{middle}{}{last}", pad(a, first), pad(b, second));
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    };
    let names = ["model_type", "models", "particulars"].map(|name| vec![name.to_owned()]);
    row(out, names, true)?;
    for family in FAMILIES {
        let cells =
            [wrap(&types(family), first), wrap(family.models, second), wrap(family.particulars, third)];
        row(out, cells, false)?;
    }
    Ok(())
}

fn markdown(out: &mut dyn Write) -> io::Result<()> {
    let escape = |text: &str| text.replace('|', "\\|");
    writeln!(out, "| `model_type` | models | particulars |")?;
    writeln!(out, "|---|---|---|")?;
    for family in FAMILIES {
        let types: Vec<String> = family.model_types.iter().map(|name| format!("`{name}`")).collect();
        writeln!(
            out,
            "| {} | {} | {} |",
            types.join(", "),
            escape(family.models),
            escape(family.particulars)
        )?;
    }
    Ok(())
}
