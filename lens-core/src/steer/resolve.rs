//! From interventions to changes at points: layers, heads, positions, files and the activations of other prompts.

use std::sync::Arc;

use super::{
    EditError, Steering, VectorFiles,
    error::listed,
    sources::{Need, SourceId, Sources},
};
use crate::{
    backend::Backend,
    edit::{Change, Edit, Edits, Heads, Vectors},
    intervention::{EditOperation, EditTerm, Intervention, VectorSource},
    point::{Component, Point, Site},
    selection::Selection,
    token::TokenId,
};

pub(super) struct Resolver<'a, B: Backend> {
    pub(super) backend: &'a mut B,
    pub(super) prompt: &'a [TokenId],
    pub(super) encode: &'a dyn Fn(&str) -> Result<Vec<TokenId>, String>,
    pub(super) files: &'a mut dyn VectorFiles,
    /// Bytes that captured activations may take; `None` is what suits the backend.
    pub(super) budget: Option<usize>,
    pub(super) notes: Vec<String>,
}

/// Where an intervention is being resolved.
struct Place<'a> {
    intervention: &'a Intervention,
    point: Point,
    heads: Option<Heads>,
    positions: Option<&'a [usize]>,
}

/// A change whose vectors are not all at hand yet.
struct Draft<'a> {
    place: Place<'a>,
    terms: Vec<Term>,
}

/// One term of a sum of vectors.
struct Term {
    coefficient: f64,
    vector: TermVector,
}

/// The vector of a term: at hand, or to be taken of a prompt.
enum TermVector {
    Known(Vec<f32>),
    Mean(SourceId),
    Row(SourceId, usize),
    /// A vector for each position before this one.
    ByPosition(SourceId, usize),
}

