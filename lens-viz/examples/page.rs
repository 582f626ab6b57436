//! Writes one page of one trace or several: `cargo run -p lens-viz --example page -- TRACE.json... PAGE.html`.

use std::{error::Error, fs};

use lens_core::LensTrace;
use lens_viz::{
    Named,
    page::{PageOptions, pages},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [files @ .., html] = &arguments[..] else { return Err("usage: page TRACE.json... PAGE.html".into()) };
    let read = |file: &String| Ok::<_, Box<dyn Error>>(LensTrace::from_json(&fs::read(file)?)?);
    let traces: Vec<LensTrace> = files.iter().map(read).collect::<Result<_, _>>()?;
    fs::write(html, pages(&Named::all(&traces), &PageOptions::default())?)?;
    Ok(())
}
