//! libtorch, brought without an installation: pinned wheels of the package index, of which the CPU half is unpacked
//! into `.libtorch/` of the checkout.

mod cache;
mod compiler;
mod cuda;
mod download;
mod error;
mod own;
mod pins;
mod python;
mod surroundings;
mod tree;

use std::path::Path;

use cache::{Cache, Fetch};
use pins::{Bundle, VERSION};
use python::Python;

pub(crate) use error::SetupError;
pub(crate) use surroundings::Surroundings;

/// Makes the checkout ready to build with libtorch, and says in one line what it builds with. Cheap when it is.
///
/// A checkout that has the CUDA half keeps it.
pub(crate) fn ensure(root: &Path) -> Result<String, SetupError> {
    let around = Surroundings::from_env(root);
    compiler::check(&around)?;
    let has_cuda = |bundle: &&Bundle| tree::is_whole(&around.own_place(), &bundle.id());
    match pins::for_host_with_cuda().ok().filter(has_cuda) {
        Some(bundle) => set_up(&around, || Ok(bundle), None),
        None => set_up(&around, pins::for_host, None),
    }
}

/// The same with the CUDA half.
pub(crate) fn ensure_cuda(root: &Path) -> Result<String, SetupError> {
    let around = Surroundings::from_env(root);
    compiler::check(&around)?;
    let is_own = own::find(&around)?.is_some();
    let said = set_up(&around, pins::for_host_with_cuda, None)?;
    Ok(if is_own {
        format!("{said}: whether it has a CUDA half is up to you, nothing was fetched")
    } else {
        format!("{said}, with its CUDA half where `lens --device cuda` looks for it")
    })
}

/// Puts the checkout's libtorch where installed binaries look for it (lens-cli/src/engine/libtorch.rs), so that the checkout
/// may go; it is linked where the disk allows it, and copied elsewhere. `None` where libtorch is the user's own, and stays
/// where it is. The checkout is ready.
pub(crate) fn keep_for_installed(root: &Path) -> Result<Option<String>, SetupError> {
    let around = Surroundings::from_env(root);
    if own::find(&around)?.is_some() {
        return Ok(None);
    }
    let bundles: Vec<_> = [pins::for_host_with_cuda(), pins::for_host()].into_iter().flatten().collect();
    keep(&around, &bundles)
}

/// The step of [`keep_for_installed`], with the bundles that may be there; those that have more come first.
fn keep(around: &Surroundings, bundles: &[&'static Bundle]) -> Result<Option<String>, SetupError> {
    let (from, to) = (around.own_place(), around.installed_place()?);
    let which = |place: &Path| bundles.iter().position(|bundle| tree::is_whole(place, &bundle.id()));
    let Some(here) = which(&from) else { return Ok(None) };
    // What has the CUDA half is not replaced by what has none.
    if which(&to).is_none_or(|there| there > here) {
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(SetupError::io("make", parent))?;
        }
        tree::place(&from, &to)?;
    }
    Ok(Some(format!("installed binaries find it in {}", to.display())))
}

/// The steps of [`ensure`], with the pins and the download as arguments: tests have neither a network nor half a
/// gigabyte.
fn set_up(
    around: &Surroundings,
    bundle: impl FnOnce() -> Result<&'static Bundle, SetupError>,
    fetch: Option<Fetch<'_>>,
) -> Result<String, SetupError> {
    if let Some(own) = own::find(around)? {
        let (origin, found) = own.check(around)?;
        return Ok(format!("using your own libtorch {found} from {origin}"));
    }
    let bundle = bundle()?;
    let place = around.own_place();
    if !tree::is_whole(&place, &bundle.id()) {
        if !bundle.tried {
            eprintln!(
                "note: the libtorch for {} is pinned but has not been tried by the authors",
                bundle.platform
            );
        }
        let python = Python::find(around)?;
        let cache = Cache::open(around.cache()?, python.clone())?;
        let pip: Fetch<'_> = &|wheel, into, kept| download::with_pip(&python, wheel, into, kept);
        let tree = cache.tree(bundle, fetch.unwrap_or(pip))?;
        tree::place(&tree, &place)?;
    }
    Ok(format!("libtorch {VERSION} is in {}", place.display()))
}

#[cfg(test)]
mod tests;
