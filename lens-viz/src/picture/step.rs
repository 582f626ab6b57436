//! One position: layers and components down, ranks across.

use std::collections::BTreeSet;

use lens_core::{Component, FinalTrace, ReadoutTrace, Site, TopTrace};

use super::{
    Fonts, Importance, Picture, PictureError, PictureOptions,
    echo::{ECHO, is_echo},
    head::Heading,
    heatmap::{Cell, Column, Heatmap, Row},
    legend::Legend,
    scale::Scale,
    text::Names,
};
use crate::context::in_sequence;
use crate::source::{Place, Source, VIRTUAL, only_component};
use crate::{digits::percent, measure::Measure};

const WIDTH: u32 = 1000;

/// The threshold of a trace whose own cannot be told.
const THRESHOLD: f32 = 0.03;

pub(super) fn all_layers(
    source: &Source<'_>,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    let position = source.position(options.position)?;
    let places = source.places(&source.components(&options.components)?, options)?;
    if places.is_empty() {
        return Err(PictureError::Empty { what: "readout of these layers and components".to_owned() });
    }
    draw(source, position, &places, "All layers", None, options)
}

pub(super) fn important_layers(
    source: &Source<'_>,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    let position = source.position(options.position)?;
    let mut places = source.places(&source.components(&options.components)?, options)?;
    let mut keep = |important: &BTreeSet<u16>| {
        places.retain(|(layer, _)| layer.is_some_and(|layer| important.contains(&layer)));
        !places.is_empty()
    };
    let rule = match options.importance {
        Importance::Probability => {
            let (important, threshold) = important(source, position, options.threshold);
            match keep(&important) {
                true => format!("layers where attn_out, mlp_out or resid_post has a token above {threshold}"),
                false => {
                    format!("no layer shown has a token above {threshold} in attn_out, mlp_out or resid_post")
                }
            }
        }
        Importance::Movement => {
            let which =
                if keep(&moving(source, position)?) { "layers that make" } else { "no layer shown makes" };
            format!("{which} more than twice an even share of the movement of KL to the final answer")
        }
    };
    draw(source, position, &places, "Important layers", Some(rule), options)
}

/// The layers that move the prediction most.
fn moving(source: &Source<'_>, position: usize) -> Result<BTreeSet<u16>, PictureError> {
    let layers = source.trace.important_by_movement(position);
    let layers = layers.ok_or_else(|| PictureError::Empty {
        what: format!("distance of resid_post from the final answer at position {position}"),
    })?;
    Ok(layers.into_iter().collect())
}

/// The important layers, and above what they are.
pub(crate) fn important(
    source: &Source<'_>,
    position: usize,
    threshold: Option<f32>,
) -> (BTreeSet<u16>, String) {
    if let (None, Some(last)) = (threshold, source.last(position)) {
        let threshold = source.trace.important_above.map_or("the run's threshold".to_owned(), in_percent);
        return (last.important_layers.iter().copied().collect(), threshold);
    }
    let threshold = threshold.unwrap_or(THRESHOLD);
    let sites = [Site::AttnOut, Site::MlpOut, Site::ResidPost].map(Component::Site);
    let readouts = source.trace.readouts.iter().filter(|readout| {
        readout.position == position
            && sites.contains(&readout.component)
            && readout.top.first().is_some_and(|token| token.prob > threshold)
    });
    (readouts.filter_map(|readout| readout.layer).collect(), in_percent(threshold))
}

fn in_percent(threshold: f32) -> String {
    format!("{} %", (f64::from(threshold) * 1e5).round() / 1e3)
}

