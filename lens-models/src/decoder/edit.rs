//! Interventions on a running model: resolved against it, then applied as a tap.

use std::{collections::HashMap, path::Path};

use lens_core::{
    Backend, BackendError, Component, EditOperation, EditTerm, Forward, Intervention, InterventionTrace,
    Point, PointSet, SelectionError, Site, TokenId, VectorSource,
};
use tch::{Device, Kind, Tensor};

use super::{Decoder, ModelError, Tap};
use crate::vectors::{VectorError, VectorFile};

/// An intervention that does not fit the model or the prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The model has no such layer, or the prompt no such position.
    #[error("{written}: {reason}")]
    Selection {
        /// The intervention.
        written: String,
        /// Which.
        reason: SelectionError,
    },
    /// The model has no such point.
    #[error("{written}: the model has no point {point}, its branches are no summands of the stream")]
    AbsentPoint {
        /// The intervention.
        written: String,
        /// The point.
        point: Point,
    },
    /// A vector of another width.
    #[error("{written}: the vector of {what} has {got} values, {point} takes {expected}")]
    Width {
        /// The intervention.
        written: String,
        /// Where it comes from.
        what: String,
        /// The point.
        point: Point,
        /// Values that the point has.
        expected: usize,
        /// Values of the vector.
        got: usize,
    },
    /// A position that the other prompt does not have.
    #[error("{written}: the prompt {text:?} has {n} tokens and no position {position}")]
    SourcePosition {
        /// The intervention.
        written: String,
        /// The other prompt.
        text: String,
        /// Its tokens.
        n: usize,
        /// The position asked for.
        position: i64,
    },
    /// Prompts of different lengths cannot be matched position by position.
    #[error(
        "{written}: {text:?} has {n} tokens and the prompt that is run has {expected}: position by position they must \
         be as long as each other, or name positions that both have"
    )]
    SourceLength {
        /// The intervention.
        written: String,
        /// The other prompt.
        text: String,
        /// Its tokens.
        n: usize,
        /// Tokens of the prompt that is run.
        expected: usize,
    },
    /// A text that has no tokens, or none are known of.
    #[error("{written}: {text:?} cannot be encoded: {reason}")]
    Encode {
        /// The intervention.
        written: String,
        /// The other prompt.
        text: String,
        /// Why.
        reason: String,
    },
    /// A file without the vector.
    #[error("{written}")]
    Vector {
        /// The intervention.
        written: String,
        /// Why.
        source: VectorError,
    },
    /// The other prompt cannot be run.
    #[error("{written}")]
    Run {
        /// The intervention.
        written: String,
        /// Why.
        source: BackendError,
    },
}

/// Interventions with all they need, as a tap that the model runs with.
#[derive(Debug, Default)]
pub struct Edits {
    by_point: HashMap<Point, Vec<Edit>>,
    traces: Vec<InterventionTrace>,
    past: usize,
}

impl Edits {
    /// What a trace says of them.
    pub fn traces(&self) -> &[InterventionTrace] {
        &self.traces
    }
}

/// One change at one point.
#[derive(Debug)]
struct Edit {
    /// `None` is all of them.
    heads: Option<Tensor>,
    /// `None` is all of them.
    positions: Option<Vec<usize>>,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Zero,
    Scale(f64),
    /// `[d]` or `[n_heads, d_head]` for every position; or `[positions, ..]` from position 0 on.
    Vector {
        replaces: bool,
        same: Option<Tensor>,
        by_position: Option<Tensor>,
    },
}

impl Decoder {
    /// Resolves interventions against this model and a prompt: the activations of other prompts, and means, are
    /// taken now, from the model without interventions. `encode` turns another prompt into tokens.
    ///
    /// Hand the result to [`Decoder::set_edit`], and start a new sequence.
    ///
    /// # Errors
    /// When a layer, head, position, file or vector does not fit, or another prompt cannot be encoded or run.
    pub fn prepare_edits(
        &mut self,
        interventions: &[Intervention],
        prompt: &[TokenId],
        encode: &dyn Fn(&str) -> Result<Vec<TokenId>, String>,
    ) -> Result<Edits, EditError> {
        let own = self.set_edit(None);
        let result = Resolver { model: self, prompt, encode, files: HashMap::new() }.resolve(interventions);
        self.set_edit(own);
        result
    }
}

