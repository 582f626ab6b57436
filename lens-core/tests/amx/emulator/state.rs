//! Eight tiles and what the instructions do to them, after the pseudo-code of Intel's manual (volume 2, chapter "Intel AMX
//! instruction set reference").

/// Tiles of palette 1.
pub(crate) const TILES: usize = 8;
/// Rows of a tile at most.
pub(crate) const ROWS: usize = 16;
/// Bytes of a row at most.
pub(crate) const ROW_BYTES: usize = 64;

/// A tile's contents.
pub(crate) type Tile = [[u8; ROW_BYTES]; ROWS];

/// Why an instruction faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// #UD: no configuration, no such tile, or shapes that do not fit.
    Undefined(&'static str),
    /// #GP: a configuration that is none.
    General(&'static str),
}

/// Rows of a tile and bytes of a row; zero for a tile that is not configured.
#[derive(Clone, Copy)]
struct Shape {
    rows: usize,
    row_bytes: usize,
}

/// The tiles of one thread.
pub(crate) struct Tiles {
    /// What was loaded last; all zero in the initial state.
    configuration: [u8; 64],
    tiles: [Tile; TILES],
}

impl Tiles {
    /// The initial state: nothing is configured, all tiles are zero.
    pub(crate) const INITIAL: Self = Self { configuration: [0; 64], tiles: [[[0; ROW_BYTES]; ROWS]; TILES] };

    /// `LDTILECFG`.
    pub(crate) fn configure(&mut self, operand: &[u8; 64]) -> Result<(), Fault> {
        let palette = operand[0];
        if palette > 1 {
            return Err(Fault::General("the palette is neither 0 nor 1"));
        }
        if palette == 0 {
            *self = Self::INITIAL;
            return Ok(());
        }
        let reserved = operand[2..16].iter().chain(&operand[32..48]).chain(&operand[56..64]);
        if reserved.copied().any(|byte| byte != 0) {
            return Err(Fault::General("a reserved byte is not zero"));
        }
        for tile in 0..TILES {
            let Shape { rows, row_bytes } = shape_in(operand, tile);
            if rows > ROWS || row_bytes > ROW_BYTES {
                return Err(Fault::General("a tile is larger than the palette's"));
            }
            if (rows == 0) != (row_bytes == 0) {
                return Err(Fault::General("a tile has rows without bytes or bytes without rows"));
            }
        }
        *self = Self { configuration: *operand, ..Self::INITIAL };
        Ok(())
    }

    /// `STTILECFG`.
    pub(crate) fn configuration(&self) -> [u8; 64] {
        self.configuration
    }

    /// `TILERELEASE`.
    pub(crate) fn release(&mut self) {
        *self = Self::INITIAL;
    }

    /// `TILEZERO`.
    pub(crate) fn zero(&mut self, tile: usize) -> Result<(), Fault> {
        self.shape(tile)?;
        self.tiles[tile] = [[0; ROW_BYTES]; ROWS];
        Ok(())
    }

    /// `TILELOADD`, `TILELOADDT1`: `read` copies from where row r starts to a slice.
    pub(crate) fn load(&mut self, tile: usize, read: impl Fn(usize, &mut [u8])) -> Result<(), Fault> {
        let shape = self.shape(tile)?;
        self.tiles[tile] = [[0; ROW_BYTES]; ROWS];
        for (r, row) in self.tiles[tile].iter_mut().take(shape.rows).enumerate() {
            read(r, &mut row[..shape.row_bytes]);
        }
        Ok(())
    }

    /// `TILESTORED`: `write` copies a slice to where row r starts.
    pub(crate) fn store(&self, tile: usize, write: impl Fn(usize, &[u8])) -> Result<(), Fault> {
        let shape = self.shape(tile)?;
        for (r, row) in self.tiles[tile].iter().take(shape.rows).enumerate() {
            write(r, &row[..shape.row_bytes]);
        }
        Ok(())
    }

    /// `TDPBF16PS`.
    pub(crate) fn multiply(&mut self, c: usize, a: usize, b: usize) -> Result<(), Fault> {
        if c == a || c == b || a == b {
            return Err(Fault::Undefined("one tile is two operands"));
        }
        let (of_c, of_a, of_b) = (self.shape(c)?, self.shape(a)?, self.shape(b)?);
        if of_c.rows != of_a.rows || of_c.row_bytes != of_b.row_bytes || of_a.row_bytes != 4 * of_b.rows {
            return Err(Fault::Undefined("the shapes do not fit"));
        }
        if [of_a, of_b, of_c].iter().any(|shape| !shape.row_bytes.is_multiple_of(4)) {
            return Err(Fault::Undefined("a row is not whole elements"));
        }
        let (sums, weights, readouts) = (self.tiles[c], self.tiles[a], self.tiles[b]);
        self.tiles[c] = product(&sums, &weights, &readouts, (of_c.rows, of_b.rows, of_c.row_bytes / 4));
        Ok(())
    }

    fn shape(&self, tile: usize) -> Result<Shape, Fault> {
        if self.configuration[0] == 0 {
            return Err(Fault::Undefined("no tiles are configured"));
        }
        let shape =
            if tile < TILES { shape_in(&self.configuration, tile) } else { Shape { rows: 0, row_bytes: 0 } };
        if shape.rows == 0 {
            return Err(Fault::Undefined("the tile is not configured"));
        }
        Ok(shape)
    }
}

fn shape_in(configuration: &[u8; 64], tile: usize) -> Shape {
    let row_bytes = u16::from_le_bytes([configuration[16 + 2 * tile], configuration[17 + 2 * tile]]);
    Shape { rows: usize::from(configuration[48 + tile]), row_bytes: usize::from(row_bytes) }
}

/// Rows, pairs and columns of a product.
type Extent = (usize, usize, usize);

fn product(sums: &Tile, weights: &Tile, readouts: &Tile, extent: Extent) -> Tile {
    #[target_feature(enable = "avx2,fma")]
    fn with_fma(sums: &Tile, weights: &Tile, readouts: &Tile, extent: Extent) -> Tile {
        plainly(sums, weights, readouts, extent)
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the machine has the instructions.
        #[allow(unsafe_code, reason = "a fused multiply-add in software takes a hundred times as long")]
        unsafe {
            with_fma(sums, weights, readouts, extent)
        }
    } else {
        plainly(sums, weights, readouts, extent)
    }
}

/// For each row: sums of even and of odd products, each a chain from zero; then both, and then the sum before.
#[inline(always)]
fn plainly(sums: &Tile, weights: &Tile, readouts: &Tile, (rows, pairs, columns): Extent) -> Tile {
    let mut out = [[0; ROW_BYTES]; ROWS];
    for m in 0..rows {
        let (mut even, mut odd) = ([0.0f32; 16], [0.0f32; 16]);
        for (k, readouts) in readouts.iter().enumerate().take(pairs) {
            let weight = [bf16_at(&weights[m], 2 * k), bf16_at(&weights[m], 2 * k + 1)];
            for n in 0..columns {
                even[n] = multiply_add(weight[0], bf16_at(readouts, 2 * n), even[n]);
                odd[n] = multiply_add(weight[1], bf16_at(readouts, 2 * n + 1), odd[n]);
            }
        }
        for n in 0..columns {
            let before = f32::from_le_bytes([0, 1, 2, 3].map(|byte| sums[m][4 * n + byte]));
            let sum = add(before, add(even[n], odd[n]));
            out[m][4 * n..4 * n + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }
    out
}

#[inline(always)]
fn bf16_at(row: &[u8; ROW_BYTES], index: usize) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes([row[2 * index], row[2 * index + 1]])) << 16)
}

/// Zero of the same sign for a subnormal number.
#[inline(always)]
fn flushed(value: f32) -> f32 {
    if value.is_subnormal() { f32::from_bits(value.to_bits() & 0x8000_0000) } else { value }
}

/// `a b + c`, rounded once to nearest even; subnormal operands are zeros, and so are subnormal results.
#[inline(always)]
pub(crate) fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    flushed(flushed(a).mul_add(flushed(b), flushed(c)))
}

/// `a + b`, likewise.
#[inline(always)]
pub(crate) fn add(a: f32, b: f32) -> f32 {
    flushed(flushed(a) + flushed(b))
}
