//! The table for those without JavaScript: the stream's top-1 token and its probability, layers by positions.

use std::collections::HashMap;

use lens_core::{Component, LensTrace, ReadoutTrace, Site};

use crate::context::in_sequence;
use crate::named::Named;

use super::{
    colours,
    escape::{html, markup},
    faithfulness::{grade, grades, median},
    visible::{SPACE, visible},
};

/// The table of a trace under its name, if it has one, with as many of its last positions as `cells` allow.
pub(super) fn plain(Named { name, trace, .. }: &Named<'_>, cells: usize) -> String {
    let Some(component) = stream(trace) else { return String::new() };
    let rows = rows(trace, component);
    let all: Vec<usize> = trace.finals.iter().map(|last| last.position).collect();
    let positions = &all[all.len() - all.len().min((cells / rows.len().max(1)).max(1))..];
    let at: HashMap<(Row, usize), &ReadoutTrace> = trace
        .readouts
        .iter()
        .map(|readout| (((readout.layer, readout.component), readout.position), readout))
        .collect();
    let head: String = positions.iter().map(|position| column(trace, *position)).collect();
    let body: String = rows.iter().map(|row| line(trace, *row, positions, &at)).collect();
    let title =
        if name.is_empty() { String::new() } else { format!("<h2>{}</h2>\n", markup(&visible(name))) };
    format!(
        "{title}<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Table of readouts\"><table>\n<caption>{}</caption>\n\
         <thead><tr><th scope=\"col\">Layer</th><th scope=\"col\">KL to final</th>{head}</tr></thead>\n\
         <tbody>{body}</tbody>\n</table></div>\n",
        caption(component, positions.len(), all.len()),
    )
}

type Row = (Option<u16>, Component);

/// The state of the residual stream that the trace has, the latest of a block first.
fn stream(trace: &LensTrace) -> Option<Component> {
    let read = |component: &Component| trace.readouts.iter().any(|readout| readout.component == *component);
    [Site::ResidPost, Site::ResidMid, Site::ResidPre, Site::MlpOut, Site::AttnOut]
        .map(Component::Site)
        .into_iter()
        .chain([Component::Embed])
        .find(read)
}

fn rows(trace: &LensTrace, component: Component) -> Vec<Row> {
    let mut rows: Vec<Row> = trace
        .readouts
        .iter()
        .filter(|readout| readout.component == component || readout.component == Component::Embed)
        .map(|readout| (readout.layer, readout.component))
        .collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn caption(component: Component, shown: usize, all: usize) -> String {
    let positions =
        if shown == all { String::new() } else { format!(" The last {shown} of {all} positions.") };
    format!(
        "The most probable next token after each position, by layer ({component}), and its probability.{positions} \
         <span class=\"space\">␠</span> is a space. KL to final says how far a layer's readouts are from the model's own answer (median over the \
         positions, nats): the larger, the less they say about what the model computes. Switch JavaScript on for \
         every component, statistic and token."
    )
}

fn column(trace: &LensTrace, position: usize) -> String {
    let text = in_sequence(&trace.tokens, position).map(|text| visible(&text)).unwrap_or_default();
    format!("<th scope=\"col\"><small>{position}</small> {}</th>", token(&text))
}

/// A token that is already visible, apart from the text around it.
fn token(visible: &str) -> String {
    let inner = visible.trim_start_matches(SPACE);
    let body = inner.trim_end_matches(SPACE);
    // As the page's program has them: the style sheet draws over a mark that the reader's fonts may lack.
    let spaces = |text: &str| "<span class=\"space\">␠</span>".repeat(text.chars().count());
    let (lead, trail) = (&visible[..visible.len() - inner.len()], &inner[body.len()..]);
    format!("<bdi lang=\"\">{}{}{}</bdi>", spaces(lead), markup(body), spaces(trail))
}

fn line(
    trace: &LensTrace,
    (layer, component): Row,
    positions: &[usize],
    at: &HashMap<(Row, usize), &ReadoutTrace>,
) -> String {
    let name = layer.map_or_else(|| component.to_string(), |layer| layer.to_string());
    let mark = median(trace, layer, component).map_or_else(
        || "–".to_owned(),
        |median| {
            let grade = grade(median);
            format!(
                "<span class=\"mark g{grade}\"></span> {median:.2} <small>{}</small>",
                grades()[grade].meaning
            )
        },
    );
    let cells: String =
        positions.iter().map(|position| cell(at.get(&((layer, component), *position)).copied())).collect();
    format!("<tr><th scope=\"row\">{}</th><td class=\"kl\">{mark}</td>{cells}</tr>\n", html(&name))
}

fn cell(readout: Option<&ReadoutTrace>) -> String {
    let Some(top) = readout.and_then(|readout| readout.top.first()) else { return "<td>–</td>".to_owned() };
    let level = colours::level(top.prob);
    format!("<td class=\"q{level}\">{} <small>{}</small></td>", token(&visible(&top.text)), percent(top.prob))
}

/// A probability as people read it, never 100 % or 0 % that is not.
fn percent(prob: f32) -> String {
    let percent = f64::from(prob) * 100.0;
    match percent {
        p if p >= 99.95 && prob < 1.0 => ">99.9%".to_owned(),
        p if (99.0..100.0).contains(&p) => format!("{p:.1}%"),
        p if p >= 10.0 => format!("{p:.0}%"),
        p if p >= 0.1 => format!("{p:.1}%"),
        p if p > 0.0 => "<0.1%".to_owned(),
        _ => "0%".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percentages_do_not_round_to_certainty() {
        assert_eq!(
            [1.0, 0.999_99, 0.994, 0.412, 0.0412, 0.000_02, 0.0].map(percent),
            ["100%", ">99.9%", "99.4%", "41%", "4.1%", "<0.1%", "0%"]
        );
    }
}
