//! `lens serve`.

use std::path::PathBuf;

use clap::Args;
use lens_core::Intervention;

use super::{
    MORE_HELP,
    lens::LensNames,
    model::{MachineArgs, SourceArgs},
    run::ChatArgs,
};

/// Serve a page on this machine that reads a model as you type
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "The model is loaded once. The address that is printed opens a page: every layer is read as you type, \
the model writes on token by token, two prompts are compared, and what was read is saved as a page, picture, table or trace.

The page is for you alone: lens listens at 127.0.0.1, and answers nobody without the token that is part of the address. Whoever \
has the address may ask: do not pass it on. Ctrl-C ends it.

Examples:
  lens serve
  lens serve --open
  lens serve -m Qwen/Qwen2.5-0.5B-Instruct --port 8080
  lens serve -m Qwen/Qwen3-0.6B --system \"Be brief.\" --template-var enable_thinking=false
  lens serve -m Qwen/Qwen2.5-0.5B-Instruct --messages chat.json
  lens serve --steer \"L4.resid_post += 4*@'love' - 4*@'hate'\" --lens logit,tuned=./lens"
)]
pub struct ServeArgs {
    /// Hub id, local folder or GGUF file; without it, the demo model that is part of lens
    #[arg(short, long, value_name = "ID|DIR")]
    pub model: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    /// What a prompt stands in where the page reads it as a chat message, which --chat, --system and --messages make it do
    #[command(flatten)]
    pub chat: ChatArgs,
    /// A conversation that a prompt goes on, as for lens run: what is typed is what the user says next. Where its last
    /// message is the user's, the page begins with that in its box; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub messages: Option<PathBuf>,

    /// The port to listen on, at 127.0.0.1; 0 takes any that is free
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Where")]
    pub port: u16,
    /// Open the page in the browser, too
    #[arg(long, help_heading = "Where")]
    pub open: bool,

    /// The lenses to read with, as for lens run; the page switches between them; can be repeated [default: logit]
    #[arg(long = "lens", value_name = "KIND=PATH", help_heading = "What to read")]
    pub lenses: Vec<LensNames>,
    /// A change that the page can switch on, with a slider for its strength, e.g. "L14.attn_out += 0.6*@'bananas'"; can be
    /// repeated
    #[arg(long, value_name = "CHANGE", help_heading = "What to change")]
    pub steer: Vec<Intervention>,

    /// The longest prompt, in tokens
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = most, help_heading = "How much")]
    pub max_prompt: usize,
    /// The most tokens that the model writes at a time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = most, help_heading = "How much")]
    pub max_written: usize,

    #[command(flatten)]
    pub machine: MachineArgs,
}

impl ServeArgs {
    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let chat = self.chat.contradiction(self.messages.is_some());
        let chat = chat.map(|_| {
            "--prefill and --template-var are for chat messages: they need --chat, --system or --messages"
                .to_owned()
        });
        chat.or_else(|| self.machine.contradiction())
    }
}

/// A limit: not nothing, and nothing that a page could not show.
fn most(written: &str) -> Result<usize, String> {
    const MOST: usize = 1 << 17;
    match written.parse() {
        Ok(n @ 1..=MOST) => Ok(n),
        _ => Err(format!("a number from 1 to {MOST}")),
    }
}
