//! Which tensors of a file are meant, and which way their vectors lie.

use lens_core::suggest::did_you_mean;

use super::{Choice, DirectionFile, direction_layer, error::DirectionFileError, place::FileTensor};

/// What the decoder of a sparse autoencoder is called: by SAELens, sparsify and Gemma Scope, and as a linear layer, by dictionary_learning.
const DECODERS: [&str; 2] = ["W_dec", "decoder.weight"];

/// Names that a message lists.
const LISTED: usize = 12;

/// The tensors to read, and sentences on what was chosen.
pub(super) struct Chosen {
    pub(super) tensors: Vec<Oriented>,
    pub(super) notes: Vec<String>,
}

/// A tensor, and whether its vectors are columns.
pub(super) struct Oriented {
    pub(super) index: usize,
    pub(super) columns: bool,
}

/// Chooses among the tensors of a file.
pub(super) fn choose(
    file: &DirectionFile,
    choice: &Choice,
    d_model: usize,
) -> Result<Chosen, DirectionFileError> {
    let mut notes = Vec::new();
    let indices = match choice.tensors.is_empty() {
        true => usual(file, d_model, &mut notes)?,
        false => choice.tensors.iter().map(|name| named(file, name)).collect::<Result<_, _>>()?,
    };
    let oriented = |index: usize| {
        let tensor = &file.tensors[index];
        let columns = columns(file, tensor, choice.transpose, d_model)?;
        if columns.is_open {
            let (taken, other) = if columns.taken { ("columns", "rows") } else { ("rows", "columns") };
            notes.push(format!(
                "{} is {:?}, so that its rows and its columns fit the model: its {taken} are read, not its {other}",
                file.shown(tensor),
                tensor.shape
            ));
        }
        Ok(Oriented { index, columns: columns.taken })
    };
    let tensors = indices.into_iter().map(oriented).collect::<Result<_, DirectionFileError>>()?;
    Ok(Chosen { tensors, notes })
}

/// The tensors that are meant where none is named.
fn usual(
    file: &DirectionFile,
    d_model: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<usize>, DirectionFileError> {
    let all = || file.tensors.iter().enumerate();
    let decoder = DECODERS.iter().find_map(|name| all().find(|(_, tensor)| is_called(&tensor.name, name)));
    let mut found: Vec<usize> = match decoder {
        Some((index, _)) => vec![index],
        None => all().filter(|(_, tensor)| direction_layer(&tensor.name).is_some()).map(|(i, _)| i).collect(),
    };
    // By number, not by name: direction.10 comes after direction.9.
    found.sort_by_key(|index| direction_layer(&file.tensors[*index].name));
    if found.is_empty() {
        found = all().filter(|(_, tensor)| fits(tensor, d_model)).map(|(i, _)| i).collect();
        let (path, listed) = (file.path.clone(), |indices: &[usize]| listed(file, indices));
        match found.len() {
            0 => {
                let names = listed(&all().map(|(i, _)| i).collect::<Vec<_>>());
                return Err(DirectionFileError::NoneFits { path, d_model, names });
            }
            1 => {}
            _ => return Err(DirectionFileError::Choose { path, names: listed(&found) }),
        }
    }
    if found.len() < file.tensors.len() {
        let others: Vec<usize> = all().map(|(i, _)| i).filter(|i| !found.contains(i)).collect();
        notes.push(format!(
            "{}: {} is read, and not {}",
            file.path,
            listed(file, &found),
            listed(file, &others)
        ));
    }
    Ok(found)
}

/// Whether a tensor has a name, by itself or in a table.
fn is_called(tensor: &str, name: &str) -> bool {
    tensor.strip_suffix(name).is_some_and(|table| table.is_empty() || table.ends_with('.'))
}

fn named(file: &DirectionFile, name: &str) -> Result<usize, DirectionFileError> {
    let found = file.tensors.iter().position(|tensor| file.shown(tensor) == name);
    found.ok_or_else(|| DirectionFileError::NoTensor {
        path: file.path.clone(),
        name: name.to_owned(),
        hint: did_you_mean(name, file.tensors.iter().map(|tensor| file.shown(tensor))),
        names: listed(file, &(0..file.tensors.len()).collect::<Vec<_>>()),
    })
}

/// Which way the vectors of a tensor lie.
struct Columns {
    taken: bool,
    /// Whether the other way would have fitted too.
    is_open: bool,
}

fn columns(
    file: &DirectionFile,
    tensor: &FileTensor,
    transpose: bool,
    d_model: usize,
) -> Result<Columns, DirectionFileError> {
    let (path, name, shape) = (file.path.clone(), file.shown(tensor).to_owned(), tensor.shape.clone());
    let by_row = shape.last() == Some(&d_model);
    let by_column = shape.len() == 2 && shape[0] == d_model;
    match (by_row, by_column, transpose) {
        (_, true, true) => Ok(Columns { taken: true, is_open: false }),
        (true, by_column, false) => Ok(Columns { taken: false, is_open: by_column }),
        (false, true, false) => Ok(Columns { taken: true, is_open: false }),
        (true, false, true) => Err(DirectionFileError::Columns { path, tensor: name, shape, d_model }),
        (false, false, _) => Err(DirectionFileError::Width { path, tensor: name, shape, d_model }),
    }
}

/// Whether a tensor holds vectors of the model's width.
fn fits(tensor: &FileTensor, d_model: usize) -> bool {
    let shape = tensor.shape.as_slice();
    tensor.ty.is_ok() && (shape.last() == Some(&d_model) || matches!(shape, [first, _] if *first == d_model))
}

/// `W_dec [16384, 2304], b_dec [2304]`.
fn listed(file: &DirectionFile, indices: &[usize]) -> String {
    let shown = indices.iter().take(LISTED).map(|index| {
        let tensor = &file.tensors[*index];
        format!("{} {:?}", file.shown(tensor), tensor.shape)
    });
    let more = indices.len().saturating_sub(LISTED);
    shown.chain((more > 0).then(|| format!("and {more} more"))).collect::<Vec<_>>().join(", ")
}
