//! Where the cells of a heatmap lie: widths of columns, bands of columns below each other, pages.

use std::ops::Range;

use super::{Heatmap, Row};
use crate::picture::{
    fonts::Face,
    head::{Head, MARGIN},
    pages::split,
    text::Shown,
};

/// A page is this many times as high as wide, at most.
const HIGH: f64 = 1.5;
/// Heights of a row: the least that can be read, and the most that looks like a table.
const ROW: (f64, f64) = (10.5, 17.0);
/// A page that grows to hold everything has rows of at least this height.
const GOOD_ROW: f64 = 12.0;
/// Pages grow up to this width, by so much at a time.
const WIDEST: f64 = 2400.0;
const GROWTH: f64 = 100.0;
/// The narrowest column.
const NARROW: f64 = 40.0;
/// How much of its tokens a column holds: the share that is written whole, and the most pixels. Later ones are for what
/// would not fit one page otherwise.
const ROOMS: [(f64, f64); 3] = [(1.0, 150.0), (0.9, 110.0), (0.75, 84.0)];
/// Columns that stand for no token are not made narrower than this to stand side by side.
const SQUEEZED: f64 = 48.0;
/// No page is narrower, unless it was asked to be.
const NARROWEST: f64 = 640.0;
/// White between bands.
const GAP: f64 = 16.0;
/// White between cells.
pub(super) const SEAM: f64 = 1.0;
/// White between a cell's edge and its text.
pub(super) const PADDING: f64 = 3.0;
/// Pixels that the sign before a token takes.
pub(super) const SIGN_ROOM: f64 = 7.0;
/// Text of names and columns.
pub(super) const NAMES: f64 = 10.0;
/// A line of column names.
pub(super) const LINE: f64 = 14.0;
/// The largest text in cells.
const TEXT: f64 = 11.0;
/// What a number beside a token takes.
const NUMBER: f64 = 32.0;
/// From this width of a column on, numbers have room beside tokens that are cut.
const WITH_NUMBER: f64 = 72.0;

/// What all pages share.
pub(super) struct Layout {
    pub(super) head: Head,
    /// Lines for the note on a page, where there are several.
    pub(super) note_lines: usize,
    /// Left edge of the cells.
    pub(super) left: f64,
    /// Top edge of the cells of a page's first band.
    pub(super) top: f64,
    /// Pixels that names of columns take above and below the cells of a band.
    pub(super) above: f64,
    pub(super) below: f64,
    /// Pixels from the bottom of a band's cells to the top of the next one's.
    pub(super) between: f64,
    /// Widths of the columns with their seams.
    pub(super) widths: Vec<f64>,
    /// Height of a row with its seam.
    pub(super) row: f64,
    /// Size of the text in cells.
    pub(super) text: f64,
    pub(super) has_numbers: bool,
    /// Whether columns are narrower than their tokens would like, so that they stand side by side.
    is_squeezed: bool,
    /// Width of a page, and the height of the first one.
    pub(super) page: f64,
    height: f64,
    pub(super) pages: Vec<Page>,
}

/// Rows, and the columns of each band of a page.
pub(super) struct Page {
    pub(super) rows: Range<usize>,
    pub(super) bands: Vec<Range<usize>>,
}

/// Widths of columns, and what they are wide enough for.
struct Widths {
    columns: Vec<f64>,
    numbers: bool,
    squeezed: bool,
}

/// The widths that the texts of columns need, without numbers and with them.
struct Wanted {
    plain: Vec<f64>,
    numbered: Option<Vec<f64>>,
    /// Whether all columns are to be as wide as another.
    even: bool,
}

impl Layout {
    /// The left edge of a column in its band.
    pub(super) fn x(&self, band: &Range<usize>, column: usize) -> f64 {
        self.left + self.widths[band.start..column].iter().sum::<f64>()
    }
}

