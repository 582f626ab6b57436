//! `lens render`: pictures, pages and tables from a saved trace; no model is needed.

mod convert;
mod film;
mod fit;
mod input;
mod several;

pub(crate) use fit::NoEffect;

use std::{collections::BTreeSet, path::Path};

use anyhow::{Result, bail};
use lens_core::{Component, ComponentSelection, LensTrace, TokenId};
use lens_viz::{
    Ramp, excerpt,
    picture::{Fonts, Importance, Paper, Picture, PictureKind, PictureOptions, RasterFormat, Spread, svg},
    terminal::{TableOptions, heatmap, table},
};

use crate::{
    args::{RenderArgs, RenderFormat},
    drawn::{self, DrawnAs, SCALE},
    format, output,
    style::Console,
    tables,
    values::{Show, Target},
};

use input::{Input, Run};

/// What a file's name says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Svg,
    Pdf,
    Pixels(RasterFormat),
    Gif,
    Html,
    Text,
    Json,
}

impl Ending {
    const ALL: [(&'static str, Self); 6] = [
        ("svg", Self::Svg),
        ("pdf", Self::Pdf),
        ("gif", Self::Gif),
        ("html", Self::Html),
        ("txt", Self::Text),
        ("json", Self::Json),
    ];

    /// Whether pages are drawn into it.
    fn is_picture(self) -> bool {
        matches!(self, Self::Svg | Self::Pdf | Self::Pixels(_))
    }

    /// Whether it is drawn with the fonts that are installed here.
    fn has_fonts(self) -> bool {
        matches!(self, Self::Pdf | Self::Pixels(_) | Self::Gif)
    }

    fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        let pixels = RasterFormat::of_ending(&ending).map(Self::Pixels);
        match pixels
            .or_else(|| Self::ALL.into_iter().find(|(name, _)| *name == ending).map(|(_, known)| known))
        {
            Some(ending) => Ok(ending),
            None => bail!(format::not_results(
                path,
                &["svg", "pdf", "png", "webp", "jpg", "gif", "html", "txt", "json"]
            )),
        }
    }
}

pub(crate) fn render(args: &RenderArgs, console: &Console) -> Result<()> {
    let ending = args.out.as_deref().map(Ending::of).transpose()?;
    if let Some(format) =
        args.format.or((ending == Some(Ending::Json)).then_some(RenderFormat::LogitlenskitV2))
    {
        return convert::convert(input(args, console)?, format, args, console);
    }
    let show = shown(args.kind, ending)?;
    fit::check(args, show, ending)?;
    let mut input = input(args, console)?;
    match show {
        Show::Page => return several::page(input, args),
        Show::Difference(measure) => return several::difference(&input, measure, args, ending, console),
        Show::Table if several::is_comparison(&input, args) => {
            return several::comparison(&input, args, console);
        }
        Show::Table | Show::Picture(_) | Show::Film => {}
    }
    let Run { trace, .. } = input.only(&format!("--kind {show}"))?;
    trace.notes.iter().for_each(|note| console.note(note));
    match (show, args.out.as_deref(), ending) {
        (Show::Picture(PictureKind::Grid(statistic)), path, None | Some(Ending::Text)) => {
            let what = options(&trace, PictureKind::Grid(statistic), args, None)?;
            write_text(path, console, |console| {
                Ok(heatmap(&trace, statistic, &what, &tables::options(console))?)
            })
        }
        (Show::Film, path, _) => film::write(&trace, args, path, console),
        (Show::Picture(kind), path, ending) => picture(&trace, kind, args, path, ending, console),
        (_, path, _) => {
            write_text(path, console, |console| text(&trace, args, &tables::options(console), console))
        }
    }
}

/// Everything that was given, or what was chosen of it.
fn input(args: &RenderArgs, console: &Console) -> Result<Input> {
    let mut input = Input::read(&args.traces)?;
    input.notes.iter().for_each(|note| console.note(note));
    input.choose(&args.trace)?;
    Ok(input)
}

/// The one trace of a file or folder, or the one that was chosen of several.
pub(crate) fn one_trace(path: &Path, chosen: Option<&str>) -> Result<LensTrace> {
    let mut input = Input::read(&[path.to_owned()])?;
    let chosen: Vec<String> = chosen.map(str::to_owned).into_iter().collect();
    input.choose(&chosen)?;
    let Run { mut trace, .. } = input.only("the screen")?;
    trace.notes.extend(input.notes);
    Ok(trace)
}

