//! The Jacobian lens: for every source point, the mean Jacobian of the final residual with respect to it.
//!
//! The estimator is that of the reference (`jlens`, Apache 2.0), restated. With `V` the valid positions of a prompt,
//! those from `skip_first` on without the last (the first ones are sinks of attention, the last has no next token):
//!
//! `J = 1/|V| Σ_{s ∈ V} Σ_{t ∈ V} ∂ x_final[t] / ∂ x[s]`, `[d_model, d_model]`
//!
//! averaged over prompts with equal weights. A cotangent that is one in one dimension at every `t` of `V` gives one row
//! of `J`, so that a prompt costs one forward pass of `dim_batch` copies and `ceil(d_model / dim_batch)` backward ones.

mod options;
mod sum;

use std::{collections::BTreeMap, path::Path};

use lens_core::{Backend, Point, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tch::{Device, Kind, Tensor};

pub use options::JacobianOptions;
pub use sum::JacobianSum;
use sum::copy;

use crate::{
    decoder::{Decoder, ModelError, Tap, Tape},
    fit::{
        FitError,
        merge::N_PROMPTS,
        state::{State, digest, fitted_with, settings_of},
    },
};

/// What became of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is part of the mean.
    Summed,
    /// It is too short to have a valid position, and was left out.
    TooShort,
    /// It was dealt with before the fit was resumed.
    Before,
}

/// Estimates Jacobians, one prompt after the other.
pub struct JacobianFit<'a> {
    model: &'a mut Decoder,
    options: JacobianOptions,
    sources: Vec<Point>,
    sum: JacobianSum,
    /// The prompts that were dealt with.
    seen: Seen,
    /// Those of them that were given again since the fit was resumed, while some are still to come.
    again: Option<Seen>,
}

/// Some prompts, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Seen {
    n: u64,
    too_short: u64,
    /// A hash of all their tokens.
    digest: String,
}

impl Seen {
    fn see(&mut self, tokens: &[TokenId], too_short: bool) {
        self.n += 1;
        self.too_short += u64::from(too_short);
        self.digest = format!("{:x}", Sha256::digest(format!("{} {}", self.digest, digest(tokens))));
    }
}

impl<'a> JacobianFit<'a> {
    /// An estimate that begins with no prompt.
    ///
    /// # Errors
    /// When a source does not exist in this model, or options leave nothing to average.
    pub fn new(model: &'a mut Decoder, options: JacobianOptions) -> Result<Self, FitError> {
        if options.dim_batch == 0 || options.max_tokens < options.shortest() {
            return Err(FitError::NoPositions {
                max_tokens: options.max_tokens,
                shortest: options.shortest(),
                dim_batch: options.dim_batch,
            });
        }
        let info = model.info();
        let sources = options.sources(info.n_layers)?;
        if let Some(point) = sources.iter().find(|point| !info.has(**point)) {
            return Err(ModelError::AbsentPoint { point: *point }.into());
        }
        let sum = JacobianSum::new(info.d_model, &sources);
        Ok(Self { model, options, sources, sum, seen: Seen::default(), again: None })
    }

    /// Goes on from what [`JacobianFit::keep`] has kept, as if there had been no break: the same prompts have to be
    /// given again from the first on, and those that were dealt with are passed over. Without such a file nothing
    /// happens: `false`.
    ///
    /// # Errors
    /// When the file is broken, or is of a fit with another model or other options.
    pub fn resume(&mut self, path: &Path) -> Result<bool, FitError> {
        let Some(mut state) = State::read(path, &self.settings())? else { return Ok(false) };
        let other = |what: &str| FitError::OtherState { what: what.to_owned() };
        let progress: Progress = serde_json::from_value(state.progress.take())
            .map_err(|_| other("the forms of their progress"))?;
        let d = self.sum.d_model as i64;
        for (point, sum) in &mut self.sum.sums {
            let like = Tensor::f_zeros([d, d], (Kind::Float, Device::Cpu)).map_err(ModelError::from)?;
            copy(&state.take(&point.to_string(), &like)?, sum)?;
        }
        self.sum.n_prompts = progress.summed;
        self.again = (progress.seen.n > 0).then(Seen::default);
        self.seen = progress.seen;
        Ok(true)
    }