impl Heatmap<'_> {
    /// The layout: within the width that was asked for, or else a little wider where one page then holds everything.
    pub(super) fn layout(&self) -> Layout {
        let wanted = ROOMS.map(|room| self.wanted(room));
        let within = |wanted: &Wanted| self.lay_out(self.width, wanted);
        let [roomy, common, _] = wanted.each_ref().map(within);
        if roomy.pages.len() == 1 && !roomy.is_squeezed {
            return roomy;
        }
        let usual = if common.pages.len() < roomy.pages.len() { common } else { roomy };
        if self.is_width_asked {
            return usual;
        }
        let widths: Vec<f64> =
            (1..).map(|i| self.width + GROWTH * f64::from(i)).take_while(|width| *width <= WIDEST).collect();
        let is_good = |it: &Layout| it.pages.len() == 1 && it.row >= GOOD_ROW && !it.is_squeezed;
        let layouts = wanted.iter().flat_map(|it| widths.iter().map(|width| self.lay_out(*width, it)));
        let mut good: Vec<Layout> = layouts.filter(is_good).collect();
        // Bands may leave some of a page's width, so that it is a strip: one that is no strip is better.
        let best = good.iter().position(|it| it.height <= HIGH * it.page).unwrap_or(0);
        if good.is_empty() { usual } else { good.swap_remove(best) }
    }

    fn lay_out(&self, width: f64, wanted: &Wanted) -> Layout {
        let left = MARGIN + self.names_width();
        let room = width - MARGIN - left;
        let Widths { columns: widths, numbers, squeezed } = wanted.within(room);
        let bands = pack(&widths, room);
        let widest = bands.iter().map(|band| widths[band.clone()].iter().sum::<f64>()).fold(0.0, f64::max);
        // A narrow picture still has room for what stands above it.
        let page = (left + widest + MARGIN).max(width.min(NARROWEST)).min(width);
        let head = self.heading.head(page);
        let (above, below) = (self.lines_above() * LINE, self.lines_below() * LINE);
        let between = below + GAP + above;
        let note_lines = head.lines_of(&self.longest_page_note());
        let top = |notes| head.bottom(notes) + above;
        let end = below + 10.0 + self.legend.height(self.fonts, page);
        let body = (HIGH * width - top(note_lines) - end).max(8.0 * ROW.1);
        let (pages, row) = self.pages(&bands, body, between);
        let top = top(if pages.len() > 1 { note_lines } else { 0 });
        let text = (row * 0.78).min(TEXT);
        let first = pages.first().map_or((0, 0), |page| (page.rows.len(), page.bands.len()));
        let cells = row * first.0 as f64 * first.1 as f64;
        let height = top + cells + between * first.1.saturating_sub(1) as f64 + end;
        Layout {
            head,
            note_lines,
            left,
            top,
            above,
            below,
            between,
            widths,
            row,
            text,
            has_numbers: numbers,
            is_squeezed: squeezed,
            page,
            height,
            pages,
        }
    }

    /// Bands below each other on as few pages as can be, and the height of a row; rows are shared out to pages only where
    /// a page is too low for all of them.
    fn pages(&self, bands: &[Range<usize>], body: f64, between: f64) -> (Vec<Page>, f64) {
        let (rows, n) = (self.rows.len().max(1), bands.len());
        let height = |room: f64, rows: usize| (room / rows as f64 * 2.0).floor() / 2.0;
        if rows as f64 * ROW.0 > body {
            let parts = split(self.rows.len(), (body / ROW.0).floor() as usize, |at| {
                self.rows[at].group != self.rows[at - 1].group
            });
            let most = parts.iter().map(Range::len).max().unwrap_or(1);
            let of = |rows: &Range<usize>| {
                let page = |band: &Range<usize>| Page { rows: rows.clone(), bands: vec![band.clone()] };
                bands.iter().map(page).collect::<Vec<_>>()
            };
            return (parts.iter().flat_map(of).collect(), height(body, most).clamp(ROW.0, ROW.1));
        }
        let at_once = |row: f64| ((body + between) / (row * rows as f64 + between)).floor() as usize;
        let pages = n.div_ceil(at_once(ROW.0).max(1));
        let each = n.div_ceil(pages.max(1)).max(1);
        let room = (body - between * (each - 1) as f64) / each as f64;
        let whole = 0..self.rows.len();
        let page = |bands: &[Range<usize>]| Page { rows: whole.clone(), bands: bands.to_vec() };
        (bands.chunks(each).map(page).collect(), height(room, rows).clamp(ROW.0, ROW.1))
    }

    /// Lines of column names above the cells.
    pub(super) fn lines_above(&self) -> f64 {
        1.0 + f64::from(u8::from(self.columns.iter().any(|column| column.above.is_some())))
    }

    fn lines_below(&self) -> f64 {
        f64::from(u8::from(self.has_tokens_below()))
    }

    pub(super) fn has_tokens_below(&self) -> bool {
        self.columns.iter().any(|column| column.below.is_some())
    }

    fn names_width(&self) -> f64 {
        let widest = |name: fn(&Row) -> &Shown| {
            self.rows.iter().map(|row| name(row).width(Face::Sans, NAMES)).fold(0.0, f64::max)
        };
        let (groups, names) = (widest(|row| &row.group), widest(|row| &row.name));
        let captions = [self.columns_are, self.above_is, "token"]
            .map(|caption| self.fonts.words(caption).width(Face::Sans, NAMES));
        let needed = 14.0 + groups + if names > 0.0 { names + 10.0 } else { 0.0 };
        needed.max(captions.into_iter().fold(0.0, f64::max)) + 6.0
    }

    /// How wide the columns have to be for such a share of their texts, up to so many pixels.
    fn wanted(&self, (share, most): (f64, f64)) -> Wanted {
        let all = || self.cells.iter().flatten().flatten();
        let sign = if all().any(|cell| cell.sign.is_some()) { SIGN_ROOM } else { 0.0 };
        let edges = 2.0 * PADDING + SEAM + 2.0;
        let even = !self.has_tokens_below();
        let cells = |column: usize| {
            let cells = self.cells.iter().filter_map(move |row| row.get(column)?.as_ref());
            cells.map(|cell| cell.label.whole().width(Face::Mono, TEXT) + sign).collect::<Vec<f64>>()
        };
        let name = |column: usize| {
            let column = &self.columns[column];
            let tokens = [&column.below, &column.above].into_iter().flatten();
            let tokens = tokens.map(|label| label.whole().width(Face::Mono, NAMES));
            tokens.fold(column.name.width(Face::Sans, NAMES), f64::max)
        };
        let mut in_cells: Vec<f64> =
            (0..self.columns.len()).map(|column| quantile(cells(column), share)).collect();
        if even {
            // A single long token does not make every column wide.
            in_cells.fill(quantile((0..self.columns.len()).flat_map(cells).collect(), 0.95));
        }
        let names: Vec<f64> = (0..self.columns.len()).map(name).collect();
        let widest = names.iter().copied().fold(0.0, f64::max);
        let of = |beside: f64| {
            let width = |(cells, name): (&f64, &f64)| {
                let name = if even { widest } else { *name };
                ((cells + beside).max(name) + edges).ceil().clamp(NARROW, most)
            };
            in_cells.iter().zip(&names).map(width).collect::<Vec<f64>>()
        };
        let has_numbers = all().any(|cell| !cell.number.as_str().is_empty());
        Wanted { plain: of(0.0), numbered: has_numbers.then(|| of(NUMBER)), even }
    }
}

