//! Rows and columns of coloured cells with tokens in them, on as many pages as it takes.

mod layout;
mod paint;

use super::{
    Fonts, Picture, PictureError,
    canvas::{Frame, INK, page},
    fonts::Face,
    head::Above,
    legend::Legend,
    text::{Shown, TokenLabel},
};
use layout::{Layout, Page};

/// What a row shows.
pub(super) struct Row {
    /// The layer: neighbours of the same one belong together.
    pub(super) group: Shown,
    /// The component; empty where all rows have the same one.
    pub(super) name: Shown,
    /// Whether the layer is one to look at.
    pub(super) marked: bool,
    /// Whether what it shows can be trusted; otherwise its cells have no colour.
    pub(super) trusted: bool,
}

/// What a column shows.
pub(super) struct Column {
    /// The rank or the position.
    pub(super) name: Shown,
    /// The token that is read here.
    pub(super) below: Option<TokenLabel>,
    /// The token that actually comes next.
    pub(super) above: Option<TokenLabel>,
    /// Whether the model wrote the token that is read here.
    pub(super) written: bool,
}

/// What one readout says.
pub(super) struct Cell {
    pub(super) label: TokenLabel,
    /// What the colour stands for; without it the cell has none.
    pub(super) value: Option<f64>,
    /// The value in digits, where there is room.
    pub(super) number: Shown,
    /// What is to be said of the token in one character, as the legend explains.
    pub(super) sign: Option<char>,
    /// Whether the token only repeats what is read here.
    pub(super) echoes: bool,
}

/// A heatmap that fits any page.
pub(super) struct Heatmap<'a> {
    pub(super) heading: Above<'a>,
    pub(super) rows: Vec<Row>,
    pub(super) columns: Vec<Column>,
    /// What the columns' names are.
    pub(super) columns_are: &'static str,
    /// What the tokens above the columns are.
    pub(super) above_is: &'static str,
    /// A row for each of `rows`, a cell for each of `columns`.
    pub(super) cells: Vec<Vec<Option<Cell>>>,
    pub(super) legend: Legend,
    pub(super) fonts: Fonts,
    /// The most pixels of a page.
    pub(super) width: f64,
    /// Whether that width was asked for; otherwise a page may grow until one holds everything.
    pub(super) is_width_asked: bool,
    /// What to choose less of where there are too many pages.
    pub(super) advice: &'static str,
}

/// Pages of one picture.
const MOST_PAGES: usize = 48;
/// The line between what the model was given and what it wrote.
const BORDER: f64 = 1.8;

/// What the line before the first token that the model wrote means, where it is drawn.
pub(super) fn note_on_written(columns: &[Column]) -> Option<String> {
    let begins = columns.windows(2).any(|pair| !pair[0].written && pair[1].written);
    begins.then(|| "upright line: before the first token that the model wrote".to_owned())
}

impl Heatmap<'_> {
    /// All pages, row by row of pages.
    pub(super) fn draw(&self) -> Result<Vec<Picture>, PictureError> {
        let layout = self.layout();
        let pages = layout.pages.len();
        if pages > MOST_PAGES {
            return Err(PictureError::TooManyPages {
                rows: self.rows.len(),
                columns: self.columns.len(),
                pages,
                most: MOST_PAGES,
                width: self.width,
                advice: self.advice,
            });
        }
        layout.pages.iter().enumerate().map(|(i, one)| self.page(&layout, one, (i + 1, pages))).collect()
    }

    fn page(
        &self,
        layout: &Layout,
        Page { rows, bands }: &Page,
        (number, pages): (usize, usize),
    ) -> Result<Picture, PictureError> {
        let note = (pages > 1).then(|| self.page_note(layout, number));
        let note = note.as_ref().map(|note| (note, layout.note_lines));
        let body = layout.row * rows.len() as f64;
        let step = body + layout.between;
        let end = layout.top + step * bands.len().saturating_sub(1) as f64 + body + layout.below + 10.0;
        let height = (end + self.legend.height(self.fonts, layout.page)).ceil();
        let picture = page((layout.page, height), layout.head.title(), |canvas| {
            layout.head.draw(canvas, note);
            for (band, columns) in bands.iter().enumerate() {
                let top = layout.top + step * band as f64;
                self.draw_columns(canvas, layout, columns, (top, body));
                self.draw_rows(canvas, layout, rows, columns, top);
                for (i, row) in rows.clone().enumerate() {
                    for column in columns.clone() {
                        let (x, y) = (layout.x(columns, column), top + i as f64 * layout.row);
                        let (width, height) = (layout.widths[column], layout.row);
                        let frame =
                            Frame { x, y, width: width - layout::SEAM, height: height - layout::SEAM };
                        let cell =
                            self.cells.get(row).and_then(|cells| cells.get(column)).and_then(Option::as_ref);
                        self.draw_cell(canvas, layout, frame, cell, self.rows[row].trusted);
                    }
                }
                for column in columns.clone().filter(|column| self.begins_writing(*column)) {
                    let x = layout.x(columns, column) - layout::SEAM / 2.0;
                    canvas.line(&[(x, top - layout.above), (x, top + body + layout.below)], INK, BORDER);
                }
            }
            self.legend.draw(canvas, self.fonts, end, layout.page);
        })?;
        Ok(Picture { page: number, pages, ..picture })
    }

    /// Whether the model wrote this token, and not the one before it.
    fn begins_writing(&self, column: usize) -> bool {
        column > 0 && self.columns[column].written && !self.columns[column - 1].written
    }

    fn page_note(&self, layout: &Layout, number: usize) -> Shown {
        let pages = layout.pages.len();
        let Page { rows, bands } = &layout.pages[number - 1];
        let mut note = format!("page {number} of {pages}");
        if rows.len() < self.rows.len() {
            let (first, last) = (&self.rows[rows.start].group, &self.rows[rows.end - 1].group);
            note.push_str(&ends("layer", first, last));
        }
        if let (Some(first), Some(last)) = (bands.first(), bands.last())
            && last.end - first.start < self.columns.len()
        {
            let (first, last) = (&self.columns[first.start].name, &self.columns[last.end - 1].name);
            note.push_str(&ends(self.columns_are, first, last));
        }
        self.fonts.words(&note)
    }

    /// A note that is as long as that of any page, however many there are.
    fn longest_page_note(&self) -> Shown {
        let twice = |what: &str, name: &Shown| format!(" · {what}s {0} to {0}", name.as_str());
        let layers = twice("layer", &widest(self.rows.iter().map(|row| &row.group)));
        let columns = twice(self.columns_are, &widest(self.columns.iter().map(|column| &column.name)));
        self.fonts.words(&format!("page {MOST_PAGES} of {MOST_PAGES}{layers}{columns}"))
    }
}

fn widest<'a>(names: impl Iterator<Item = &'a Shown>) -> Shown {
    let width = |name: &&Shown| name.width(Face::Sans, 1.0);
    names.max_by(|a, b| width(a).total_cmp(&width(b))).cloned().unwrap_or_default()
}

/// The first and the last of some things that a page shows.
fn ends(what: &str, first: &Shown, last: &Shown) -> String {
    match first == last {
        true => format!(" · {what} {}", first.as_str()),
        false => format!(" · {what}s {} to {}", first.as_str(), last.as_str()),
    }
}
