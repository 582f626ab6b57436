//! A machine in host memory, whose kernels the C++ compiler has made.
#![allow(unsafe_code, reason = "a library is loaded, and kernels are run on buffers")]

use std::{
    env,
    ffi::{c_int, c_uint},
    path::{Path, PathBuf},
    process::{Command, id},
    sync::{LazyLock, Mutex},
};

use lens_core::{BackendError, Post};
use lens_cuda::{Args, Kernel, Logits, Machine, Source};

type Run = unsafe extern "C" fn(c_uint, c_uint, *const Args) -> c_int;

/// The kernels of one source, once for all tests.
struct Host {
    run: Run,
}

/// Held while a kernel runs: its threads take turns in global variables, which the loader may share between libraries.
static TURN: Mutex<()> = Mutex::new(());

impl Host {
    fn compile(source: Source) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/host.cpp");
        let name = format!("readout-{}-{}-{}.so", u8::from(source.bias), u8::from(source.cap), id());
        let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let compiler = env::var_os("CXX").filter(|name| !name.is_empty()).unwrap_or_else(|| "c++".into());
        // The kernels are compiled without contraction for a card, and so here.
        let words =
            ["-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared", "-Wno-unknown-pragmas", "-o"];
        let output = Command::new(&compiler)
            .args(words)
            .args([&library, &here])
            .args(source.defines())
            .output()
            .unwrap_or_else(|error| panic!("{} cannot be run: {error}", compiler.display()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // SAFETY: the library was made above and has no initialisers.
        let opened = unsafe { libloading::Library::new(&library) }.unwrap();
        std::fs::remove_file(&library).unwrap();
        let opened = Box::leak(Box::new(opened));
        // SAFETY: these are the functions of host.cpp.
        let (run, size) = unsafe {
            let size: libloading::Symbol<'_, unsafe extern "C" fn() -> c_uint> =
                opened.get("size_of_arguments").unwrap();
            (*opened.get::<Run>("run").unwrap(), size())
        };
        assert_eq!(size as usize, size_of::<Args>(), "Rust and C++ disagree about the arguments");
        Self { run }
    }

    fn of(source: Source) -> &'static Self {
        static ALL: [LazyLock<Host>; 4] = [
            LazyLock::new(|| Host::compile(Source::all()[0])),
            LazyLock::new(|| Host::compile(Source::all()[1])),
            LazyLock::new(|| Host::compile(Source::all()[2])),
            LazyLock::new(|| Host::compile(Source::all()[3])),
        ];
        &ALL[Source::all().iter().position(|one| *one == source).unwrap()]
    }
}

/// Host memory.
pub(crate) struct Memory {
    host: &'static Host,
}

impl Memory {
    /// A machine for models that finish their logits so.
    pub(crate) fn new(post: Post, bias: Option<&[f32]>) -> Self {
        Self { host: Host::of(Source::of(post, bias.is_some())) }
    }
}

// SAFETY: buffers are vectors, which stay where they are; a kernel is done when `launch` returns.
unsafe impl Machine for Memory {
    type Buffer = Vec<u64>;
    type Error = BackendError;

    fn buffer(&self, bytes: usize) -> Result<Vec<u64>, BackendError> {
        // What nobody writes must not look like an answer.
        Ok(vec![0xdead_beef_dead_beef; bytes.div_ceil(8)])
    }

    fn upload(&self, numbers: &[i32]) -> Result<Vec<u64>, BackendError> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_ne_bytes(word)
        };
        Ok(bytes.chunks(8).map(word).collect())
    }

    fn address(&self, buffer: &Vec<u64>) -> u64 {
        buffer.as_ptr() as u64
    }

    fn download(&self, buffer: &Vec<u64>) -> Result<Vec<u8>, BackendError> {
        Ok(buffer.iter().flat_map(|word| word.to_ne_bytes()).collect())
    }

    fn launch(&self, kernel: Kernel, blocks: u32, args: &Args) -> Result<(), BackendError> {
        let _turn = TURN.lock().unwrap();
        // SAFETY: the arguments are those of `lens_cuda::read`, over buffers of this machine.
        let code = unsafe { (self.host.run)(kernel as c_uint, blocks, args) };
        assert_eq!(code, 0, "the threads of {} wait for each other for ever", kernel.name());
        Ok(())
    }
}

/// Logits in host memory.
pub(crate) fn logits(products: &[f32], shape: [usize; 3], bias: Option<&[f32]>, post: Post) -> Logits {
    assert_eq!(products.len(), shape.into_iter().product::<usize>());
    assert!(bias.is_none_or(|bias| bias.len() == shape[2]));
    // SAFETY: both are in host memory, and as long as they should be.
    unsafe { Logits::new(products.as_ptr() as u64, shape, bias.map(|bias| bias.as_ptr() as u64), post) }
}