/// Writes text into a file, where it is plain, or to stdout, as the console shows it.
fn write_text(
    path: Option<&Path>,
    console: &Console,
    text: impl FnOnce(&Console) -> Result<String>,
) -> Result<()> {
    match path {
        Some(path) => {
            let text = text(&console.plain())?;
            output::write_file(path, |out| out.write_all(text.as_bytes()))
        }
        None => {
            let text = text(console)?;
            output::print(|out| out.write_all(text.as_bytes()))
        }
    }
}

/// What to show, as asked for or as the file's name implies.
fn shown(kind: Option<Show>, ending: Option<Ending>) -> Result<Show> {
    let usual = match ending {
        None | Some(Ending::Text | Ending::Json) => Show::Table,
        Some(Ending::Html) => Show::Page,
        Some(Ending::Gif) => Show::Film,
        Some(Ending::Svg | Ending::Pdf | Ending::Pixels(_)) => Show::Picture(PictureKind::AllLayers),
    };
    let show = kind.unwrap_or(usual);
    let fits = match (show, ending) {
        (_, None) => true,
        (Show::Table, Some(ending)) => ending == Ending::Text,
        (Show::Page, Some(ending)) => ending == Ending::Html,
        (Show::Picture(PictureKind::Grid(_)) | Show::Difference(_), Some(ending)) => {
            ending.is_picture() || ending == Ending::Text
        }
        (Show::Film, Some(ending)) => ending == Ending::Gif,
        (Show::Picture(_), Some(ending)) => ending.is_picture(),
    };
    if !fits {
        bail!("--kind {show} cannot be written into such a file: {}", show.endings());
    }
    Ok(show)
}

/// What was asked for of the trace.
fn part(trace: LensTrace, args: &RenderArgs, positions: Vec<usize>) -> Result<LensTrace> {
    let what = chosen(&trace, args)?.with_positions(positions);
    // A trace without a readout has no part, but there may be something to say of it as it is.
    if what == PictureOptions::default() { Ok(trace) } else { Ok(excerpt(trace, &what)?) }
}

/// What was chosen of a trace, whatever shows it.
fn chosen(trace: &LensTrace, args: &RenderArgs) -> Result<PictureOptions> {
    let layers = match &args.layers {
        None => Vec::new(),
        Some(layers) => {
            let layers = layers.resolve(trace.model.n_layers.into(), "layer")?;
            layers.into_iter().map(|layer| layer as u16).collect()
        }
    };
    let components = args.components.as_ref();
    let mut wanted: Vec<Component> = components.map_or(Vec::new(), |names| names.as_slice().to_vec());
    // All means those that there are.
    let read: BTreeSet<Component> = trace.readouts.iter().map(|readout| readout.component).collect();
    if components.is_some_and(ComponentSelection::all_heads) {
        wanted.extend(read.iter().filter(|component| component.head().is_some()));
    }
    if components.is_some_and(ComponentSelection::is_all) {
        wanted.retain(|component| read.contains(component));
    }
    Ok(PictureOptions::default()
        .with_lens(args.lens.clone())
        .with_components(wanted)
        .with_layers(layers)
        .with_stride(args.stride)
        .with_threshold(args.threshold.map(|threshold| threshold.0)))
}

/// What was asked for of the trace, lens by lens.
fn parts(trace: &LensTrace, args: &RenderArgs) -> Result<Vec<LensTrace>> {
    let all = || trace.lens_names().into_iter().map(str::to_owned).collect();
    let lenses: Vec<String> = args.lens.clone().map_or_else(all, |lens| vec![lens]);
    let of = |lens: &String| part(trace.of_lens(Some(lens))?.into_owned(), args, Vec::new());
    lenses.iter().map(of).collect()
}

fn text(trace: &LensTrace, args: &RenderArgs, options: &TableOptions, console: &Console) -> Result<String> {
    let positions = positions(trace, args)?;
    let parts = parts(trace, args)?;
    let predictions = tables::predictions(args.top_k, options);
    let mut text = String::new();
    for (i, (position, part)) in
        positions.iter().flat_map(|position| parts.iter().map(move |part| (*position, part))).enumerate()
    {
        if i > 0 {
            text.push_str(&tables::rule(console));
        }
        text.push_str(&table(
            part,
            &options.clone().with_position(Some(position)).with_predictions(predictions),
        )?);
    }
    Ok(text)
}

/// The positions asked for; the last one that was read, if none was.
fn positions(trace: &LensTrace, args: &RenderArgs) -> Result<Vec<usize>> {
    match (&args.positions, args.step) {
        (Some(positions), _) => Ok(positions.resolve(trace.tokens.len(), "position")?),
        (None, Some(step)) => Ok(vec![position_of_step(trace, step)?]),
        (None, None) => match trace.finals.last() {
            Some(last) => Ok(vec![last.position]),
            None => bail!("the trace holds no position: there is nothing to show"),
        },
    }
}

