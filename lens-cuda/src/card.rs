//! A card with the kernels on it, by the driver's own interface.
#![allow(unsafe_code, reason = "the driver is a C library")]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_uint, c_void},
    path::Path,
    ptr,
    sync::OnceLock,
};

use crate::{
    cache::Cache,
    error::CudaError,
    kernel::{Arch, Call, Kernel, Source},
    launch::Launch,
    library::Library,
    nvrtc::Compiler,
};

type Init = unsafe extern "C" fn(c_uint) -> c_int;
type DeviceGet = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
type DeviceAttribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
type Retain = unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int;
type Push = unsafe extern "C" fn(*mut c_void) -> c_int;
type Pop = unsafe extern "C" fn(*mut *mut c_void) -> c_int;
type LoadData = unsafe extern "C" fn(*mut *mut c_void, *const c_void) -> c_int;
type GetFunction = unsafe extern "C" fn(*mut *mut c_void, *mut c_void, *const c_char) -> c_int;
type ErrorName = unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int;
type LaunchKernel = unsafe extern "C" fn(
    *mut c_void,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    *mut c_void,
    *mut *mut c_void,
    *mut *mut c_void,
) -> c_int;

/// Compute capability, as `CUdevice_attribute` numbers its halves.
const MAJOR: c_int = 75;
const MINOR: c_int = 76;

/// The driver's functions.
#[derive(Debug, Clone, Copy)]
struct Driver {
    device_get: DeviceGet,
    attribute: DeviceAttribute,
    retain: Retain,
    push: Push,
    pop: Pop,
    load_data: LoadData,
    get_function: GetFunction,
    error_name: ErrorName,
    launch: LaunchKernel,
}

impl Driver {
    /// The driver, opened once.
    fn open() -> Result<Self, CudaError> {
        static OPENED: OnceLock<Result<Driver, CudaError>> = OnceLock::new();
        OPENED.get_or_init(Self::load).clone()
    }

    fn load() -> Result<Self, CudaError> {
        let library = Library::open(Path::new("libcuda.so.1"))?;
        // SAFETY: these are the types of the driver's functions; a name ends in _v2 where the first form is gone.
        let (init, driver) = unsafe {
            let init: Init = library.function("cuInit")?;
            let driver = Self {
                device_get: library.function("cuDeviceGet")?,
                attribute: library.function("cuDeviceGetAttribute")?,
                retain: library.function("cuDevicePrimaryCtxRetain")?,
                push: library.function("cuCtxPushCurrent_v2")?,
                pop: library.function("cuCtxPopCurrent_v2")?,
                load_data: library.function("cuModuleLoadData")?,
                get_function: library.function("cuModuleGetFunction")?,
                error_name: library.function("cuGetErrorName")?,
                launch: library.function("cuLaunchKernel")?,
            };
            (init, driver)
        };
        // SAFETY: it may be called again and again; its flags must be 0.
        driver.done("cuInit", unsafe { init(0) })?;
        Ok(driver)
    }

    fn done(self, call: &'static str, code: c_int) -> Result<(), CudaError> {
        if code == 0 {
            return Ok(());
        }
        let mut name = ptr::null();
        // SAFETY: the place is one for a pointer, and it is given a constant of the driver's or left as it is.
        let known = unsafe { (self.error_name)(code, &raw mut name) } == 0 && !name.is_null();
        let reason = match known {
            // SAFETY: the driver's names end with a zero and live as long as the driver.
            true => unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned(),
            false => format!("error {code}"),
        };
        Err(CudaError::Call { call, reason })
    }

    fn arch(self, device: c_int) -> Result<Arch, CudaError> {
        let half = |attribute| {
            let mut value = 0;
            // SAFETY: the place is one for an int.
            self.done("cuDeviceGetAttribute", unsafe {
                (self.attribute)(&raw mut value, attribute, device)
            })?;
            Ok::<_, CudaError>(value.unsigned_abs())
        };
        Ok(Arch { major: half(MAJOR)?, minor: half(MINOR)? })
    }
}

/// A function on a card, by its address: the driver's handles may be used from every thread.
#[derive(Debug, Clone, Copy)]
struct Function(usize);

