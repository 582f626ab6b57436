//! `cargo xtask gpu-check`.

mod agree;
pub(super) mod lens;
mod measure;
mod pytorch;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use self::{
    agree::{BF16, Bound, F32, differences},
    lens::{Lens, python},
    measure::ids,
};
use crate::checkpoint::{self, Dtype, Order, Shape};

/// Compare a card with the processor, and time an 8B-shaped model on it beside plain PyTorch
#[derive(Debug, Args)]
#[command(after_help = "\
Runs `lens check` on the card, compares every readout of two small models with the processor's (float32 within 1e-4,
bfloat16 by top-1 wherever the margin exceeds its bound), then makes a checkpoint of random numbers in the shape of
Llama 3.1 8B and times its forward pass, its readouts, written tokens and the first answer. On a card all of this is done
twice: with readouts decoded by the kernels made for it, and by libtorch (LENS_DEVICE_READOUT). A Python with torch does
the same work on the same device. Prints one table; fails on any difference beyond its bound. Times are for people to judge.

  PYTHON=PROGRAM   the Python with torch, other than python3

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

/// Names what decodes readouts on a card.
const READOUT: &str = "LENS_DEVICE_READOUT";

pub(crate) fn run(root: &Path, asked: &GpuCheck) -> anyhow::Result<()> {
    let GpuCheck { device, shape, .. } = asked;
    let dir = asked.dir.clone().unwrap_or_else(|| root.join("target/gpu-check"));
    let lens = Lens::new(root, asked.lens.clone(), asked.torch.as_deref())?;
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;

    let ways = ways(&lens, device);
    let tiny = checkpoint::find("tiny").context("there is no shape of that name")?;
    let tiny = made(&dir, tiny, Dtype::F32)?;
    let mut found = Vec::new();
    for (way, lens) in &ways {
        eprintln!("checking the identities on {device}, readouts {way}");
        lens.passes(&["check", "demo", "--device", device])?;
        for (model, bound) in [(tiny.as_str(), &F32), ("demo", &BF16)] {
            let differences = agreement(lens, model, device, bound)?;
            found.extend(differences.into_iter().map(|found| format!("readouts {way}: {found}")));
        }
    }
    let big = made(&dir, shape, Dtype::Bf16)?;
    let mut times = Vec::new();
    for (way, lens) in &ways {
        times.push((format!("readouts {way}"), measure::measure(lens, &big, device)?));
    }
    println!("{}", table::table(device, shape.name, &times, &pytorch::measure(&python(), &big, device)));
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

/// The ways in which readouts are decoded on a device, in words, and a `lens` that takes each.
fn ways(lens: &Lens, device: &str) -> Vec<(&'static str, Lens)> {
    if device.starts_with("cuda") {
        return vec![
            ("by the card's kernels", lens.with(READOUT, "kernels")),
            ("by libtorch", lens.with(READOUT, "libtorch")),
        ];
    }
    vec![(if device.starts_with("cpu") { "by the processor" } else { "by libtorch" }, lens.clone())]
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
