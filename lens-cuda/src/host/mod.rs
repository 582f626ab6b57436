//! The kernels compiled for the host by the C++ compiler: their arithmetic is tested on machines that have no card.
//!
//! The same source, with a header that gives what CUDA gives. The threads of a block take turns on one thread, each until
//! it has to wait for the others; this is not for speed.
#![allow(unsafe_code, reason = "a library is compiled and loaded")]

use std::{
    env,
    ffi::{c_int, c_uint, c_void},
    fs,
    path::Path,
    process::{Command, id},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    error::CudaError,
    kernel::{Args, Call, Kernel, NormArgs, Source},
    launch::Launch,
    library::Library,
};

type Run = unsafe extern "C" fn(c_uint, c_uint, *const c_void) -> c_int;
type Size = unsafe extern "C" fn(c_uint) -> c_uint;

/// The kernels of one source, in this process.
#[derive(Debug, Clone, Copy)]
pub struct HostKernels {
    run: Run,
}

/// Held while a kernel runs: its threads take turns in global variables, which the loader may share between libraries.
static TURN: Mutex<()> = Mutex::new(());

impl HostKernels {
    /// The kernels of a source, compiled once in a process by what `CXX` names, or else by `c++`.
    ///
    /// # Errors
    /// When there is no compiler, or it refuses.
    pub fn of(source: Source) -> Result<Self, CudaError> {
        static COMPILED: [OnceLock<Result<HostKernels, CudaError>>; 4] = [const { OnceLock::new() }; 4];
        let which = usize::from(source.bias) + 2 * usize::from(source.cap);
        COMPILED[which].get_or_init(|| Self::compile(source)).clone()
    }

    fn compile(source: Source) -> Result<Self, CudaError> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/host.cpp");
        let name = format!("lens-readout-{}-{}.so", id(), MADE.fetch_add(1, Ordering::Relaxed));
        let library = env::temp_dir().join(name);
        let compiler = env::var_os("CXX").filter(|name| !name.is_empty()).unwrap_or_else(|| "c++".into());
        // Without contraction, as for a card.
        let words =
            ["-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared", "-Wno-unknown-pragmas", "-o"];
        let failed = |reason: String| CudaError::Call { call: "the C++ compiler", reason };
        let output = Command::new(&compiler)
            .args(words)
            .args([&library, &here])
            .args(source.defines())
            .output()
            .map_err(|error| failed(format!("{}: {error}", compiler.display())))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let opened = Library::open(&library)?;
        // It stays in memory.
        fs::remove_file(&library).map_err(|error| failed(error.to_string()))?;
        // SAFETY: these are the functions of host.cpp.
        let (run, size) =
            unsafe { (opened.function::<Run>("run")?, opened.function::<Size>("size_of_arguments")?) };
        for (kernel, ours) in [(Kernel::Sweep, size_of::<Args>()), (Kernel::Norms, size_of::<NormArgs>())] {
            // SAFETY: it returns a number.
            let size = unsafe { size(kernel as c_uint) } as usize;
            if size != ours {
                let name = kernel.name();
                return Err(failed(format!("{name} takes arguments of {size} bytes, and of {ours} in Rust")));
            }
        }
        Ok(Self { run })
    }
}

impl Launch for HostKernels {
    unsafe fn launch(&self, call: Call<'_>, blocks: u32) -> Result<(), CudaError> {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let kernel = call.kernel();
        // SAFETY: the caller says that the addresses are right; the arguments are as long as C++ takes them to be.
        match unsafe { (self.run)(kernel as c_uint, blocks, call.argument()) } {
            0 => Ok(()),
            _ => Err(CudaError::Call {
                call: kernel.name(),
                reason: "its threads wait for each other for ever".to_owned(),
            }),
        }
    }
}
