//! From an SVG to pixels: PNG, WebP or JPEG.

use image::{
    ExtendedColorType, ImageEncoder as _,
    codecs::{
        jpeg::{JpegEncoder, PixelDensity},
        png::{CompressionType, FilterType, PngEncoder},
        webp::WebPEncoder,
    },
};
use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};
use resvg::{tiny_skia, usvg};

use super::{Picture, PictureError, RasterFormat, density, runs};

/// The most pixels that one picture may have; 100 million are 400 MB while it is drawn.
const MOST_PIXELS: f64 = 1e8;

/// Rows of pixels that are worth a thread.
const LEAST_BAND: u32 = 256;

/// Pixels in a metre at scale 1: 96 in an inch.
const PIXELS_PER_METRE: f64 = 96.0 / 0.0254;

/// Pixels in an inch at scale 1.
const PIXELS_PER_INCH: f32 = 96.0;

/// How well a JPEG keeps what is drawn, of 100: letters and lines without a halo that one sees.
const JPEG_QUALITY: u8 = 92;

/// The SVG as the bytes of a PNG: see [`raster`].
///
/// # Errors
/// As [`raster`].
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, PictureError> {
    raster(svg, RasterFormat::Png, scale)
}

/// The SVG as the bytes of a file of pixels, with `scale` of them for each of its own, in width and height.
///
/// Text is shaped and ordered as its script demands; a character comes from the embedded fonts or else from the
/// system's, and one that no font has is shown as its code point.
///
/// # Errors
/// When the text is not an SVG, or the scale asks for an image without pixels, or with more than are drawn or the format
/// can have.
pub fn raster(svg: &str, format: RasterFormat, scale: f32) -> Result<Vec<u8>, PictureError> {
    let tree = tree(svg)?;
    let (width, height) = (f64::from(tree.size().width()), f64::from(tree.size().height()));
    let (columns, rows) = size(&tree, scale)?;
    let longest = format.longest_side();
    if columns.max(rows) > longest {
        return Err(PictureError::Side { format, longest, scale, width, height });
    }
    let bands = draw(&tree, (columns, rows)).ok_or(PictureError::Scale { scale, width, height })?;
    encode(&bands, format, (columns, rows), scale)
        .map_err(|source| PictureError::Encode { format, message: source.to_string() })
}

/// The SVG in pixels: how many columns and rows, and red, green and blue of each.
///
/// # Errors
/// As [`raster`].
pub(super) fn pixels(svg: &str, scale: f32) -> Result<(u32, u32, Vec<u8>), PictureError> {
    let tree = tree(svg)?;
    let (columns, rows) = size(&tree, scale)?;
    let (width, height) = (f64::from(tree.size().width()), f64::from(tree.size().height()));
    let bands = draw(&tree, (columns, rows)).ok_or(PictureError::Scale { scale, width, height })?;
    Ok((columns, rows, opaque(&bands, (columns, rows))))
}

fn tree(svg: &str) -> Result<usvg::Tree, PictureError> {
    let (svg, options) = runs::with_fonts(svg);
    usvg::Tree::from_str(&svg, &options).map_err(|source| PictureError::NoSvg { message: source.to_string() })
}

/// The columns and rows of a picture at a scale.
fn size(tree: &usvg::Tree, scale: f32) -> Result<(u32, u32), PictureError> {
    let (width, height) = (f64::from(tree.size().width()), f64::from(tree.size().height()));
    let scaled = |length: f64| (length * f64::from(scale)).round();
    let (columns, rows) = (scaled(width), scaled(height));
    // Written so that NaN is refused too.
    if !(columns >= 1.0 && rows >= 1.0 && columns * rows <= MOST_PIXELS) {
        return Err(PictureError::Scale { scale, width, height });
    }
    Ok((columns as u32, rows as u32))
}

/// The PNGs of several pages, drawn side by side on all cores.
///
/// # Errors
/// Those of [`png()`], for the first page that has one.
pub fn pngs(pages: &[Picture], scale: f32) -> Result<Vec<Vec<u8>>, PictureError> {
    pages.par_iter().map(|page| png(&page.svg, scale)).collect()
}

/// The picture as bands of pixels from top to bottom, drawn side by side. None for a size that cannot be.
fn draw(tree: &usvg::Tree, (columns, rows): (u32, u32)) -> Option<Vec<tiny_skia::Pixmap>> {
    let (across, down) = (columns as f32 / tree.size().width(), rows as f32 / tree.size().height());
    // More bands than threads would only go through the tree more often.
    let wanted = u32::try_from(rayon::current_num_threads()).unwrap_or(1).clamp(1, rows.div_ceil(LEAST_BAND));
    let height = rows.div_ceil(wanted);
    let tops: Vec<u32> = (0..rows).step_by(height as usize).collect();
    let band = |top: u32| {
        let mut pixmap = tiny_skia::Pixmap::new(columns, height.min(rows - top))?;
        pixmap.fill(tiny_skia::Color::WHITE);
        let place = tiny_skia::Transform::from_scale(across, down);
        resvg::render(tree, place.post_translate(0.0, -(top as f32)), &mut pixmap.as_mut());
        Some(pixmap)
    };
    tops.into_par_iter().map(band).collect()
}

/// Red, green and blue of bands below each other.
fn opaque(bands: &[tiny_skia::Pixmap], (columns, rows): (u32, u32)) -> Vec<u8> {
    // The background is opaque, so that nothing has to be divided by alpha.
    let mut colours = vec![0; 3 * columns as usize * rows as usize];
    let pixels = bands.iter().flat_map(|band| band.data().as_chunks::<4>().0);
    for (colour, [r, g, b, _]) in colours.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *colour = [*r, *g, *b];
    }
    colours
}

/// An opaque picture. A PNG and a JPEG know how large they are meant to be printed.
fn encode(
    bands: &[tiny_skia::Pixmap],
    format: RasterFormat,
    (columns, rows): (u32, u32),
    scale: f32,
) -> Result<Vec<u8>, image::ImageError> {
    let colours = opaque(bands, (columns, rows));
    let mut bytes = Vec::new();
    let kind = ExtendedColorType::Rgb8;
    match format {
        RasterFormat::Png => {
            // Areas of one colour pack best as they are. Level 3 makes a quarter of what the fastest way makes, in about
            // the time; higher ones save little more.
            PngEncoder::new_with_quality(&mut bytes, CompressionType::Level(3), FilterType::NoFilter)
                .write_image(&colours, columns, rows, kind)?;
            let density = (PIXELS_PER_METRE * f64::from(scale)).round() as u32;
            Ok(density::with_density(&bytes, density))
        }
        RasterFormat::WebP => {
            WebPEncoder::new_lossless(&mut bytes).write_image(&colours, columns, rows, kind)?;
            Ok(bytes)
        }
        RasterFormat::Jpeg => {
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
            // Rounded and kept in range by the cast.
            encoder.set_pixel_density(PixelDensity::dpi((PIXELS_PER_INCH * scale).round() as u16));
            encoder.write_image(&colours, columns, rows, kind)?;
            Ok(bytes)
        }
    }
}
