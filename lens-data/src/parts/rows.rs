//! A row for every readout of a corpus, where somebody asks for them.

use lens_core::{Point, Readout, Statistic, TokenId};

use crate::column::{Cells, Column, Kind, Table};

/// The table of tokens of a corpus: a row for every document, window, position, layer, component and lens.
#[derive(Debug, Clone, Copy)]
pub enum CorpusTokens {}

/// Where a readout is.
#[derive(Debug, Clone, Copy)]
pub struct TokenAt<'a> {
    /// The document's number in the corpus.
    pub document: u64,
    /// The window's number in the document.
    pub window: u32,
    /// The position in the window.
    pub position: u64,
    /// The token that stands there.
    pub token: TokenId,
    /// The one that comes next.
    pub next: Option<TokenId>,
    /// The lens; `None` for the model's own answer.
    pub lens: Option<&'a str>,
    /// The point; `None` for the model's own answer.
    pub point: Option<Point>,
}

impl Table for CorpusTokens {
    type Row<'a> = (TokenAt<'a>, &'a Readout);

    const NAME: &'static str = "tokens";

    fn columns() -> Vec<Column> {
        let mut columns = vec![
            Column::new("document", Kind::U64, "number of the document in the corpus, from 0"),
            Column::new("window", Kind::U32, "number of the window in the document, from 0"),
            Column::new("position", Kind::U64, "position in the window, from 0; it is about the next token"),
            Column::new("token_id", Kind::U32, "id of the token that stands there"),
            Column::new("next_id", Kind::U32, "id of the token that comes next in the window").nullable(),
            Column::new("lens", Kind::Text, "name of the lens; empty for the model's own answer").nullable(),
            Column::new("layer", Kind::U32, "block, from 0; empty for `embed` and the model's own answer")
                .nullable(),
            Column::new("component", Kind::Text, "what was read; `final` is the model's own answer"),
        ];
        columns.extend(statistics().map(|statistic| {
            let kind = if statistic.unit().is_whole() { Kind::U32 } else { Kind::F32 };
            Column::new(statistic.name(), kind, statistic.title()).nullable()
        }));
        columns.extend([
            Column::new("top_id", Kind::U32s, "ids of the most probable tokens, most probable first"),
            Column::new("top_prob", Kind::F32s, "their probabilities, from 0 to 1"),
        ]);
        columns
    }

    fn append((at, readout): &Self::Row<'_>, cells: &mut Cells) {
        cells.u64(at.document);
        cells.u32(Some(at.window));
        cells.u64(at.position);
        cells.u32(Some(at.token.0));
        cells.u32(at.next.map(|token| token.0));
        cells.text(at.lens);
        cells.u32(at.point.and_then(Point::layer).map(u32::from));
        cells.text(Some(at.point.map_or("final", |point| point.component().name())));
        for statistic in statistics() {
            if statistic.unit().is_whole() {
                cells.u32(readout.statistics.whole(statistic));
            } else {
                cells.f32(readout.get(statistic).map(|value| value as f32));
            }
        }
        cells.u32s(readout.top.iter().map(|score| Some(score.id.0)));
        cells.f32s(readout.top.iter().map(|score| score.prob));
    }
}

/// The statistics that a corpus asks for.
fn statistics() -> impl Iterator<Item = Statistic> {
    const OF_A_CORPUS: [Statistic; 6] = [
        Statistic::Entropy,
        Statistic::KlToFinal,
        Statistic::JsToFinal,
        Statistic::RankOfFinal,
        Statistic::CrossEntropy,
        Statistic::RankOfNext,
    ];
    OF_A_CORPUS.into_iter()
}
