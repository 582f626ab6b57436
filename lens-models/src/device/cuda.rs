//! CUDA as a choice at run time: one binary serves machines with and without a card.
//!
//! libtorch finds its CUDA half by registration: when `libtorch_cuda.so` is opened with global symbols, before the
//! first tensor, it announces itself. So the binary is linked with the CPU half alone and looks for the other one:
//! in the folder that `LENS_LIBTORCH` names, then beside the `libtorch_cpu.so` that is running, then in `cuda/` beside
//! its folder, where `cargo xtask setup --cuda` puts it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::{Card, DeviceError, Place};

/// The environment variable that names a folder with a whole libtorch 2.11, such as `torch/lib` of a Python.
pub const LIBTORCH_VARIABLE: &str = "LENS_LIBTORCH";

const CUDA: &str = "libtorch_cuda.so";
const CPU: &str = "libtorch_cpu.so";

/// Opens libtorch's CUDA half, once, and returns the number of cards that can be used.
///
/// # Errors
/// When the library, the driver or a card is missing; the reason says which, and what to do.
pub fn open() -> Result<u8, DeviceError> {
    static OPENED: OnceLock<Result<u8, DeviceError>> = OnceLock::new();
    let opened = OPENED.get_or_init(|| {
        // libtorch asks for its CUDA half once and remembers the answer: not a word to it before that half is open.
        if folder_of(CUDA).is_none() {
            load(&find()?).map_err(unavailable)?;
        }
        if !tch::utils::has_cudart() {
            let reason = "libtorch was used before its CUDA half was open, and has decided that there is none: load the model \
                          for the card before any other";
            return Err(unavailable(reason.to_owned()));
        }
        count().map_err(unavailable)
    });
    opened.clone()
}

fn unavailable(reason: String) -> DeviceError {
    DeviceError::Unavailable { place: Place::Cuda(0), reason }
}

/// The cards of this machine and their free memory.
///
/// # Errors
/// As [`open`], and when the CUDA runtime does not say how much memory is free.
pub fn cards() -> Result<Vec<Card>, DeviceError> {
    (0..open()?).map(|n| Ok(Card { place: Place::Cuda(n), free: free_memory(n)? })).collect()
}

/// The CUDA half that belongs to the libtorch that is running.
fn find() -> Result<PathBuf, DeviceError> {
    if !cfg!(target_os = "linux") {
        return Err(unavailable("CUDA is looked for on Linux only".to_owned()));
    }
    let running = folder_of(CPU);
    if let Some(named) = env::var_os(LIBTORCH_VARIABLE).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        let folder =
            [named.join("lib"), named.clone()].into_iter().find(|folder| folder.join(CUDA).is_file());
        let missing = || format!("there is no {CUDA} in {LIBTORCH_VARIABLE}={}", named.display());
        let folder = folder.ok_or_else(|| unavailable(missing()))?;
        same_version(&folder, running.as_deref()).map_err(unavailable)?;
        return Ok(folder.join(CUDA));
    }
    let folder = running.ok_or_else(|| unavailable("it is unknown which libtorch is running".to_owned()))?;
    // Beside it, or where set-up puts it.
    let places = [folder.join(CUDA), folder.join("../cuda").join(CUDA)];
    if let Some(file) = places.into_iter().find(|file| file.is_file()) {
        return Ok(file);
    }
    Err(DeviceError::NoCudaHalf {
        place: Place::Cuda(0),
        libtorch: folder.display().to_string(),
        variable: LIBTORCH_VARIABLE,
    })
}

/// The folder of a library in this process.
fn folder_of(library: &str) -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().find_map(|line| {
        let path = Path::new(line.get(line.find('/')?..)?);
        (path.file_name()? == library).then_some(path)
    })?;
    path.parent().map(Path::to_owned)
}

/// The folders that this process has CUDA libraries from: NVIDIA's other libraries are beside them.
pub(crate) fn library_folders() -> Vec<PathBuf> {
    ["libcudart.so.13", "libcublas.so.13", CUDA].iter().filter_map(|library| folder_of(library)).collect()
}

