//! `cargo xtask throughput`.

mod plain;
mod processor;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context as _;
use clap::Args;

use self::plain::Plain;
use super::gpu_check::lens::Lens;
use crate::checkpoint::{self, Dtype, Order, Shape};

/// Time `lens run --prompts` on many short prompts, beside plain PyTorch
#[derive(Debug, Args)]
#[command(after_help = "\
Times whole runs on prompts of 1, 16 and 128 tokens, the last position of each read at every layer and component, and
takes the time of a run on one prompt away: what remains is the work. The model is one of random numbers in the shape of
Qwen2.5-0.5B (1 GB, made in target/throughput and kept), or your own.

Beside it, in the same call, the same work in plain PyTorch: a forward pass of transformers with hooks, and all readouts in
one batched product. For that, --python or LENS_BENCH_PYTHON names a Python with torch and transformers.

On a machine without Rust: carry target/release/lens, its lens-engine and target/release/xtask there, and run
`./xtask throughput --lens ./lens --torch python --dir /tmp/throughput`.")]
pub(crate) struct Throughput {
    /// A model's folder in place of the made one
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// The shape of the made one
    #[arg(long, default_value = "qwen2.5-0.5b", value_parser = checkpoint::parser(), conflicts_with = "model")]
    shape: &'static Shape,
    /// Where it runs
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Type of the weights: auto, f32, bf16 or f16
    #[arg(long, default_value = "auto", value_parser = ["auto", "f32", "bf16", "f16"])]
    dtype: String,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Lengths of the prompts, in tokens
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,16,128")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=8192))]
    lengths: Vec<u32>,
    /// Prompts of each length
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u32).range(2..=100_000))]
    prompts: u32,
    /// Runs of each, of which the median counts
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: u32,
    /// A Python with torch and transformers [default: LENS_BENCH_PYTHON; without it, only lens is timed]
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Where checkpoint and prompts are made [default: target/throughput]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// A `lens` that is built already, e.g. on another machine
    #[arg(long, value_name = "FILE")]
    lens: Option<PathBuf>,
    /// The folder torch/lib of a Python with torch 2.11; `python` asks python3 where it is
    #[arg(long, value_name = "DIR")]
    torch: Option<String>,
}

/// The least share of a whole run that the work on its prompts has to be: below it, the load's own changes from run to run
/// are as large.
const LEAST_SHARE: f64 = 0.1;

/// One length of prompts.
struct Row {
    length: u32,
    /// Tokens a second, where the work was long enough beside the load to be told from it.
    lens: Option<f64>,
    /// Seconds of a whole run, the load included.
    whole: f64,
    plain: Option<f64>,
}

pub(crate) fn run(root: &Path, asked: &Throughput) -> anyhow::Result<()> {
    let dir = asked.dir.clone().unwrap_or_else(|| root.join("target/throughput"));
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let model = match &asked.model {
        Some(model) => model.clone(),
        None => made(&dir, asked.shape)?,
    };
    let model = model.to_str().context("the model's folder has a name that is not UTF-8")?;
    let lens = Lens::new(root, asked.lens.clone(), asked.torch.as_deref())?;
    let python = asked.python.clone().or_else(|| std::env::var_os("LENS_BENCH_PYTHON").map(PathBuf::from));
    let mut plain = python.map(|python| Plain::new(python, asked, model));
    let mut rows = Vec::new();
    for &length in &asked.lengths {
        rows.push(row(asked, &lens, plain.as_mut(), model, &dir, length)?);
    }
    print(asked, model, &kernel(&lens)?, plain.as_ref(), &rows);
    Ok(())
}

/// A checkpoint that is there, or is made now.
fn made(dir: &Path, shape: &'static Shape) -> anyhow::Result<PathBuf> {
    let folder = dir.join(shape.name);
    if !folder.join("config.json").exists() {
        eprintln!("making {} in {}", shape.name, folder.display());
        let order = Order { shape, dtype: Dtype::Bf16, seed: 0, shards: 5_000_000_000, force: true };
        checkpoint::make(&order, &folder)?;
    }
    Ok(folder)
}

