//! The tuned lens: `x + W x + b` at the input of every block, trained towards the model's own answer.
//!
//! What is restated here is the training of Belrose et al. (2023) as their program does it: translators begin at zero,
//! the loss of each is KL(final ‖ lens) in nats, averaged over tokens; gradients of all translators together are
//! clipped to a norm of one; SGD with Nesterov momentum and weight decay follows them at a rate that falls linearly to
//! zero. (Adam's warm-up is what that program says of it; there it is never taken.)

use std::{collections::BTreeMap, path::Path};

use lens_core::{Backend, Provenance, TokenId, Translator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::Tensor;

use super::{
    Corpus, FitError, Optimiser,
    optimiser::{Moments, Rates, clip},
    state::{State, digest, fitted_with, settings_of},
    translators::{Residuals, Translators},
};
use crate::decoder::{Decoder, Head, Held, ModelError};

/// How to train a tuned lens. The defaults are those of the reference.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TunedOptions {
    /// Steps of the optimiser.
    pub steps: u64,
    /// Tokens of a step, rounded up to whole sequences; no more than the text has.
    pub tokens_per_step: usize,
    /// Sequences that the model runs at once; a step adds up the gradients of as many batches as it takes.
    pub sequences_at_once: usize,
    /// How parameters follow their gradients.
    pub optimiser: Optimiser,
    /// What the optimiser's usual learning rate is multiplied by.
    pub rate: f64,
    /// Momentum, or β₁ of Adam.
    pub momentum: f64,
    /// What of a parameter is added to its gradient.
    pub weight_decay: f64,
    /// Steps in which the learning rate rises; `None` is none for SGD and a fifth of the steps, at most 1000, for Adam.
    pub warmup: Option<u64>,
    /// The largest norm of the gradients of all translators together.
    pub clip: f64,
}

impl Default for TunedOptions {
    fn default() -> Self {
        Self {
            steps: 250,
            tokens_per_step: 1 << 18,
            sequences_at_once: 1,
            optimiser: Optimiser::Sgd,
            rate: 1.0,
            momentum: 0.9,
            weight_decay: 1e-3,
            warmup: None,
            clip: 1.0,
        }
    }
}

impl TunedOptions {
    lens_core::setters! {
        /// Steps of the optimiser.
        with_steps => steps: u64,
        /// Tokens of a step.
        with_tokens_per_step => tokens_per_step: usize,
        /// Sequences that the model runs at once.
        with_sequences_at_once => sequences_at_once: usize,
        /// How parameters follow their gradients.
        with_optimiser => optimiser: Optimiser,
        /// What the optimiser's usual learning rate is multiplied by.
        with_rate => rate: f64,
        /// Momentum, or β₁ of Adam.
        with_momentum => momentum: f64,
        /// What of a parameter is added to its gradient.
        with_weight_decay => weight_decay: f64,
        /// Steps in which the learning rate rises.
        with_warmup => warmup: Option<u64>,
        /// The largest norm of the gradients of all translators together.
        with_clip => clip: f64,
    }

    /// The learning rate of a step, which counts from 0: it rises from zero, and falls to zero after the last step.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let warmup = self.warmup.unwrap_or_else(|| self.optimiser.usual_warmup(self.steps));
        let factor = match step < warmup {
            true => step as f64 / warmup as f64,
            false => self.steps.saturating_sub(step) as f64 / self.steps.saturating_sub(warmup).max(1) as f64,
        };
        self.rate * self.optimiser.usual_rate(self.momentum) * factor
    }

    fn check(&self) -> Result<(), FitError> {
        let refuse = |name, value: String, wanted| Err(FitError::Option { name, value, wanted });
        if self.sequences_at_once == 0 {
            return refuse("the number of sequences at once", "0".into(), "it has to be at least 1");
        }
        if self.tokens_per_step == 0 {
            return refuse("the number of tokens of a step", "0".into(), "it has to be at least 1");
        }
        for (name, value) in [
            ("the rate", self.rate),
            ("the weight decay", self.weight_decay),
            ("the largest norm", self.clip),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return refuse(name, value.to_string(), "it has to be a number from 0 on");
            }
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return refuse("the momentum", self.momentum.to_string(), "it has to be from 0 to below 1");
        }
        Ok(())
    }
}

/// What a step did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TunedStep {
    /// Which step it was, from 0.
    pub step: u64,
    /// KL(final ‖ lens) in nats before the step, averaged over its tokens, for each block's input.
    pub losses: Vec<f64>,
    /// The learning rate.
    pub learning_rate: f64,
    /// The norm of the gradients of all translators together, before clipping.
    pub gradient_norm: f64,
}

/// How a lens does on text that it was not fitted to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HeldOut {
    /// Steps that were taken before.
    pub steps: u64,
    /// KL(final ‖ lens) in nats, averaged over the tokens, for each block's input.
    pub kl: Vec<f64>,
}

/// A tuned lens that is being trained.
pub struct TunedFit<'a> {
    model: &'a mut Decoder,
    corpus: Corpus,
    options: TunedOptions,
    /// Shares the model's tensors, which this borrows as well.
    head: Held<Head>,
    translators: Translators,
    moments: Moments,
    step: u64,
    curve: Vec<HeldOut>,
}

