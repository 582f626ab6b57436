//! The reference page says what the tables are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write;

use lens_data::{Column, Directions, Readouts, Table, Tokens};

fn rows<T: Table>() -> String {
    let mut text = "\n| column | type | meaning |\n|---|---|---|\n".to_owned();
    for column in Column::all::<T>() {
        let kind = column.kind.name();
        let empty = if column.nullable { ", may be empty" } else { "" };
        writeln!(text, "| `{}` | {kind}{empty} | {} |", column.name, column.meaning).unwrap();
    }
    text + "\n"
}

/// To write it anew: `LENS_WRITE_REFERENCE=1 cargo test -p lens-data --test reference`.
#[test]
fn the_reference_page_lists_every_column() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tables.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut expected = page.clone();
    for (name, rows) in
        [("readouts", rows::<Readouts>()), ("tokens", rows::<Tokens>()), ("directions", rows::<Directions>())]
    {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let start = expected.find(&begin).unwrap() + begin.len();
        let stop = expected.find(&end).unwrap();
        expected.replace_range(start..stop, &rows);
    }
    if std::env::var_os("LENS_WRITE_REFERENCE").is_some() {
        std::fs::write(path, &expected).unwrap();
        return;
    }
    assert_eq!(page, expected, "docs/tables.md is not what the tables are");
}