struct Resolver<'a> {
    model: &'a mut Decoder,
    prompt: &'a [TokenId],
    encode: &'a dyn Fn(&str) -> Result<Vec<TokenId>, String>,
    files: HashMap<String, VectorFile>,
}

impl Resolver<'_> {
    fn resolve(mut self, interventions: &[Intervention]) -> Result<Edits, EditError> {
        let mut edits = Edits::default();
        for intervention in interventions {
            let selection = |reason| EditError::Selection { written: intervention.to_string(), reason };
            let positions = match &intervention.target.positions {
                None => None,
                Some(positions) => Some(positions.resolve(self.prompt.len(), "position").map_err(selection)?),
            };
            for point in self.points(intervention)? {
                let heads = match (&intervention.target.heads, point.layer()) {
                    (Some(heads), Some(layer)) => {
                        let n_heads = self.model.spec.layers[usize::from(layer)].attn.n_heads;
                        let heads = heads.resolve(n_heads, "head").map_err(selection)?;
                        Some(heads.into_iter().map(|head| head as i64).collect::<Vec<_>>())
                    }
                    _ => None,
                };
                let change = self.change(intervention, point, heads.as_deref(), positions.as_deref())?;
                let heads = heads.map(|heads| Tensor::from_slice(&heads));
                edits.by_point.entry(point).or_default().push(Edit {
                    heads,
                    positions: positions.clone(),
                    change,
                });
            }
            edits.traces.push(intervention.trace(positions));
        }
        Ok(edits)
    }

    /// The points of an intervention, which the model has.
    fn points(&self, intervention: &Intervention) -> Result<Vec<Point>, EditError> {
        let n_layers = usize::from(self.model.info.n_layers);
        let points: Vec<Point> = match (&intervention.target.layers, intervention.target.component) {
            (Some(layers), Component::Site(site)) => layers
                .resolve(n_layers, "layer")
                .map_err(|reason| EditError::Selection { written: intervention.to_string(), reason })?
                .into_iter()
                .map(|layer| Point::block(layer as u16, site))
                .collect(),
            _ => vec![Point::Embed],
        };
        match points.iter().find(|point| !self.model.has(**point)) {
            Some(point) => Err(EditError::AbsentPoint { written: intervention.to_string(), point: *point }),
            None => Ok(points),
        }
    }

    fn change(
        &mut self,
        intervention: &Intervention,
        point: Point,
        heads: Option<&[i64]>,
        positions: Option<&[usize]>,
    ) -> Result<Change, EditError> {
        let replaces = match &intervention.operation {
            EditOperation::Zero => return Ok(Change::Zero),
            EditOperation::Scale(factor) => return Ok(Change::Scale(*factor)),
            EditOperation::Add(_) => false,
            EditOperation::Replace(_) => true,
        };
        let mut vectors = Sums { same: None, by_position: None };
        for term in intervention.operation.terms() {
            self.term(intervention, point, heads, positions, term, &mut vectors)?;
        }
        Ok(Change::Vector { replaces, same: vectors.same, by_position: vectors.by_position })
    }

    /// Adds one term to the sums.
    fn term(
        &mut self,
        intervention: &Intervention,
        point: Point,
        heads: Option<&[i64]>,
        positions: Option<&[usize]>,
        term: &EditTerm,
        sums: &mut Sums,
    ) -> Result<(), EditError> {
        let written = || intervention.to_string();
        let run = |source: ModelError| EditError::Run { written: written(), source: source.into() };
        let vector = match &term.source {
            VectorSource::File { path, name } => {
                self.file_vector(intervention, point, heads, path, name.as_deref())?
            }
            VectorSource::Mean { text } => {
                let rows = self.activations(intervention, point, text.as_deref())?;
                self.of_heads(rows.f_mean_dim(&[0i64][..], false, Kind::Float), heads).map_err(run)?
            }
            VectorSource::Prompt { text, position } => {
                let rows = self.activations(intervention, point, Some(text))?;
                let n = rows.size()[0];
                let index = if *position < 0 { position + n } else { *position };
                if !(0..n).contains(&index) {
                    let (text, n) = (text.clone(), n as usize);
                    return Err(EditError::SourcePosition {
                        written: written(),
                        text,
                        n,
                        position: *position,
                    });
                }
                self.of_heads(rows.f_select(0, index), heads).map_err(run)?
            }
            VectorSource::PromptByPosition { text } => {
                let rows = self.activations(intervention, point, Some(text))?;
                let n = rows.size()[0] as usize;
                let fits = match positions {
                    None => n == self.prompt.len(),
                    Some(positions) => positions.iter().all(|position| *position < n),
                };
                if !fits {
                    let (text, expected) = (text.clone(), self.prompt.len());
                    return Err(EditError::SourceLength { written: written(), text, n, expected });
                }
                let rows = match heads {
                    None => Ok(rows),
                    Some(heads) => rows.f_index_select(1, &Tensor::from_slice(heads)),
                };
                let scaled = rows.and_then(|rows| rows.f_mul_scalar(term.coefficient));
                return sums.add_by_position(scaled.map_err(ModelError::from).map_err(run)?).map_err(run);
            }
        };
        let scaled = vector.f_mul_scalar(term.coefficient).map_err(ModelError::from).map_err(run)?;
        sums.add(scaled).map_err(run)
    }

    /// The chosen heads of a value, `[..]` without positions.
    fn of_heads(
        &self,
        value: Result<Tensor, tch::TchError>,
        heads: Option<&[i64]>,
    ) -> Result<Tensor, ModelError> {
        Ok(match heads {
            None => value?,
            Some(heads) => value?.f_index_select(0, &Tensor::from_slice(heads))?,
        })
    }

    /// The values of a prompt at a point, `[pos, ..]` in float32; `None` is the prompt that is run.
    fn activations(
        &mut self,
        intervention: &Intervention,
        point: Point,
        text: Option<&str>,
    ) -> Result<Tensor, EditError> {
        let written = || intervention.to_string();
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
        let run = |source| EditError::Run { written: written(), source };
        let rows: Vec<usize> = (0..tokens.len()).collect();
        let points: PointSet = [point].into_iter().collect();
        let n = tokens.len();
        let step = Forward { tokens, past: 0, total: n, room: n, points: &points, rows: &rows };
        let captured = self.model.forward(&step).map_err(run)?;
        let first = captured.first().expect("the point was asked for");
        let wide = first.f_to_device(Device::Cpu).and_then(|rows| rows.f_to_kind(Kind::Float));
        wide.map_err(ModelError::from).map_err(|error| run(error.into()))
    }

    fn file_vector(
        &mut self,
        intervention: &Intervention,
        point: Point,
        heads: Option<&[i64]>,
        path: &str,
        name: Option<&str>,
    ) -> Result<Tensor, EditError> {
        let broken = |source| EditError::Vector { written: intervention.to_string(), source };
        if !self.files.contains_key(path) {
            let file = VectorFile::read(Path::new(path)).map_err(broken)?;
            self.files.insert(path.to_owned(), file);
        }
        let values =
            self.files[path].for_layer(name, point.layer().map_or(0, usize::from)).map_err(broken)?;
        let shape: Vec<i64> = match (point, heads) {
            (Point::Block { layer, site: Site::Z }, heads) => {
                let attn = &self.model.spec.layers[usize::from(layer)].attn;
                vec![heads.map_or(attn.n_heads, <[i64]>::len) as i64, attn.d_head as i64]
            }
            _ => vec![self.model.info.d_model as i64],
        };
        let expected = shape.iter().product::<i64>() as usize;
        if values.len() != expected {
            return Err(EditError::Width {
                written: intervention.to_string(),
                what: path.to_owned(),
                point,
                expected,
                got: values.len(),
            });
        }
        let tensor = Tensor::f_from_slice(values).and_then(|tensor| tensor.f_view(shape.as_slice()));
        tensor.map_err(|error| EditError::Run {
            written: intervention.to_string(),
            source: ModelError::from(error).into(),
        })
    }
}