impl<B: Backend> Resolver<'_, B> {
    /// Finds out what is needed of which prompt, runs each of them once, and makes the changes.
    pub(super) fn resolve(mut self, interventions: &[Intervention]) -> Result<Steering, EditError> {
        let positions = interventions
            .iter()
            .map(|intervention| self.positions(intervention))
            .collect::<Result<Vec<_>, _>>()?;
        let (mut sources, mut drafts) = (Sources::default(), Vec::new());
        for (intervention, positions) in interventions.iter().zip(&positions) {
            for point in self.points(intervention)? {
                let heads = self.heads(intervention, point)?;
                let place = Place { intervention, point, heads, positions: positions.as_deref() };
                let terms = intervention.operation.terms();
                let terms: Result<Vec<Term>, EditError> =
                    terms.iter().map(|term| self.term(&place, term, &mut sources)).collect();
                drafts.push(Draft { terms: terms?, place });
            }
        }
        sources.run(self.backend, self.budget)?;
        let mut edits = Edits::default();
        for Draft { place, terms } in drafts {
            let change = place.change(&terms, &sources)?;
            let positions = place.positions.map(<[usize]>::to_vec);
            edits.push(place.point, Edit { heads: place.heads, positions, change });
        }
        let traces = interventions.iter().zip(positions);
        let traces = traces.map(|(intervention, positions)| intervention.trace(positions)).collect();
        self.notes.extend(self.files.notes(self.backend.info()));
        Ok(Steering { edits: Arc::new(edits), traces, notes: self.notes })
    }

    /// The positions of an intervention, if it is restricted to some.
    fn positions(&self, intervention: &Intervention) -> Result<Option<Vec<usize>>, EditError> {
        let positions = intervention.target.positions.as_ref();
        let resolved =
            positions.map(|positions| positions.resolve(self.prompt.len(), "position")).transpose();
        resolved.map_err(|reason| EditError::Selection { written: intervention.to_string(), reason })
    }

    /// The points of an intervention, which the model has. Where all layers are meant, those without `z` are left out
    /// of what is done to `z`, with a note.
    fn points(&mut self, intervention: &Intervention) -> Result<Vec<Point>, EditError> {
        let written = || intervention.to_string();
        let info = self.backend.info();
        let points: Vec<Point> = match (&intervention.target.layers, intervention.target.component) {
            (Some(layers), Component::Site(site)) => layers
                .resolve(info.n_layers.into(), "layer")
                .map_err(|reason| EditError::Selection { written: written(), reason })?
                .into_iter()
                .map(|layer| Point::block(layer as u16, site))
                .collect(),
            _ => vec![Point::Embed],
        };
        let (present, absent): (Vec<Point>, Vec<Point>) =
            points.into_iter().partition(|point| info.has(*point));
        let Some(first) = absent.first() else { return Ok(present) };
        if first.component() != Component::Site(Site::Z) {
            return Err(EditError::AbsentPoint { written: written(), point: *first });
        }
        let layers: Vec<u16> = absent.iter().filter_map(|point| point.layer()).collect();
        if intervention.target.layers != Some(Selection::all()) || present.is_empty() {
            return Err(EditError::NoHeads { written: written(), layers });
        }
        self.notes.push(format!("{} leaves out {}, where there is no z", written(), listed(&layers)));
        Ok(present)
    }

    /// The heads of an intervention at a point; `None` is the whole activation.
    fn heads(&self, intervention: &Intervention, point: Point) -> Result<Option<Heads>, EditError> {
        let (Some(heads), Some(layer)) = (&intervention.target.heads, point.layer()) else { return Ok(None) };
        let written = || intervention.to_string();
        let Some((n_heads, d_head)) = self.backend.heads(layer) else {
            return Err(EditError::Undivided { written: written(), point });
        };
        let chosen = heads
            .resolve(n_heads, "head")
            .map_err(|reason| EditError::Selection { written: written(), reason })?;
        Ok(Some(Heads { chosen, d_head }))
    }

    /// A term, and what it needs of a prompt.
    fn term(&mut self, place: &Place<'_>, term: &EditTerm, sources: &mut Sources) -> Result<Term, EditError> {
        let vector = match &term.source {
            VectorSource::File { path, name } => {
                TermVector::Known(self.file_vector(place, path, name.as_deref())?)
            }
            VectorSource::Mean { text } => {
                let source = self.source(place, text.as_deref(), sources)?;
                sources.need(source, place.point, Need::Mean);
                TermVector::Mean(source)
            }
            VectorSource::Prompt { text, position } => {
                let source = self.source(place, Some(text), sources)?;
                let row = place.source_position(text, sources.length(source), *position)?;
                sources.need(source, place.point, Need::Rows(row..row + 1));
                TermVector::Row(source, row)
            }
            VectorSource::PromptByPosition { text } => {
                let source = self.source(place, Some(text), sources)?;
                let known = place.source_length(text, sources.length(source), self.prompt.len())?;
                let needed = place.positions.map_or_else(|| (0..known).collect(), <[usize]>::to_vec);
                for row in needed {
                    sources.need(source, place.point, Need::Rows(row..row + 1));
                }
                TermVector::ByPosition(source, known)
            }
        };
        Ok(Term { coefficient: term.coefficient, vector })
    }

    /// A prompt whose activations are needed; `None` is the prompt that is run.
    fn source(
        &self,
        place: &Place<'_>,
        text: Option<&str>,
        sources: &mut Sources,
    ) -> Result<SourceId, EditError> {
        let written = || place.intervention.to_string();
        let Some(text) = text else { return sources.prompt(None, written, || Ok(self.prompt.to_vec())) };
        sources.prompt(Some(text), written, || {
            (self.encode)(text).map_err(|reason| EditError::Encode {
                written: written(),
                text: text.to_owned(),
                reason,
            })
        })
    }

    fn file_vector(
        &mut self,
        place: &Place<'_>,
        path: &str,
        name: Option<&str>,
    ) -> Result<Vec<f32>, EditError> {
        let written = || place.intervention.to_string();
        let layer = place.point.layer().map_or(0, usize::from);
        let values = self
            .files
            .vector(path, name, layer)
            .map_err(|source| EditError::Vector { written: written(), source })?;
        let expected = self.width(place);
        if values.len() != expected {
            let (what, got) = (path.to_owned(), values.len());
            return Err(EditError::Width { written: written(), what, point: place.point, expected, got });
        }
        Ok(values)
    }

    /// Values of what is changed at a position: of the chosen heads, of all heads, or of the stream.
    fn width(&self, place: &Place<'_>) -> usize {
        let heads = match place.point {
            Point::Block { layer, site: Site::Z } => self.backend.heads(layer),
            _ => None,
        };
        match (&place.heads, heads) {
            (Some(Heads { chosen, d_head }), _) => chosen.len() * d_head,
            (None, Some((n_heads, d_head))) => n_heads * d_head,
            (None, None) => self.backend.info().d_model,
        }
    }
}