impl<'a> TunedFit<'a> {
    /// A lens that does nothing yet.
    ///
    /// # Errors
    /// When an option makes no sense or there is not enough memory.
    pub fn new(model: &'a mut Decoder, corpus: Corpus, options: TunedOptions) -> Result<Self, FitError> {
        options.check()?;
        let (n_layers, d_model) = (model.info().n_layers, model.info().d_model);
        let head = tch::no_grad(|| model.head())?;
        let translators = Translators::zero(n_layers, d_model, head.device())?;
        let moments = Moments::new(options.optimiser, &translators.parameters)?;
        Ok(Self { model, corpus, options, head, translators, moments, step: 0, curve: Vec::new() })
    }

    /// Goes on from what [`TunedFit::keep`] has kept, as if there had been no break. Without such a file nothing
    /// happens: `false`.
    ///
    /// # Errors
    /// When the file is broken, or is of a fit with another model, other options or another text.
    pub fn resume(&mut self, path: &Path) -> Result<bool, FitError> {
        let Some(mut state) = State::read(path, &self.settings())? else { return Ok(false) };
        let progress: Progress = serde_json::from_value(state.progress.take())
            .map_err(|_| FitError::OtherState { what: "the forms of their progress".into() })?;
        for (i, parameter) in self.translators.parameters.iter_mut().enumerate() {
            *parameter = state.take(&Translators::name(i), parameter)?;
        }
        for (slot, tensors) in self.moments.slots.iter_mut().enumerate() {
            for (i, tensor) in tensors.iter_mut().enumerate() {
                *tensor = state.take(&slot_name(slot, i), tensor)?;
            }
        }
        self.step = progress.step;
        self.curve = progress.curve.into_iter().map(KeptPoint::back).collect();
        Ok(true)
    }

