//! Writes a Jacobian lens as jlens does.

use std::io::Write;

use half::f16;
use lens_core::{Component, LensKind, LensMap, Site};

use super::{
    super::{error::LensFileError, file::LensFile},
    KIND,
};
use crate::pickle::{Floats, Pickler, TorchWriter};

/// Writes a `.pt`, in float16 as jlens has it: a file that `torch.load(…, weights_only=True)` reads. Says, as sentences
/// for a person, what the rounding changed.
///
/// # Errors
/// When it cannot be written, the lens is not a Jacobian one, or a value is beyond what float16 holds.
pub fn write_torch(lens: &LensFile, out: &mut dyn Write) -> Result<Vec<String>, LensFileError> {
    let unwritable = |reason: String| LensFileError::Unwritable { kind: KIND, reason };
    let translator = &lens.translator;
    if translator.kind() != LensKind::Jacobian {
        return Err(unwritable(format!("it is a {} lens", translator.kind())));
    }
    let mut site = None;
    let mut maps: Vec<(u16, &LensMap)> = Vec::new();
    for point in translator.points() {
        let here = match point.component() {
            Component::Site(here @ (Site::ResidPost | Site::AttnOut | Site::MlpOut)) => here,
            other => {
                return Err(unwritable(format!(
                    "it has a map for {other}, and such a file has no word for it"
                )));
            }
        };
        if *site.get_or_insert(here) != here {
            return Err(unwritable("it has maps for several components".to_owned()));
        }
        if let (Some(layer), Some(map)) = (point.layer(), translator.map(point)) {
            if map.is_residual() || map.bias().is_some() {
                return Err(unwritable(format!("its map for {point} is not a matrix alone")));
            }
            maps.push((layer, &**map));
        }
    }
    let change = rounding(&maps).map_err(unwritable)?;
    let pickle = pickle(lens, &maps, site.unwrap_or(Site::ResidPost));
    let storages: Vec<Floats<'_>> = maps.iter().map(|(_, map)| Floats::Half(map.weight())).collect();
    TorchWriter::new(out, "lens").write(&pickle, &storages).map_err(LensFileError::write)?;
    let note = format!("the matrices were rounded to float16, as jlens stores them: by {change:.1e} at most");
    Ok(if change > 0.0 { vec![note] } else { Vec::new() })
}

/// The largest change of a value that is rounded to float16.
fn rounding(maps: &[(u16, &LensMap)]) -> Result<f32, String> {
    let mut largest = 0.0_f32;
    for (layer, map) in maps {
        for value in map.weight() {
            let rounded = f16::from_f32(*value).to_f32();
            if !rounded.is_finite() {
                return Err(format!(
                    "the matrix of block {layer} has the value {value}, beyond what float16 holds"
                ));
            }
            largest = largest.max((rounded - value).abs());
        }
    }
    Ok(largest)
}

/// `{"J": {block: tensor}, "n_prompts": …, "source_layers": […], "d_model": …}`, with `provenance` where the vectors are
/// not outputs of blocks.
fn pickle(lens: &LensFile, maps: &[(u16, &LensMap)], site: Site) -> Vec<u8> {
    let d_model = lens.translator.d_model();
    let n_prompts = lens.translator.provenance().details.get("n_prompts");
    let mut pickler = Pickler::new();
    pickler.empty_dict();
    pickler.mark();
    pickler.text("J");
    pickler.empty_dict();
    several(&mut pickler, maps.len(), Pickler::set_item, Pickler::set_items, |pickler, index| {
        pickler.int(maps[index].0.into());
        pickler.tensor(&[d_model, d_model], index, Floats::HALF);
    });
    pickler.text("n_prompts");
    pickler.int(n_prompts.and_then(|n| n.parse().ok()).unwrap_or(0));
    pickler.text("source_layers");
    pickler.empty_list();
    several(&mut pickler, maps.len(), Pickler::append, Pickler::append_all, |pickler, index| {
        pickler.int(maps[index].0.into());
    });
    pickler.text("d_model");
    pickler.int(d_model);
    if site != Site::ResidPost {
        pickler.text("provenance");
        pickler.empty_dict();
        pickler.mark();
        pickler.text("capture_point");
        pickler.text(&site.to_string());
        pickler.text("stream_reduce");
        pickler.text("none");
        pickler.text("stream_index");
        pickler.none();
        pickler.set_items();
    }
    pickler.set_items();
    pickler.finish()
}

/// Writes items of a table or list as Python does: one by itself, several between a mark and an instruction. There are
/// fewer than the thousand that Python would cut at, or the reader does not mind.
fn several(
    pickler: &mut Pickler,
    count: usize,
    one: fn(&mut Pickler),
    all: fn(&mut Pickler),
    item: impl Fn(&mut Pickler, usize),
) {
    if count > 1 {
        pickler.mark();
    }
    (0..count).for_each(|index| item(pickler, index));
    if count > 1 { all(pickler) } else { one(pickler) }
}
