//! SIGILL: the illegal instruction is decoded where it stands, carried out on this thread's tiles, and stepped over.
#![allow(unsafe_code, reason = "a signal handler reads the registers and the memory of what it interrupted")]

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use lens_core::projection::{Kernel, assume_tiles, processor_has_tiles};

use super::decode::{Base, Decoded, LONGEST, Memory, Operation, decode};
use super::state::{Fault, Tiles};

thread_local! {
    // Constant and without a destructor: nothing is set up when a signal handler asks for it first.
    static TILES: UnsafeCell<Tiles> = const { UnsafeCell::new(Tiles::INITIAL) };
}

static EMULATED: AtomicBool = AtomicBool::new(false);
static PRODUCTS: AtomicUsize = AtomicUsize::new(0);

/// Whether the instructions are emulated in this process.
pub(crate) fn is_emulated() -> bool {
    provide_tiles();
    EMULATED.load(Relaxed)
}

/// Products of tiles that were emulated so far, on all threads.
pub(crate) fn emulated_products() -> usize {
    PRODUCTS.load(Relaxed)
}

/// Makes the tile instructions work in this process: leaves it as it is where they do, else emulates them.
pub(crate) fn provide_tiles() {
    static PROVIDED: Once = Once::new();
    PROVIDED.call_once(|| {
        if processor_has_tiles() && Kernel::named("amxbf16").is_ok() {
            println!("the processor has AMX, and Linux grants it: its own instructions are tested");
            return;
        }
        println!("no AMX here: its instructions are emulated");
        // SAFETY: the structure is zeros but for the handler, which has the signature that SA_SIGINFO wants, and touches
        // nothing but the tiles of its thread, an atomic counter, and the memory that the instruction names.
        let set = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_illegal_instruction;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGILL, &raw const action, std::ptr::null_mut())
        };
        assert_eq!(set, 0, "SIGILL can be handled");
        EMULATED.store(true, Relaxed);
        // SAFETY: from here on the handler carries the instructions out, on every thread.
        unsafe { assume_tiles() };
    });
}

extern "C" fn on_illegal_instruction(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the third argument of a handler with SA_SIGINFO is the context, for this call alone.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let at = registers[libc::REG_RIP as usize] as usize;
    // SAFETY: the processor has just read an instruction there. Bytes are asked for one by one, no more than it has.
    let code = |offset: usize| (offset < LONGEST).then(|| unsafe { *((at + offset) as *const u8) });
    let Some(decoded) = decode(&code) else { die("an illegal instruction that is none of the tiles'") };
    TILES.with(|tiles| {
        // SAFETY: the thread's own, and the handler is not interrupted by itself: SIGILL is blocked while it runs.
        let tiles = unsafe { &mut *tiles.get() };
        match carry_out(tiles, registers, at, decoded) {
            Ok(()) => registers[libc::REG_RIP as usize] = (at + decoded.length) as i64,
            Err(Fault::Undefined(why) | Fault::General(why)) => die(why),
        }
    });
}

type Registers = [i64; 23];

fn carry_out(tiles: &mut Tiles, registers: &Registers, at: usize, decoded: Decoded) -> Result<(), Fault> {
    let place = |memory: Memory| place(registers, at + decoded.length, memory);
    match decoded.operation {
        Operation::Configure(memory) => {
            let (base, index) = place(memory);
            // SAFETY: the instruction reads 64 bytes there.
            tiles.configure(unsafe { &*(base.wrapping_add(index) as *const [u8; 64]) })
        }
        Operation::StoreConfiguration(memory) => {
            let (base, index) = place(memory);
            // SAFETY: the instruction writes 64 bytes there.
            unsafe { *(base.wrapping_add(index) as *mut [u8; 64]) = tiles.configuration() };
            Ok(())
        }
        Operation::Release => {
            tiles.release();
            Ok(())
        }
        Operation::Zero(tile) => tiles.zero(tile),
        Operation::Load(tile, memory) => {
            let (base, stride) = place(memory);
            tiles.load(tile, |r, row| {
                let from = base.wrapping_add(r.wrapping_mul(stride)) as *const u8;
                // SAFETY: the instruction reads that many bytes there.
                unsafe { std::ptr::copy_nonoverlapping(from, row.as_mut_ptr(), row.len()) };
            })
        }
        Operation::Store(tile, memory) => {
            let (base, stride) = place(memory);
            tiles.store(tile, |r, row| {
                let to = base.wrapping_add(r.wrapping_mul(stride)) as *mut u8;
                // SAFETY: the instruction writes that many bytes there.
                unsafe { std::ptr::copy_nonoverlapping(row.as_ptr(), to, row.len()) };
            })
        }
        Operation::Multiply(c, a, b) => {
            PRODUCTS.fetch_add(1, Relaxed);
            tiles.multiply(c, a, b)
        }
    }
}

/// Base and displacement, and the scaled index.
fn place(registers: &Registers, next: usize, memory: Memory) -> (usize, usize) {
    const ORDER: [c_int; 16] = [
        libc::REG_RAX,
        libc::REG_RCX,
        libc::REG_RDX,
        libc::REG_RBX,
        libc::REG_RSP,
        libc::REG_RBP,
        libc::REG_RSI,
        libc::REG_RDI,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
    ];
    let value = |register: usize| registers[ORDER[register] as usize] as usize;
    let base = match memory.base {
        Base::None => 0,
        Base::Register(register) => value(register),
        Base::NextInstruction => next,
    };
    let index = memory.index.map_or(0, |(register, scale)| value(register) << scale);
    (base.wrapping_add_signed(memory.displacement as isize), index)
}

/// Ends the process as an illegal instruction does, after saying why.
fn die(why: &str) -> ! {
    for part in ["emulated tile instruction: ", why, "\n"] {
        // SAFETY: `write` may be called in a signal handler; the bytes are there.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: so may `abort`.
    unsafe { libc::abort() }
}
