//! Rows and columns of coloured cells with tokens in them, on as many pages as it takes.

mod paint;

use std::ops::Range;

use super::{
    Fonts, Picture, PictureError,
    canvas::{Frame, page},
    fonts::Face,
    head::{Above, Head, MARGIN},
    legend::Legend,
    pages::split,
    text::{Shown, TokenLabel},
};

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
}

/// A heatmap that fits any page.
pub(super) struct Heatmap<'a> {
    pub(super) heading: Above<'a>,
    pub(super) rows: Vec<Row>,
    pub(super) columns: Vec<Column>,
    /// What the columns' names are.
    pub(super) columns_are: &'static str,
    /// What rows are, where that is said under them.
    pub(super) rows_are: Option<&'static str>,
    /// What the tokens above the columns are.
    pub(super) above_is: &'static str,
    /// A row for each of `rows`, a cell for each of `columns`.
    pub(super) cells: Vec<Vec<Option<Cell>>>,
    pub(super) legend: Legend,
    pub(super) fonts: Fonts,
    /// The most pixels of a page.
    pub(super) width: f64,
    /// What to choose less of where there are too many pages.
    pub(super) advice: &'static str,
}

/// Pages of one picture.
const MOST_PAGES: usize = 48;
/// A page is this many times as high as wide, at most.
const HIGH: f64 = 1.5;
/// Heights of a row: the least that can be read, and the most that looks like a table.
const ROW: (f64, f64) = (10.5, 17.0);
/// Widths of a column.
const COLUMN: (f64, f64) = (48.0, 118.0);
/// No page is narrower, unless it was asked to be.
const NARROWEST: f64 = 640.0;
/// White between cells.
const SEAM: f64 = 1.0;
/// White between a cell's edge and its text.
const PADDING: f64 = 3.0;
/// Text of names and columns.
const NAMES: f64 = 10.0;
/// A line of column names.
const LINE: f64 = 14.0;
/// From this width of a column on, numbers have room beside tokens.
const WITH_NUMBER: f64 = 72.0;

/// What all pages share.
struct Layout {
    head: Head,
    /// Left edge of the cells.
    left: f64,
    /// Top edge of the cells.
    top: f64,
    /// Width and height of a cell with its seam.
    cell: (f64, f64),
    /// Size of the text in cells.
    text: f64,
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
    has_numbers: bool,
    page: f64,
}