    /// Keeps everything that the fit needs to go on, in a file that is replaced at once and as a whole.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, path: &Path) -> Result<(), FitError> {
        let d = self.sum.d_model as i64;
        let tensor = |(point, sum): (&Point, &Vec<f32>)| -> Result<(String, Tensor), ModelError> {
            Ok((point.to_string(), Tensor::f_from_slice(sum)?.f_view([d, d])?))
        };
        let tensors = self.sum.sums.iter().map(tensor).collect::<Result<_, _>>()?;
        let progress = Progress { summed: self.sum.n_prompts, seen: self.seen.clone() };
        let progress = serde_json::to_value(progress).unwrap_or_default();
        State { settings: self.settings(), progress, tensors }.write(path)
    }

    /// What determines the result, beside the prompts.
    fn settings(&self) -> BTreeMap<String, Value> {
        let mut settings = settings_of("jacobian", self.model);
        let sources: Vec<String> = self.sources.iter().map(ToString::to_string).collect();
        let own: [(&str, Value); 4] = [
            ("sources", sources.into()),
            ("dim_batch", self.options.dim_batch.into()),
            ("max_tokens", self.options.max_tokens.into()),
            ("skip_first", self.options.skip_first.into()),
        ];
        settings.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
        settings
    }

    /// Whether prompts that were dealt with before the fit was resumed have still to be given again.
    pub fn is_catching_up(&self) -> bool {
        self.again.is_some()
    }

    /// Makes sure that they all were.
    ///
    /// # Errors
    /// When the prompts ended before.
    pub fn caught_up(&self) -> Result<(), FitError> {
        match &self.again {
            None => Ok(()),
            Some(_) => Err(FitError::OtherState { what: format!("the first {} prompts", self.seen.n) }),
        }
    }

    /// What was summed so far.
    pub fn sum(&self) -> &JacobianSum {
        &self.sum
    }

    /// Prompts that were dealt with.
    pub fn prompts(&self) -> u64 {
        self.seen.n
    }

    /// Prompts that were left out because they are too short.
    pub fn too_short(&self) -> u64 {
        self.seen.too_short
    }

    /// What the lens's file says of the fit: the options, how many prompts it is the mean of, and a hash of their tokens.
    pub fn details(&self) -> BTreeMap<String, String> {
        let mut details = fitted_with(self.settings());
        details.insert(N_PROMPTS.to_owned(), self.sum.n_prompts.to_string());
        details.insert("too_short".to_owned(), self.seen.too_short.to_string());
        details.insert("text".to_owned(), self.seen.digest.clone());
        details
    }

    /// Adds a prompt.
    ///
    /// # Errors
    /// When a token is unknown, the computation fails, or prompts that are given again are not the same ones.
    pub fn add(&mut self, tokens: &[TokenId]) -> Result<Added, FitError> {
        let tokens = &tokens[..tokens.len().min(self.options.max_tokens)];
        let too_short = tokens.len() < self.options.shortest();
        if let Some(again) = &mut self.again {
            again.see(tokens, too_short);
            if again.n == self.seen.n {
                if *again != self.seen {
                    return Err(FitError::OtherState { what: format!("the first {} prompts", self.seen.n) });
                }
                self.again = None;
            }
            return Ok(Added::Before);
        }
        if !too_short {
            let jacobians = self.of_prompt(tokens)?;
            self.sum.add(&jacobians)?;
        }
        self.seen.see(tokens, too_short);
        Ok(if too_short { Added::TooShort } else { Added::Summed })
    }

    /// The Jacobians of one prompt, `[d_model, d_model]` in float32 on the processor, in the order of the sources.
    fn of_prompt(&mut self, tokens: &[TokenId]) -> Result<Vec<Tensor>, ModelError> {
        let (d_model, length) = (self.sum.d_model, tokens.len());
        let copies = self.options.dim_batch.min(d_model);
        let repeated: Vec<TokenId> = tokens.repeat(copies);
        let mut recorder = Sources { points: &self.sources, seen: Vec::with_capacity(self.sources.len()) };
        let last = self.model.run_batch(&repeated, length, Tape::On, &mut recorder)?;
        let seen = recorder.seen;
        if seen.len() != self.sources.len() {
            return Err(ModelError::MissedPoint);
        }
        let valid = Valid { start: self.options.skip_first as i64, end: length as i64 - 1 };
        let totals = valid.of(&last, copies, length)?.f_sum_dim_intlist([1].as_slice(), false, None)?; // [copies, d_model]
        let mut rows: Vec<Vec<Tensor>> = seen.iter().map(|_| Vec::new()).collect();
        for start in (0..d_model).step_by(copies) {
            let n = copies.min(d_model - start) as i64;
            // Copy b carries the cotangent of dimension start + b.
            let ones = totals.f_narrow(0, 0, n)?.f_narrow(1, start as i64, n)?.f_diagonal(0, 0, 1)?;
            let is_last = start + copies >= d_model;
            let gradients = Tensor::f_run_backward(&[ones.f_sum(None)?], &seen, !is_last, false)?;
            for (rows, gradient) in rows.iter_mut().zip(&gradients) {
                let some = valid.of(gradient, copies, length)?.f_narrow(0, 0, n)?;
                let mean = some.f_mean_dim([1].as_slice(), false, Kind::Float)?; // [n, d_model]
                rows.push(mean.f_to_device(Device::Cpu)?);
            }
        }
        rows.iter().map(|rows| Ok(Tensor::f_cat(rows, 0)?)).collect()
    }
}

/// The positions of a prompt that count.
#[derive(Clone, Copy)]
struct Valid {
    start: i64,
    end: i64,
}

impl Valid {
    /// Those of a value at every token of every copy, `[copies * length, d_model]`: `[copies, valid, d_model]`.
    fn of(self, value: &Tensor, copies: usize, length: usize) -> Result<Tensor, ModelError> {
        let shaped = value.f_view([copies as i64, length as i64, -1])?;
        Ok(shaped.f_narrow(1, self.start, self.end - self.start)?)
    }
}

/// Starts the tape at the first source and keeps the value at every one.
struct Sources<'a> {
    points: &'a [Point],
    seen: Vec<Tensor>,
}

impl Tap for Sources<'_> {
    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
        if !self.points.contains(&point) {
            return Ok(value);
        }
        let value = if self.seen.is_empty() { value.f_detach()?.set_requires_grad(true) } else { value };
        self.seen.push(value.shallow_clone());
        Ok(value)
    }
}

/// How far a fit has come.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    summed: u64,
    seen: Seen,
}
