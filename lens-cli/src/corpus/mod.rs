//! `lens corpus merge`: the parts of a corpus, put together.

mod csv;
mod merged;
mod out;
mod table;

use std::ops::ControlFlow;

use anyhow::Result;
use lens_data::{
    Store,
    parts::{self, Parts},
};

use crate::{args::CorpusMergeArgs, progress::Running, signals, style::Console};

use merged::Whole;
use out::Out;

pub(crate) fn merge(args: &CorpusMergeArgs, console: &Console) -> Result<()> {
    let store = Store::open(&args.parts)?;
    let parts = Parts::open(&store)?;
    let out = Out::begin(args)?;
    let running = Running::new("putting the parts together");
    let merged = parts::merge(&parts, args.partial, &mut |done, all| {
        running.parts(done, all);
        if signals::seen().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    drop(running);
    let Some(merged) = merged else { return Err(signals::Interrupted.into()) };
    let report = merged.statistics.report(args.confidence);
    let whole = Whole::new(&merged, &report);
    whole.notes.iter().for_each(|note| console.note(note));
    out.show(&whole, args, console)
}
