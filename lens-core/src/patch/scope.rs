//! Patchscopes: states of one prompt, put into a prompt that makes the model say what they hold (Ghandeharioun et al.,
//! 2024, <https://arxiv.org/abs/2401.06102>).

use super::{
    Watch,
    captured::Captured,
    cell::{Cell, Pair},
    donor::Donor,
    error::PatchError,
    places::Resolved,
    request::PatchscopeRequest,
    result::{Experiment, Patched},
    sweep::Sweep,
    tokens::Tokens,
};
use crate::{
    backend::Backend,
    point::{Point, Site},
};

/// Puts states of the source prompt into the target prompt, every chosen layer into every chosen layer, and reads what the
/// model says next there. Both prompts are run once.
///
/// # Errors
/// As [`patch`](super::patch()).
pub fn patchscope<B: Backend>(
    backend: &mut B,
    request: &PatchscopeRequest<'_>,
    watch: &mut Watch<'_>,
) -> Result<Patched, PatchError> {
    super::unedited(backend, |backend| {
        let resolved = cells(backend, request)?;
        let taken = resolved.taken();
        let source = Captured::run(backend, request.source, &taken, resolved.from(), false)?;
        let donor = Donor::rows(backend, &source, &taken, resolved.from())?;
        let inputs = resolved.inputs(backend.info());
        let base = Captured::run(backend, request.target, &inputs, 0..=request.target.read, true)?;
        let tokens = Tokens::of_scope(backend, &request.ask)?;
        let reference = backend.select(&base.last, 0..1)?;
        let mut sweep = Sweep::new(backend, request.target, base, reference, &tokens);
        let mut patched = Patched::new(Experiment::Patchscope, request.target, sweep.unchanged()?, &tokens);
        patched.fill(&mut sweep, resolved, &donor, &[&source.last], watch)?;
        Ok(patched)
    })
}

/// Every source position and layer, with every target layer.
fn cells<B: Backend>(backend: &B, request: &PatchscopeRequest<'_>) -> Result<Resolved, PatchError> {
    let site = request.site;
    if !matches!(site, Site::ResidPre | Site::ResidPost) {
        return Err(PatchError::NotAState { site });
    }
    let pairs: Vec<Pair> = request
        .source_positions
        .iter()
        .map(|from| Pair { to: request.target_position, from: *from })
        .collect();
    let n_layers = usize::from(backend.info().n_layers);
    let sources = request.source_layers.resolve(n_layers, "layer")?;
    let targets = request.target_layers.resolve(n_layers, "layer")?;
    let mut cells = Vec::new();
    for pair in &pairs {
        for source in &sources {
            let into = targets.iter().map(|target| Cell {
                source_layer: Some(*source as u16),
                ..Cell::new(Point::block(*target as u16, site), Some(*pair))
            });
            cells.extend(into);
        }
    }
    Resolved::of_cells(backend, cells, pairs, request.target, request.source)
}
