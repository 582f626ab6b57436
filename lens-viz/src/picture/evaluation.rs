//! How well lenses predict a text, from layer to layer.

use lens_core::evaluate::{EvaluationReport, EvaluationRow};

use super::{
    Fonts, Picture, PictureError, PictureOptions,
    by_layer::{Lines, panel},
    chart::{Chart, Panel},
    head::Head,
};

const WIDTH: u32 = 720;

/// Draws an evaluation: from layer to layer, a line for every lens, the divergence to the model's own answer above and the
/// surprise at the token that comes next below, with the intervals of both as bands. There is one page.
///
/// `facts` say what was evaluated, the model first. Of `options`, width, title and fonts count.
///
/// # Errors
/// When the report has no row, and when it has more lenses and components than lines can be told apart.
pub fn evaluation(
    report: &EvaluationReport,
    facts: &[String],
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    options.check()?;
    let (fonts, width) = (options.fonts, options.width_or(WIDTH));
    let lines = Lines::of(&report.rows, "row of an evaluation")?;
    let panels = panels(report, &lines);
    let mut notes = vec![format!(
        "bands: where {} % of {} resamplings of the sequences are",
        report.confidence * 100.0,
        report.resamplings
    )];
    if report.cross_entropy.is_some() {
        notes.push("level line: the surprise of the model itself".to_owned());
    }
    let of = lines.only().map_or(String::new(), |only| format!(" at {only}"));
    let title = format!("How well {} predicts{of}, from layer to layer", lines.lenses());
    let title = options.title.as_deref().unwrap_or(&title);
    let chart = Chart {
        head: head(report, facts, title, width, fonts),
        lines: lines.names().iter().map(|name| fonts.words(name)).collect(),
        places: lines.places,
        panels,
        decided: None,
        notes,
        fonts,
        width,
    };
    Ok(vec![chart.draw()?])
}

/// The two panels; the second only where tokens came next.
fn panels(report: &EvaluationReport, lines: &Lines<'_, EvaluationRow>) -> Vec<Panel> {
    let kl = panel("KL to the final readout, nats", &lines.estimates(|row| Some(row.kl_to_final)), None);
    let surprise = lines.estimates(|row| row.cross_entropy);
    let has_next = surprise.iter().flatten().any(Option::is_some);
    let surprise =
        has_next.then(|| panel("surprise at the next token, nats", &surprise, report.cross_entropy));
    [kl].into_iter().chain(surprise).collect()
}

/// What was evaluated, and on how much.
fn head(report: &EvaluationReport, facts: &[String], title: &str, width: f64, fonts: Fonts) -> Head {
    let sequences = if report.sequences == 1 { "sequence" } else { "sequences" };
    let read = format!("{} {sequences}, {} positions", report.sequences, report.positions);
    Head::of_facts(title, facts.iter().cloned().chain([read]).collect(), width, fonts)
}
