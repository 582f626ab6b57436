//! The tile instructions: configuration of a thread's tiles, and products of one or two tiles of rows with one or two
//! columns of readouts.
//!
//! | tiles | hold | rows | bytes of a row |
//! |---|---|---|---|
//! | 0 to 3 | sums C, `[rows][readouts]` of float32: rows 0 with column 0, with column 1, rows 1 with both | `rows` | 64 |
//! | 4, 5 | weights A, `[rows][32 weights]`: rows 0, rows 1 | `rows` | 64 |
//! | 6, 7 | readouts B, `[16 pairs][readouts][2]`: column 0, column 1 | 16 | 64 |
#![allow(unsafe_code)]

use std::arch::asm;
use std::marker::PhantomData;

use super::super::simd::amxbf16::AmxBf16;

/// Rows of a full tile.
pub(super) const TILE_ROWS: usize = 16;
/// Pairs of weights, and cells of a readout, that one product of tiles takes.
pub(super) const PAIRS: usize = 16;
/// Readouts in a column.
pub(super) const LANES: usize = 16;
/// Bytes of a tile's full row.
pub(super) const ROW_BYTES: usize = 64;

/// The operand of `ldtilecfg`.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// A thread's tiles, configured. They are released when this is dropped, on a panic as well.
pub(super) struct Tiles {
    /// Tiles belong to the thread: neither sent to another nor shared with it.
    of_this_thread: PhantomData<*const ()>,
}

impl Tiles {
    /// Configures the tiles of this thread for weights of `rows` rows.
    ///
    /// # Panics
    /// When that is none, or more than a tile has.
    pub(super) fn configure<V>(_granted: AmxBf16<V>, rows: usize) -> Self {
        assert!((1..=TILE_ROWS).contains(&rows), "a tile has 1 to 16 rows");
        let mut configuration =
            Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        for tile in 0..8 {
            configuration.row_bytes[tile] = ROW_BYTES as u16;
            configuration.rows[tile] = if tile < 6 { rows as u8 } else { PAIRS as u8 };
        }
        // SAFETY: `_granted` is the proof that this process may use tiles. The operand is 64 bytes that describe palette
        // 1 within its limits, so that there is no fault. Nothing else in this program has tiles in use on this thread:
        // see the module `amx`.
        unsafe {
            asm!(
                "ldtilecfg [{}]",
                in(reg) &raw const configuration,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly, preserves_flags),
            );
        }
        Self { of_this_thread: PhantomData }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: `configure` had the proof that this process may use tiles. Nobody reads them any more.
        unsafe {
            asm!(
                "tilerelease",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, nomem, preserves_flags),
            );
        }
    }
}

/// Where weights lie: bytes from one to the next of what the name says.
#[derive(Clone, Copy)]
pub(super) struct Side {
    /// The first weight of the first row.
    pub(super) at: *const u8,
    pub(super) row: usize,
    pub(super) step: usize,
    pub(super) tile: usize,
}

impl Side {
    /// The same from another tile of rows and another step on.
    pub(super) fn from(self, tile: usize, step: usize) -> Self {
        Self { at: self.at.wrapping_add(tile * self.tile + step * self.step), ..self }
    }
}

/// Where sums go: `[rows][LANES]`, and those of column 1 so many bytes on.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    pub(super) at: *mut f32,
    pub(super) column: usize,
}

/// What will be read from memory later: cache lines that each step asks for, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// The first line, which need not be a valid address.
    pub(super) at: *const u8,
    pub(super) lines: usize,
}

/// One product: `steps` steps of weights with as many of a panel of C columns, `[steps][PAIRS][C][LANES]`, added to the
/// sums where they lie or to zeros.
#[derive(Clone, Copy)]
pub(super) struct Term {
    pub(super) weights: Side,
    pub(super) readouts: *const f32,
    pub(super) sums: Sums,
    pub(super) ahead: Ahead,
    /// At least one.
    pub(super) steps: usize,
    pub(super) add: bool,
}

