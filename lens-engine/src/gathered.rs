//! The traces of several runs, kept for one page that shows all of them.

use anyhow::Result;
use lens_cli::{folder::Folder, style::Console};
use lens_core::LensTrace;
use lens_viz::{
    Named,
    page::{PageOptions, pages},
};

/// The most runs of one page: with more, a browser grows slow, and nobody finds one in the list.
const MOST_RUNS: usize = 32;

/// The most tokens of readouts that are kept, which take some 100 MB.
const MOST_TOKENS: usize = 1 << 20;

/// Traces under their names.
#[derive(Default)]
pub(crate) struct Gathered {
    runs: Vec<(String, LensTrace)>,
    tokens: usize,
    left_out: usize,
}

impl Gathered {
    /// Keeps a trace, as long as there is room for it.
    pub(crate) fn add(&mut self, name: String, trace: &LensTrace) {
        let tokens =
            trace.readouts.iter().map(|readout| 1 + readout.top.len() + readout.targets.len()).sum::<usize>();
        if self.runs.len() == MOST_RUNS || self.tokens + tokens > MOST_TOKENS {
            self.left_out += 1;
            return;
        }
        self.tokens += tokens;
        self.runs.push((name, trace.clone()));
    }

    /// The traces that were kept.
    pub(crate) fn named(&self) -> Vec<Named<'_>> {
        self.runs.iter().map(|(name, trace)| Named::new(&**name, trace)).collect()
    }

    /// Writes `lens.html` with all runs into the folder; a note says what is not on it.
    pub(crate) fn write(&self, folder: &mut Folder, console: &Console) -> Result<()> {
        let named = self.named();
        if named.len() < 2 {
            return Ok(());
        }
        let place = folder.path().display().to_string();
        match pages(&named, &PageOptions::default()) {
            Ok(html) => folder.write("lens.html", |out| out.write_all(html.as_bytes()))?,
            Err(error) => {
                console.note(&format!("there is no {place}/lens.html with all runs: {error}"));
                return Ok(());
            }
        }
        let more = match self.left_out {
            0 => String::new(),
            n => format!("; {n} more are left out, lens render --trace shows them"),
        };
        console.note(&format!(
            "{place}/lens.html shows {} runs and what differs between them{more}",
            named.len()
        ));
        Ok(())
    }
}
