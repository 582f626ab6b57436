//! Whether a lens can be one for a model, and what it lacks there.

use std::sync::Arc;

use lens_core::{Component, LensKind, LensMap, MapShapeError, Point, Site, Translator};

use super::{digest::unembed_sha256, error::LensFileError, file::LensFile};
use crate::{checkpoint::Checkpoint, spec::DecoderSpec};

/// A lens that fits a model, as a plan takes it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Matched {
    /// The lens.
    pub translator: Arc<Translator>,
    /// What was assumed, and what is doubtful about this lens on this model, as sentences for a person.
    pub notes: Vec<String>,
}

/// Compares a lens with a model. What cannot be right is an error: another number of blocks, another width of the
/// stream. What may be wrong is a note: another vocabulary, another unembedding. The name of the model is compared when
/// a plan is made, as that of any lens.
///
/// A Jacobian lens of block outputs gets the identity for the last block, whose output is what all its maps lead to.
///
/// # Errors
/// When the lens cannot be one for this model.
pub fn for_model(lens: LensFile, checkpoint: &Checkpoint) -> Result<Matched, LensFileError> {
    let spec = &checkpoint.outline().spec;
    let (made_for, n_layers) = (&lens.made_for, spec.layers.len());
    let source = lens.translator.provenance().source.clone().unwrap_or_else(|| "the lens".to_owned());
    let refused = |problem: String| Err(LensFileError::OtherModel { source_name: source.clone(), problem });
    if lens.translator.d_model() != spec.d_model {
        return refused(format!(
            "it is for a stream of {} values, and this model's has {}",
            lens.translator.d_model(),
            spec.d_model
        ));
    }
    if let Some(made) = made_for.n_layers.filter(|made| usize::from(*made) != n_layers) {
        return refused(format!("it is for a model of {made} blocks, and this one has {n_layers}"));
    }
    let mut notes = lens.notes;
    if let Some(made) = made_for.n_vocab.filter(|made| *made != spec.n_vocab()) {
        notes.push(format!(
            "{source} was made for an unembedding of {made} rows, and this model's has {}: it may be a lens for another \
             model",
            spec.n_vocab()
        ));
    }
    if let Some(made) = &made_for.unembed_sha256
        && unembed_sha256(checkpoint).is_some_and(|own| own != made)
    {
        notes.push(format!(
            "{source} was made with another unembedding than this model's (their bytes differ): it may be a lens for \
             another model, or for this one in another dtype"
        ));
    }
    notes.extend(beside_the_stream(&lens.translator, spec, &source));
    let (translator, note) = completed(lens.translator, n_layers, &source)?;
    notes.extend(note);
    Ok(Matched { translator: translator.into(), notes })
}

/// A note on maps for what a part of a block computes, where something happens to that before it is added: files do not
/// say on which side of it they were made.
fn beside_the_stream(lens: &Translator, spec: &DecoderSpec, source: &str) -> Option<String> {
    let changes = |point: Point| {
        let layer = spec.layers.get(usize::from(point.layer()?))?;
        let norm = match point.component() {
            Component::Site(Site::AttnOut) => &layer.attn_post_norm,
            Component::Site(Site::MlpOut) => &layer.mlp_post_norm,
            _ => return None,
        };
        (norm.is_some() || layer.multiplier.is_some()).then(|| point.component())
    };
    let component = lens.points().find_map(changes)?;
    Some(format!(
        "{source} has maps for {component}, which is here what is added to the stream, after the norm or the factor that \
         this model has there: a lens made before that is another one"
    ))
}

