//! The statistics of a corpus, from layer to layer.

use lens_core::{
    corpus::{CorpusReport, CorpusRow, ModelRow, Share},
    evaluate::Estimate,
};

use super::{
    Picture, PictureError, PictureOptions,
    by_layer::{Lines, panel},
    chart::{Chart, MOST_LINES, Panel},
    head::Head,
};

const WIDTH: u32 = 720;

/// What of a corpus is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorpusPicture {
    /// Divergence, entropy and surprise.
    Curves,
    /// Ranks of the final and of the next token, and agreement.
    Ranks,
    /// The scripts of the most probable tokens.
    Scripts,
    /// The languages of what a layer would write.
    Languages,
    /// Where positions are decided.
    DecidedAt,
}

impl CorpusPicture {
    /// Every picture.
    pub const ALL: [Self; 5] = [Self::Curves, Self::Ranks, Self::Scripts, Self::Languages, Self::DecidedAt];

    /// The stem of its file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Curves => "curves",
            Self::Ranks => "ranks",
            Self::Scripts => "scripts",
            Self::Languages => "languages",
            Self::DecidedAt => "decided_at",
        }
    }

    /// Whether a report has what it shows.
    pub fn is_of(self, report: &CorpusReport) -> bool {
        match self {
            Self::Curves | Self::Ranks | Self::Scripts => !report.rows.is_empty(),
            Self::Languages => report.rows.iter().any(|row| !row.own.languages.is_empty()),
            Self::DecidedAt => report.decided_at.len() > 1,
        }
    }
}

/// Draws the statistics of a corpus. There is one page.
///
/// `facts` say what was read, the model first. Of `options`, width, title and fonts count.
///
/// # Errors
/// When the report lacks what is to be drawn, and when it has more lenses and components than lines can be told apart.
pub fn corpus(
    report: &CorpusReport,
    what: CorpusPicture,
    facts: &[String],
    options: &PictureOptions,
) -> Result<Vec<Picture>, PictureError> {
    options.check()?;
    if !what.is_of(report) {
        return Err(PictureError::Empty { what: format!("{} of a corpus", what.name()) });
    }
    let (fonts, width) = (options.fonts, options.width_or(WIDTH));
    let Drawn { title, lines, places, panels, mut notes } = match what {
        CorpusPicture::Curves => curves(report)?,
        CorpusPicture::Ranks => ranks(report)?,
        CorpusPicture::Scripts => shares(report, "Scripts", |row| &row.scripts)?,
        CorpusPicture::Languages => shares(report, "Languages", |row| &row.languages)?,
        CorpusPicture::DecidedAt => decided(report),
    };
    if panels.iter().any(|panel| !panel.bands.is_empty()) {
        let percent = report.confidence * 100.0;
        notes.push(format!(
            "bands: where {percent} % of {} resamplings of the documents are",
            report.resamplings
        ));
    }
    let documents = if report.documents == 1 { "document" } else { "documents" };
    let read = format!("{} {documents}, {} positions", report.documents, report.positions);
    let facts = facts.iter().cloned().chain([read]).collect();
    let title = options.title.as_deref().unwrap_or(&title);
    let chart = Chart {
        head: Head::of_facts(title, facts, width, fonts),
        lines: lines.iter().map(|name| fonts.words(name)).collect(),
        places,
        panels,
        decided: None,
        notes,
        fonts,
        width,
    };
    Ok(vec![chart.draw()?])
}

/// What a chart shows.
struct Drawn {
    title: String,
    lines: Vec<String>,
    places: Vec<Option<u16>>,
    panels: Vec<Panel>,
    notes: Vec<String>,
}

