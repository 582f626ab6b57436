//! From interventions to changes at points: layers, heads, positions, files and the activations of other prompts.

use std::{collections::HashMap, path::Path};

use lens_core::{
    Backend, Component, EditOperation, EditTerm, Forward, Intervention, Point, PointSet, Selection, Site,
    TokenId, VectorSource,
};
use tch::{Device, Kind, Tensor};

use super::{Change, Edit, EditError, Edits, ModelError, error::listed, vectors::Vectors};
use crate::{decoder::Decoder, vectors::VectorFile};

pub(super) struct Resolver<'a> {
    pub(super) model: &'a mut Decoder,
    pub(super) prompt: &'a [TokenId],
    pub(super) encode: &'a dyn Fn(&str) -> Result<Vec<TokenId>, String>,
    pub(super) files: HashMap<String, VectorFile>,
    pub(super) notes: Vec<String>,
}

impl Resolver<'_> {
    pub(super) fn resolve(mut self, interventions: &[Intervention]) -> Result<Edits, EditError> {
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
                        let [n_heads, _] = self.z_shape(layer);
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
        edits.notes = self.notes;
        Ok(edits)
    }

    /// The shape of `z` in a layer that has one, `[n_heads, d_head]`.
    fn z_shape(&self, layer: u16) -> [usize; 2] {
        let mixer = &self.model.spec.layers[usize::from(layer)].mixer;
        mixer.z_shape().expect("points without z were refused or left out")
    }

    /// The points of an intervention, which the model has. Where all layers are meant, those without `z` are left out of
    /// what is done to `z`, with a note.
    fn points(&mut self, intervention: &Intervention) -> Result<Vec<Point>, EditError> {
        let written = || intervention.to_string();
        let n_layers = usize::from(self.model.info.n_layers);
        let points: Vec<Point> = match (&intervention.target.layers, intervention.target.component) {
            (Some(layers), Component::Site(site)) => layers
                .resolve(n_layers, "layer")
                .map_err(|reason| EditError::Selection { written: written(), reason })?
                .into_iter()
                .map(|layer| Point::block(layer as u16, site))
                .collect(),
            _ => vec![Point::Embed],
        };
        let (present, absent): (Vec<Point>, Vec<Point>) =
            points.into_iter().partition(|point| self.model.info.has(*point));
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

    fn change(
        &mut self,
        intervention: &Intervention,
        point: Point,
        heads: Option<&[i64]>,
        positions: Option<&[usize]>,
    ) -> Result<Change, EditError> {
        let change: fn(Vectors) -> Change = match &intervention.operation {
            EditOperation::Zero => return Ok(Change::Zero),
            EditOperation::Scale(factor) => return Ok(Change::Scale(*factor)),
            EditOperation::Add(_) => Change::Add,
            EditOperation::Replace(_) => Change::Replace,
            EditOperation::Project(_) if heads.is_some() => |along| Change::Project { along, by_head: true },
            EditOperation::Project(_) => |along| Change::Project { along, by_head: false },
        };
        let mut vectors = Vectors::default();
        for term in intervention.operation.terms() {
            self.term(intervention, point, heads, positions, term, &mut vectors)?;
        }
        let written = || intervention.to_string();
        let run = |source: ModelError| EditError::Run { written: written(), source: source.into() };
        if !vectors.are_finite().map_err(run)? {
            return Err(EditError::NotFinite { written: written(), point });
        }
        if matches!(intervention.operation, EditOperation::Project(_))
            && let Some((position, head)) = vectors.zero(positions, heads).map_err(run)?
        {
            return Err(EditError::ZeroDirection { written: written(), point, position, head });
        }
        Ok(change(vectors))
    }

    /// Adds one term to the sums.
    fn term(
        &mut self,
        intervention: &Intervention,
        point: Point,
        heads: Option<&[i64]>,
        positions: Option<&[usize]>,
        term: &EditTerm,
        sums: &mut Vectors,
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
        let step = Forward::new(tokens, &points, &rows).with_total(n).with_room(n);
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
        let broken =
            |source| EditError::Vector { written: intervention.to_string(), source: Box::new(source) };
        if !self.files.contains_key(path) {
            let file = VectorFile::read(Path::new(path)).map_err(broken)?;
            let info = &self.model.info;
            self.notes.extend(file.notes(&info.family, &info.id, info.n_layers.into()));
            self.files.insert(path.to_owned(), file);
        }
        let values =
            self.files[path].for_layer(name, point.layer().map_or(0, usize::from)).map_err(broken)?;
        let shape: Vec<i64> = match (point, heads) {
            (Point::Block { layer, site: Site::Z }, heads) => {
                let [n_heads, d_head] = self.z_shape(layer);
                vec![heads.map_or(n_heads, <[i64]>::len) as i64, d_head as i64]
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