/// Defines the product for one number of row tiles and columns: what is done to the sums at first and at last, and what
/// is done in each step.
macro_rules! product {
    (
        $(#[$doc:meta])*
        fn $name:ident, $columns:literal columns;
        clear: $($clear:literal)*;
        load: $($load:literal)*;
        step: $($step:literal)*;
        store: $($store:literal)*;
    ) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The term's weights, readouts and sums can be read, and its sums written, as far as its steps, the rows that
        /// the tiles are configured for, and these row tiles and columns reach.
        pub(super) unsafe fn $name(&self, term: Term) {
            let Term { weights, readouts, sums, ahead, steps, add } = term;
            assert!(steps > 0, "a product has at least one step");
            // SAFETY: `self` is the proof that this thread's tiles are configured; every configuration has all eight
            // tiles, and shapes of A, B and C that fit each other. What is read and written is granted by the caller.
            // The block has no calls and does not touch the stack, so the red zone below it stays as it is.
            unsafe {
                asm!(
                    "test {add}, {add}",
                    "jz 2f",
                    $($load,)*
                    "jmp 3f",
                    "2:",
                    $($clear,)*
                    "3:",
                    "mov {add}, {lines}",
                    "jmp 5f",
                    "4:",
                    "prefetcht1 byte ptr [{ahead}]",
                    "add {ahead}, 64",
                    "5:",
                    "dec {add}",
                    "jns 4b",
                    $($step,)*
                    "add {a0}, {a_step}",
                    "add {a1}, {a_step}",
                    "add {b}, {b_step}",
                    "dec {steps}",
                    "jnz 3b",
                    $($store,)*
                    "/* {z1} */",
                    a0 = inout(reg) weights.at => _,
                    a1 = inout(reg) weights.at.wrapping_add(weights.tile) => _,
                    a_row = in(reg) weights.row,
                    a_step = in(reg) weights.step,
                    b = inout(reg) readouts => _,
                    b_step = const $columns * ROW_BYTES * PAIRS,
                    z0 = in(reg) sums.at,
                    z1 = in(reg) sums.at.wrapping_byte_add(sums.column),
                    z_row = in(reg) ROW_BYTES,
                    steps = inout(reg) steps => _,
                    ahead = inout(reg) ahead.at => _,
                    lines = in(reg) ahead.lines,
                    // Of no use after the first branch: then it counts lines.
                    add = inout(reg) usize::from(add) => _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

impl Tiles {
    product! {
        /// Two tiles of rows with two columns: four tiles are loaded for four products.
        fn two_by_two, 2 columns;
        clear: "tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3";
        load:
            "tileloadd tmm0, [{z0} + {z_row}]" "tileloadd tmm1, [{z1} + {z_row}]"
            "tileloadd tmm2, [{z0} + {z_row} + 1024]" "tileloadd tmm3, [{z1} + {z_row} + 1024]";
        step:
            "tileloadd tmm4, [{a0} + {a_row}]"
            "tileloadd tmm6, [{b} + {z_row}*2]"
            "tileloadd tmm7, [{b} + {z_row}*2 + 64]"
            "tdpbf16ps tmm0, tmm4, tmm6"
            "tileloadd tmm5, [{a1} + {a_row}]"
            "tdpbf16ps tmm1, tmm4, tmm7"
            "tdpbf16ps tmm2, tmm5, tmm6"
            "tdpbf16ps tmm3, tmm5, tmm7";
        store:
            "tilestored [{z0} + {z_row}], tmm0" "tilestored [{z1} + {z_row}], tmm1"
            "tilestored [{z0} + {z_row} + 1024], tmm2" "tilestored [{z1} + {z_row} + 1024], tmm3";
    }

    product! {
        /// Two tiles of rows with one column.
        fn two_by_one, 1 columns;
        clear: "tilezero tmm0" "tilezero tmm2";
        load: "tileloadd tmm0, [{z0} + {z_row}]" "tileloadd tmm2, [{z0} + {z_row} + 1024]";
        step:
            "tileloadd tmm6, [{b} + {z_row}]"
            "tileloadd tmm4, [{a0} + {a_row}]"
            "tdpbf16ps tmm0, tmm4, tmm6"
            "tileloadd tmm5, [{a1} + {a_row}]"
            "tdpbf16ps tmm2, tmm5, tmm6";
        store: "tilestored [{z0} + {z_row}], tmm0" "tilestored [{z0} + {z_row} + 1024], tmm2";
    }

    product! {
        /// One tile of rows, which may be a ragged one, with two columns.
        fn one_by_two, 2 columns;
        clear: "tilezero tmm0" "tilezero tmm1";
        load: "tileloadd tmm0, [{z0} + {z_row}]" "tileloadd tmm1, [{z1} + {z_row}]";
        step:
            "tileloadd tmm4, [{a0} + {a_row}]"
            "tileloadd tmm6, [{b} + {z_row}*2]"
            "tdpbf16ps tmm0, tmm4, tmm6"
            "tileloadd tmm7, [{b} + {z_row}*2 + 64]"
            "tdpbf16ps tmm1, tmm4, tmm7";
        store: "tilestored [{z0} + {z_row}], tmm0" "tilestored [{z1} + {z_row}], tmm1";
    }

    product! {
        /// One tile of rows, which may be a ragged one, with one column.
        fn one_by_one, 1 columns;
        clear: "tilezero tmm0";
        load: "tileloadd tmm0, [{z0} + {z_row}]";
        step:
            "tileloadd tmm4, [{a0} + {a_row}]"
            "tileloadd tmm6, [{b} + {z_row}]"
            "tdpbf16ps tmm0, tmm4, tmm6";
        store: "tilestored [{z0} + {z_row}], tmm0";
    }
}
