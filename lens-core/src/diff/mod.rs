//! Two models on one text: how far their answers are apart, and where the computation became another one.
//!
//! [`Diff`] runs both over a text and adds up, at every point, how far the captured vectors and the readouts differ. A
//! difference shows at every point after the one where it arises; so B is run a second time with the inputs of its blocks
//! and MLPs replaced by A's, and what its components add then differs by their own doing alone ([`DiffRow::own`]).
//! [`Condition`]s make a yes or no of a [`DiffReport`], and [`DiffTrace`] a file.
//!
//! ```
//! use lens_core::{diff::{Condition, Diff, DiffPlan}, toy::ToyBackend, TokenId};
//!
//! let (mut a, mut b) = (ToyBackend::new(3, 16, 50, 7), ToyBackend::new(3, 16, 50, 7));
//! b.set_embedding(TokenId(14), 2, 0.5);
//! let mut diff = Diff::new(&mut a, &mut b, DiffPlan::default())?;
//! diff.add(&[3, 14, 15, 9].map(TokenId))?;
//! let report = diff.report().expect("a sequence was read");
//! // The embedding changed, and no component of any block.
//! assert_eq!(report.changed.as_ref().unwrap().above, ["embed".parse()?]);
//! let gate: Condition = "kl>0.01".parse()?;
//! println!("{}", gate.judge(&report)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod error;
mod gate;
mod models;
mod pair;
mod places;
mod report;
mod side;
mod sums;
mod tally;
mod trace;
mod vectors;

pub use compare::Compare;
pub use error::{CompareError, DiffError};
pub use gate::{Condition, ConditionError, DiffMeasure, Judged};
pub use models::{Diff, DiffPlan, rounding};
pub use pair::{Compared, PairError, PairReadout};
pub use report::{Changed, DiffReport, DiffRow, Estimated, FinalDiff};
pub use side::Side;
pub use tally::{Place, Spread};
pub use trace::{DiffText, DiffTrace, SCHEMA};
