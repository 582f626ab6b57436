//! Writes the page of a trace: `cargo run -p lens-viz --example page -- trace.json page.html`.

use std::{error::Error, fs};

use lens_core::LensTrace;
use lens_viz::page::{PageOptions, page};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [trace, html] = &arguments[..] else { return Err("usage: page TRACE.json PAGE.html".into()) };
    let trace = LensTrace::from_json(&fs::read(trace)?)?;
    fs::write(html, page(&trace, &PageOptions::default())?)?;
    Ok(())
}