/// The lens with the identity for the last block's output, where it is a Jacobian lens of block outputs without it.
fn completed(
    lens: Translator,
    n_layers: usize,
    source: &str,
) -> Result<(Translator, Option<String>), LensFileError> {
    let last = u16::try_from(n_layers).ok().and_then(|n| n.checked_sub(1));
    let of_outputs = lens.points().all(|point| point.component() == Component::Site(Site::ResidPost));
    let Some(last) = last.map(|last| Point::block(last, Site::ResidPost)) else { return Ok((lens, None)) };
    if lens.kind() != LensKind::Jacobian || !of_outputs || lens.map(last).is_some() {
        return Ok((lens, None));
    }
    let maps = |source: MapShapeError| LensFileError::Identity { source };
    let d_model = lens.d_model();
    let mut weight = vec![0.0; d_model * d_model];
    weight.iter_mut().step_by(d_model + 1).for_each(|value| *value = 1.0);
    let identity = LensMap::new(d_model, weight, None, false).map_err(maps)?;
    let lens = lens.with_map(last, identity).map_err(maps)?;
    let note =
        format!("{source} has no map for {last}, where a Jacobian lens is the identity: it is read as that");
    Ok((lens, Some(note)))
}

#[cfg(test)]
mod tests {
    use lens_core::Provenance;

    use super::{super::file::MadeFor, *};
    use crate::demo;

    fn lens(kind: LensKind, layers: impl IntoIterator<Item = u16>, d_model: usize) -> LensFile {
        let map = |layer| {
            let map = LensMap::new(d_model, vec![0.0; d_model * d_model], None, kind == LensKind::Tuned);
            let site = if kind == LensKind::Tuned { Site::ResidPre } else { Site::ResidPost };
            (Point::block(layer, site), map.unwrap())
        };
        let provenance = Provenance::default().with_source(Some("lens.pt".to_owned()));
        LensFile::new(Translator::new(kind, d_model, layers.into_iter().map(map), provenance).unwrap())
    }

    #[test]
    fn what_cannot_be_right_is_refused_and_what_may_be_is_said() {
        let checkpoint = demo::checkpoint().unwrap();
        let spec = &checkpoint.outline().spec;
        let (d, n) = (spec.d_model, spec.layers.len() as u16);
        let refused = |lens| for_model(lens, &checkpoint).unwrap_err().to_string();
        assert!(refused(lens(LensKind::Tuned, [0], d + 1)).contains("lens.pt does not fit this model"));
        let said = MadeFor::default().with_n_layers(Some(n + 1));
        assert!(
            refused(lens(LensKind::Tuned, [0], d).with_made_for(said))
                .contains(&format!("of {} blocks", n + 1))
        );
        let notes = |made_for| {
            for_model(lens(LensKind::Tuned, [0], d).with_made_for(made_for), &checkpoint).unwrap().notes
        };
        let own = unembed_sha256(&checkpoint).map(str::to_owned);
        let right = MadeFor::default()
            .with_n_layers(Some(n))
            .with_n_vocab(Some(spec.n_vocab()))
            .with_unembed_sha256(own.clone());
        assert_eq!(notes(right), [""; 0]);
        assert!(notes(MadeFor::default().with_n_vocab(Some(7)))[0].contains("of 7 rows"));
        let other = MadeFor::default().with_unembed_sha256(own.map(|hash| hash.replace(['0', '1'], "2")));
        assert!(notes(other)[0].contains("another unembedding"));
    }

    #[test]
    fn the_last_output_is_the_identity_of_a_jacobian_lens() {
        let checkpoint = demo::checkpoint().unwrap();
        let (d, n) = (checkpoint.outline().spec.d_model, checkpoint.outline().spec.layers.len() as u16);
        let matched = for_model(lens(LensKind::Jacobian, 0..n - 1, d), &checkpoint).unwrap();
        assert!(matched.notes[0].contains("the identity"), "{:?}", matched.notes);
        let map = matched.translator.map(Point::block(n - 1, Site::ResidPost)).unwrap();
        let x: Vec<f32> = (0..d).map(|i| i as f32 - 3.5).collect();
        assert_eq!(map.apply(&x), x);
        let whole = for_model(lens(LensKind::Jacobian, 0..n, d), &checkpoint).unwrap();
        assert_eq!(whole.notes, [""; 0]);
        let tuned = for_model(lens(LensKind::Tuned, 0..n, d), &checkpoint).unwrap();
        assert_eq!(tuned.translator.points().count(), usize::from(n));
    }
}