fn draw(
    source: &Source<'_>,
    position: usize,
    places: &[Place],
    what: &str,
    rule: Option<String>,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    let (fonts, width) = (options.fonts, options.width_or(WIDTH));
    let readouts: Vec<Option<&ReadoutTrace>> =
        places.iter().map(|place| source.at(position, *place)).collect();
    let ranks = readouts.iter().flatten().map(|readout| readout.top.len()).max().unwrap_or(0);
    let ranks = ranks.min(options.top.get());
    let names =
        Names::new(fonts, readouts.iter().flatten().flat_map(|readout| readout.top.iter().take(ranks)));
    let token = in_sequence(&source.trace.tokens, position).map(|text| fonts.token(&text).whole());
    let after = token.map_or(String::new(), |token| format!(", after {}", token.as_str()));
    let only = only_component(places);
    let of = only.map_or(String::new(), |only| format!(" of {only}"));
    let title = options.title.clone().unwrap_or(format!("{what}{of} at position {position}{after}"));
    let cell = |rank: usize, token: &TopTrace| Cell {
        label: names.label(token),
        value: Some(token.prob.into()),
        number: fonts.words(&number(token.prob)),
        sign: None,
        echoes: rank == 0 && is_echo(source, Some(token), position),
    };
    let cells = readouts.iter().map(|readout| {
        let top = readout.map_or(&[][..], |readout| &readout.top);
        (0..ranks).map(|rank| top.get(rank).map(|token| cell(rank, token))).collect()
    });
    let column = |rank: usize| Column {
        name: fonts.words(&rank.to_string()),
        below: None,
        above: None,
        written: false,
    };
    let echoes = readouts.iter().flatten().any(|readout| is_echo(source, readout.top.first(), position));
    let rows = rows(source, places, source.last(position), fonts);
    let is_decided_here = rows.iter().any(|row| row.marked);
    let shown = readouts.iter().flatten().flat_map(|readout| readout.top.iter().take(ranks));
    let probabilities = shown.map(|token| f64::from(token.prob));
    let heatmap = Heatmap {
        heading: Heading { source, title, position: Some(position), rule, against: None, fonts }.into(),
        rows,
        columns: (1..=ranks).map(column).collect(),
        columns_are: "rank",
        above_is: "next token",
        cells: cells.collect(),
        legend: Legend {
            scale: Scale::new(Measure::Probability, 0, probabilities, options)?.named(&format!(
                "probability{}, %",
                only.map_or(String::new(), |only| format!(" in {only}"))
            )),
            notes: notes(&readouts, is_decided_here)
                .into_iter()
                .chain(echoes.then(|| ECHO.to_owned()))
                .chain(source.note_on_trust(places))
                .collect(),
        },
        fonts,
        width,
        is_width_asked: options.width.is_some(),
        advice: "fewer layers, a larger stride, fewer components or a wider page",
    };
    heatmap.draw()
}

/// A probability in percent; nothing where it says nothing.
fn number(probability: f32) -> String {
    if (0.0..SMALLEST).contains(&probability) { String::new() } else { percent(probability, true) }
}

/// The least probability that is not rounded to nothing.
const SMALLEST: f32 = 0.000_5;

/// Names of rows; the layer at which the position's prediction is made is marked.
pub(super) fn rows(
    source: &Source<'_>,
    places: &[Place],
    last: Option<&FinalTrace>,
    fonts: Fonts,
) -> Vec<Row> {
    let is_virtual =
        source.trace.readouts.iter().any(|readout| readout.is_virtual && readout.component == RESID_MID);
    let mut components: Vec<Component> = places.iter().map(|(_, component)| *component).collect();
    components.retain(|component| *component != Component::Embed);
    let only_one = components.iter().all(|component| Some(component) == components.first());
    let row = |(layer, component): &Place| {
        let dagger = if is_virtual && *component == RESID_MID { "†" } else { "" };
        let name = match layer {
            Some(_) if !only_one => format!("{component}{dagger}"),
            _ => String::new(),
        };
        let decided = last.and_then(|last| last.decided_at);
        Row {
            group: fonts.words(&layer.map_or_else(|| "embed".to_owned(), |layer| layer.to_string())),
            name: fonts.words(&name),
            marked: decided.is_some() && layer.map(usize::from) == decided,
            trusted: source.is_trusted((*layer, *component)),
        }
    };
    places.iter().map(row).collect()
}

const RESID_MID: Component = Component::Site(Site::ResidMid);

/// What signs mean: those that occur.
fn notes(readouts: &[Option<&ReadoutTrace>], is_decided_here: bool) -> Vec<String> {
    let mut notes = vec![
        "in cells: the token (· is a space) and, where there is room, its probability in % from 0.05 on"
            .to_owned(),
    ];
    if is_decided_here {
        notes.push("▸ from this layer on the top-1 of resid_post is the final one".to_owned());
    }
    if readouts.iter().flatten().any(|readout| readout.is_virtual) {
        notes.push(VIRTUAL.to_owned());
    }
    notes
}
