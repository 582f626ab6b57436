//! One position: entropy and divergence from layer to layer.

use lens_core::{Component, Limits, Range, Statistic};

use crate::measure::Measure;
use crate::source::Source;

use super::{
    Picture, PictureError, PictureOptions,
    axis::{round_down, round_up},
    chart::{Chart, MOST_LINES, Panel},
    head::Heading,
};

const WIDTH: u32 = 720;

/// The statistics that have a panel, where the trace has them.
const SHOWN: [Statistic; 5] = [
    Statistic::Entropy,
    Statistic::KlToFinal,
    Statistic::JsToFinal,
    Statistic::TvToFinal,
    Statistic::LogitDiff,
];

pub(super) fn curves(source: &Source<'_>, options: &PictureOptions) -> Result<Vec<Picture>, PictureError> {
    let (fonts, width) = (options.fonts, options.width_or(WIDTH));
    let position = source.position(options.position)?;
    let components = source.components(&options.components)?;
    let mut layers: Vec<Option<u16>> =
        source.places(&components, options)?.into_iter().map(|(layer, _)| layer).collect();
    layers.dedup();
    // The embedding is where the stream begins: it belongs to the stream's line, or else to none.
    let mut lines: Vec<Component> = components.iter().copied().filter(|c| *c != Component::Embed).collect();
    if lines.is_empty() {
        lines.push(Component::Embed);
    }
    if lines.len() > MOST_LINES {
        return Err(PictureError::TooManyLines { given: lines.len(), most: MOST_LINES, what: "components" });
    }
    let stream = source.stream(&options.components)?.last().copied();
    let values = |statistic: Statistic| -> Vec<Vec<Option<f64>>> {
        let at = |component: Component, layer: Option<u16>| match layer {
            None if Some(component) == stream => source.at(position, (None, Component::Embed)),
            layer => source.at(position, (layer, component)),
        };
        let value = |component: Component, layer| at(component, layer)?.get(statistic);
        lines.iter().map(|line| layers.iter().map(|layer| value(*line, *layer)).collect()).collect()
    };
    let panels: Vec<Panel> = SHOWN
        .into_iter()
        .map(|statistic| (statistic, values(statistic)))
        .filter(|(_, values)| values.iter().flatten().any(Option::is_some))
        .map(|(statistic, values)| panel(statistic, values, source.trace.model.n_vocab))
        .collect();
    if panels.is_empty() {
        let what = "entropy or divergence (kl_to_final) at this position".to_owned();
        return Err(PictureError::Empty { what });
    }
    let last = source.last(position);
    let decided = last.and_then(|last| last.decided_at).and_then(|layer| u16::try_from(layer).ok());
    let decided = decided.filter(|layer| layers.contains(&Some(*layer)));
    let mut notes = vec![match source.trace.model.n_vocab {
        0 => "entropy: 0 is certain; the size of the vocabulary is not known".to_owned(),
        _ => "entropy: from 0, certain, to the logarithm of the size of the vocabulary".to_owned(),
    }];
    if decided.is_some() {
        notes.push("upright line: from this layer on the top-1 of resid_post is the final one".to_owned());
    }
    let of = if let [only] = lines.as_slice() { format!(" of {only}") } else { String::new() };
    let title = format!("Entropy and divergence{of} from layer to layer, position {position}");
    let title = options.title.clone().unwrap_or(title);
    let heading = Heading { source, title, position: Some(position), rule: None, against: None, fonts };
    let chart = Chart {
        head: heading.head(width),
        places: layers,
        lines: lines.iter().map(|component| fonts.words(component.name())).collect(),
        panels,
        decided,
        notes,
        fonts,
        width,
    };
    Ok(vec![chart.draw()?])
}

/// A panel of one statistic: from zero for what is never below it, and as high as the vocabulary allows.
fn panel(statistic: Statistic, values: Vec<Vec<Option<f64>>>, n_vocab: usize) -> Panel {
    let finite = || values.iter().flatten().flatten().copied().filter(|value| value.is_finite());
    let most = round_up(finite().fold(0.1, f64::max));
    let high = match statistic.range() {
        Range::VocabularyNats if n_vocab > 0 => (n_vocab.max(2) as f64).ln(),
        _ => most,
    };
    let low = finite().fold(0.0, f64::min);
    let low = if statistic.limits() == Limits::Any && low < 0.0 { round_down(low) } else { 0.0 };
    let name = Measure::Of(statistic).describe(None);
    Panel {
        name,
        range: (low, high),
        logarithmic: false,
        downwards: false,
        values,
        bands: Vec::new(),
        level: None,
    }
}
