//! Prints the tables of a saved trace: `cargo run -p lens-viz --example table -- TRACE [WIDTH] [none|16|256|true]`.

use std::io::Write;

use lens_core::LensTrace;
use lens_viz::terminal::{ColorLevel, TableOptions, table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which trace?")?;
    let width = arguments.next().map_or(Ok(80), |width| width.parse())?;
    let color = match arguments.next().as_deref() {
        None | Some("none") => ColorLevel::None,
        Some("16") => ColorLevel::Ansi16,
        Some("256") => ColorLevel::Ansi256,
        Some("true") => ColorLevel::TrueColor,
        Some(other) => return Err(format!("no colour level is named {other}").into()),
    };
    let ascii = arguments.next().as_deref() == Some("ascii");
    let trace = LensTrace::from_json(&std::fs::read(path)?)?;
    let mut out = std::io::stdout().lock();
    for last in &trace.finals {
        let options = TableOptions::default()
            .with_width(width)
            .with_color(color)
            .with_ascii(ascii)
            .with_position(Some(last.position));
        writeln!(out, "{}", table(&trace, &options)?)?;
    }
    Ok(())
}
