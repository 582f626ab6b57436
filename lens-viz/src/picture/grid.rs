//! Layers up, positions across: what the model would say at every place.

use lens_core::{Component, ReadoutTrace, TopTrace};

use super::{
    Fonts, Picture, PictureError, PictureOptions, Statistic,
    head::Heading,
    heatmap::{Cell, Column, Heatmap},
    legend::Legend,
    scale::{Scale, name},
    source::{Place, Source},
    step::{VIRTUAL, rows},
    text::{Names, TokenLabel},
};
use crate::terminal::{nats, percent};

const WIDTH: u32 = 1000;

pub(super) fn grid(
    source: &Source<'_>,
    statistic: Statistic,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    let (fonts, width) = (options.fonts, options.width_or(WIDTH));
    let positions = source.positions(&options.positions)?;
    let mut places = source.places(&source.stream(&options.components)?, options)?;
    places.reverse();
    let readouts: Vec<Vec<Option<&ReadoutTrace>>> =
        places.iter().map(|place| positions.iter().map(|p| source.at(*p, *place)).collect()).collect();
    let all = || readouts.iter().flatten().flatten();
    let values = || all().filter_map(|readout| value(readout, statistic));
    if values().next().is_none() {
        return Err(PictureError::Empty { what: missing(statistic) });
    }
    let names = Names::new(fonts, all().filter_map(|readout| readout.top.first()));
    let cells = readouts.iter().map(|row| {
        let cell = |(readout, position): (&Option<&ReadoutTrace>, &usize)| {
            readout.map(|readout| cell(source, readout, *position, statistic, &names, fonts))
        };
        row.iter().zip(&positions).map(cell).collect()
    });
    let title = options.title.clone().unwrap_or_else(|| default_title(&places, statistic));
    let scale = Scale::new(statistic, source.trace.model.n_vocab, values(), options)?;
    let scale = scale.named(&name(statistic, only_component(&places)));
    let heatmap = Heatmap {
        heading: Heading { source, title, position: None, rule: None, fonts },
        rows: rows(source, &places, None, fonts),
        columns: positions.iter().map(|position| column(source, *position, fonts)).collect(),
        columns_are: "position",
        cells: cells.collect(),
        legend: Legend { scale, notes: notes(source, all().copied()) },
        fonts,
        width,
        advice: "fewer positions, fewer layers, a larger stride, fewer components or a wider page",
    };
    heatmap.draw()
}

fn default_title(places: &[Place], statistic: Statistic) -> String {
    let of = only_component(places).map_or(String::new(), |only| format!(" of {only}"));
    match statistic {
        Statistic::Probability => format!("Top-1 token{of} and its probability"),
        Statistic::Logit => format!("Top-1 token{of} and its logit"),
        Statistic::Rank => format!("Top-1 token{of}, and the rank of the final one"),
        Statistic::Kl => format!("Top-1 token{of}, and the divergence from the final readout"),
        Statistic::Entropy => format!("Top-1 token{of} and entropy"),
    }
}

/// The component that all places are of; the embedding in front of the layers is no other one.
pub(crate) fn only_component(places: &[Place]) -> Option<Component> {
    let mut components = places.iter().map(|(_, component)| *component).filter(|c| *c != Component::Embed);
    let first = components.next().or(places.first().map(|(_, component)| *component))?;
    components.all(|component| component == first).then_some(first)
}

fn missing(statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::Probability | Statistic::Logit => "readout of these layers, positions and components",
        Statistic::Rank => "rank of the final token (rank_of_final)",
        Statistic::Kl => "divergence from the final readout (kl_to_final)",
        Statistic::Entropy => "entropy",
    }
}

pub(crate) fn value(readout: &ReadoutTrace, statistic: Statistic) -> Option<f64> {
    let top = readout.top.first();
    match statistic {
        Statistic::Probability => top.map(|token| token.prob.into()),
        Statistic::Logit => top.map(|token| token.logit.into()),
        Statistic::Rank => readout.statistics.whole(Statistic::RankOfFinal).map(Into::into),
        Statistic::Kl => readout.get(Statistic::KlToFinal).map(Into::into),
        Statistic::Entropy => readout.get(Statistic::Entropy).map(Into::into),
    }
}

pub(crate) fn digits(readout: &ReadoutTrace, statistic: Statistic) -> String {
    let top = readout.top.first();
    let text = match statistic {
        Statistic::Probability => top.map(|token| percent(token.prob, true)),
        Statistic::Logit => top.map(|token| format!("{:.1}", token.logit)),
        Statistic::Rank => readout.statistics.whole(Statistic::RankOfFinal).map(|rank| rank.to_string()),
        Statistic::Kl => readout.get(Statistic::KlToFinal).map(nats),
        Statistic::Entropy => readout.get(Statistic::Entropy).map(nats),
    };
    text.unwrap_or_default()
}

fn cell(
    source: &Source<'_>,
    readout: &ReadoutTrace,
    position: usize,
    statistic: Statistic,
    names: &Names<'_>,
    fonts: Fonts,
) -> Cell {
    let top = readout.top.first();
    Cell {
        label: top.map_or_else(TokenLabel::none, |token| names.label(token)),
        value: value(readout, statistic),
        number: fonts.words(&digits(readout, statistic)),
        is_right: is_right(source, top, position),
    }
}

/// Whether the token is the one that actually comes next.
pub(crate) fn is_right(source: &Source<'_>, top: Option<&TopTrace>, position: usize) -> bool {
    top.zip(source.next_token(position)).is_some_and(|(top, next)| top.id == next.id)
}

fn column(source: &Source<'_>, position: usize, fonts: Fonts) -> Column {
    let token = source.trace.tokens.get(position);
    let next = source.next_token(position);
    Column {
        name: fonts.words(&position.to_string()),
        below: token.map(|token| fonts.token(&token.text)),
        above: next.map(|token| fonts.token(&token.text)),
    }
}

/// What signs mean: those that occur.
fn notes<'a>(source: &Source<'_>, readouts: impl Iterator<Item = &'a ReadoutTrace> + Clone) -> Vec<String> {
    let mut notes = vec!["in cells: the top-1 token (· is a space)".to_owned()];
    if readouts.clone().any(|readout| is_right(source, readout.top.first(), readout.position)) {
        notes.push("* it is the token that actually comes next".to_owned());
    }
    let mut readouts = readouts;
    if readouts.any(|readout| readout.is_virtual) {
        notes.push(VIRTUAL.to_owned());
    }
    notes
}
