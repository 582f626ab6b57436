//! NVRTC, NVIDIA's compiler as a library.
#![allow(unsafe_code, reason = "NVRTC is a C library")]

use std::{
    ffi::{CString, c_char, c_int, c_void},
    path::{Path, PathBuf},
    ptr,
};

use crate::{
    error::CudaError,
    kernel::{Arch, Source},
    library::Library,
};

type Program = *mut c_void;
type Create = unsafe extern "C" fn(
    *mut Program,
    *const c_char,
    *const c_char,
    c_int,
    *const *const c_char,
    *const *const c_char,
) -> c_int;
type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
type Size = unsafe extern "C" fn(Program, *mut usize) -> c_int;
type Text = unsafe extern "C" fn(Program, *mut c_char) -> c_int;
type Destroy = unsafe extern "C" fn(*mut Program) -> c_int;
type Version = unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int;

/// The compiler's names: that of CUDA 13, which libtorch 2.11 is built with, first.
const NAMES: [&str; 3] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];

/// What the compiler opens by name when it compiles, and finds only on the library path.
const BUILTINS: &str = "libnvrtc-builtins.so";

/// NVRTC.
#[derive(Debug)]
pub struct Compiler {
    version: (i32, i32),
    create: Create,
    compile: Compile,
    log_size: Size,
    log: Text,
    code_size: Size,
    code: Text,
    destroy: Destroy,
}

impl Compiler {
    /// The compiler in one of `folders`, or else on the library path.
    ///
    /// # Errors
    /// When there is none, or it is too old.
    pub fn find(folders: &[PathBuf]) -> Result<Self, CudaError> {
        let beside = folders.iter().flat_map(|folder| NAMES.map(|name| folder.join(name)));
        if let Some(file) = beside.into_iter().find(|file| file.is_file()) {
            open_builtins(file.parent().unwrap_or(Path::new(".")));
            return Self::new(Library::open(&file)?);
        }
        let mut found = NAMES.iter().map(|name| Library::open(Path::new(name)));
        let first = found.next().expect("there is a name");
        Self::new(first.or_else(|error| found.find_map(Result::ok).ok_or(error))?)
    }

    fn new(library: &'static Library) -> Result<Self, CudaError> {
        // SAFETY: these are the types of NVRTC's functions in all versions that have them.
        let (version, compiler) = unsafe {
            let version: Version = library.function("nvrtcVersion")?;
            let compiler = Self {
                version: (0, 0),
                create: library.function("nvrtcCreateProgram")?,
                compile: library.function("nvrtcCompileProgram")?,
                log_size: library.function("nvrtcGetProgramLogSize")?,
                log: library.function("nvrtcGetProgramLog")?,
                code_size: library.function("nvrtcGetCUBINSize")?,
                code: library.function("nvrtcGetCUBIN")?,
                destroy: library.function("nvrtcDestroyProgram")?,
            };
            (version, compiler)
        };
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both are places for an int.
        done("nvrtcVersion", unsafe { version(&raw mut major, &raw mut minor) })?;
        Ok(Self { version: (major, minor), ..compiler })
    }

    /// Its version, such as (13, 0).
    pub fn version(&self) -> (i32, i32) {
        self.version
    }

    /// The kernels as machine code for a card.
    ///
    /// # Errors
    /// When the compiler does not know the card's architecture, or refuses the source.
    pub fn compile(&self, source: Source, arch: Arch) -> Result<Vec<u8>, CudaError> {
        let text = c_string(Source::TEXT)?;
        let name = c_string(Source::NAME)?;
        let options = source.options(arch).into_iter().map(|option| c_string(&option));
        let options: Vec<CString> = options.collect::<Result<_, _>>()?;
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let mut program = ptr::null_mut();
        // SAFETY: strings end with a zero and outlive the call; there are no headers.
        let created = unsafe {
            (self.create)(&raw mut program, text.as_ptr(), name.as_ptr(), 0, ptr::null(), ptr::null())
        };
        done("nvrtcCreateProgram", created)?;
        // SAFETY: the program was made above; there are as many pointers as said, each to a string that ends.
        let compiled = unsafe { (self.compile)(program, pointers.len() as c_int, pointers.as_ptr()) };
        let result = if compiled == 0 {
            self.bytes(program, self.code_size, self.code)
        } else {
            let log = self.bytes(program, self.log_size, self.log).unwrap_or_default();
            Err(CudaError::Compile {
                version: self.version,
                arch: arch.to_string(),
                log: first_line(&log).unwrap_or_else(|| format!("error {compiled}")),
            })
        };
        // SAFETY: the program was made above and is not used again.
        unsafe { (self.destroy)(&raw mut program) };
        result
    }

    /// What a program says or is.
    fn bytes(&self, program: Program, size: Size, text: Text) -> Result<Vec<u8>, CudaError> {
        let mut n = 0;
        // SAFETY: the program lives; the place is one for a size.
        done("nvrtc…Size", unsafe { size(program, &raw mut n) })?;
        let mut bytes = vec![0u8; n];
        // SAFETY: the program lives; it writes as many bytes as it has said.
        done("nvrtcGet…", unsafe { text(program, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

/// Opens the compiler's builtins in its own folder, so that it need not look for them. Where that fails, the compiler
/// says so itself.
fn open_builtins(folder: &Path) {
    let names = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_it = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(BUILTINS);
    for name in names.filter(is_it) {
        let _ = Library::open(&folder.join(name));
    }
}

fn c_string(text: &str) -> Result<CString, CudaError> {
    let reason = || CudaError::Call { call: "nvrtcCreateProgram", reason: "a zero in the source".to_owned() };
    CString::new(text).map_err(|_| reason())
}

fn first_line(log: &[u8]) -> Option<String> {
    let log = String::from_utf8_lossy(log);
    log.lines().map(|line| line.trim_matches(['\0', ' '])).find(|line| !line.is_empty()).map(str::to_owned)
}

fn done(call: &'static str, code: c_int) -> Result<(), CudaError> {
    if code == 0 { Ok(()) } else { Err(CudaError::Call { call, reason: format!("error {code}") }) }
}
