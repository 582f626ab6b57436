//! What is seen of a film, and what is written of it: only what changes.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};

use super::palette::Palette;

/// A picture as numbers of colours, row by row.
pub(super) struct Pixels {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) indices: Vec<u8>,
}

/// A part of the picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl Area {
    /// All of it.
    pub(super) const ALL: Self = Self { left: 0, top: 0, right: usize::MAX, bottom: usize::MAX };
}

/// The picture that is seen, and the file that makes it so.
pub(super) struct Screen<'a> {
    seen: Pixels,
    encoder: Encoder<&'a mut dyn Write>,
}

impl<'a> Screen<'a> {
    /// Begins a film with its first picture, which stands for so many hundredths of a second.
    pub(super) fn begin(
        out: &'a mut dyn Write,
        palette: &Palette,
        first: Pixels,
        stands: u16,
    ) -> io::Result<Self> {
        // Both fit: the size of a film was checked.
        let (width, height) = (first.width as u16, first.height as u16);
        let mut encoder = Encoder::new(out, width, height, &palette.bytes()).map_err(failed)?;
        encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
        let mut screen = Self { seen: first, encoder };
        let all = Area { left: 0, top: 0, right: usize::from(width), bottom: usize::from(height) };
        screen.write(all, stands)?;
        Ok(screen)
    }

    /// Shows what a picture has in an area, for so many hundredths of a second.
    pub(super) fn show(&mut self, picture: &Pixels, area: Area, stands: u16) -> io::Result<()> {
        let width = self.seen.width as usize;
        let rows = area.top..area.bottom.min(self.seen.height as usize);
        let columns = area.left.min(width)..area.right.min(width);
        let mut changed: Option<Area> = None;
        for y in rows {
            let row = y * width + columns.start..y * width + columns.end;
            let (old, new) = (&mut self.seen.indices[row.clone()], &picture.indices[row]);
            let differs = |(a, b): (&u8, &u8)| a != b;
            let Some(first) = old.iter().zip(new).position(differs) else { continue };
            let last = old.iter().zip(new).rposition(differs).unwrap_or(first);
            old.copy_from_slice(new);
            let (left, right) = (columns.start + first, columns.start + last + 1);
            let so_far = changed.unwrap_or(Area { left, top: y, right, bottom: y + 1 });
            changed = Some(Area {
                left: left.min(so_far.left),
                right: right.max(so_far.right),
                top: so_far.top,
                bottom: y + 1,
            });
        }
        // Where nothing changes, a single pixel keeps the time.
        self.write(changed.unwrap_or(Area { left: 0, top: 0, right: 1, bottom: 1 }), stands)
    }

    /// Ends the film.
    pub(super) fn end(self) -> io::Result<()> {
        self.encoder.into_inner().map_err(failed)?.flush()
    }

    fn write(&mut self, area: Area, stands: u16) -> io::Result<()> {
        let width = self.seen.width as usize;
        let row = |y: usize| &self.seen.indices[y * width + area.left..y * width + area.right];
        let buffer: Vec<u8> = (area.top..area.bottom).flat_map(row).copied().collect();
        let frame = Frame {
            delay: stands,
            dispose: DisposalMethod::Keep,
            left: area.left as u16,
            top: area.top as u16,
            width: (area.right - area.left) as u16,
            height: (area.bottom - area.top) as u16,
            buffer: Cow::Owned(buffer),
            ..Frame::default()
        };
        self.encoder.write_frame(&frame).map_err(failed)
    }
}

fn failed(error: EncodingError) -> io::Error {
    match error {
        EncodingError::Io(error) => error,
        other => io::Error::other(other),
    }
}
