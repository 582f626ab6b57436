//! One position: entropy and divergence from layer to layer.

use lens_core::{Component, ReadoutTrace};

use super::{
    Picture, PictureError, PictureOptions,
    axis::round_up,
    chart::{Chart, MOST_LINES, Panel},
    head::Heading,
    source::Source,
};

const WIDTH: u32 = 720;

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
    let values = |of: fn(&ReadoutTrace) -> Option<f32>| -> Vec<Vec<Option<f64>>> {
        let at = |component: Component, layer: Option<u16>| match layer {
            None if Some(component) == stream => source.at(position, (None, Component::Embed)),
            layer => source.at(position, (layer, component)),
        };
        let value = |component: Component, layer| at(component, layer).and_then(of).map(f64::from);
        lines.iter().map(|line| layers.iter().map(|layer| value(*line, *layer)).collect()).collect()
    };
    let most = |values: &[Vec<Option<f64>>]| {
        let finite = values.iter().flatten().flatten().copied().filter(|value| value.is_finite());
        round_up(finite.fold(0.1, f64::max))
    };
    let panel = |name, values: Vec<Vec<Option<f64>>>, high| Panel {
        name,
        range: (0.0, high),
        logarithmic: false,
        downwards: false,
        values,
    };
    let (entropy, kl) = (values(|readout| readout.get(Statistic::Entropy)), values(|readout| readout.get(Statistic::KlToFinal)));
    let n_vocab = source.trace.model.n_vocab;
    let ceiling = if n_vocab == 0 { most(&entropy) } else { (n_vocab.max(2) as f64).ln() };
    let kl_high = most(&kl);
    let mut panels =
        vec![panel("entropy, nats", entropy, ceiling), panel("KL(final ‖ readout), nats", kl, kl_high)];
    panels.retain(|panel| panel.values.iter().flatten().any(Option::is_some));
    if panels.is_empty() {
        return Err(PictureError::Empty { what: "entropy or divergence (kl_to_final) at this position" });
    }
    let last = source.last(position);
    let decided = last.and_then(|last| last.decided_at).and_then(|layer| u16::try_from(layer).ok());
    let decided = decided.filter(|layer| layers.contains(&Some(*layer)));
    let mut notes = vec![match n_vocab {
        0 => "entropy: 0 is certain; the size of the vocabulary is not known".to_owned(),
        _ => "entropy: from 0, certain, to the logarithm of the size of the vocabulary".to_owned(),
    }];
    if decided.is_some() {
        notes.push("upright line: from this layer on the top-1 of resid_post is the final one".to_owned());
    }
    let of = if let [only] = lines.as_slice() { format!(" of {only}") } else { String::new() };
    let title = format!("Entropy and divergence{of} from layer to layer, position {position}");
    let title = options.title.clone().unwrap_or(title);
    let heading = Heading { source, title, position: Some(position), rule: None, fonts };
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