/// Times one length; ours and theirs take turns, so that a busy minute hits both.
fn row(
    asked: &Throughput,
    lens: &Lens,
    mut plain: Option<&mut Plain<'_>>,
    model: &str,
    dir: &Path,
    length: u32,
) -> anyhow::Result<Row> {
    let prompts: Vec<Vec<u32>> = (0..asked.prompts).map(|number| ids(number, length)).collect();
    let (all, one) = (dir.join("prompts.jsonl"), dir.join("prompt.jsonl"));
    write(&all, &prompts)?;
    write(&one, &prompts[..1])?;
    let (mut work, mut whole, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for repeat in 0..asked.repeats {
        eprintln!("{} prompts of {length} tokens, run {} of {}", asked.prompts, repeat + 1, asked.repeats);
        let [all, one] = [&all, &one].map(|file| timed(asked, lens, model, file));
        let (all, one) = (all?, one?);
        work.push(all - one);
        whole.push(all);
        if let Some(plain) = plain.as_deref_mut() {
            theirs.push(plain.seconds(&prompts)?);
        }
    }
    let tokens = |prompts: u32| f64::from(length) * f64::from(prompts);
    let (work, whole) = (median(&mut work), median(&mut whole));
    Ok(Row {
        length,
        lens: (work > LEAST_SHARE * whole).then(|| tokens(asked.prompts - 1) / work),
        whole,
        plain: (!theirs.is_empty()).then(|| tokens(asked.prompts) / median(&mut theirs)),
    })
}

/// Token ids that every model has, other ones for each prompt.
fn ids(number: u32, length: u32) -> Vec<u32> {
    (0..length).map(|i| (number * 61 + i * 37) % 199 + 3).collect()
}

fn write(path: &Path, prompts: &[Vec<u32>]) -> anyhow::Result<()> {
    let mut text = Vec::new();
    for ids in prompts {
        serde_json::to_writer(&mut text, &serde_json::json!({ "token_ids": ids }))?;
        text.push(b'\n');
    }
    let written = std::fs::File::create(path).and_then(|mut file| file.write_all(&text));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Seconds of a whole run, its results thrown away.
fn timed(asked: &Throughput, lens: &Lens, model: &str, prompts: &Path) -> anyhow::Result<f64> {
    let prompts = prompts.to_str().context("the folder's name is not UTF-8")?;
    let threads = asked.threads.map(|threads| threads.to_string());
    let mut words = vec!["run", "-m", model, "--prompts", prompts, "--format", "parquet"];
    words.extend(["--device", &asked.device, "--dtype", &asked.dtype]);
    words.extend(threads.iter().flat_map(|threads| ["--threads", threads]));
    let start = Instant::now();
    lens.output(&words)?;
    Ok(start.elapsed().as_secs_f64())
}

/// The kernel of the processor's readouts, from what `lens decode` says when it has decoded something.
fn kernel(lens: &Lens) -> anyhow::Result<String> {
    let output = lens.output(&["decode", "--embedding", "--tokens", "0", "-k", "1", "--format", "jsonl"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    let named = said.split_once("kernel ").and_then(|(_, rest)| rest.split_whitespace().next());
    Ok(named.unwrap_or("unknown").to_owned())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => values[middle.saturating_sub(1)].midpoint(values[middle.min(values.len() - 1)]),
    }
}

fn print(asked: &Throughput, model: &str, kernel: &str, plain: Option<&Plain<'_>>, rows: &[Row]) {
    println!(
        "{model}, {} on {}, {} prompts of each length, medians of {}",
        asked.dtype, asked.device, asked.prompts, asked.repeats
    );
    println!("{}, kernel {kernel}", processor::name());
    let versions = plain.and_then(Plain::versions);
    println!(
        "plain: {}\n",
        versions.unwrap_or("not timed: LENS_BENCH_PYTHON names no Python with torch and transformers")
    );
    println!(
        "{:>15}  {:>15}  {:>16}  {:>6}  {:>12}",
        "tokens a prompt", "lens tokens/s", "plain tokens/s", "ratio", "whole run s"
    );
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    for Row { length, lens, whole, plain } in rows {
        let ratio =
            lens.zip(*plain).map_or_else(|| "-".to_owned(), |(lens, plain)| format!("{:.2}", lens / plain));
        println!("{length:>15}  {:>15}  {:>16}  {ratio:>6}  {whole:>12.2}", number(*lens), number(*plain));
    }
    if rows.iter().any(|row| row.lens.is_none()) {
        println!("\n-: the work was short beside the load of the model; give more --prompts");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_few_is_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0]), 2.5);
        assert_eq!(median(&mut [7.0]), 7.0);
    }

    #[test]
    fn prompts_differ_and_have_their_length() {
        assert_eq!(ids(0, 4).len(), 4);
        assert_ne!(ids(0, 1), ids(1, 1));
    }
}
