//! What differs between two traces: a statistic, or the probability of a token, at every point and position.
//!
//! ```
//! use lens_core::{Backend, Lens, LensTrace, Plan, TokenId, TraceContext, toy::ToyBackend};
//! use lens_viz::{Named, difference::{Contrast, Difference}, picture::{PictureOptions, difference}};
//!
//! # let trace = |seed| {
//! #     let mut model = ToyBackend::new(3, 16, 50, seed);
//! #     let tokens: Vec<TokenId> = [3, 14, 15, 9].map(TokenId).to_vec();
//! #     let reading = Lens::new(&mut model).read(&tokens, &Plan::default())?;
//! #     Ok::<_, Box<dyn std::error::Error>>(LensTrace::new(
//! #         &reading,
//! #         &TraceContext::new(("example", "1.0"), model.info(), &tokens, &()),
//! #     ))
//! # };
//! let (before, after): (LensTrace, LensTrace) = (trace(1)?, trace(2)?);
//! let change = Difference::new(Named::new("after", &after), Named::new("before", &before))?;
//! let contrast = Contrast::Of("kl".parse()?);
//! let pages = difference(&change, contrast, &PictureOptions::default())?;
//! assert!(pages[0].svg.contains("after − before, nats"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cells;
mod contrast;
mod pairing;
mod scores;
mod two;

pub(crate) use cells::{Cells, Pair};
pub(crate) use pairing::Pairing;

pub use contrast::Contrast;
pub use two::{Difference, DifferenceError};
