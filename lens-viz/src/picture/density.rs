//! The density of a PNG's pixels, which decides how large it is printed; `image`'s encoder does not write it.

/// Bytes of the signature and of the header chunk `IHDR`, which comes first in every PNG.
const HEADER: usize = 8 + 4 + 4 + 13 + 4;

/// The unit of a density: pixels per metre.
const METRE: u8 = 1;

/// A PNG with a `pHYs` chunk of `per_metre` pixels per metre in both directions, right after the header as PNG (third
/// edition, 11.3.4.3) allows. Bytes that are too short to be a PNG come back as they are.
pub(super) fn with_density(png: &[u8], per_metre: u32) -> Vec<u8> {
    let Some((header, rest)) = png.split_at_checked(HEADER) else { return png.to_vec() };
    let [across, down] = [per_metre.to_be_bytes(); 2];
    let body = [&b"pHYs"[..], &across, &down, &[METRE]].concat();
    let length = (body.len() as u32 - 4).to_be_bytes();
    let checksum = crc32fast::hash(&body).to_be_bytes();
    [header, &length, &body, &checksum, rest].concat()
}

#[cfg(test)]
mod tests {
    use image::{ImageEncoder as _, codecs::png::PngEncoder};

    use super::*;

    #[test]
    fn the_density_is_added_and_the_pixels_stay() {
        let pixels = [9, 8, 7, 1, 2, 3];
        let mut plain = Vec::new();
        PngEncoder::new(&mut plain).write_image(&pixels, 2, 1, image::ExtendedColorType::Rgb8).unwrap();
        let dense = with_density(&plain, 3780);
        assert_eq!(dense.len(), plain.len() + 21);
        // The chunk as libpng writes it, checksum included.
        let chunk = b"\0\0\0\x09pHYs\0\0\x0e\xc4\0\0\x0e\xc4\x01\x95\x2b\x0e\x1b";
        assert_eq!(dense[HEADER..HEADER + 21], *chunk);
        let decoded = image::load_from_memory(&dense).unwrap();
        assert_eq!((decoded.color(), decoded.as_bytes()), (image::ColorType::Rgb8, &pixels[..]));
        assert_eq!(with_density(b"short", 1), b"short");
    }
}
