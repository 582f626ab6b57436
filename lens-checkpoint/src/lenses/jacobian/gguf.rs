//! Jacobian lenses as jlens-gguf stores them: safetensors with a table in the header.
//!
//! `J/{block}/{band}` is J itself, or with `U/{block}/{band}` beside it the left factor of J = Y U.

use std::path::Path;

use lens_core::{LensMap, Provenance, Site, Translator};
use serde_json::{Map, Value};

use super::{
    super::{
        error::LensFileError,
        file::{LensFile, MadeFor},
        stored::Stored,
    },
    KIND, block,
    mlx::details,
};

/// The text of the header that has the table.
const TABLE: &str = "jlens";

/// The band of positions that the lens of a whole sequence is for.
const ALL: &str = "all";

/// Whether a header is one of this layout.
pub(in super::super) fn is_lens(stored: &Stored) -> bool {
    stored.texts.contains_key(TABLE)
}

/// The lens of an open file.
pub(in super::super) fn of(path: &Path, stored: &Stored) -> Result<LensFile, LensFileError> {
    let broken = |reason: String| LensFileError::broken(path, KIND, reason);
    let text = stored.texts.get(TABLE).map_or("", String::as_str);
    let table: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| broken(format!("its header's {TABLE}: {error}")))?;
    let number = |key: &str| {
        let number = table.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| broken(format!("its header does not say {key}")))
    };
    let (d_model, n_layers) = (number("d_model")?, number("n_layers")?);
    let mut maps = Vec::new();
    for name in stored.names() {
        let parts: Vec<&str> = name.split('/').collect();
        let (layer, part) = match parts.as_slice() {
            [part @ ("J" | "U"), layer, ALL] => (block(layer), part),
            [_, _, band] => {
                return Err(broken(format!(
                    "it holds {name:?}, of the positions {band:?} alone: only lenses of all positions are read"
                )));
            }
            _ => (None, &""),
        };
        let layer = layer.ok_or_else(|| broken(format!("it holds {name:?}, which no such lens has")))?;
        if *part == "J" {
            let matrix = matrix(stored, layer, d_model).map_err(broken)?;
            let map = LensMap::new(d_model, matrix, None, false).map_err(LensFileError::maps(path))?;
            maps.push((layer, map));
        }
    }
    let n_layers = u16::try_from(n_layers).map_err(|_| broken("it says too many layers".to_owned()))?;
    let provenance = Provenance::default()
        .with_source(Some(path.display().to_string()))
        .with_sha256(Some(stored.sha256()))
        .with_details(details(&table));
    let translator = Translator::jacobian(d_model, Site::ResidPost, maps, provenance)
        .map_err(LensFileError::maps(path))?;
    let made_for = MadeFor::default().with_n_layers(Some(n_layers));
    Ok(LensFile::new(translator).with_made_for(made_for).with_notes(stored.notes.clone()))
}

/// J of a block, multiplied out where it is stored as a product.
fn matrix(stored: &Stored, layer: u16, d_model: usize) -> Result<Vec<f32>, String> {
    let (left, right) = (format!("J/{layer}/{ALL}"), format!("U/{layer}/{ALL}"));
    let y = stored.tensor(&left)?;
    if !stored.names().any(|name| name == right) {
        return match y.shape().as_slice() {
            [rows, columns] if *rows == d_model && *columns == d_model => {
                y.to_vec().map_err(|error| error.to_string())
            }
            shape => Err(format!("{left} is {shape:?}, and the header says d_model = {d_model}")),
        };
    }
    let u = stored.tensor(&right)?;
    let rank = match (y.shape().as_slice(), u.shape().as_slice()) {
        ([d, rank], [other, e]) if *d == d_model && *e == d_model && rank == other => *rank,
        (y, u) => {
            return Err(format!(
                "{left} {y:?} and {right} {u:?} do not make a [{d_model}, {d_model}] matrix"
            ));
        }
    };
    let [y, u] = [y.to_vec(), u.to_vec()].map(|values| values.map_err(|error| error.to_string()));
    Ok(product(&y?, &u?, rank, d_model))
}

/// Y U in float64, row-major: `y` is `[d_model, rank]` and `u` is `[rank, d_model]`.
fn product(y: &[f32], u: &[f32], rank: usize, d_model: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(d_model * d_model);
    for row in 0..d_model {
        let mut sums = vec![0.0_f64; d_model];
        for (index, factor) in y[row * rank..][..rank].iter().enumerate() {
            let along = &u[index * d_model..][..d_model];
            sums.iter_mut()
                .zip(along)
                .for_each(|(sum, value)| *sum += f64::from(*factor) * f64::from(*value));
        }
        out.extend(sums.into_iter().map(|sum| sum as f32));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_multiplied_out() {
        // [[1, 2], [3, 4]] [[5, 6], [7, 8]], of rank 2; and a rank of 1.
        assert_eq!(product(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], 2, 2), [19.0, 22.0, 43.0, 50.0]);
        assert_eq!(product(&[1.0, 2.0], &[3.0, 4.0], 1, 2), [3.0, 4.0, 6.0, 8.0]);
    }
}