impl Wanted {
    /// The widths within so much room, with numbers where all columns then stand side by side. Columns that stand for no
    /// token are rather narrowed than wrapped.
    fn within(&self, room: f64) -> Widths {
        let fits = |widths: &[f64]| widths.iter().sum::<f64>() <= room;
        if let Some(columns) = self.numbered.as_ref().filter(|widths| fits(widths)) {
            return Widths { columns: columns.clone(), numbers: true, squeezed: false };
        }
        let n = self.plain.len();
        let share = (room / n.max(1) as f64 * 2.0).floor() / 2.0;
        let shared = |numbers| Widths { columns: vec![share; n], numbers, squeezed: true };
        if self.even && self.numbered.is_some() && share >= WITH_NUMBER {
            return shared(true);
        }
        if self.even && !fits(&self.plain) && share >= SQUEEZED {
            return shared(false);
        }
        // One that is wider than the page is as wide as the page.
        let columns = self.plain.iter().map(|width| width.min(room.max(1.0))).collect();
        Widths { columns, numbers: false, squeezed: false }
    }
}

/// The smallest of the numbers that such a share of them does not exceed, or 0.
fn quantile(mut numbers: Vec<f64>, share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let at = (numbers.len() as f64 * share).ceil() as usize;
    numbers.get(at.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// Columns in bands of at most so much room: as few as can be, and of those the most even.
fn pack(widths: &[f64], room: f64) -> Vec<Range<usize>> {
    let fewest = bands(widths, room);
    let even = widths.iter().sum::<f64>() / fewest.len() as f64;
    let mut rooms = (0..).map(|i| even + 4.0 * f64::from(i)).take_while(|tried| *tried < room);
    rooms.find_map(|tried| Some(bands(widths, tried)).filter(|it| it.len() == fewest.len())).unwrap_or(fewest)
}

/// Columns in bands, each as full as it gets. There is at least one band.
fn bands(widths: &[f64], room: f64) -> Vec<Range<usize>> {
    let mut bands = Vec::new();
    let (mut start, mut taken) = (0, 0.0);
    for (at, width) in widths.iter().enumerate() {
        if at > start && taken + width > room {
            bands.push(start..at);
            (start, taken) = (at, 0.0);
        }
        taken += width;
    }
    bands.push(start..widths.len());
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_few_and_even_and_lose_nothing() {
        assert_eq!(pack(&[10.0; 7], 60.0), [0..4, 4..7]);
        assert_eq!(pack(&[50.0, 10.0, 10.0, 50.0], 60.0), [0..2, 2..4]);
        assert_eq!(pack(&[90.0, 10.0], 60.0), [0..1, 1..2], "one that is too wide stands alone");
        let none = pack(&[], 60.0);
        assert!(none.len() == 1 && none[0].is_empty(), "a picture without columns has a page all the same");
    }
}