/// Lines of rows, with their title.
fn of_lines(
    report: &CorpusReport,
    title: &str,
    panels: impl FnOnce(&Lines<'_, CorpusRow>) -> Vec<Panel>,
) -> Result<Drawn, PictureError> {
    let lines = Lines::of(&report.rows, "row of a corpus")?;
    let of = lines.only().map_or(String::new(), |only| format!(" of {only}"));
    let title = format!("{title}{of}, from layer to layer");
    let panels = panels(&lines);
    Ok(Drawn { title, lines: lines.names(), panels, places: lines.places, notes: Vec::new() })
}

fn curves(report: &CorpusReport) -> Result<Drawn, PictureError> {
    let mut drawn = of_lines(report, "Divergence, entropy and surprise", |lines| {
        let of = |name: &str, what: fn(&CorpusRow) -> Option<Estimate>, level| {
            let estimates = lines.estimates(what);
            estimates.iter().flatten().any(Option::is_some).then(|| panel(name, &estimates, level))
        };
        let mean = |model: Option<lens_core::corpus::Distribution>| model.map(|own| own.mean);
        [
            of("KL to the final readout, nats", |row| Some(row.kl_to_final?.mean), None),
            of("entropy, nats", |row| Some(row.own.entropy?.mean), mean(report.last.entropy)),
            of(
                "surprise at the next token, nats",
                |row| Some(row.own.cross_entropy?.mean),
                mean(report.last.cross_entropy),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    })?;
    drawn.notes.push("level lines: the model itself".to_owned());
    Ok(drawn)
}

fn ranks(report: &CorpusReport) -> Result<Drawn, PictureError> {
    let mut drawn = of_lines(report, "Ranks and agreement", |lines| {
        let of = |name: &str, what: fn(&CorpusRow) -> Option<Estimate>, level| {
            let estimates = lines.estimates(what);
            estimates.iter().flatten().any(Option::is_some).then(|| panel(name, &estimates, level))
        };
        let rank = |panel: Option<Panel>| {
            panel.map(|panel| {
                let highest = 10f64.powf(panel.range.1.max(10.0).log10().ceil());
                Panel { range: (1.0, highest), logarithmic: true, downwards: true, ..panel }
            })
        };
        let next = report.last.rank_of_next.map(|ranks| ranks.geometric_mean);
        let mut share = of("top-1 agrees with the final one", |row| Some(row.top1_agreement), None);
        share.iter_mut().for_each(|panel| panel.range = (0.0, 1.0));
        [
            rank(of("rank of the final token", |row| Some(row.rank_of_final?.geometric_mean), None)),
            rank(of("rank of the next token", |row| Some(row.own.rank_of_next?.geometric_mean), next)),
            share,
        ]
        .into_iter()
        .flatten()
        .collect()
    })?;
    drawn.notes.push("ranks: geometric means over positions; level line: the model itself".to_owned());
    Ok(drawn)
}

/// The shares of what most positions have, for the first lens and component.
fn shares(
    report: &CorpusReport,
    name: &str,
    of: fn(&ModelRow) -> &Vec<Share>,
) -> Result<Drawn, PictureError> {
    // One line reads the stream, or else whatever comes first; the others would say the same of other points.
    let rows = &report.rows;
    let stream = rows.iter().find(|row| row.component == "resid_post").unwrap_or(&rows[0]);
    let own: Vec<CorpusRow> = rows
        .iter()
        .filter(|row| row.lens == stream.lens)
        .filter(|row| row.component == stream.component || row.layer.is_none() && stream.layer.is_some())
        .cloned()
        .collect();
    let lines = Lines::of(&own, "row of a corpus")?;
    let line = lines.lines[0];
    let mut totals: Vec<(&str, u64)> = Vec::new();
    for share in own.iter().flat_map(|row| of(&row.own)) {
        match totals.iter_mut().find(|(known, _)| *known == share.name) {
            Some((_, n)) => *n += share.n,
            None => totals.push((&share.name, share.n)),
        }
    }
    totals.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let left_out = totals.len().saturating_sub(MOST_LINES);
    totals.truncate(MOST_LINES);
    let share_of = |name: &str, place| {
        let row = lines.at(line, place)?;
        Some(of(&row.own).iter().find(|share| share.name == name).map_or(0.0, |share| share.share))
    };
    let values = totals
        .iter()
        .map(|(name, _)| lines.places.iter().map(|place| share_of(name, *place)).collect())
        .collect();
    let panel = Panel {
        name: "share of positions".to_owned(),
        range: (0.0, 1.0),
        logarithmic: false,
        downwards: false,
        values,
        bands: Vec::new(),
        level: None,
    };
    let mut notes = Vec::new();
    if left_out > 0 {
        notes.push(format!("{left_out} rarer ones are not drawn"));
    }
    Ok(Drawn {
        title: format!("{name} of the most probable tokens of {}, {} lens", line.component, line.lens),
        lines: totals.iter().map(|(name, _)| (*name).to_owned()).collect(),
        places: lines.places.clone(),
        panels: vec![panel],
        notes,
    })
}

/// How many positions are decided by each layer.
fn decided(report: &CorpusReport) -> Drawn {
    let n = report.positions.max(1) as f64;
    let last = report.decided_at.iter().filter_map(|at| at.layer).max().unwrap_or(0);
    let mut so_far = 0;
    let (mut places, mut here, mut by_now) = (Vec::new(), Vec::new(), Vec::new());
    for layer in 0..=last {
        let own = report.decided_at.iter().find(|at| at.layer == Some(layer)).map_or(0, |at| at.n);
        so_far += own;
        places.push(Some(layer));
        here.push(Some(own as f64 / n));
        by_now.push(Some(so_far as f64 / n));
    }
    let never = report.decided_at.iter().find(|at| at.layer.is_none()).map_or(0, |at| at.n);
    let panel = Panel {
        name: "share of positions".to_owned(),
        range: (0.0, 1.0),
        logarithmic: false,
        downwards: false,
        values: vec![here, by_now],
        bands: Vec::new(),
        level: None,
    };
    let notes = vec![format!(
        "decided: from this layer on the top-1 of resid_post is the final one; at {:.1} % of the positions it never is",
        100.0 * never as f64 / n
    )];
    Drawn {
        title: "Where the model decides".to_owned(),
        lines: vec!["decided at this layer".to_owned(), "decided by this layer".to_owned()],
        places,
        panels: vec![panel],
        notes,
    }
}
