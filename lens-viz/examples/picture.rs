//! Draws a saved trace: `cargo run -p lens-viz --example picture -- TRACE KIND FILE.svg|FILE.png [WIDTH]`.

use std::{fs, path::Path};

use lens_core::LensTrace;
use lens_viz::picture::{Fonts, PictureOptions, png, svg};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [trace, kind, file, rest @ ..] = &arguments[..] else {
        return Err("which trace, which kind, which file?".into());
    };
    let trace = LensTrace::from_json(&fs::read(trace)?)?;
    let width = rest.first().map(|width| width.parse()).transpose()?;
    let is_png = Path::new(file).extension().is_some_and(|ending| ending == "png");
    let fonts = if is_png { Fonts::Installed } else { Fonts::Viewer };
    for page in svg(&trace, kind.parse()?, &PictureOptions::default().with_width(width).with_fonts(fonts))? {
        let path = Path::new(file).with_file_name(
            page.file_stem(Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or("picture")),
        );
        if is_png {
            fs::write(path.with_extension("png"), png(&page.svg, 2.0)?)?;
        } else {
            fs::write(path.with_extension("svg"), page.svg)?;
        }
    }
    Ok(())
}
