//! How well lenses predict a text, from layer to layer.

use lens_core::{
    Component, Site,
    evaluate::{Estimate, EvaluationReport, EvaluationRow},
};

use super::{
    Fonts, Picture, PictureError, PictureOptions,
    axis::round_up,
    chart::{Chart, MOST_LINES, Panel},
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
    let lines = lines(report);
    if lines.is_empty() {
        return Err(PictureError::Empty { what: "row of an evaluation".to_owned() });
    }
    if lines.len() > MOST_LINES {
        let what = "lenses or components";
        return Err(PictureError::TooManyLines { given: lines.len(), most: MOST_LINES, what });
    }
    let mut places: Vec<Option<u16>> = report.rows.iter().map(|row| row.point.layer()).collect();
    places.sort_unstable();
    places.dedup();
    let panels = panels(report, &lines, &places);
    let only = lines.iter().all(|line| line.component == lines[0].component).then_some(lines[0].component);
    let mut notes = vec![format!(
        "bands: where {} % of {} resamplings of the sequences are",
        report.confidence * 100.0,
        report.resamplings
    )];
    if report.cross_entropy.is_some() {
        notes.push("level line: the surprise of the model itself".to_owned());
    }
    let of = only.map_or(String::new(), |only| format!(" at {only}"));
    let title = format!("How well {} predicts{of}, from layer to layer", named(&lines));
    let title = options.title.as_deref().unwrap_or(&title);
    let chart = Chart {
        head: head(report, facts, title, width, fonts),
        places,
        lines: lines.iter().map(|line| fonts.words(&line.name(only.is_some()))).collect(),
        panels,
        decided: None,
        notes,
        fonts,
        width,
    };
    Ok(vec![chart.draw()?])
}

/// A lens and the component that it reads.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Line<'r> {
    lens: &'r str,
    component: Component,
}

impl Line<'_> {
    fn name(self, alone: bool) -> String {
        if alone { self.lens.to_owned() } else { format!("{} {}", self.lens, self.component) }
    }

    /// Whether a row is of this line. The embedding is where the stream begins: it belongs to the stream's line, where
    /// there is one.
    fn has(self, row: &EvaluationRow, stream: bool) -> bool {
        let component = row.point.component();
        let begins = component == Component::Embed && stream && self.component == RESID_POST;
        row.lens == self.lens && (component == self.component || begins)
    }
}

const RESID_POST: Component = Component::Site(Site::ResidPost);

/// The lenses and components of a report, in their order.
fn lines(report: &EvaluationReport) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for row in &report.rows {
        let line = Line { lens: &row.lens, component: row.point.component() };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let streams: Vec<&str> =
        lines.iter().filter(|line| line.component == RESID_POST).map(|line| line.lens).collect();
    lines.retain(|line| line.component != Component::Embed || !streams.contains(&line.lens));
    lines
}

/// The lenses in words.
fn named(lines: &[Line<'_>]) -> String {
    let mut lenses: Vec<&str> = Vec::new();
    for line in lines {
        if !lenses.contains(&line.lens) {
            lenses.push(line.lens);
        }
    }
    match lenses.as_slice() {
        [only] => format!("the {only} lens"),
        _ => "each lens".to_owned(),
    }
}

/// The two panels; the second only where tokens came next.
fn panels(report: &EvaluationReport, lines: &[Line<'_>], places: &[Option<u16>]) -> Vec<Panel> {
    let of = |what: fn(&EvaluationRow) -> Option<Estimate>| -> Vec<Vec<Option<Estimate>>> {
        let at = |line: &Line<'_>, place: Option<u16>| {
            let row = report.rows.iter().find(|row| row.point.layer() == place && line.has(row, true));
            row.and_then(what)
        };
        lines.iter().map(|line| places.iter().map(|place| at(line, *place)).collect()).collect()
    };
    let kl = panel("KL to the final readout, nats", &of(|row| Some(row.kl_to_final)), None);
    let surprise = of(|row| row.cross_entropy);
    let has_next = surprise.iter().flatten().any(Option::is_some);
    let surprise =
        has_next.then(|| panel("surprise at the next token, nats", &surprise, report.cross_entropy));
    [kl].into_iter().chain(surprise).collect()
}

fn panel(name: &str, estimates: &[Vec<Option<Estimate>>], level: Option<Estimate>) -> Panel {
    let all = estimates.iter().flatten().flatten().chain(&level);
    let highest = all.map(|estimate| estimate.high).filter(|high| high.is_finite()).fold(0.1, f64::max);
    let each = |estimates: &[Option<Estimate>]| estimates.iter().map(|e| e.map(|e| e.value)).collect();
    let band =
        |estimates: &[Option<Estimate>]| estimates.iter().map(|e| e.map(|e| (e.low, e.high))).collect();
    Panel {
        name: name.to_owned(),
        range: (0.0, round_up(highest)),
        logarithmic: false,
        downwards: false,
        values: estimates.iter().map(|line| each(line)).collect(),
        bands: estimates.iter().map(|line| band(line)).collect(),
        level: level.map(|level| level.value),
    }
}

/// What was evaluated, and on how much.
fn head(report: &EvaluationReport, facts: &[String], title: &str, width: f64, fonts: Fonts) -> Head {
    let sequences = if report.sequences == 1 { "sequence" } else { "sequences" };
    let read = format!("{} {sequences}, {} positions", report.sequences, report.positions);
    Head::of_facts(title, facts.iter().cloned().chain([read]).collect(), width, fonts)
}