/// Sums of vectors.
struct Sums {
    same: Option<Tensor>,
    by_position: Option<Tensor>,
}

impl Sums {
    fn add(&mut self, vector: Tensor) -> Result<(), ModelError> {
        self.same = Some(match self.same.take() {
            None => vector,
            Some(sum) => sum.f_add(&vector)?,
        });
        Ok(())
    }

    /// Sums of prompts of different lengths are as long as the shorter one: every chosen position is in both.
    fn add_by_position(&mut self, rows: Tensor) -> Result<(), ModelError> {
        self.by_position = Some(match self.by_position.take() {
            None => rows,
            Some(sum) => {
                let n = sum.size()[0].min(rows.size()[0]);
                sum.f_narrow(0, 0, n)?.f_add(&rows.f_narrow(0, 0, n)?)?
            }
        });
        Ok(())
    }
}

impl Tap for Edits {
    fn begin(&mut self, past: usize) {
        self.past = past;
    }

    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
        let Some(edits) = self.by_point.get(&point) else { return Ok(value) };
        // Vectors are in host memory; the few points that are changed come there and go back.
        let device = value.device();
        let value = value.f_to_device(Device::Cpu)?;
        let changed = edits.iter().try_fold(value, |value, edit| edit.apply(value, self.past))?;
        Ok(changed.f_to_device(device)?)
    }
}

