//! A trace on the screen of a terminal, to walk about in: a grid of layers and positions, the cell under a cursor, tokens
//! that are followed from layer to layer, and a film of what each layer would have written.
//!
//! [`App`] is the state: keys and what a run [tells](Told) change it, and what is to be done outside is an [`Effect`].
//! [`draw()`] shows it in the cells of any terminal of ratatui's. Neither knows of files, models, clocks or keyboards.
//!
//! ```
//! use lens_core::{Request, Session, TokenId, toy::ToyBackend};
//! use lens_viz::tui::{App, Key, Look, draw};
//! use ratatui::{Terminal, backend::TestBackend};
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let request = Request::tokens([3, 14, 15].map(TokenId)).positions("all".parse()?);
//! let trace = Session::new(&mut model, &()).run(&request)?;
//!
//! let mut app = App::of_trace(&trace, Look::default());
//! app.key(Key::Up);
//! let mut terminal = Terminal::new(TestBackend::new(80, 24))?;
//! terminal.draw(|frame| draw(&mut app, frame))?;
//! assert!(format!("{}", terminal.backend()).contains("embed"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod app;
mod draw;
mod early;
mod entry;
mod film;
mod key;
mod run;

pub use app::{App, Ask, Effect, Export, Look, Told};
pub use draw::draw;
pub use key::Key;
