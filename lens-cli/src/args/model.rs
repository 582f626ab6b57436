//! What every command with a model shares: where it comes from, and how it is run.

use clap::{Args, ValueEnum};
use lens_checkpoint::{checkpoint::Io, device::DeviceMap};

use crate::values::Device;

/// The model that a command is about: its one argument, or named as for `lens run`.
#[derive(Debug, Args)]
pub struct NamedModel {
    /// Hub id, local folder, GGUF file, or demo [default: demo]
    #[arg(value_name = "MODEL", conflicts_with = "named")]
    model: Option<String>,
    /// The same, written as for lens run
    #[arg(short = 'm', long = "model", value_name = "MODEL", hide_short_help = true)]
    named: Option<String>,
}

impl NamedModel {
    /// What was named, or the demo model.
    pub fn name(&self) -> &str {
        self.model.as_deref().or(self.named.as_deref()).unwrap_or("demo")
    }
}

/// Where checkpoints may come from.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// Branch, tag or commit of a model on the hub
    #[arg(long, value_name = "REV")]
    pub revision: Option<String>,
    /// Merge a LoRA adapter into the model: a folder or a name on the hub (@REV may follow); several are added in order
    #[arg(long, value_name = "PATH|HUB")]
    pub adapter: Vec<String>,
    /// Use what is on this machine only
    #[arg(long)]
    pub offline: bool,
    /// Read the config as that of this family (see lens families), whatever its model_type says
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "FAMILY")]
    pub assume_family: Option<String>,
    /// Ignore keys of config.json and tensors that the family does not use, with a note
    #[arg(long)]
    pub ignore_extra: bool,
}

/// How to run.
#[derive(Debug, Args)]
pub struct MachineArgs {
    /// Type of the weights; auto keeps the one they are stored in
    #[arg(long, value_enum, default_value_t = Dtype::Auto, help_heading = "How to run")]
    pub dtype: Dtype,
    /// auto, cpu, cuda, cuda:1 or mps; auto takes the first card where libtorch and the driver have one, and others
    /// and the processor where the model does not fit
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = "How to run")]
    pub device: Device,
    /// Layers on several devices: auto (cards first, the rest on the processor), balanced, or a list such as
    /// 0-15=cuda:0,16-31=cuda:1,rest=cpu
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "MAP", help_heading = "How to run")]
    pub device_map: Option<DeviceMap>,
    /// How weights come into memory: map or read [default: map, and read from network file systems]
    #[arg(long, value_enum, value_name = "map|read", default_value_t = IoChoice::Auto, hide_default_value = true)]
    #[arg(hide_short_help = true)]
    #[arg(hide_possible_values = true, help_heading = "How to run")]
    pub io: IoChoice,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "How to run")]
    pub threads: Option<u16>,
}

impl MachineArgs {
    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let both = self.device_map.is_some() && self.device != Device::Auto;
        both.then(|| "--device-map says where everything runs: leave out --device".to_owned())
    }
}

/// How weights come into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IoChoice {
    Auto,
    Map,
    Read,
}

impl From<IoChoice> for Io {
    fn from(choice: IoChoice) -> Self {
        match choice {
            IoChoice::Auto => Self::Auto,
            IoChoice::Map => Self::Map,
            IoChoice::Read => Self::Read,
        }
    }
}

/// The type of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dtype {
    Auto,
    #[value(alias = "float32")]
    F32,
    #[value(alias = "bfloat16")]
    Bf16,
    #[value(aliases = ["float16", "half"])]
    F16,
}
