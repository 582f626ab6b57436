//! `lens decode`: what vectors say, without a prompt and without libtorch.

mod origin;
mod output;

use std::time::Instant;

use anyhow::{Context, Result, bail};
use lens_checkpoint::{
    StoredDtype, Tokenizer,
    directions::{DirectionFile, DirectionName, Directions},
    host::ReadoutWeights,
};
use lens_core::{Decoded, DirectionNorm, DirectionReadout, NotDecoded, TokenTexts, projection::Kernel};

use crate::{
    args::{DecodeArgs, DecodeFormat, Dtype},
    fields::grouped,
    model,
    output::Stdout,
    progress::Running,
    signals,
    style::Console,
};
use origin::tokens;
use output::Output;

/// Vectors that are decoded together: enough to be bound by arithmetic and not by reading the unembedding, few enough
/// that what is kept of them stays in tens of megabytes.
const BATCH: usize = 512;

/// Directions that a table shows.
const SHOWN: usize = 40;

/// Skipped vectors that a note names.
const NAMED: usize = 8;

/// Decodes what the arguments name.
pub(crate) fn decode(args: &DecodeArgs, console: &Console) -> Result<()> {
    start_threads(args)?;
    let model = args.model.as_deref().unwrap_or(lens_checkpoint::demo::ID);
    let checkpoint = model::open(model, &args.source, args.machine.io.into(), console)?;
    let tokenizer = checkpoint.tokenizer()?;
    let mut notes = checkpoint.outline().notes.clone();
    notes.extend(tokenizer.iter().flat_map(Tokenizer::notes).cloned());
    let mut file = args.file.as_deref().map(DirectionFile::open).transpose()?;
    let tokens = tokens(args, &checkpoint, tokenizer.as_ref(), &mut notes)?;
    let directions = origin::directions(args, &checkpoint, file.as_mut(), &tokens)?;
    let weights = ReadoutWeights::of(&checkpoint, dtype(args.machine.dtype))?;
    notes.extend_from_slice(directions.notes());
    notes.extend(note_on_mode(args.norm, &weights));
    notes.iter().for_each(|note| console.note(note));
    let texts: &dyn TokenTexts = tokenizer.as_ref().map_or(&(), |tokenizer| tokenizer);
    let out = Stdout::new(args.out.as_deref())?;
    let output = Output::begin(args, &out, texts, console)?;
    let run = Run { args, console, directions, readout: weights.directions(args.norm)?, out: &out };
    run.all(output)
}

/// Starts the threads that everything here computes with.
fn start_threads(args: &DecodeArgs) -> Result<()> {
    let threads = match args.machine.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build_global().with_context(|| format!("cannot start {threads} threads"))
}

fn dtype(asked: Dtype) -> Option<StoredDtype> {
    match asked {
        Dtype::Auto => None,
        Dtype::F32 => Some(StoredDtype::F32),
        Dtype::Bf16 => Some(StoredDtype::Bf16),
        Dtype::F16 => Some(StoredDtype::F16),
    }
}

/// What the mode does with parts of the model that not every model has.
fn note_on_mode(mode: DirectionNorm, weights: &ReadoutWeights<'_>) -> Option<String> {
    if weights.norm().kind().is_none() && matches!(mode, DirectionNorm::FinalScale(_)) {
        return Some("the model has no final norm: nothing is divided by its scale".to_owned());
    }
    let cap = weights.post().softcap.map(|cap| format!("the cap at {cap}"));
    let bias = weights.has_bias().then(|| "the bias of the logits".to_owned());
    let parts: Vec<String> = bias.into_iter().chain(cap).collect();
    (!parts.is_empty()).then(|| match mode.is_linear() {
        true => format!("logits are those of the direction alone, without {}", parts.join(" and ")),
        false => format!("the vector is read as a whole stream: logits have {}", parts.join(" and ")),
    })
}

/// Decoding, batch by batch.
struct Run<'a> {
    args: &'a DecodeArgs,
    console: &'a Console,
    directions: Directions<'a>,
    readout: DirectionReadout<'a>,
    out: &'a Stdout,
}

impl Run<'_> {
    fn all(&self, mut output: Output<'_>) -> Result<()> {
        let all = self.directions.len();
        let wanted = if self.args.format == DecodeFormat::Table { all.min(SHOWN) } else { all };
        let (running, began) = (Running::new("decoding"), Instant::now());
        let (mut done, mut skipped, mut values) = (0, Vec::new(), Vec::new());
        while done < wanted && signals::seen().is_none() && !self.out.is_closed() {
            let batch = done..wanted.min(done + BATCH);
            done = batch.end;
            values.clear();
            let names = self.directions.read(batch, &mut values)?;
            let decoded = self.readout.decode(&mut values, self.args.top_k.get())?;
            signals::hold();
            for (name, decoded) in names.iter().zip(&decoded) {
                match self.sound(name, decoded)? {
                    Some(decoded) => output.push(name, decoded)?,
                    None => skipped.push(name.to_string()),
                }
            }
            output.hand_on();
            running.decode(done, wanted);
        }
        drop(running);
        output.finish()?;
        self.out.end(self.console)?;
        self.say(done, all, &skipped, began);
        signals::release();
        if done < wanted && signals::seen().is_some() {
            return Err(signals::Interrupted.into());
        }
        Ok(())
    }

    /// The outcome of a vector; `None` for one that is to be left out.
    fn sound<'a>(
        &self,
        name: &DirectionName,
        decoded: &'a Result<Decoded, NotDecoded>,
    ) -> Result<Option<&'a Decoded>> {
        match decoded {
            Ok(decoded) => Ok(Some(decoded)),
            Err(_) if self.args.skip_nonfinite => Ok(None),
            Err(error) => {
                bail!("{name} cannot be decoded: {error}; --skip-nonfinite leaves such vectors out")
            }
        }
    }

    /// Says how much was done.
    fn say(&self, done: usize, all: usize, skipped: &[String], began: Instant) {
        if !skipped.is_empty() {
            let more = skipped.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = skipped[..skipped.len().min(NAMED)].join(", ");
            self.console.note(&format!("left out, for values that are NaN or infinite: {named}{more}"));
        }
        if self.args.format == DecodeFormat::Table {
            if done < all {
                self.console.note(&format!(
                    "the first {} of {} directions: --format jsonl, csv, parquet or arrow has all of them, --rows and \
                     --layers choose",
                    grouped(done as u64),
                    grouped(all as u64)
                ));
            }
            return;
        }
        let seconds = began.elapsed().as_secs_f64();
        let of_all = if done < all { format!(" of {}", grouped(all as u64)) } else { String::new() };
        let kernel = Kernel::chosen().map_or_else(|_| String::new(), |kernel| format!(", kernel {kernel}"));
        self.console.note(&format!(
            "{}{of_all} direction{} in {seconds:.1} s, {} a second{kernel}",
            grouped(done as u64),
            if all == 1 { "" } else { "s" },
            grouped((done as f64 / seconds.max(1e-3)) as u64)
        ));
    }
}