impl Heatmap<'_> {
    /// All pages, row by row of pages.
    pub(super) fn draw(&self) -> Result<Vec<Picture>, PictureError> {
        let layout = self.layout();
        let pages = layout.rows.len() * layout.columns.len();
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
        let each =
            layout.rows.iter().flat_map(|rows| layout.columns.iter().map(move |columns| (rows, columns)));
        each.enumerate()
            .map(|(i, (rows, columns))| self.page(&layout, rows.clone(), columns.clone(), (i + 1, pages)))
            .collect()
    }

    fn layout(&self) -> Layout {
        let left = MARGIN + self.names_width();
        let room = self.width - MARGIN - left;
        let fitting = (room / COLUMN.0).floor().max(1.0) as usize;
        let columns = at_least_one(split(self.columns.len(), fitting, |_| true));
        let on_a_page = columns.iter().map(Range::len).max().unwrap_or(1).max(1);
        let share = (room / on_a_page as f64 * 2.0).floor() / 2.0;
        let natural = self.natural_width(share);
        let cell_width = if columns.len() > 1 { share } else { share.min(natural) };
        // A narrow picture still has room for what stands above it.
        let needed = left + cell_width * on_a_page as f64 + MARGIN;
        let page = needed.max(self.width.min(NARROWEST));
        let head = self.heading.head(page);
        let above = |notes| head.bottom(notes) + self.lines_above() * LINE;
        let below = self.lines_below() * LINE + 10.0 + self.legend.height(self.fonts, page);
        let body = (HIGH * self.width - above(1) - below).max(8.0 * ROW.1);
        let rows = at_least_one(split(self.rows.len(), (body / ROW.0).floor() as usize, |at| {
            self.rows[at].group != self.rows[at - 1].group
        }));
        let most = rows.iter().map(Range::len).max().unwrap_or(1).max(1);
        let height = (body / most as f64 * 2.0).floor() / 2.0;
        let height = height.clamp(ROW.0, ROW.1);
        let notes = usize::from(rows.len() * columns.len() > 1);
        Layout {
            left,
            top: above(notes),
            head,
            cell: (cell_width, height),
            text: (height * 0.78).min(11.0),
            rows,
            columns,
            has_numbers: cell_width >= WITH_NUMBER && self.has_numbers(),
            page,
        }
    }

    /// Lines of column names above the cells.
    fn lines_above(&self) -> f64 {
        1.0 + f64::from(u8::from(self.columns.iter().any(|column| column.above.is_some())))
    }

    fn lines_below(&self) -> f64 {
        f64::from(u8::from(self.rows_are.is_some() || self.has_tokens_below()))
    }

    fn has_tokens_below(&self) -> bool {
        self.columns.iter().any(|column| column.below.is_some())
    }

    fn has_numbers(&self) -> bool {
        self.cells.iter().flatten().flatten().any(|cell| !cell.number.as_str().is_empty())
    }

    fn names_width(&self) -> f64 {
        let widest = |name: fn(&Row) -> &Shown| {
            self.rows.iter().map(|row| name(row).width(Face::Sans, NAMES)).fold(0.0, f64::max)
        };
        let (groups, names) = (widest(|row| &row.group), widest(|row| &row.name));
        let captions = ["layer", self.columns_are, self.above_is, "token"]
            .map(|caption| self.fonts.words(caption).width(Face::Sans, NAMES));
        let needed = 14.0 + groups + if names > 0.0 { names + 10.0 } else { 0.0 };
        needed.max(captions.into_iter().fold(0.0, f64::max)) + 6.0
    }

    /// The width that most labels would like.
    fn natural_width(&self, share: f64) -> f64 {
        let number = if share >= WITH_NUMBER && self.has_numbers() { 32.0 } else { 0.0 };
        let cells =
            self.cells.iter().flatten().flatten().map(|cell| cell.label.whole().width(Face::Mono, 10.5));
        let names = self.columns.iter().flat_map(|column| [&column.below, &column.above]).flatten();
        let names = names.map(|label| label.whole().width(Face::Mono, 10.5) - number);
        let mut widths: Vec<f64> = cells.chain(names).collect();
        widths.sort_by(f64::total_cmp);
        let most = widths.get(widths.len() * 19 / 20).copied().unwrap_or(0.0);
        (most + number + 2.0 * PADDING + SEAM + 8.0).ceil().clamp(COLUMN.0, COLUMN.1)
    }

    fn page(
        &self,
        layout: &Layout,
        rows: Range<usize>,
        columns: Range<usize>,
        (number, pages): (usize, usize),
    ) -> Result<Picture, PictureError> {
        let note = (pages > 1).then(|| self.page_note(&rows, &columns, layout, (number, pages)));
        let body = layout.cell.1 * rows.len() as f64;
        let end = layout.top + body + self.lines_below() * LINE + 10.0;
        let height = (end + self.legend.height(self.fonts, layout.page)).ceil();
        let picture = page((layout.page, height), layout.head.title(), |canvas| {
            layout.head.draw(canvas, note.as_ref());
            self.draw_columns(canvas, layout, &columns, body);
            self.draw_rows(canvas, layout, &rows, columns.len());
            for (i, row) in rows.clone().enumerate() {
                for (j, column) in columns.clone().enumerate() {
                    let (width, height) = layout.cell;
                    let (x, y) = (layout.left + j as f64 * width, layout.top + i as f64 * height);
                    let frame = Frame { x, y, width: width - SEAM, height: height - SEAM };
                    let cell =
                        self.cells.get(row).and_then(|cells| cells.get(column)).and_then(Option::as_ref);
                    self.draw_cell(canvas, layout, frame, cell, self.rows[row].trusted);
                }
            }
            self.legend.draw(canvas, self.fonts, end, layout.page);
        })?;
        Ok(Picture { page: number, pages, ..picture })
    }

    fn page_note(
        &self,
        rows: &Range<usize>,
        columns: &Range<usize>,
        layout: &Layout,
        (number, pages): (usize, usize),
    ) -> Shown {
        let mut note = format!("page {number} of {pages}");
        let ends = |what: &str, first: &Shown, last: &Shown| match first == last {
            true => format!(" · {what} {}", first.as_str()),
            false => format!(" · {what}s {} to {}", first.as_str(), last.as_str()),
        };
        if layout.rows.len() > 1 {
            let (first, last) = (&self.rows[rows.start].group, &self.rows[rows.end - 1].group);
            note.push_str(&ends("layer", first, last));
        }
        if layout.columns.len() > 1 {
            let (first, last) = (&self.columns[columns.start].name, &self.columns[columns.end - 1].name);
            note.push_str(&ends(self.columns_are, first, last));
        }
        self.fonts.words(&note)
    }
}

/// A picture without rows has a page all the same.
fn at_least_one(mut pages: Vec<Range<usize>>) -> Vec<Range<usize>> {
    if pages.is_empty() {
        pages.push(0..0);
    }
    pages
}
