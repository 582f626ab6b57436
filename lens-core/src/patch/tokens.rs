//! The tokens and the number that answers are judged by.

use super::{error::PatchError, metric::Metric, request::Ask};
use crate::{
    backend::{Backend, BackendError, Column, Next, ReadRequest},
    readout::{Question, Readout},
    statistic::{Statistic, StatisticSet},
    token::TokenId,
};

/// The name under which vectors of changed runs are read: they are not the final residual of the run that they are
/// compared with.
const CHANGED: &str = "changed";

/// The tokens and the number that answers are judged by.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub(super) target: Option<TokenId>,
    pub(super) versus: Option<TokenId>,
    pub(super) metric: Metric,
    pub(super) notes: Vec<String>,
}

impl Tokens {
    /// Those of two prompts, whose final residuals are given: without others, their own answers.
    pub(super) fn of_two<B: Backend>(
        backend: &B,
        ask: &Ask,
        [clean, corrupted]: [&B::Hidden; 2],
    ) -> Result<Self, PatchError> {
        let mut notes = Vec::new();
        let target = match ask.target {
            Some(target) => target,
            None => {
                let top = top_of(backend, clean)?;
                notes.push("the target is what the clean prompt is answered by".to_owned());
                top
            }
        };
        let wants_two = ask.metric.is_none_or(|metric| metric == Metric::LogitDiff);
        let versus = match ask.versus {
            Some(versus) => Some(versus),
            None => {
                let top = Some(top_of(backend, corrupted)?).filter(|top| *top != target);
                let said = "the target is compared with what the corrupted prompt is answered by".to_owned();
                notes.extend(top.filter(|_| wants_two).map(|_| said));
                top
            }
        };
        let metric = ask.metric.unwrap_or(Metric::LogitDiff);
        if metric == Metric::LogitDiff && versus.is_none() {
            return Err(PatchError::SameAnswer { token: target });
        }
        Self { target: Some(target), versus, metric, notes }.checked(backend)
    }

    /// Those of one prompt, whose final residual is given: without another, its own answer.
    pub(super) fn of_one<B: Backend>(backend: &B, ask: &Ask, last: &B::Hidden) -> Result<Self, PatchError> {
        let mut notes = Vec::new();
        let target = match ask.target {
            Some(target) => target,
            None => {
                let top = top_of(backend, last)?;
                notes.push("the target is what the unchanged prompt is answered by".to_owned());
                top
            }
        };
        let otherwise = if ask.versus.is_some() { Metric::LogitDiff } else { Metric::Logit };
        let metric = ask.metric.unwrap_or(otherwise);
        if metric == Metric::LogitDiff && ask.versus.is_none() {
            return Err(PatchError::NoVersus);
        }
        Self { target: Some(target), versus: ask.versus, metric, notes }.checked(backend)
    }

    /// Those of a patchscope: without a target, the probability of whatever is said.
    pub(super) fn of_scope<B: Backend>(backend: &B, ask: &Ask) -> Result<Self, PatchError> {
        let metric = ask.metric.unwrap_or(match (ask.target, ask.versus) {
            (Some(_), Some(_)) => Metric::LogitDiff,
            _ => Metric::Prob,
        });
        if metric == Metric::LogitDiff && (ask.target.is_none() || ask.versus.is_none()) {
            return Err(PatchError::NoVersus);
        }
        if metric == Metric::Logit && ask.target.is_none() {
            return Err(PatchError::NoTarget);
        }
        Self { target: ask.target, versus: ask.versus, metric, notes: Vec::new() }.checked(backend)
    }

    fn checked<B: Backend>(self, backend: &B) -> Result<Self, PatchError> {
        let n_vocab = backend.info().n_vocab;
        let mut named = self.target.into_iter().chain(self.versus);
        if let Some(token) = named.find(|token| token.index() >= n_vocab) {
            return Err(BackendError::UnknownToken { token, n_vocab }.into());
        }
        match self.target.filter(|target| Some(*target) == self.versus) {
            Some(token) => Err(PatchError::SameToken { token }),
            None => Ok(self),
        }
    }

    /// What is kept of each readout.
    pub(super) fn question(&self) -> Question {
        let mut question = Question::default()
            .with_statistics(StatisticSet::EMPTY.with(Statistic::KlToFinal))
            .with_tracked(0)
            .with_targets(self.target.into_iter().chain(self.versus).collect());
        question.top_k = std::num::NonZeroUsize::MIN;
        question
    }
}

/// Reads final residuals, `[1, d_model]` each, beside that of the run that they are compared with; its own readout is
/// the last one.
pub(super) fn read<B: Backend>(
    backend: &B,
    reference: &B::Hidden,
    others: &[B::Hidden],
    position: usize,
    ask: &Question,
) -> Result<Vec<Readout>, BackendError> {
    let point = crate::point::Point::last(backend.info().n_layers);
    let columns: Vec<Column<'_, B::Hidden>> =
        others.iter().map(|hidden| Column::plain(point, hidden).translated(Some(CHANGED))).collect();
    let request =
        ReadRequest::new(&columns, reference, std::slice::from_ref(&position), &[Next::Nothing], ask);
    let readings = backend.read(&request).map_err(plainly)?;
    Ok(readings.points.into_iter().chain(readings.finals).collect())
}

/// A value of a changed run is not that of a lens.
fn plainly(error: BackendError) -> BackendError {
    match error {
        BackendError::NonFiniteTranslation { what, point, position, .. } => {
            BackendError::NonFinite { what, point, position }
        }
        other => other,
    }
}

/// The most probable token of a final residual.
fn top_of<B: Backend>(backend: &B, last: &B::Hidden) -> Result<TokenId, PatchError> {
    let ask = Question { statistics: StatisticSet::EMPTY, tracked: 0, ..Question::default() };
    let readouts = read(backend, last, &[], 0, &ask)?;
    let top = readouts.first().and_then(Readout::top1);
    Ok(top.ok_or_else(|| BackendError::Other("the model answers nothing".into()))?)
}