    /// Keeps everything that the fit needs to go on, in a file that is replaced at once and as a whole.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, path: &Path) -> Result<(), FitError> {
        let parameters = self.translators.parameters.iter().enumerate();
        let mut tensors: BTreeMap<String, Tensor> =
            parameters.map(|(i, tensor)| (Translators::name(i), tensor.shallow_clone())).collect();
        for (slot, moments) in self.moments.slots.iter().enumerate() {
            let named = moments.iter().enumerate();
            tensors.extend(named.map(|(i, tensor)| (slot_name(slot, i), tensor.shallow_clone())));
        }
        let progress = Progress { step: self.step, curve: self.curve.iter().map(KeptPoint::of).collect() };
        let progress = serde_json::to_value(progress).unwrap_or(Value::Null);
        State { settings: self.settings(), progress, tensors }.write(path)
    }

    /// What determines the result.
    fn settings(&self) -> BTreeMap<String, Value> {
        let mut settings = settings_of("tuned", self.model);
        let options = &self.options;
        let own: [(&str, Value); 12] = [
            ("steps", options.steps.into()),
            ("tokens_per_step", options.tokens_per_step.into()),
            ("sequences_at_once", options.sequences_at_once.into()),
            ("optimiser", options.optimiser.name().into()),
            ("rate", options.rate.to_string().into()),
            ("momentum", options.momentum.to_string().into()),
            ("weight_decay", options.weight_decay.to_string().into()),
            ("warmup", options.warmup.into()),
            ("clip", options.clip.to_string().into()),
            ("context", self.corpus.length().into()),
            ("text", digest(self.corpus.tokens()).into()),
            ("order", json!([self.corpus.seed(), self.corpus.held_out_sequences()])),
        ];
        settings.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
        settings
    }

    /// The text.
    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// Steps that were taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Whether all steps were taken.
    pub fn is_done(&self) -> bool {
        self.step >= self.options.steps
    }

    /// Sequences of a step.
    pub fn sequences_per_step(&self) -> usize {
        let wanted = self.options.tokens_per_step.div_ceil(self.corpus.length());
        wanted.min(self.corpus.train_sequences())
    }

    /// Takes one step.
    ///
    /// # Errors
    /// When a token is unknown, the computation fails, or a loss is not finite: nothing has changed then.
    pub fn step(&mut self) -> Result<TunedStep, FitError> {
        let n = self.sequences_per_step();
        let tokens = n * self.corpus.length();
        let first = self.step * n as u64;
        let zeros = self.translators.parameters.iter().map(Tensor::f_zeros_like);
        let mut gradients = zeros.collect::<Result<Vec<_>, _>>().map_err(ModelError::from)?;
        let mut losses = vec![0.0; self.translators.parameters.len() / 2];
        for start in (0..n).step_by(self.options.sequences_at_once) {
            let some = self.options.sequences_at_once.min(n - start);
            let batch = self.corpus.batch(first + start as u64, some);
            let residuals = self.residuals(&batch)?;
            let factor = 1.0 / tokens as f64;
            let found =
                self.translators.losses_and_gradients(&self.head, &residuals, factor, &mut gradients)?;
            losses.iter_mut().zip(found).for_each(|(sum, loss)| *sum += loss * factor);
        }
        if let Some(layer) = losses.iter().position(|loss| !loss.is_finite()) {
            return Err(FitError::Diverged { layer, step: self.step });
        }
        let learning_rate = self.options.learning_rate(self.step);
        let gradient_norm = self.follow(&mut gradients, learning_rate)?;
        let step = TunedStep { step: self.step, losses, learning_rate, gradient_norm };
        self.step += 1;
        Ok(step)
    }

    fn residuals(&mut self, tokens: &[TokenId]) -> Result<Residuals, ModelError> {
        Residuals::of(self.model, tokens, self.corpus.length(), self.head.device())
    }

    /// Clips the gradients and moves the parameters; returns the norm before.
    fn follow(&mut self, gradients: &mut [Tensor], learning_rate: f64) -> Result<f64, ModelError> {
        let Self { options, moments, translators, step, .. } = self;
        tch::no_grad(|| {
            let norm = clip(gradients, options.clip)?;
            let TunedOptions { momentum, weight_decay, .. } = *options;
            let rates = Rates { learning_rate, momentum, weight_decay };
            moments.step(&mut translators.parameters, gradients, *step, rates)?;
            Ok(norm)
        })
    }

    /// How the lens does now on what is held out, and adds that to the curve. Before the first step this is the plain
    /// lens. `None` where nothing is held out.
    ///
    /// # Errors
    /// When the computation fails.
    pub fn held_out(&mut self) -> Result<Option<&HeldOut>, FitError> {
        let rows = self.corpus.held_out_sequences() * self.corpus.length();
        if rows == 0 {
            return Ok(None);
        }
        let mut kl = vec![0.0; self.translators.parameters.len() / 2];
        let batches: Vec<Vec<TokenId>> = self.corpus.held_out(self.options.sequences_at_once).collect();
        for batch in batches {
            let residuals = self.residuals(&batch)?;
            let found = self.translators.losses(&self.head, &residuals)?;
            kl.iter_mut().zip(found).for_each(|(sum, loss)| *sum += loss / rows as f64);
        }
        self.curve.push(HeldOut { steps: self.step, kl });
        Ok(self.curve.last())
    }

    /// All that [`TunedFit::held_out`] has found, in order.
    pub fn curve(&self) -> &[HeldOut] {
        &self.curve
    }

    /// What the lens's file says of the fit: the options, how far it came, the text as a hash of its tokens, and the
    /// first and the last of the curve, a value for each block's input.
    pub fn details(&self) -> BTreeMap<String, String> {
        let mut details = fitted_with(self.settings());
        let tokens = self.step * (self.sequences_per_step() * self.corpus.length()) as u64;
        details.insert("steps_taken".to_owned(), self.step.to_string());
        details.insert("tokens".to_owned(), tokens.to_string());
        let listed = |held: &HeldOut| {
            let kl: Vec<String> = held.kl.iter().map(|kl| format!("{kl:.6}")).collect();
            format!("{} after {} steps", kl.join(" "), held.steps)
        };
        if let [first, .., last] = &*self.curve {
            details.insert("held_out_kl_before".to_owned(), listed(first));
            details.insert("held_out_kl".to_owned(), listed(last));
        }
        details
    }

    /// The lens as it is now.
    ///
    /// # Errors
    /// When a value of it is not finite.
    pub fn lens(&self, provenance: Provenance) -> Result<Translator, FitError> {
        let d_model = self.model.info().d_model;
        Ok(Translator::tuned(d_model, self.translators.maps()?, provenance)?)
    }
}

/// How far a fit has come.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    step: u64,
    curve: Vec<KeptPoint>,
}

/// A [`HeldOut`] as it is kept: the bits of its numbers, since decimals do not come back from JSON to the last bit.
#[derive(Debug, Serialize, Deserialize)]
struct KeptPoint {
    steps: u64,
    kl: Vec<u64>,
}

impl KeptPoint {
    fn of(held: &HeldOut) -> Self {
        Self { steps: held.steps, kl: held.kl.iter().map(|kl| kl.to_bits()).collect() }
    }

    fn back(self) -> HeldOut {
        HeldOut { steps: self.steps, kl: self.kl.into_iter().map(f64::from_bits).collect() }
    }
}

fn slot_name(slot: usize, i: usize) -> String {
    format!("moment.{slot}.{}", Translators::name(i))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_and_falls_in_straight_lines() {
        let sgd = TunedOptions::default().with_steps(10);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} instead of {b}");
        near(sgd.learning_rate(0), 0.1);
        near(sgd.learning_rate(5), 0.05);
        near(sgd.learning_rate(10), 0.0);
        let adam = sgd.with_optimiser(Optimiser::Adam).with_rate(2.0);
        near(adam.learning_rate(0), 0.0);
        near(adam.learning_rate(1), 1e-3);
        near(adam.learning_rate(2), 2e-3);
        near(adam.learning_rate(6), 1e-3);
        near(adam.learning_rate(10), 0.0);
    }
}
