//! The screen, from what is shown. Only what is seen is drawn.

mod bars;
mod detail;
mod film;
mod grid;
mod overlay;
mod pen;
mod pins;

use ratatui::{Frame, layout::Rect};

use super::app::{App, View};
use pen::Pen;

/// The smallest screen that anything fits on.
const LEAST: (u16, u16) = (40, 10);

/// Columns of a screen that has room for panes beside the grid, and theirs.
const WIDE: u16 = 96;
const PANE: u16 = 38;

/// Lines of a screen that has room for panes below the grid, and theirs.
const TALL: u16 = 26;
const BELOW: u16 = 11;

/// Draws everything.
pub fn draw(app: &mut App, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut pen = Pen { buffer: frame.buffer_mut(), look: app.look };
    let caret = screen(app, &mut pen, area);
    if let Some(caret) = caret {
        frame.set_cursor_position(caret);
    }
}

/// Draws the screen; where the caret stands is returned, if a line is typed.
fn screen(app: &mut App, pen: &mut Pen<'_>, area: Rect) -> Option<(u16, u16)> {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let says = format!("lens needs {} columns and {} lines", LEAST.0, LEAST.1);
        pen.wrap(area, &says, ratatui::style::Style::new());
        return None;
    }
    let head = bars::head(app, pen, area);
    let foot = Rect { y: area.bottom() - 1, height: 1, ..area };
    let body = Rect { y: area.y + head, height: area.height - head - 1, ..area };
    match (app.overlay, app.view) {
        (Some(overlay), _) => overlay::overlay(app, overlay, pen, body),
        (None, View::Film) => film::film(app, pen, body),
        (None, View::Detail) => details(app, pen, body),
        (None, View::Grid) => grid_and_panes(app, pen, body),
    }
    bars::foot(app, pen, foot)
}

/// The cell under the cursor, over the whole screen.
fn details(app: &App, pen: &mut Pen<'_>, body: Rect) {
    if body.width >= WIDE {
        let left = Rect { width: body.width / 2 - 1, ..body };
        detail::detail(app, pen, left);
        pen.wall(left.right(), body);
        let x = left.right() + 2;
        pins::pins(app, pen, Rect { x, width: body.right() - x, ..body });
        return;
    }
    let lines = pins::lines(app).min(body.height / 2);
    let top = Rect { height: body.height - lines, ..body };
    detail::detail(app, pen, top);
    pins::pins(app, pen, Rect { y: top.bottom(), height: lines, ..body });
}

/// The grid, with panes where there is room.
fn grid_and_panes(app: &mut App, pen: &mut Pen<'_>, body: Rect) {
    if body.width >= WIDE {
        let left = Rect { width: body.width - PANE - 1, ..body };
        grid::grid(app, pen, left);
        pen.wall(left.right(), body);
        let pane = Rect { x: left.right() + 2, width: PANE - 1, ..body };
        let lines = pins::lines(app).min(body.height / 2);
        let top = Rect { height: body.height - lines, ..pane };
        detail::detail(app, pen, top);
        pins::pins(app, pen, Rect { y: top.bottom(), height: lines, ..pane });
    } else if body.height + 3 >= TALL {
        let top = Rect { height: body.height - BELOW, ..body };
        grid::grid(app, pen, top);
        let left = Rect { y: top.bottom(), height: BELOW, width: body.width / 2 - 1, ..body };
        detail::detail(app, pen, left);
        pen.wall(left.right(), left);
        let x = left.right() + 2;
        pins::pins(app, pen, Rect { x, width: body.right() - x, ..left });
    } else {
        let top = Rect { height: body.height - 1, ..body };
        grid::grid(app, pen, top);
        detail::line(app, pen, Rect { y: top.bottom(), height: 1, ..body });
    }
}

#[cfg(test)]
mod tests {
    use lens_core::{LensTrace, Request, Session, TokenId, toy::ToyBackend};
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::{
        terminal::ColorLevel,
        tui::{app::Look, key::Key},
    };

    fn trace(layers: u16, positions: u32) -> LensTrace {
        let mut model = ToyBackend::new(layers, 8, 50, 7);
        let tokens = (0..positions).map(|position| TokenId(position * 7 % 50));
        let request = Request::tokens(tokens).positions("all".parse().unwrap()).top_k(3);
        let request = request.components("resid_post".parse().unwrap());
        Session::new(&mut model, &()).run(&request).unwrap()
    }

    /// How many readouts a drawing looks at after each of these keys.
    fn looked(trace: &LensTrace, keys: &[Key], size: (u16, u16)) -> Vec<usize> {
        let mut app = App::of_trace(trace, Look { color: ColorLevel::TrueColor, ascii: false });
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        // What colours mean follows from all values, once for all drawings until something else is shown.
        terminal.draw(|frame| draw(&mut app, frame)).unwrap();
        let count = |key: &Key| {
            app.key(*key);
            let before = app.run.looked.get();
            terminal.draw(|frame| draw(&mut app, frame)).unwrap();
            app.run.looked.get() - before
        };
        keys.iter().map(count).collect()
    }

    #[test]
    fn only_what_is_seen_is_drawn_of_eighty_layers_and_five_hundred_positions() {
        use Key::{Char, Down, End, Enter, Home, Left, PageUp, Right, Up};
        let keys = [
            Up,
            Left,
            Home,
            Right,
            Down,
            Char('t'),
            End,
            Char('p'),
            PageUp,
            Char('w'),
            Char('b'),
            Char('v'),
            Enter,
        ];
        let large = trace(80, 500);
        assert_eq!(large.readouts.len(), 80 * 500);
        for size in [(40, 10), (80, 24), (120, 40), (200, 60)] {
            // As many cells as there are places for, and what is known of one cell: it, and its layers for each token
            // that is followed.
            let cells = usize::from(size.0 / 8) * usize::from(size.1);
            let most = cells + 3 * 80 + 8;
            for (key, looked) in keys.iter().zip(looked(&large, &keys, size)) {
                assert!(
                    looked <= most,
                    "{looked} of {most} readouts are looked at after {key:?} at {size:?}"
                );
            }
        }
        // The model's length changes nothing of what a screen without its layers looks at.
        let short = trace(80, 50);
        assert_eq!(looked(&short, &keys[..2], (40, 10)), looked(&large, &keys[..2], (40, 10)));
    }
}
