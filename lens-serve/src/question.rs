//! What a page asks, and whether that is too much.

use lens_core::{ComponentSelection, Input, LensSet};
use lens_core::{Intervention, Request, Sampling, Selection, Target, TokenId};
use serde::Deserialize;

use crate::{
    about::{About, stronger},
    failure::Failure,
    limits::Limits,
};

/// The most runs that are shown together.
const MOST_RUNS: usize = 2;

/// A page names its questions, so that a new one ends its own.
pub(crate) type Client = String;

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reading {
    pub(crate) client: Client,
    /// One run, or two to be compared.
    pub(crate) runs: Vec<Run>,
    #[serde(default)]
    pub(crate) chat: bool,
    /// The most tokens that the model writes.
    #[serde(default)]
    pub(crate) write: usize,
    #[serde(default)]
    pub(crate) temperature: f32,
    #[serde(default)]
    pub(crate) seed: u64,
    #[serde(default)]
    pub(crate) read: Read,
    #[serde(default = "ten")]
    pub(crate) top_k: usize,
    #[serde(default)]
    pub(crate) distances: bool,
    #[serde(default)]
    pub(crate) steer: Vec<Steer>,
    /// Ids of tokens to follow at every readout.
    #[serde(default)]
    pub(crate) targets: Vec<u32>,
}

fn ten() -> usize {
    10
}

/// One prompt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) text: String,
    /// Whether the model is left as it is.
    #[serde(default)]
    pub(crate) unchanged: bool,
}

/// What is read of every layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Read {
    /// The stream, and what attention and MLP add to it.
    #[default]
    All,
    /// The stream after each block.
    Stream,
    /// What every head adds, too.
    Heads,
}

/// A change that is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Steer {
    /// Which of those that the model was opened with.
    pub(crate) index: usize,
    pub(crate) strength: f64,
}

/// Which logit of what was read last is to be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Apart {
    pub(crate) client: Client,
    pub(crate) run: usize,
    pub(crate) position: usize,
    pub(crate) target: u32,
}

/// A question without anything but its page's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bare {
    pub(crate) client: Client,
}

impl Reading {
    /// What is too much of it, before anything is computed.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Failure> {
        let too_much = |what: &str, n: usize, most: usize| {
            Failure::new(format!("{what} is {n}, and the most is {most}")).with_help("ask for less")
        };
        if self.runs.is_empty() || self.runs.len() > MOST_RUNS {
            return Err(too_much("the number of prompts", self.runs.len(), MOST_RUNS));
        }
        if self.write > limits.written {
            return Err(too_much("the number of tokens to write", self.write, limits.written));
        }
        if self.top_k == 0 || self.top_k > limits.top_k {
            return Err(too_much("the number of tokens kept of each readout", self.top_k, limits.top_k));
        }
        if self.targets.len() > limits.targets {
            return Err(too_much("the number of pinned tokens", self.targets.len(), limits.targets));
        }
        if !(0.0..=10.0).contains(&self.temperature) {
            return Err(Failure::new("the temperature is from 0 to 10"));
        }
        if self.steer.iter().any(|steer| !steer.strength.is_finite()) {
            return Err(Failure::new("the strength of a change is a number"));
        }
        Ok(())
    }

    /// The changes of one of its runs.
    pub(crate) fn changes(&self, run: &Run, about: &About) -> Result<Vec<Intervention>, Failure> {
        if run.unchanged {
            return Ok(Vec::new());
        }
        let change = |steer: &Steer| {
            let change = about.steer.get(steer.index);
            change
                .map(|change| stronger(change, steer.strength))
                .ok_or_else(|| Failure::new("there is no such change"))
        };
        self.steer.iter().map(change).collect()
    }

    /// What one of its runs asks of the model.
    pub(crate) fn request(&self, run: &Run, about: &About, lenses: &LensSet) -> Result<Request, Failure> {
        let mut request = Request::new(self.input(run, about)?)
            .positions(Selection::all())
            .components(self.components()?)
            .lenses(lenses.clone())
            .top_k(self.top_k)
            .distances(self.distances)
            .max_new_tokens(self.write)
            .sampling(Sampling::default().with_temperature(self.temperature).with_seed(self.seed));
        request = self.targets.iter().fold(request, |request, id| request.target(Target::Id(TokenId(*id))));
        Ok(self.changes(run, about)?.into_iter().fold(request, Request::steer))
    }

    fn input(&self, run: &Run, about: &About) -> Result<Input, Failure> {
        if !about.texts {
            return Ok(Input::Tokens(ids(&run.text)?));
        }
        if self.chat {
            return Ok(Input::Chat(about.conversation(&run.text)));
        }
        Ok(Input::Text(run.text.clone()))
    }

    fn components(&self) -> Result<ComponentSelection, Failure> {
        match self.read {
            Read::All => Ok(ComponentSelection::all()),
            Read::Stream => "embed,resid_post".parse().map_err(|error| Failure::new(format!("{error}"))),
            Read::Heads => "all,heads".parse().map_err(|error| Failure::new(format!("{error}"))),
        }
    }

    /// The names of its runs, where there are two.
    pub(crate) fn names(&self) -> [&'static str; MOST_RUNS] {
        match self.runs.as_slice() {
            [_] => ["", ""],
            [_, other] if other.unchanged => ["changed", "unchanged"],
            _ => ["first prompt", "second prompt"],
        }
    }
}

/// Token ids with spaces or commas between.
fn ids(text: &str) -> Result<Vec<TokenId>, Failure> {
    let words = text.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty());
    let ids: Result<Vec<TokenId>, _> = words.map(|word| word.parse().map(TokenId)).collect();
    let help = "this model comes without a tokenizer: write token ids, such as 5 7 11";
    match ids {
        Ok(ids) if ids.is_empty() => Err(Failure::new("there is no token").with_help(help)),
        Ok(ids) => Ok(ids),
        Err(_) => Err(Failure::new("these are not token ids").with_help(help)),
    }
}