/// A card with the kernels on it.
#[derive(Debug)]
pub struct Card {
    driver: Driver,
    /// The card's primary context, that of the CUDA runtime and so of whoever allocates there. It is retained for as long
    /// as the process runs.
    context: usize,
    arch: Arch,
    functions: [Function; Kernel::ALL.len()],
}

impl Card {
    /// Puts the kernels on card number `n`, compiled by what `compiler` finds unless `cache` has them. That the cache
    /// cannot be written is told to `note`.
    ///
    /// # Errors
    /// When there is no driver, card or compiler, or one of them refuses; the reason says which.
    pub fn open(
        n: u32,
        source: Source,
        cache: &Cache,
        compiler: impl FnOnce() -> Result<Compiler, CudaError>,
        note: impl FnOnce(CudaError),
    ) -> Result<Self, CudaError> {
        let driver = Driver::open()?;
        let (mut device, mut context) = (0, ptr::null_mut());
        // SAFETY: the place is one for a device.
        driver.done("cuDeviceGet", unsafe { (driver.device_get)(&raw mut device, n as c_int) })?;
        let arch = driver.arch(device)?;
        let compiler = compiler()?;
        let code = cache.code(source, arch, compiler.version(), || compiler.compile(source, arch), note)?;
        // SAFETY: the place is one for a context.
        let retained = unsafe { (driver.retain)(&raw mut context, device) };
        driver.done("cuDevicePrimaryCtxRetain", retained)?;
        let card =
            Self { driver, context: context as usize, arch, functions: [Function(0); Kernel::ALL.len()] };
        let functions = card.inside(|| card.load(&code))?;
        Ok(Self { functions, ..card })
    }

    /// The card's architecture.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    fn load(&self, code: &[u8]) -> Result<[Function; Kernel::ALL.len()], CudaError> {
        let mut module = ptr::null_mut();
        // SAFETY: the code is an ELF image of NVRTC's, whose hash was checked where it was kept; the driver copies it.
        let loaded = unsafe { (self.driver.load_data)(&raw mut module, code.as_ptr().cast()) };
        self.driver.done("cuModuleLoadData", loaded)?;
        let mut functions = [Function(0); Kernel::ALL.len()];
        for kernel in Kernel::ALL {
            let missing = |_| CudaError::Call { call: "cuModuleGetFunction", reason: "its name".to_owned() };
            let name = CString::new(kernel.name()).map_err(missing)?;
            let mut function = ptr::null_mut();
            // SAFETY: the module was loaded above and the name ends with a zero.
            let found = unsafe { (self.driver.get_function)(&raw mut function, module, name.as_ptr()) };
            self.driver.done("cuModuleGetFunction", found)?;
            functions[kernel as usize] = Function(function as usize);
        }
        Ok(functions)
    }

    /// Does something with the card's context as this thread's current one, and puts back what was there.
    fn inside<T>(&self, act: impl FnOnce() -> Result<T, CudaError>) -> Result<T, CudaError> {
        // SAFETY: the context is retained.
        self.driver.done("cuCtxPushCurrent", unsafe { (self.driver.push)(self.context as *mut c_void) })?;
        let result = act();
        let mut popped = ptr::null_mut();
        // SAFETY: one was pushed above, and `act` leaves the stack as it was.
        let code = unsafe { (self.driver.pop)(&raw mut popped) };
        self.driver.done("cuCtxPopCurrent", code)?;
        result
    }
}

/// On the card's default stream. That is the stream that libtorch computes on unless it is told otherwise, so kernels find
/// what libtorch has computed before, and libtorch finds what they have written.
impl Launch for Card {
    unsafe fn launch(&self, call: Call<'_>, blocks: u32) -> Result<(), CudaError> {
        let Function(function) = self.functions[call.kernel() as usize];
        let mut argument = call.argument().cast_mut();
        self.inside(|| {
            // SAFETY: the kernel takes one argument by value, which is read before the call returns; stream null is the
            // default one.
            let code = unsafe {
                (self.driver.launch)(
                    function as *mut c_void,
                    blocks,
                    1,
                    1,
                    Kernel::THREADS,
                    1,
                    1,
                    0,
                    ptr::null_mut(),
                    &raw mut argument,
                    ptr::null_mut(),
                )
            };
            self.driver.done("cuLaunchKernel", code)
        })
    }
}
