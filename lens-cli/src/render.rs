//! `lens render`: pictures, pages and tables from a saved trace; no model is needed.

mod fit;

pub(crate) use fit::NoEffect;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use anyhow::{Context, Result, bail};
use lens_core::{Component, ComponentSelection, LensTrace, TokenId, TraceError};
use lens_viz::{
    Ramp, excerpt,
    page::{PageOptions, page},
    picture::{Fonts, Picture, PictureKind, PictureOptions, png, svg},
    terminal::{TableOptions, heatmap, table},
};

use crate::{
    args::RenderArgs,
    output, results,
    style::Console,
    tables,
    values::{Show, Target},
};

/// The largest trace that is read, bytes.
const MOST_BYTES: u64 = 4 << 30;

/// Pixels of a PNG for each pixel of the page, where none were asked for.
const SCALE: f32 = 2.0;

/// What a file's name says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Svg,
    Png,
    Html,
    Text,
}

impl Ending {
    const ALL: [(&'static str, Self); 4] =
        [("svg", Self::Svg), ("png", Self::Png), ("html", Self::Html), ("txt", Self::Text)];

    fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        match Self::ALL.into_iter().find(|(name, _)| *name == ending) {
            Some((_, ending)) => Ok(ending),
            None => bail!(
                "{} does not say what to write: give a name that ends in .svg, .png, .html or .txt",
                path.display()
            ),
        }
    }
}

pub(crate) fn render(args: &RenderArgs, console: &Console) -> Result<()> {
    let ending = args.out.as_deref().map(Ending::of).transpose()?;
    let show = shown(args.kind, ending)?;
    fit::check(args, show, ending)?;
    let trace = read(&args.trace)?;
    // A page shows them itself.
    if show != Show::Page {
        trace.notes.iter().for_each(|note| console.note(note));
    }
    match (show, args.out.as_deref(), ending) {
        (Show::Table, None, _) => {
            let text = text(trace, args, &tables::options(console), console)?;
            output::print(|out| out.write_all(text.as_bytes()))
        }
        (Show::Table, Some(path), _) => {
            let plain = console.plain();
            let text = text(trace, args, &tables::options(&plain), &plain)?;
            output::write_file(path, |out| out.write_all(text.as_bytes()))
        }
        (Show::Page, path, _) => {
            let positions = match (&args.positions, args.step) {
                (None, None) => Vec::new(),
                _ => positions(&trace, args)?,
            };
            let trace = part(trace, args, positions)?;
            let html = page(&trace, &PageOptions::default().with_top_k(args.top_k.map(usize::from)))?;
            match path {
                Some(path) => output::write_file(path, |out| out.write_all(html.as_bytes())),
                None => output::print(|out| out.write_all(html.as_bytes())),
            }
        }
        (Show::Picture(PictureKind::Grid(statistic)), path, None | Some(Ending::Text)) => {
            let what = options(&trace, PictureKind::Grid(statistic), args, None)?;
            let console = if path.is_some() { console.plain() } else { *console };
            let text = heatmap(&trace, statistic, &what, &tables::options(&console))?;
            match path {
                Some(path) => output::write_file(path, |out| out.write_all(text.as_bytes())),
                None => output::print(|out| out.write_all(text.as_bytes())),
            }
        }
        (Show::Picture(kind), path, ending) => picture(&trace, kind, args, path, ending, console),
    }
}

/// What to show, as asked for or as the file's name implies.
fn shown(kind: Option<Show>, ending: Option<Ending>) -> Result<Show> {
    let usual = match ending {
        None | Some(Ending::Text) => Show::Table,
        Some(Ending::Html) => Show::Page,
        Some(Ending::Svg | Ending::Png) => Show::Picture(PictureKind::AllLayers),
    };
    let show = kind.unwrap_or(usual);
    let fits = match (show, ending) {
        (_, None) => true,
        (Show::Table, Some(ending)) => ending == Ending::Text,
        (Show::Page, Some(ending)) => ending == Ending::Html,
        (Show::Picture(PictureKind::Grid(_)), Some(ending)) => ending != Ending::Html,
        (Show::Picture(_), Some(ending)) => matches!(ending, Ending::Svg | Ending::Png),
    };
    if !fits {
        bail!("--kind {show} cannot be written into such a file: {}", show.endings());
    }
    Ok(show)
}

/// Reads a trace and checks that it can be true.
fn read(path: &Path) -> Result<LensTrace> {
    let name = if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() };
    let bytes = if path == Path::new("-") {
        whole(io::stdin().lock())
    } else {
        File::open(path).and_then(|file| whole(BufReader::new(file)))
    };
    let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
    LensTrace::from_json(&bytes).map_err(|error| {
        let what = match error {
            TraceError::Json { .. } => "is not a trace (lens run writes one with --out or --format json)",
            TraceError::Schema { .. } => "has another schema",
            _ => "is a trace that cannot be true: nothing of it is shown",
        };
        anyhow::Error::from(error).context(format!("{name} {what}"))
    })
}

