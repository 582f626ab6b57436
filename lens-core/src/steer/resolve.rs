//! From interventions to changes at points: layers, heads, positions, files and the activations of other prompts.

use std::sync::Arc;

use super::{EditError, Steering, VectorFiles, error::listed};
use crate::{
    backend::{Backend, BackendError, Forward},
    edit::{Change, Edit, Edits, Heads, Vectors},
    intervention::{EditOperation, EditTerm, Intervention, VectorSource},
    point::{Component, Point, PointSet, Site},
    selection::Selection,
    token::TokenId,
};

pub(super) struct Resolver<'a, B: Backend> {
    pub(super) backend: &'a mut B,
    pub(super) prompt: &'a [TokenId],
    pub(super) encode: &'a dyn Fn(&str) -> Result<Vec<TokenId>, String>,
    pub(super) files: &'a mut dyn VectorFiles,
    pub(super) notes: Vec<String>,
}

/// Where an intervention is being resolved.
struct Place<'a> {
    intervention: &'a Intervention,
    point: Point,
    heads: Option<Heads>,
    positions: Option<&'a [usize]>,
}

/// The rows of a prompt at a point.
struct Rows {
    width: usize,
    values: Vec<f32>,
}

impl<B: Backend> Resolver<'_, B> {
    pub(super) fn resolve(mut self, interventions: &[Intervention]) -> Result<Steering, EditError> {
        let (mut edits, mut traces) = (Edits::default(), Vec::new());
        for intervention in interventions {
            let positions = match &intervention.target.positions {
                None => None,
                Some(positions) => {
                    Some(positions.resolve(self.prompt.len(), "position").map_err(|reason| {
                        EditError::Selection { written: intervention.to_string(), reason }
                    })?)
                }
            };
            for point in self.points(intervention)? {
                let heads = self.heads(intervention, point)?;
                let place = Place { intervention, point, heads, positions: positions.as_deref() };
                let change = self.change(&place)?;
                edits.push(point, Edit { heads: place.heads, positions: positions.clone(), change });
            }
            traces.push(intervention.trace(positions));
        }
        self.notes.extend(self.files.notes(self.backend.info()));
        Ok(Steering { edits: Arc::new(edits), traces, notes: self.notes })
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

    fn change(&mut self, place: &Place<'_>) -> Result<Change, EditError> {
        let operation = &place.intervention.operation;
        let change: fn(Vectors) -> Change = match operation {
            EditOperation::Zero => return Ok(Change::Zero),
            EditOperation::Scale(factor) => return Ok(Change::Scale(*factor)),
            EditOperation::Add(_) => Change::Add,
            EditOperation::Replace(_) => Change::Replace,
            EditOperation::Project(_) => Change::Project,
        };
        let mut vectors = Vectors::default();
        for term in operation.terms() {
            self.term(place, term, &mut vectors)?;
        }
        let (written, point) = (|| place.intervention.to_string(), place.point);
        if !vectors.are_finite() {
            return Err(EditError::NotFinite { written: written(), point });
        }
        let part = place.heads.as_ref().map(|heads| heads.d_head);
        if matches!(operation, EditOperation::Project(_))
            && let Some((position, part)) = vectors.zero(place.positions, part)
        {
            let head = place.heads.as_ref().map(|heads| heads.chosen[part]);
            return Err(EditError::ZeroDirection { written: written(), point, position, head });
        }
        Ok(change(vectors))
    }

    /// Adds one term to the sums.
    fn term(&mut self, place: &Place<'_>, term: &EditTerm, sums: &mut Vectors) -> Result<(), EditError> {
        let written = || place.intervention.to_string();
        let vector = match &term.source {
            VectorSource::File { path, name } => self.file_vector(place, path, name.as_deref())?,
            VectorSource::Mean { text } => place.part(&self.activations(place, text.as_deref())?.mean()),
            VectorSource::Prompt { text, position } => {
                let rows = self.activations(place, Some(text))?;
                let n = rows.len();
                let index = if *position < 0 { position + n as i64 } else { *position };
                let index = usize::try_from(index).ok().filter(|index| *index < n).ok_or_else(|| {
                    let (text, position) = (text.clone(), *position);
                    EditError::SourcePosition { written: written(), text, n, position }
                })?;
                place.part(rows.row(index))
            }
            VectorSource::PromptByPosition { text } => {
                let rows = self.activations(place, Some(text))?;
                let n = rows.len();
                let fits = match place.positions {
                    None => n == self.prompt.len(),
                    Some(positions) => positions.iter().all(|position| *position < n),
                };
                if !fits {
                    let (text, expected) = (text.clone(), self.prompt.len());
                    return Err(EditError::SourceLength { written: written(), text, n, expected });
                }
                let scaled = (0..n).map(|row| scaled(place.part(rows.row(row)), term.coefficient));
                sums.add_by_position(scaled.collect());
                return Ok(());
            }
        };
        sums.add(scaled(vector, term.coefficient));
        Ok(())
    }

    /// The values of a prompt at a point, in float32; `None` is the prompt that is run.
    fn activations(&mut self, place: &Place<'_>, text: Option<&str>) -> Result<Rows, EditError> {
        let written = || place.intervention.to_string();
        let encoded;
        let tokens = match text {
            None => self.prompt,
            Some(text) => {
                encoded = (self.encode)(text).map_err(|reason| EditError::Encode {
                    written: written(),
                    text: text.to_owned(),
                    reason,
                })?;
                &encoded
            }
        };
        capture(self.backend, place.point, tokens)
            .map_err(|source| EditError::Run { written: written(), source })
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

impl Rows {
    fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..][..self.width]
    }

    /// The mean over all positions, summed in float64.
    fn mean(&self) -> Vec<f32> {
        let mut sums = vec![0.0f64; self.width];
        for row in self.values.chunks_exact(self.width.max(1)) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        sums.into_iter().map(|sum| (sum / self.len() as f64) as f32).collect()
    }
}

fn scaled(mut vector: Vec<f32>, coefficient: f64) -> Vec<f32> {
    vector.iter_mut().for_each(|value| *value *= coefficient as f32);
    vector
}

/// Runs a whole sequence and returns what it has at a point.
fn capture<B: Backend>(backend: &mut B, point: Point, tokens: &[TokenId]) -> Result<Rows, BackendError> {
    let n = tokens.len();
    let rows: Vec<usize> = (0..n).collect();
    let points: PointSet = [point].into_iter().collect();
    let captured = backend.forward(&Forward::new(tokens, &points, &rows).with_total(n).with_room(n))?;
    let first = captured.first().ok_or_else(|| {
        BackendError::Other(
            format!("nothing was captured at {point}, which the model was said to have").into(),
        )
    })?;
    let mut values = Vec::new();
    let width = backend.rows(first, 0..n, &mut values)?;
    Ok(Rows { width, values })
}