fn position_of_step(trace: &LensTrace, step: usize) -> Result<usize> {
    match trace.steps.get(step) {
        Some(step) => Ok(step.position),
        None if trace.steps.is_empty() => {
            bail!("the trace has no steps: nothing was generated (lens run -n)")
        }
        None => bail!("the trace has no step {step}: its steps are 0 to {}", trace.steps.len() - 1),
    }
}

fn picture(
    trace: &LensTrace,
    kind: PictureKind,
    args: &RenderArgs,
    path: Option<&Path>,
    ending: Option<Ending>,
    console: &Console,
) -> Result<()> {
    write_pages(svg(trace, kind, &options(trace, kind, args, ending)?)?, args, path, ending, console)
}

/// Writes a picture's pages, each into a file of its own, or the only one to stdout.
fn write_pages(
    pages: Vec<Picture>,
    args: &RenderArgs,
    path: Option<&Path>,
    ending: Option<Ending>,
    console: &Console,
) -> Result<()> {
    let pages = paper(args)?.finish(pages)?;
    let Some(path) = path else {
        let [only] = pages.as_slice() else {
            bail!("the picture has {} pages: name a file for them with -o", pages.len());
        };
        return output::print(|out| out.write_all(only.svg.as_bytes()));
    };
    let drawn = match ending {
        Some(Ending::Pixels(format)) => DrawnAs::Raster { format, scale: args.scale.unwrap_or(SCALE) },
        Some(Ending::Pdf) => DrawnAs::Pdf,
        _ => DrawnAs::Svg,
    };
    drawn::write_pages(&pages, path, drawn, console)
}

fn options(
    trace: &LensTrace,
    kind: PictureKind,
    args: &RenderArgs,
    ending: Option<Ending>,
) -> Result<PictureOptions> {
    options_of(trace, args, ending, matches!(kind, PictureKind::Grid(_)), &format!("--kind {kind}"))
}

/// The same for what shows `several` positions, or one.
fn options_of(
    trace: &LensTrace,
    args: &RenderArgs,
    ending: Option<Ending>,
    several: bool,
    what: &str,
) -> Result<PictureOptions> {
    let positions = match (&args.positions, args.step, several) {
        (None, None, true) => Vec::new(),
        _ => positions(trace, args)?,
    };
    let position = match positions.as_slice() {
        _ if several => None,
        [one] => Some(*one),
        _ => bail!("{what} shows one position: choose one with --positions"),
    };
    let mut chosen = chosen(trace, args)?;
    chosen.position = position;
    chosen.positions = if several { positions } else { Vec::new() };
    chosen.top = args.top_k.unwrap_or(chosen.top);
    chosen.tokens = args.tokens.iter().map(|token| token_of(trace, token)).collect::<Result<_>>()?;
    chosen.importance = args.important_by.map_or_else(Importance::default, Into::into);
    chosen.ramp = args.ramp.map_or_else(Ramp::default, Into::into);
    chosen.spread = args.colors.map_or_else(Spread::default, Into::into);
    chosen.width = paper(args)?.layout_width();
    chosen.title.clone_from(&args.title);
    // What an SVG's reader has installed is not known; pixels are drawn here, and a PDF has its fonts with it.
    chosen.fonts = if ending.is_some_and(Ending::has_fonts) { Fonts::Installed } else { Fonts::Viewer };
    Ok(chosen)
}

/// How large the finished picture is to be.
fn paper(args: &RenderArgs) -> Result<Paper> {
    Ok(Paper::new(args.width.map(|width| width.0), args.font_size)?)
}

/// A token of the trace, by id or by text.
fn token_of(trace: &LensTrace, token: &Target) -> Result<TokenId> {
    let text = match token {
        Target::Id(id) => return Ok(*id),
        Target::Text(text) => text,
    };
    let tops = trace
        .readouts
        .iter()
        .flat_map(|readout| readout.top.iter().chain(readout.targets.iter().map(|target| &target.token)));
    let mut ids: Vec<TokenId> = tops.filter(|top| *top.text == **text).map(|top| top.id).collect();
    ids.sort_unstable();
    ids.dedup();
    match ids.as_slice() {
        [id] => Ok(*id),
        [] => bail!("no readout of the trace has a token {text:?} (a space in front belongs to the token)"),
        several => {
            let ids = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            bail!("{text:?} is the text of several tokens: give the id of one of {ids}")
        }
    }
}
