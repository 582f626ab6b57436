//! From an SVG to a PNG.

use resvg::{tiny_skia, usvg};

use super::{PictureError, runs};

/// The most pixels that one PNG may have; 100 million are 400 MB while it is drawn.
const MOST_PIXELS: f64 = 1e8;

/// Pixels in a metre at scale 1: 96 in an inch.
const PIXELS_PER_METRE: f64 = 96.0 / 0.0254;

/// The SVG as a PNG, `scale` pixels for each of its own.
///
/// Text is shaped and ordered as its script demands; a character comes from the embedded fonts or else from the
/// system's, and one that no font has is shown as its code point.
///
/// # Errors
/// When the text is no SVG, or the scale asks for an image without pixels or with too many.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, PictureError> {
    let (svg, options) = runs::with_fonts(svg);
    let tree = usvg::Tree::from_str(&svg, &options)
        .map_err(|source| PictureError::NoSvg { message: source.to_string() })?;
    let (width, height) = (f64::from(tree.size().width()), f64::from(tree.size().height()));
    let pixels = |length: f64| (length * f64::from(scale)).round();
    let (columns, rows) = (pixels(width), pixels(height));
    // Written so that a scale that is no number is refused too.
    if !(columns >= 1.0 && rows >= 1.0 && columns * rows <= MOST_PIXELS) {
        return Err(PictureError::Scale { scale, width, height });
    }
    let mut pixmap = tiny_skia::Pixmap::new(columns as u32, rows as u32).ok_or(PictureError::Scale {
        scale,
        width,
        height,
    })?;
    pixmap.fill(tiny_skia::Color::WHITE);
    let to_pixels = tiny_skia::Transform::from_scale((columns / width) as f32, (rows / height) as f32);
    resvg::render(&tree, to_pixels, &mut pixmap.as_mut());
    encode(&pixmap, scale).map_err(|source| PictureError::Encode { message: source.to_string() })
}

/// An opaque PNG that knows how large it is meant to be printed.
fn encode(pixmap: &tiny_skia::Pixmap, scale: f32) -> Result<Vec<u8>, ::png::EncodingError> {
    // The background is opaque, so that nothing has to be divided by alpha.
    let pixels = pixmap.data().as_chunks::<4>().0;
    let mut colours = vec![0; 3 * pixels.len()];
    for (colour, [r, g, b, _]) in colours.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *colour = [*r, *g, *b];
    }
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, pixmap.width(), pixmap.height());
    encoder.set_color(::png::ColorType::Rgb);
    encoder.set_depth(::png::BitDepth::Eight);
    encoder.set_compression(::png::Compression::Fast);
    let density = (PIXELS_PER_METRE * f64::from(scale)).round() as u32;
    let unit = ::png::Unit::Meter;
    encoder.set_pixel_dims(Some(::png::PixelDimensions { xppu: density, yppu: density, unit }));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&colours)?;
    writer.finish()?;
    Ok(bytes)
}
