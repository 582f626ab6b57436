//! The lenses of a trace that was not read with the plain lens alone.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{LensTrace, ReadoutTrace};
use crate::{
    decision::important_by_movement,
    point::{Component, Site},
    statistic::Statistic,
    translate::{LensKind, LensSet, Provenance, Translator},
};

/// One lens of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LensEntryTrace {
    /// Its name in [`ReadoutTrace::lens`](super::ReadoutTrace::lens): its kind, with a number from the second lens of a
    /// kind on (`tuned`, `tuned-2`).
    pub name: Arc<str>,
    /// Its kind: what it does to a vector.
    pub kind: LensKind,
    /// Where it comes from.
    #[serde(flatten)]
    pub provenance: Provenance,
}

impl LensEntryTrace {
    /// The entries of some lenses; none where the plain lens is the only one.
    pub(crate) fn of(lenses: &LensSet) -> Vec<Self> {
        if lenses.is_plain() {
            return Vec::new();
        }
        let entries = lenses.iter().map(|(name, choice)| Self {
            name: name.clone(),
            kind: choice.kind(),
            provenance: choice.translator().map(Translator::provenance).cloned().unwrap_or_default(),
        });
        entries.collect()
    }
}

/// A lens that a trace does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("this trace has no lens {name:?} (it has: {})", has.join(", "))]
pub struct UnknownLens {
    /// What was asked for.
    pub name: String,
    /// The names of its lenses.
    pub has: Vec<String>,
}

impl LensTrace {
    /// The names of its lenses, the first one first.
    pub fn lens_names(&self) -> Vec<&str> {
        match &*self.lenses {
            [] => vec![&*self.lens.kind],
            lenses => lenses.iter().map(|lens| &*lens.name).collect(),
        }
    }

    /// This trace with the readouts of one lens alone, whose name then stands as the trace's kind of lens; `None` is
    /// the first lens. Important layers are those of this lens; `decided_at` is always the plain lens's.
    ///
    /// # Errors
    /// When the trace has no such lens.
    pub fn of_lens(&self, name: Option<&str>) -> Result<Cow<'_, Self>, UnknownLens> {
        let names = self.lens_names();
        let Some(index) = name.map_or(Some(0), |name| names.iter().position(|other| *other == name)) else {
            let has = names.into_iter().map(str::to_owned).collect();
            return Err(UnknownLens { name: name.unwrap_or_default().to_owned(), has });
        };
        if names.len() < 2 {
            return Ok(Cow::Borrowed(self));
        }
        let chosen = &self.lenses[index];
        let mut readouts = self.readouts.clone();
        readouts.retain(|readout| readout.lens.as_ref() == Some(&chosen.name));
        let mut trace = Self { lenses: vec![chosen.clone()], readouts, ..self.without_readouts() };
        // With what the other lenses say, which this trace no longer shows.
        let rows = self.rows_faithfulness().into_iter();
        trace.faithfulness = rows.filter(|row| row.lens.as_ref() == Some(&chosen.name)).collect();
        trace.lens.kind = chosen.name.to_string();
        if let (1.., Some(threshold)) = (index, trace.important_above) {
            trace.find_important(threshold);
        }
        if index > 0 {
            trace.find_moving();
        }
        Ok(Cow::Owned(trace))
    }

    fn without_readouts(&self) -> Self {
        Self {
            schema: self.schema.clone(),
            prompt_index: self.prompt_index,
            id: self.id.clone(),
            generator: self.generator.clone(),
            model: self.model.clone(),
            lens: self.lens.clone(),
            lenses: self.lenses.clone(),
            interventions: self.interventions.clone(),
            prompt: self.prompt.clone(),
            tokens: self.tokens.clone(),
            roles: self.roles.clone(),
            steps: self.steps.clone(),
            generation: self.generation.clone(),
            important_above: self.important_above,
            versus: self.versus.clone(),
            readouts: Vec::new(),
            finals: self.finals.clone(),
            faithfulness: Vec::new(),
            self_check: self.self_check,
            timing: self.timing,
            notes: self.notes.clone(),
        }
    }

    /// Finds the important layers anew, from the readouts that are there.
    fn find_important(&mut self, threshold: f32) {
        let counts = [Site::AttnOut, Site::MlpOut, Site::ResidPost].map(Component::Site);
        for last in &mut self.finals {
            let here = self.readouts.iter().filter(|readout| {
                readout.position == last.position
                    && counts.contains(&readout.component)
                    && readout.top.first().is_some_and(|top| top.prob > threshold)
            });
            last.important_layers = here.filter_map(|readout| readout.layer).collect();
            last.important_layers.sort_unstable();
            last.important_layers.dedup();
        }
    }

    /// Finds the layers that move most anew, from the readouts that are there.
    fn find_moving(&mut self) {
        for last in &mut self.finals {
            last.important_by_movement = moving(&self.readouts, last.position);
        }
    }

    /// The layers that move the prediction at a position most, in the trace's first lens: as the trace says, or by its
    /// readouts where it does not. `None` where the distances of `resid_post` were not read.
    pub fn important_by_movement(&self, position: usize) -> Option<Vec<u16>> {
        let last = self.finals.iter().find(|last| last.position == position);
        last.and_then(|last| last.important_by_movement.clone()).or_else(|| {
            let first = self.lenses.first().map(|lens| &lens.name);
            let of_first = |readout: &&ReadoutTrace| first.is_none() || readout.lens.as_ref() == first;
            moving(self.readouts.iter().filter(of_first), position)
        })
    }
}

/// The layers that move most at a position, by readouts of one lens in order of execution.
fn moving<'a>(readouts: impl IntoIterator<Item = &'a ReadoutTrace>, position: usize) -> Option<Vec<u16>> {
    let stream = [Component::Embed, Component::Site(Site::ResidPost)];
    let here = readouts
        .into_iter()
        .filter(|readout| readout.position == position && stream.contains(&readout.component));
    let distances = here.filter_map(|readout| Some((readout.layer, readout.get(Statistic::KlToFinal)?)));
    important_by_movement(distances)
}
