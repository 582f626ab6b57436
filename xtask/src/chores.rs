//! The chores. A new one is a file in `chores/`, and a variant and a line here.

mod battery;
mod book;
mod browser;
mod corpus;
mod demo;
mod deny;
mod dist;
mod examples;
mod fuzz;
mod gpu_check;
mod installed;
mod make_checkpoint;
mod miri;
mod nvrtc;
mod pictures;
mod s3;
mod sanitize;
mod setup;
mod slurm;
mod terminal;
mod test;
mod throughput;

use std::path::Path;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Chore {
    Setup(setup::Setup),
    Test(test::Test),
    Battery(battery::Battery),
    Book(book::Book),
    Browser(browser::Browser),
    Corpus(corpus::Corpus),
    Demo(demo::Demo),
    Deny(deny::Deny),
    Dist(dist::Dist),
    Examples(examples::Examples),
    Fuzz(fuzz::Fuzz),
    Installed(installed::Installed),
    MakeCheckpoint(make_checkpoint::MakeCheckpoint),
    Miri(miri::Miri),
    Pictures(pictures::Pictures),
    S3(s3::S3),
    Sanitize(sanitize::Sanitize),
    Slurm(slurm::Slurm),
    Terminal(terminal::Terminal),
    Nvrtc(nvrtc::Nvrtc),
    GpuCheck(gpu_check::GpuCheck),
    Throughput(throughput::Throughput),
}

impl Chore {
    /// Does it, in the checkout with this root.
    pub(crate) fn run(&self, root: &Path) -> anyhow::Result<()> {
        match self {
            Self::Setup(asked) => setup::run(root, asked),
            Self::Test(asked) => test::run(root, asked),
            Self::Battery(asked) => battery::run(root, asked),
            Self::Book(asked) => book::run(root, asked),
            Self::Browser(_) => browser::run(root),
            Self::Corpus(asked) => corpus::run(root, asked),
            Self::Demo(asked) => demo::run(root, asked),
            Self::Deny(asked) => deny::run(root, asked),
            Self::Dist(asked) => dist::run(root, asked),
            Self::Fuzz(asked) => fuzz::run(root, asked),
            Self::Installed(asked) => installed::run(root, asked),
            Self::Examples(asked) => examples::run(root, asked),
            Self::MakeCheckpoint(asked) => make_checkpoint::run(asked),
            Self::Miri(asked) => miri::run(root, asked),
            Self::Pictures(_) => pictures::run(root),
            Self::S3(asked) => s3::run(root, asked),
            Self::Sanitize(asked) => sanitize::run(root, asked),
            Self::Terminal(_) => terminal::run(),
            Self::Slurm(asked) => slurm::run(root, asked),
            Self::Nvrtc(asked) => nvrtc::run(root, asked),
            Self::GpuCheck(asked) => gpu_check::run(root, asked),
            Self::Throughput(asked) => throughput::run(root, asked),
        }
    }
}
