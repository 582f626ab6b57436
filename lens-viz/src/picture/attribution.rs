//! Layers down, heads across: what each brought to a logit, centred at zero.

use lens_core::attribution::{AttributionTrace, TargetLogit};

use super::{
    Fonts, Picture, PictureError, PictureOptions,
    head::Heading,
    heatmap::{Cell, Column, Heatmap, Row},
    legend::Legend,
    scale::Scale,
    text::Shown,
};
use crate::{
    digits::{place_read, signed},
    source::Source,
};

const WIDTH: u32 = 1000;

/// Draws what the parts of a model contribute to a logit: layers down, the heads of a layer across and after them what
/// attention and the MLP add as a whole. Zero has no colour, what is above is red, what is below is blue; a cell of a
/// layer without such a head is crossed out. There is at least one page.
///
/// Of `options`, layers, stride, range, width, title and fonts count; a `range` has to be centred at zero.
///
/// # Errors
/// When the model has no layer, a layer is asked for that it does not have, and when the picture would not fit a
/// reasonable number of pages.
pub fn attribution(trace: &AttributionTrace, options: &PictureOptions) -> Result<Vec<Picture>, PictureError> {
    options.check()?;
    let fonts = options.fonts;
    let head = trace.head();
    let source = Source::of_head(&head);
    let heads = trace.heads_by_layer();
    let most = heads.iter().map(Vec::len).max().unwrap_or(0);
    let mut layers = source.chosen_layers(options)?;
    // Where a logit is read in the middle, later layers have no part in it.
    layers.retain(|layer| trace.contributions.get(&format!("L{layer}.attn_out")).is_some());
    if layers.is_empty() {
        return Err(PictureError::Empty { what: "layer".to_owned() });
    }
    let values: Vec<Vec<Option<f64>>> = layers
        .iter()
        .map(|layer| {
            let of_heads = heads.get(usize::from(*layer)).map_or(&[][..], Vec::as_slice);
            let branch = |name: &str| trace.contributions.get(&format!("L{layer}.{name}"));
            let of_heads = (0..most).map(|head| of_heads.get(head).copied());
            of_heads.chain([branch("attn_out"), branch("mlp_out")]).collect()
        })
        .collect();
    let shown = || values.iter().flatten().flatten().copied();
    let column = |name: &str| Column { name: fonts.words(name), below: None, above: None, written: false };
    let names = (0..most).map(|head| head.to_string()).chain(["attn_out", "mlp_out"].map(str::to_owned));
    let row = |layer: &u16| Row {
        group: fonts.words(&layer.to_string()),
        name: fonts.words(""),
        marked: false,
        trusted: true,
    };
    let cell = |value: f64| Cell {
        label: fonts.token(&signed(value)),
        value: Some(value),
        number: Shown::default(),
        sign: None,
        echoes: false,
    };
    let heatmap = Heatmap {
        heading: Heading {
            source: &source,
            title: options.title.clone().unwrap_or_else(|| title(trace, fonts)),
            position: Some(trace.position),
            rule: Some(rule(trace)),
            against: None,
            fonts,
        }
        .into(),
        rows: layers.iter().map(row).collect(),
        columns: names.map(|name| column(&name)).collect(),
        columns_are: "head",
        above_is: "next token",
        cells: values.iter().map(|row| row.iter().map(|value| value.map(cell)).collect()).collect(),
        legend: Legend {
            scale: Scale::diverging("contribution to the logit", shown(), options)?,
            notes: trace.notes.clone(),
        },
        fonts,
        width: options.width_or(WIDTH),
        is_width_asked: options.width.is_some(),
        advice: "fewer layers, a larger stride or a wider page",
    };
    heatmap.draw()
}

fn title(trace: &AttributionTrace, fonts: Fonts) -> String {
    let name = |target: &TargetLogit| fonts.token(&target.text).whole().as_str().to_owned();
    let less =
        trace.versus.as_ref().map(|versus| format!(" less that of {}", name(versus))).unwrap_or_default();
    let at = place_read(trace).map(|place| format!(" at {place}")).unwrap_or_default();
    format!("What contributes to the logit of {}{less}{at}", name(&trace.target))
}

/// What is not in the cells, and the sum of it all.
fn rule(trace: &AttributionTrace) -> String {
    let embed = trace.contributions.get("embed").unwrap_or(0.0);
    let changes: Vec<&(String, f64)> =
        trace.contributions.0.iter().filter(|(name, _)| name.starts_with("steer.")).collect();
    let changed = match changes.is_empty() {
        true => String::new(),
        false => format!(" · changes {}", signed(changes.iter().map(|(_, share)| share).sum())),
    };
    format!(
        "logit before any cap {} · embed {} · biases {}{changed} · the sum of all parts is off by {:.0e}",
        signed(trace.logit_before_cap),
        signed(embed),
        signed(trace.bias),
        trace.error.abs()
    )
}