/// All that a reader has, unless it cannot be a trace: a device that never ends must not fill the memory.
fn whole(mut reader: impl BufRead) -> io::Result<Vec<u8>> {
    let begins = reader.fill_buf()?.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    if begins.is_some_and(|byte| byte != b'{') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it does not begin with `{`, as a trace does",
        ));
    }
    let mut bytes = Vec::new();
    reader.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        let problem = format!("it is larger than {} GiB, the most that is read", MOST_BYTES >> 30);
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(bytes)
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
    if components.is_some_and(ComponentSelection::is_all) {
        // All means those that there are.
        let read: BTreeSet<Component> = trace.readouts.iter().map(|readout| readout.component).collect();
        wanted.retain(|component| read.contains(component));
    }
    Ok(PictureOptions::default()
        .with_components(wanted)
        .with_layers(layers)
        .with_stride(args.stride)
        .with_threshold(args.threshold.map(|threshold| threshold.0)))
}

fn text(trace: LensTrace, args: &RenderArgs, options: &TableOptions, console: &Console) -> Result<String> {
    let positions = positions(&trace, args)?;
    let trace = part(trace, args, Vec::new())?;
    let predictions = tables::predictions(args.top_k, options);
    let mut text = String::new();
    for (i, position) in positions.into_iter().enumerate() {
        if i > 0 {
            text.push_str(&tables::rule(console));
        }
        text.push_str(&table(
            &trace,
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
    let pages = svg(trace, kind, &options(trace, kind, args, ending)?)?;
    let Some(path) = path else {
        let [only] = pages.as_slice() else {
            bail!("the picture has {} pages: name a file for them with -o", pages.len());
        };
        return output::print(|out| out.write_all(only.svg.as_bytes()));
    };
    if pages.len() > 1 {
        console.note(&format!("the picture has {} pages, each in a file of its own", pages.len()));
    }
    let mut missing = BTreeSet::new();
    for page in &pages {
        missing.extend(&page.missing);
        let path = path.with_file_name(named(path, page));
        match ending {
            Some(Ending::Png) => {
                let bytes = png(&page.svg, args.scale.unwrap_or(SCALE))?;
                output::write_file(&path, |out| out.write_all(&bytes))?;
            }
            _ => output::write_file(&path, |out| out.write_all(page.svg.as_bytes()))?,
        }
    }
    results::note_missing(&missing, console);
    Ok(())
}

/// The name of a page's file.
fn named(path: &Path, page: &Picture) -> String {
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    format!("{}.{}", page.file_stem(&part(path.file_stem())), part(path.extension()))
}

fn options(
    trace: &LensTrace,
    kind: PictureKind,
    args: &RenderArgs,
    ending: Option<Ending>,
) -> Result<PictureOptions> {
    let several = matches!(kind, PictureKind::Grid(_));
    let positions = match (&args.positions, several) {
        (None, true) => Vec::new(),
        _ => positions(trace, args)?,
    };
    let position = match positions.as_slice() {
        _ if several => None,
        [one] => Some(*one),
        _ => bail!("--kind {kind} shows one position: choose one with --positions"),
    };
    let mut chosen = chosen(trace, args)?;
    chosen.position = position;
    chosen.positions = if several { positions } else { Vec::new() };
    chosen.top = args.top_k.unwrap_or(chosen.top);
    chosen.tokens = args.tokens.iter().map(|token| token_of(trace, token)).collect::<Result<_>>()?;
    chosen.ramp = args.ramp.map_or_else(Ramp::default, Into::into);
    chosen.width = args.width;
    chosen.title.clone_from(&args.title);
    // What an SVG's reader has installed is not known; a PNG is drawn here.
    chosen.fonts = if ending == Some(Ending::Png) { Fonts::Installed } else { Fonts::Viewer };
    Ok(chosen)
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
