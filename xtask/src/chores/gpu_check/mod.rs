//! `cargo xtask gpu-check`.

mod agree;
mod lens;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use self::{
    agree::{BF16, Bound, F32, differences},
    lens::{Lens, Run},
};
use crate::checkpoint::{self, Dtype, Order, Shape};

/// Compare a card with the processor, and time an 8B-shaped model on it
#[derive(Debug, Args)]
#[command(after_help = "\
Runs `lens check` on the card, compares every readout of two small models with the processor's (float32 within 1e-4,
bfloat16 by top-1 wherever the margin exceeds its bound), then makes a checkpoint of random numbers in the shape of
Llama 3.1 8B and times prompts of 16, 512 and 4,096 tokens (every position of 512 as well: the last one is a step by
itself). Prints one table; fails on any difference beyond its bound. Times are for people to judge.


On a machine without Rust: carry lens, lens-engine and xtask of target/release there, and run
`./xtask gpu-check --lens ./lens --torch python --dir /tmp/gpu-check`.")]
pub(crate) struct GpuCheck {
    /// What to check
    #[arg(long, default_value = "cuda")]
    device: String,
    /// The model to time
    #[arg(long, default_value = "llama-3.1-8b", value_parser = checkpoint::parser())]
    shape: &'static Shape,
    /// Where checkpoints are made, and kept [default: target/gpu-check]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// A `lens` that is built already, e.g. on another machine, with its lens-engine beside it
    #[arg(long, value_name = "FILE")]
    lens: Option<PathBuf>,
    /// The folder torch/lib of a Python with torch 2.11; `python` asks python3 where it is
    #[arg(long, value_name = "DIR")]
    torch: Option<String>,
}

/// Lengths of the prompts whose last position is read.
const PROMPTS: [usize; 3] = [16, 512, 4096];
/// The prompt of which every position is read.
const WHOLE: usize = 512;

/// Tokens to write.
const WRITTEN: usize = 32;

/// A row of the table.
struct Row {
    what: String,
    forward: f64,
    readout: f64,
    remark: String,
}

pub(crate) fn run(root: &Path, asked: &GpuCheck) -> anyhow::Result<()> {
    let GpuCheck { device, shape, .. } = asked;
    let dir = asked.dir.clone().unwrap_or_else(|| root.join("target/gpu-check"));
    let lens = Lens::new(root, asked.lens.clone(), asked.torch.as_deref())?;
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;

    eprintln!("checking the identities on {device}");
    lens.passes(&["check", "demo", "--device", device])?;
    let mut found = Vec::new();
    let tiny = checkpoint::find("tiny").context("there is no shape of that name")?;
    let tiny = made(&dir, tiny, Dtype::F32)?;
    for (model, bound) in [(tiny.as_str(), &F32), ("demo", &BF16)] {
        found.extend(agreement(&lens, model, device, bound)?);
    }
    let big = made(&dir, shape, Dtype::Bf16)?;
    print(device, shape.name, &timings(&lens, &big, device)?);
    if found.is_empty() {
        println!("{device} agrees with the processor: {}; {}", F32.says, BF16.says);
        return Ok(());
    }
    for difference in &found {
        eprintln!("{difference}");
    }
    bail!("{device} and the processor differ in {} places", found.len())
}

/// A checkpoint that is there, or is made now.
fn made(dir: &Path, shape: &'static Shape, dtype: Dtype) -> anyhow::Result<String> {
    let folder = dir.join(format!("{}-{}", shape.name, dtype.in_header().to_lowercase()));
    if !folder.join("config.json").exists() {
        eprintln!("making {} in {}", shape.name, folder.display());
        checkpoint::make(&Order { shape, dtype, seed: 0, shards: 5_000_000_000, force: true }, &folder)?;
    }
    Ok(folder.to_str().context("the folder's name is not UTF-8")?.to_owned())
}

/// Token ids that every model has, in no order that a model could like.
fn ids(n: usize) -> String {
    (0..n).map(|i| (i * 37 % 199 + 3).to_string()).collect::<Vec<_>>().join(",")
}

/// Where a device's readouts differ from the processor's.
fn agreement(lens: &Lens, model: &str, device: &str, bound: &Bound) -> anyhow::Result<Vec<String>> {
    eprintln!("comparing {model} on {device} with the processor");
    let prompt = ids(24);
    let read = |device: &str| {
        let words = ["run", "-m", model, "--token-ids", &prompt, "--positions", "all", "--device", device];
        lens.traces(&[&words[..], &["--distances", "--format", "json"]].concat())
    };
    let (host, there) = (read("cpu")?, read(device)?);
    Ok(differences(&host[0], &there[0], bound).into_iter().map(|found| format!("{model}: {found}")).collect())
}

/// Forward and readout of each prompt, the second time in one process: the first one warms libraries up.
fn timings(lens: &Lens, model: &str, device: &str) -> anyhow::Result<Vec<Row>> {
    let cases = PROMPTS.map(|n| (n, "last")).into_iter().chain([(WHOLE, "all")]);
    let time = |(n, positions): (usize, &str)| {
        eprintln!("timing {n} tokens, {positions} positions");
        let prompt = ids(n);
        let words =
            ["run", "-m", model, "--token-ids", &prompt, "--positions", positions, "--device", device];
        let twice = ["-n", "1", "--trials", "2", "--timing", "--format", "json"];
        let runs: Vec<Run> = lens.traces(&[&words[..], &twice].concat())?;
        let timing = runs.last().and_then(|run| run.timing).context("the trace has no timing")?;
        let readouts = runs.last().map_or(0, |run| run.readouts.len());
        let remark = match positions {
            "all" => format!("{readouts} readouts; under 1 s is the bar"),
            _ => format!(
                "{readouts} readouts, {:.0} % of the forward pass",
                100.0 * timing.readout / timing.forward
            ),
        };
        let what = format!("{n} tokens, {positions} position{}", if positions == "all" { "s" } else { "" });
        Ok(Row { what, forward: timing.forward, readout: timing.readout, remark })
    };
    let mut rows = cases.map(time).collect::<anyhow::Result<Vec<_>>>()?;
    rows.push(writing(lens, model, device)?);
    Ok(rows)
}

/// Forward and readout of tokens that the model writes, a step for each.
fn writing(lens: &Lens, model: &str, device: &str) -> anyhow::Result<Row> {
    eprintln!("timing {WRITTEN} written tokens");
    let (prompt, n) = (ids(PROMPTS[0]), WRITTEN.to_string());
    let words = ["run", "-m", model, "--token-ids", &prompt, "--device", device, "-n", &n];
    let runs = lens.traces(&[&words[..], &["--trials", "2", "--timing", "--format", "json"]].concat())?;
    let timing = runs.last().and_then(|run| run.timing).context("the trace has no timing")?;
    let remark = format!("{:.1} ms a token", 1000.0 * (timing.forward + timing.readout) / WRITTEN as f64);
    let what = format!("{} tokens, {WRITTEN} written", PROMPTS[0]);
    Ok(Row { what, forward: timing.forward, readout: timing.readout, remark })
}

fn print(device: &str, shape: &str, rows: &[Row]) {
    println!("{shape} in bf16 on {device}\n");
    println!("{:<28} {:>10} {:>10}", "", "forward s", "readout s");
    for Row { what, forward, readout, remark } in rows {
        println!("{what:<28} {forward:>10.3} {readout:>10.3}  {remark}");
    }
    println!();
}