impl Place<'_> {
    /// The change that is made here, of terms whose prompts have been run.
    fn change(&self, terms: &[Term], sources: &Sources) -> Result<Change, EditError> {
        let operation = &self.intervention.operation;
        let change: fn(Vectors) -> Change = match operation {
            EditOperation::Zero => return Ok(Change::Zero),
            EditOperation::Scale(factor) => return Ok(Change::Scale(*factor)),
            EditOperation::Add(_) => Change::Add,
            EditOperation::Replace(_) => Change::Replace,
            EditOperation::Project(_) => Change::Project,
        };
        let mut vectors = Vectors::default();
        for term in terms {
            self.add(term, sources, &mut vectors);
        }
        let (written, point) = (|| self.intervention.to_string(), self.point);
        if !vectors.are_finite() {
            return Err(EditError::NotFinite { written: written(), point });
        }
        let part = self.heads.as_ref().map(|heads| heads.d_head);
        if matches!(operation, EditOperation::Project(_))
            && let Some((position, part)) = vectors.zero(self.positions, part)
        {
            let head = self.heads.as_ref().map(|heads| heads.chosen[part]);
            return Err(EditError::ZeroDirection { written: written(), point, position, head });
        }
        Ok(change(vectors))
    }

    /// Adds one term to the sums. Rows that nothing is done at were not taken, and are empty.
    fn add(&self, term: &Term, sources: &Sources, sums: &mut Vectors) {
        let scaled = |vector| scaled(vector, term.coefficient);
        let row = |source, position| {
            sources.row(source, self.point, position).map_or_else(Vec::new, |row| scaled(self.part(row)))
        };
        match &term.vector {
            TermVector::Known(vector) => sums.add(scaled(vector.clone())),
            TermVector::Mean(source) => sums.add(scaled(self.part(&sources.mean(*source, self.point)))),
            TermVector::Row(source, position) => sums.add(row(*source, *position)),
            TermVector::ByPosition(source, known) => {
                sums.add_by_position((0..*known).map(|position| row(*source, position)).collect());
            }
        }
    }

    /// A position of another prompt of `n` tokens, from its start.
    fn source_position(&self, text: &str, n: usize, position: i64) -> Result<usize, EditError> {
        let index = if position < 0 { position + n as i64 } else { position };
        usize::try_from(index).ok().filter(|index| *index < n).ok_or_else(|| EditError::SourcePosition {
            written: self.intervention.to_string(),
            text: text.to_owned(),
            n,
            position,
        })
    }

    /// The length `n` of another prompt that is matched with the one that is run, position by position.
    fn source_length(&self, text: &str, n: usize, expected: usize) -> Result<usize, EditError> {
        let fits = match self.positions {
            None => n == expected,
            Some(positions) => positions.iter().all(|position| *position < n),
        };
        let (written, text) = (|| self.intervention.to_string(), text.to_owned());
        fits.then_some(n).ok_or_else(|| EditError::SourceLength { written: written(), text, n, expected })
    }

    /// The chosen heads of a whole activation.
    fn part(&self, row: &[f32]) -> Vec<f32> {
        match &self.heads {
            None => row.to_vec(),
            Some(Heads { chosen, d_head }) => {
                chosen.iter().flat_map(|head| &row[head * d_head..][..*d_head]).copied().collect()
            }
        }
    }
}

fn scaled(mut vector: Vec<f32>, coefficient: f64) -> Vec<f32> {
    vector.iter_mut().for_each(|value| *value *= coefficient as f32);
    vector
}
