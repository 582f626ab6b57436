//! One position: probability and rank of tokens from layer to layer.

use std::collections::{BTreeMap, BTreeSet};

use lens_core::{Component, ReadoutTrace, Statistic, TokenId, TopTrace};

use super::{
    Picture, PictureError, PictureOptions,
    chart::{Chart, MOST_LINES, Panel},
    head::Heading,
    text::Names,
};
use crate::source::{Place, Source};

const WIDTH: u32 = 720;

/// Lines of a picture for which no tokens were chosen.
const BY_DEFAULT: usize = 6;

/// What is known of a token in a readout.
#[derive(Clone, Copy)]
struct Score {
    prob: Option<f32>,
    rank: Option<u32>,
}

pub(super) fn trajectories(
    source: &Source<'_>,
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    let (fonts, width) = (options.fonts, options.width_or(WIDTH));
    let position = source.position(options.position)?;
    let components = source.stream(&options.components)?;
    let places = source.places(&one_of(&components)?, options)?;
    let readouts: Vec<(Place, &ReadoutTrace)> =
        places.iter().filter_map(|place| Some((*place, source.at(position, *place)?))).collect();
    let last = source.last(position);
    let final_top1 = last.and_then(|last| last.top.first());
    let known = known(&readouts, final_top1);
    let (tokens, left_out) = tokens(&readouts, &known, options, position)?;
    let names = Names::new(fonts, known.values().copied());
    let mut notes = Vec::new();
    let scores: Vec<Vec<Option<Score>>> = tokens
        .iter()
        .map(|id| readouts.iter().map(|(_, readout)| score(readout, *id, final_top1)).collect())
        .collect();
    if scores.iter().flatten().any(|score| score.is_none_or(|score| score.prob.is_none())) {
        notes.push("a gap: the token is not among those that the run kept there".to_owned());
    } else if scores.iter().flatten().flatten().any(|score| score.rank.is_none()) {
        notes.push("a gap in ranks: the token is beyond the ranks that the run kept there".to_owned());
    }
    if left_out > 0 {
        let tokens = if left_out == 1 { "token is" } else { "tokens are" };
        notes.push(format!("{left_out} more {tokens} top-1 at some layer and not shown"));
    }
    let decided = last.and_then(|last| last.decided_at).and_then(|layer| u16::try_from(layer).ok());
    let decided = decided.filter(|layer| readouts.iter().any(|((at, _), _)| *at == Some(*layer)));
    if decided.is_some() {
        notes.push("upright line: from this layer on the top-1 of resid_post is the final one".to_owned());
    }
    let values = |of: fn(Score) -> Option<f64>| -> Vec<Vec<Option<f64>>> {
        scores.iter().map(|line| line.iter().map(|score| score.and_then(of)).collect()).collect()
    };
    // Where the size of the vocabulary is not known, the axis ends at the largest rank.
    let ranks = values(|score| score.rank.map(f64::from));
    let vocabulary = match source.trace.model.n_vocab {
        0 => ranks.iter().flatten().flatten().copied().fold(10.0, f64::max),
        n => n.max(10) as f64,
    };
    let what = components.iter().find(|component| **component != Component::Embed);
    let what = what.map_or("embed", |component| component.name());
    let title = format!("Tokens from layer to layer in {what}, position {position}");
    let title = options.title.clone().unwrap_or(title);
    let heading = Heading { source, title, position: Some(position), rule: None, against: None, fonts };
    let chart = Chart {
        head: heading.head(width),
        places: readouts.iter().map(|((layer, _), _)| *layer).collect(),
        lines: tokens.iter().filter_map(|id| Some(names.label(known.get(id)?).whole())).collect(),
        panels: vec![
            Panel {
                name: "probability".to_owned(),
                range: (0.0, 1.0),
                logarithmic: false,
                downwards: false,
                values: values(|score| score.prob.map(f64::from)),
                bands: Vec::new(),
                level: None,
            },
            Panel {
                name: "rank".to_owned(),
                range: (1.0, vocabulary),
                logarithmic: true,
                downwards: true,
                values: ranks,
                bands: Vec::new(),
                level: None,
            },
        ],
        decided,
        notes,
        fonts,
        width,
    };
    Ok(vec![chart.draw()?])
}

