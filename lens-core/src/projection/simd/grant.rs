//! Whether this process may use the tile instructions of AMX.
//!
//! Three have to agree. The processor says by CPUID that it has AMX-TILE and AMX-BF16, with the palette of eight tiles
//! of sixteen rows of 64 bytes. The operating system has to save and restore 8 KB of tiles for a thread. And since that
//! does not fit a signal stack of the size that programs were written for, Linux wants to be asked, once a process:
//! `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`. The permission is for all threads, those that run already
//! included, and stays until the process ends or calls `exec`; a child of `fork` inherits it. Linux refuses it where a
//! thread has registered too small a stack for signals: then there is no such kernel here, and another one is used.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Number of the system call `arch_prctl`.
const ARCH_PRCTL: usize = 158;
/// `ARCH_REQ_XCOMP_PERM`: asks for a feature whose registers are not saved for everyone.
const REQUEST_PERMISSION: usize = 0x1023;
/// `XFEATURE_XTILEDATA`: the tiles' contents.
const TILE_DATA: usize = 18;

/// Set by [`assume_tiles`].
static ASSUMED: AtomicBool = AtomicBool::new(false);

/// Whether the tile instructions, `tdpbf16ps` included, can be used in this process. Asks for permission when called
/// first.
pub(in super::super) fn tiles_are_granted() -> bool {
    static GRANTED: OnceLock<bool> = OnceLock::new();
    ASSUMED.load(Relaxed) || *GRANTED.get_or_init(|| processor_has_tiles() && system_grants_tiles())
}

/// From now on takes the tile instructions for granted, whatever processor and system say: for a process that emulates
/// them.
///
/// # Safety
/// Every thread of this process can execute the tile instructions of AMX-TILE and AMX-BF16.
pub unsafe fn assume_tiles() {
    ASSUMED.store(true, Relaxed);
}

/// Whether the processor has AMX-TILE, AMX-BF16 and tiles of the shape that the kernel is written for. Miri has no processor
/// to ask.
pub fn processor_has_tiles() -> bool {
    if cfg!(miri) {
        return false;
    }
    const BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
    let last_leaf = __cpuid(0).eax;
    if last_leaf < 0x1d || __cpuid_count(7, 0).edx & BF16_AND_TILE != BF16_AND_TILE {
        return false;
    }
    let palette = __cpuid_count(0x1d, 1);
    let (tile, row) = (palette.eax >> 16, palette.ebx & 0xffff);
    let (tiles, rows) = (palette.ebx >> 16, palette.ecx & 0xffff);
    (tile, row, tiles, rows) == (1024, 64, 8, 16)
}

/// Asks Linux for the permission.
fn system_grants_tiles() -> bool {
    let answer: isize;
    // SAFETY: the call takes two numbers, reads and writes no memory of this process, and changes nothing but which
    // instructions it may use. The instruction `syscall` itself overwrites RCX and R11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL as isize => answer,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, nomem),
        );
    }
    answer == 0
}
