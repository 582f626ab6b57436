//! One Jacobian lens of several that were fitted to different prompts.

use std::collections::BTreeMap;

use lens_core::{Component, LensKind, LensMap, Point, Provenance, Site, Translator};

use super::FitError;

/// What a lens's provenance calls the number of prompts that it is the mean of.
pub const N_PROMPTS: &str = "n_prompts";

/// The mean of Jacobian lenses, weighted by the prompts of each (`n_prompts` in its provenance): the lens of all the
/// prompts together. What all of them say of where they come from, the new one says too.
///
/// # Errors
/// When there is none, one is not a Jacobian lens or does not say how many prompts it has, or they have maps for
/// different points.
pub fn merge(lenses: &[Translator]) -> Result<Translator, FitError> {
    let refuse = |i: usize, reason: &str| {
        let source = lenses[i].provenance().source.clone();
        let which = source.unwrap_or_else(|| format!("lens {}", i + 1));
        Err(FitError::Merge { which, reason: reason.to_owned() })
    };
    let Some(first) = lenses.first() else { return Err(FitError::NoPrompts) };
    let mut weights = Vec::with_capacity(lenses.len());
    for (i, lens) in lenses.iter().enumerate() {
        if lens.kind() != LensKind::Jacobian {
            return refuse(i, "it is not a Jacobian lens");
        }
        if !lens.points().eq(first.points()) || lens.d_model() != first.d_model() {
            return refuse(i, "it has maps for other points, or of another width, than the first");
        }
        if lens.provenance().base_model != first.provenance().base_model {
            return refuse(i, "it was made for another model than the first");
        }
        match lens.provenance().details.get(N_PROMPTS).and_then(|said| said.parse::<u32>().ok()) {
            Some(n @ 1..) => weights.push(n),
            _ => return refuse(i, "it does not say how many prompts it is the mean of (n_prompts)"),
        }
    }
    let total: u64 = weights.iter().copied().map(u64::from).sum();
    let mut site = Site::ResidPost;
    let mut maps = Vec::new();
    for point in first.points() {
        let (Some(layer), Component::Site(here)) = (point.layer(), point.component()) else { continue };
        site = here;
        maps.push((layer, mean(lenses, &weights, total, point)?));
    }
    Ok(Translator::jacobian(first.d_model(), site, maps, common(lenses, total))?)
}

/// The weighted mean of the maps for a point.
fn mean(lenses: &[Translator], weights: &[u32], total: u64, point: Point) -> Result<LensMap, FitError> {
    let mut sum: Vec<f64> = Vec::new();
    let mut d_model = 0;
    for (lens, n) in lenses.iter().zip(weights) {
        let Some(map) = lens.map(point) else { continue };
        d_model = map.d_model();
        sum.resize(map.weight().len(), 0.0);
        let share = f64::from(*n) / total as f64;
        sum.iter_mut().zip(map.weight()).for_each(|(sum, value)| *sum += share * f64::from(*value));
    }
    Ok(LensMap::new(d_model, sum.into_iter().map(|value| value as f32).collect(), None, false)?)
}

/// What all lenses say of themselves, with the number of all prompts.
fn common(lenses: &[Translator], total: u64) -> Provenance {
    let all_say = |said: &dyn Fn(&Provenance) -> Option<String>| {
        let mut each = lenses.iter().map(|lens| said(lens.provenance()));
        let first = each.next().flatten();
        first.filter(|first| each.all(|other| other.as_ref() == Some(first)))
    };
    let first = lenses.first().map(|lens| lens.provenance().details.clone()).unwrap_or_default();
    let mut details: BTreeMap<String, String> = first
        .into_keys()
        .filter_map(|key| Some((key.clone(), all_say(&|said| said.details.get(&key).cloned())?)))
        .collect();
    details.insert(N_PROMPTS.to_owned(), total.to_string());
    details.insert("merged".to_owned(), lenses.len().to_string());
    Provenance::default()
        .with_base_model(all_say(&|said| said.base_model.clone()))
        .with_base_revision(all_say(&|said| said.base_revision.clone()))
        .with_details(details)
}