/// One component and `embed` make a line; two would make a zigzag.
fn one_of(components: &[Component]) -> Result<Vec<Component>, PictureError> {
    let sites = components.iter().filter(|component| **component != Component::Embed).count();
    if sites > 1 {
        return Err(PictureError::OneComponent { given: components.to_vec() });
    }
    Ok(components.to_vec())
}

/// Every token that some readout says something about.
fn known<'a>(
    readouts: &[(Place, &'a ReadoutTrace)],
    final_top1: Option<&'a TopTrace>,
) -> BTreeMap<TokenId, &'a TopTrace> {
    let in_readouts = readouts.iter().flat_map(|(_, readout)| {
        let targets = readout.targets.iter().map(|target| &target.token);
        readout.tracked.iter().chain(targets).chain(&readout.top)
    });
    in_readouts.chain(final_top1).map(|token| (token.id, token)).collect()
}

/// The tokens to draw, and how many of those that would be worth it are not.
fn tokens(
    readouts: &[(Place, &ReadoutTrace)],
    known: &BTreeMap<TokenId, &TopTrace>,
    options: &PictureOptions,
    position: usize,
) -> Result<(Vec<TokenId>, usize), PictureError> {
    if !options.tokens.is_empty() {
        let mut seen = BTreeSet::new();
        let asked: Vec<TokenId> = options.tokens.iter().copied().filter(|id| seen.insert(*id)).collect();
        if asked.len() > MOST_LINES {
            return Err(PictureError::TooManyLines { given: asked.len(), most: MOST_LINES, what: "tokens" });
        }
        return match asked.iter().find(|id| !known.contains_key(id)) {
            Some(id) => Err(PictureError::TokenNotRead { id: *id, position }),
            None => Ok((asked, 0)),
        };
    }
    let mut chosen: Vec<TokenId> = Vec::new();
    let targets =
        readouts.iter().flat_map(|(_, readout)| readout.targets.iter().map(|target| target.token.id));
    for id in targets {
        if !chosen.contains(&id) && chosen.len() < MOST_LINES {
            chosen.push(id);
        }
    }
    let mut best: BTreeMap<TokenId, f32> = BTreeMap::new();
    for top in readouts.iter().filter_map(|(_, readout)| readout.top.first()) {
        let most = best.entry(top.id).or_insert(top.prob);
        *most = most.max(top.prob);
    }
    let mut best: Vec<(TokenId, f32)> = best.into_iter().filter(|(id, _)| !chosen.contains(id)).collect();
    best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let room = BY_DEFAULT.saturating_sub(chosen.len());
    let left_out = best.len().saturating_sub(room);
    chosen.extend(best.into_iter().take(room).map(|(id, _)| id));
    if chosen.is_empty() {
        return Err(PictureError::Empty { what: "token at this position".to_owned() });
    }
    Ok((chosen, left_out))
}

/// What a readout says of a token: exactly where it was asked for, else as far as the kept tokens tell.
fn score(readout: &ReadoutTrace, id: TokenId, final_top1: Option<&TopTrace>) -> Option<Score> {
    if let Some(target) = readout.targets.iter().find(|target| target.token.id == id) {
        return Some(Score { prob: Some(target.token.prob), rank: target.rank });
    }
    if let Some(token) = readout.top.iter().find(|token| token.id == id) {
        let above = readout.top.iter().filter(|other| other.logit > token.logit).count();
        return Some(Score { prob: Some(token.prob), rank: u32::try_from(above + 1).ok() });
    }
    let rank = readout
        .statistics
        .whole(Statistic::RankOfFinal)
        .filter(|_| final_top1.is_some_and(|token| token.id == id));
    match (readout.score(id), rank) {
        (None, None) => None,
        (token, rank) => Some(Score { prob: token.map(|token| token.prob), rank }),
    }
}
