//! The properties of the projection, for the kernel that uses AMX.
//!
//! On a processor that has AMX, its instructions run as they are. On another one with Linux, they are illegal, and a
//! handler of the signal that they raise emulates them (`emulator/`), so that the kernel itself is run everywhere. It is a
//! test binary of its own because the handler and what it lets the library assume are the whole process's.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod emulator;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod instructions;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod kernel;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[path = "../projection/properties.rs"]
mod properties;

/// The kernel under test.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn kernels() -> Vec<lens_core::projection::Kernel> {
    emulator::provide_tiles();
    vec![lens_core::projection::Kernel::named("amxbf16").expect("tiles are provided")]
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
#[test]
fn there_is_no_amx_here() {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "skipped: the kernel amxbf16, which is for Linux on x86-64");
    assert!(lens_core::projection::Kernel::named("amxbf16").is_err());
}