impl Edit {
    /// Changes the rows of a step that begins behind `past` tokens. Sums are made in float32 and rounded once.
    fn apply(&self, value: Tensor, past: usize) -> Result<Tensor, ModelError> {
        let n = value.size()[0] as usize;
        let Some(rows) = self.rows(past, n) else { return Ok(value) };
        let positions: Vec<i64> = rows.iter().map(|row| (row + past) as i64).collect();
        let rows = Tensor::f_from_slice(&rows.iter().map(|row| *row as i64).collect::<Vec<_>>())?;
        let wide = value.f_to_kind(Kind::Float)?;
        let chosen = wide.f_index_select(0, &rows)?;
        let changed = match &self.heads {
            None => self.changed(&chosen, &positions)?,
            Some(heads) => {
                let part = self.changed(&chosen.f_index_select(1, heads)?, &positions)?;
                chosen.f_index_copy(1, heads, &part)?
            }
        };
        Ok(wide.f_index_copy(0, &rows, &changed)?.f_to_kind(value.kind())?)
    }

    /// The rows that are changed; `None` where there are none.
    fn rows(&self, past: usize, n: usize) -> Option<Vec<usize>> {
        // What is known of the prompt's positions says nothing about those of a continuation.
        let known = match &self.change {
            Change::Vector { by_position: Some(rows), .. } => rows.size()[0] as usize,
            _ => usize::MAX,
        };
        let is_chosen = |position: usize| {
            position < known
                && self.positions.as_ref().is_none_or(|positions| positions.binary_search(&position).is_ok())
        };
        let rows: Vec<usize> = (0..n).filter(|row| is_chosen(past + row)).collect();
        (!rows.is_empty()).then_some(rows)
    }

    /// `[rows, ..]` in float32, at these positions.
    fn changed(&self, x: &Tensor, positions: &[i64]) -> Result<Tensor, ModelError> {
        Ok(match &self.change {
            Change::Zero => x.f_zeros_like()?,
            Change::Scale(factor) => x.f_mul_scalar(*factor)?,
            Change::Vector { replaces, same, by_position } => {
                let mut sum = if *replaces { x.f_zeros_like()? } else { x.shallow_clone() };
                if let Some(vector) = same {
                    sum = sum.f_add(vector)?;
                }
                if let Some(rows) = by_position {
                    sum = sum.f_add(&rows.f_index_select(0, &Tensor::f_from_slice(positions)?)?)?;
                }
                sum
            }
        })
    }
}
