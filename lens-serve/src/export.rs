//! What was read, as files.

use lens_core::{LensTrace, Sink, sink::trace_json};
use lens_data::{Format, ReadoutSink};
use lens_viz::{
    Named,
    page::{PageOptions, pages},
    picture::{Fonts, Picture, PictureKind, PictureOptions, png, svg},
};
use serde::Deserialize;

use crate::{
    failure::Failure,
    question::Client,
    results::{Kept, KeptRun},
};

/// Pixels of a PNG for each pixel of the picture.
const SCALE: f32 = 2.0;

/// The file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) client: Client,
    pub(crate) form: Form,
    /// Which of the runs, where a form shows one.
    #[serde(default)]
    pub(crate) run: usize,
    /// Which of the lenses, where a form shows one.
    #[serde(default)]
    pub(crate) lens: usize,
    /// The component of a picture.
    #[serde(default)]
    pub(crate) component: Option<String>,
}

/// The forms of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    Page,
    Png,
    Svg,
    Csv,
    Trace,
}

/// A file, with its name and type.
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Makes a file.
pub(crate) fn export(kept: &Kept, wanted: &Wanted) -> Result<File, Failure> {
    match wanted.form {
        Form::Page => page(&kept.runs),
        Form::Png => {
            let picture = picture(kept, wanted, Fonts::Installed)?;
            let bytes = png(&picture.svg, SCALE).map_err(said)?;
            Ok(File { name: "lens.png", kind: "image/png", bytes })
        }
        Form::Svg => {
            let picture = picture(kept, wanted, Fonts::Viewer)?;
            Ok(File { name: "lens.svg", kind: "image/svg+xml", bytes: picture.svg.into_bytes() })
        }
        Form::Csv => csv(&kept.runs),
        Form::Trace => traces(&kept.runs),
    }
}

fn page(runs: &[KeptRun]) -> Result<File, Failure> {
    let named: Vec<Named<'_>> = runs.iter().map(|run| Named::new(run.name, &run.trace)).collect();
    let html = pages(&named, &PageOptions::default()).map_err(said)?;
    Ok(File { name: "lens.html", kind: "text/html; charset=utf-8", bytes: html.into_bytes() })
}

fn picture(kept: &Kept, wanted: &Wanted, fonts: Fonts) -> Result<Picture, Failure> {
    let trace = &kept.runs.get(wanted.run).ok_or_else(|| Failure::new("there is no such run"))?.trace;
    let lens = trace.lens_names().get(wanted.lens).map(ToString::to_string);
    let mut options = PictureOptions::default().with_fonts(fonts).with_lens(lens);
    let component = wanted.component.as_deref().map(str::parse).transpose();
    let component = component.map_err(|error| Failure::new(format!("{error}")))?;
    options = options.with_components(component.into_iter().collect());
    let kind = if trace.finals.len() > 1 { PictureKind::default_grid() } else { PictureKind::AllLayers };
    let pages = svg(trace, kind, &options).map_err(said)?;
    let n = pages.len();
    let first = pages.into_iter().next().ok_or_else(|| Failure::new("there is nothing to draw"))?;
    if n > 1 {
        return Err(Failure::new(format!("the picture has {n} pages"))
            .with_help("save the trace, and draw that page by page"));
    }
    Ok(first)
}

fn csv(runs: &[KeptRun]) -> Result<File, Failure> {
    let mut table = ReadoutSink::new(Vec::new(), Format::Csv).map_err(said)?;
    for run in runs {
        table.whole(&run.trace).map_err(said)?;
    }
    let bytes = table.finish().map_err(said)?;
    Ok(File { name: "lens.csv", kind: "text/csv; charset=utf-8", bytes })
}

fn traces(runs: &[KeptRun]) -> Result<File, Failure> {
    let mut bytes = Vec::new();
    for run in runs {
        let trace: &LensTrace = &run.trace;
        trace_json(&mut bytes).whole(trace).map_err(said)?;
    }
    let name = if runs.len() > 1 { "traces.jsonl" } else { "trace.json" };
    Ok(File { name, kind: "application/json", bytes })
}

fn said(error: impl std::error::Error) -> Failure {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    Failure::new(words)
}