/// Both halves must be of one build: the CPU half that runs is that of `folder`, or as long to the byte.
fn same_version(folder: &Path, running: Option<&Path>) -> Result<(), String> {
    let length = |folder: &Path| fs::metadata(folder.join(CPU)).map(|file| file.len()).ok();
    match running {
        Some(running) if length(folder) != length(running) => Err(format!(
            "{CPU} in {} is not the one that is running, from {}: {LIBTORCH_VARIABLE} must name a torch 2.11.0 of \
             PyPI",
            folder.display(),
            running.display()
        )),
        _ => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn load(file: &Path) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};

    // SAFETY: its initialisers are libtorch's own, which register kernels; it is the CUDA half of the libtorch that
    // is running, and no tensor exists yet that could miss them.
    #[expect(unsafe_code, reason = "a library of libtorch is opened")]
    let library = unsafe { Library::open(Some(file), RTLD_LAZY | RTLD_GLOBAL) }
        .map_err(|error| format!("{} cannot be opened: {error}", file.display()))?;
    // Kernels stay registered, so it stays open.
    std::mem::forget(library);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn load(file: &Path) -> Result<(), String> {
    Err(format!("{} cannot be opened on this system", file.display()))
}

/// Whether an NVIDIA driver is loaded (or, in WSL, that of the host reached).
pub(super) fn has_driver() -> bool {
    ["/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg"].iter().any(|sign| Path::new(sign).exists())
}

/// The number of cards, at least one.
fn count() -> Result<u8, String> {
    let count = tch::Cuda::device_count();
    if count > 0 {
        return Ok(u8::try_from(count).unwrap_or(u8::MAX));
    }
    if !has_driver() {
        return Err(
            "no NVIDIA driver is loaded on this machine (there is neither /proc/driver/nvidia nor /dev/nvidiactl)".to_owned()
        );
    }
    let hidden = env::var("CUDA_VISIBLE_DEVICES").map(|value| format!(" (CUDA_VISIBLE_DEVICES={value:?})"));
    Err(format!(
        "the driver offers no card{}: libtorch 2.11 needs one that its CUDA 13 supports and a driver of version 580 or \
         newer",
        hidden.unwrap_or_default()
    ))
}

/// Bytes that can still be allocated on a card, as the CUDA runtime says.
#[cfg(target_os = "linux")]
fn free_memory(card: u8) -> Result<u64, DeviceError> {
    use std::ffi::c_int;

    use libloading::os::unix::{Library, RTLD_LAZY, Symbol};

    type SetDevice = unsafe extern "C" fn(c_int) -> c_int;
    type GetDevice = unsafe extern "C" fn(*mut c_int) -> c_int;
    type MemGetInfo = unsafe extern "C" fn(*mut usize, *mut usize) -> c_int;

    let place = Place::Cuda(card);
    let failed = |reason: String| DeviceError::Unavailable { place, reason };
    // SAFETY: libtorch has the CUDA runtime open already; the symbols have these types in every version of it, and
    // the pointers are those of local variables.
    #[expect(unsafe_code, reason = "the CUDA runtime is asked for free memory")]
    unsafe {
        let runtime =
            Library::open(Some("libcudart.so.13"), RTLD_LAZY).map_err(|error| failed(error.to_string()))?;
        let symbol = |error: libloading::Error| failed(error.to_string());
        let get_device: Symbol<GetDevice> = runtime.get(b"cudaGetDevice\0").map_err(symbol)?;
        let set_device: Symbol<SetDevice> = runtime.get(b"cudaSetDevice\0").map_err(symbol)?;
        let mem_get_info: Symbol<MemGetInfo> = runtime.get(b"cudaMemGetInfo\0").map_err(symbol)?;
        let (mut before, mut free, mut total) = (0, 0, 0);
        let mut codes = [get_device(&raw mut before), set_device(c_int::from(card)), 0, 0];
        codes[2] = mem_get_info(&raw mut free, &raw mut total);
        codes[3] = set_device(before);
        match codes.into_iter().find(|code| *code != 0) {
            Some(code) => {
                Err(failed(format!("the CUDA runtime does not say how much memory is free (error {code})")))
            }
            None => Ok(free as u64),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn free_memory(card: u8) -> Result<u64, DeviceError> {
    let reason = "free memory is known on Linux only".to_owned();
    Err(DeviceError::Unavailable { place: Place::Cuda(card), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_libtorch_is_found() {
        drop(tch::Tensor::from(1.0)); // it is loaded, and used
        let folder = folder_of(CPU).expect("this test runs on it");
        assert!(folder.join(CPU).is_file(), "{}", folder.display());
    }

    #[test]
    fn halves_of_different_builds_are_not_mixed() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(one.path().join(CPU), "a library").unwrap();
        fs::write(other.path().join(CPU), "a library").unwrap();
        assert_eq!(same_version(one.path(), Some(other.path())), Ok(()));
        fs::write(other.path().join(CPU), "another library").unwrap();
        let refused = same_version(one.path(), Some(other.path())).unwrap_err();
        assert!(refused.contains("is not the one that is running"), "{refused}");
    }
}
