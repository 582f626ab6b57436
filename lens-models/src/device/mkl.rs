//! The mode in which libtorch's MKL multiplies.

use std::sync::Once;

/// Asks MKL, once for the process, for products that have the same bits for any number of threads, where it knows how: on
/// processors that it takes for Intel's. Its strict mode of conditional numerical reproducibility costs products of few
/// rows in float32 up to half as much time again, and others nothing.
///
/// A mode that was chosen already, as by the variable `MKL_CBWR`, stays, and so does what MKL has begun with: a program
/// that multiplies with libtorch before it loads a model sets that variable to `AUTO,STRICT` itself. On other processors
/// the mode does not do that, and changes which kernels run: there, `decoder/threads.rs` does it alone.
pub(crate) fn ask_for_the_same_bits() {
    static ASKED: Once = Once::new();
    ASKED.call_once(|| {
        if let Some(mkl) = Mkl::find()
            && mkl.is_on_intel()
            && mkl.mode() == NOT_CHOSEN
        {
            mkl.choose(AUTO | STRICT);
        }
    });
}

/// `MKL_CBWR_BRANCH_OFF`: what MKL begins with.
const NOT_CHOSEN: i32 = 1;

/// `MKL_CBWR_AUTO`: the kernels that MKL would have chosen itself.
const AUTO: i32 = 2;

/// `MKL_CBWR_STRICT`.
const STRICT: i32 = 0x1_0000;

/// The three functions of MKL, which is part of libtorch where it is there at all.
#[cfg(target_os = "linux")]
struct Mkl {
    is_intel: unsafe extern "C" fn() -> i32,
    mode: unsafe extern "C" fn(i32) -> i32,
    choose: unsafe extern "C" fn(i32) -> i32,
}

#[cfg(target_os = "linux")]
impl Mkl {
    /// MKL as this process has it, or nothing where libtorch was built without it.
    fn find() -> Option<Self> {
        use libloading::os::unix::Library;

        let process = Library::this();
        // SAFETY: what is loaded already is searched, nothing is initialised by that; the functions have these types in
        // every version of MKL, and libtorch stays loaded as long as the process runs.
        #[expect(unsafe_code, reason = "functions of MKL that libtorch does not offer")]
        unsafe {
            Some(Self {
                is_intel: *process.get(b"mkl_serv_intel_cpu_true\0").ok()?,
                mode: *process.get(b"mkl_serv_cbwr_get\0").ok()?,
                choose: *process.get(b"mkl_serv_cbwr_set\0").ok()?,
            })
        }
    }

    fn is_on_intel(&self) -> bool {
        // SAFETY: it takes nothing, and looks at the processor.
        #[expect(unsafe_code, reason = "a function of MKL")]
        let is_intel = unsafe { (self.is_intel)() };
        is_intel != 0
    }

    /// The branch of kernels and the flags (`MKL_CBWR_ALL`).
    fn mode(&self) -> i32 {
        // SAFETY: it takes any number, and reads a variable of its own.
        #[expect(unsafe_code, reason = "a function of MKL")]
        unsafe {
            (self.mode)(-1)
        }
    }

    /// A processor for which MKL has no such mode refuses it, and goes on as it was.
    fn choose(&self, mode: i32) {
        // SAFETY: it takes any number, and writes a variable of its own under its own lock.
        #[expect(unsafe_code, reason = "a function of MKL")]
        let _refused = unsafe { (self.choose)(mode) };
    }
}

/// Elsewhere libtorch multiplies by other libraries, or by an MKL that was not looked at.
#[cfg(not(target_os = "linux"))]
struct Mkl;

#[cfg(not(target_os = "linux"))]
impl Mkl {
    fn find() -> Option<Self> {
        None
    }

    fn is_on_intel(&self) -> bool {
        false
    }

    fn mode(&self) -> i32 {
        NOT_CHOSEN
    }

    fn choose(&self, _mode: i32) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alone::in_a_process_of_its_own;

    #[test]
    fn the_mode_is_strict_where_mkl_knows_the_processor_and_as_it_was_elsewhere() {
        const NAME: &str =
            "device::mkl::tests::the_mode_is_strict_where_mkl_knows_the_processor_and_as_it_was_elsewhere";
        if !in_a_process_of_its_own(NAME) {
            return;
        }
        drop(tch::Tensor::from(1.0)); // libtorch is there
        let Some(mkl) = Mkl::find() else { return };
        let before = mkl.mode();
        ask_for_the_same_bits();
        let expected = if mkl.is_on_intel() && before == NOT_CHOSEN { AUTO | STRICT } else { before };
        assert_eq!(mkl.mode(), expected, "it was {before}");
    }
}
