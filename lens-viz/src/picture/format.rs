//! Files of pixels.

/// The formats of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RasterFormat {
    /// Lossless, and read everywhere.
    Png,
    /// Lossless too.
    WebP,
    /// With losses, which lines and letters show most: for what takes nothing else.
    Jpeg,
}

impl RasterFormat {
    /// What a file's name ends in.
    pub const ENDINGS: [(&'static str, Self); 4] =
        [("png", Self::Png), ("webp", Self::WebP), ("jpg", Self::Jpeg), ("jpeg", Self::Jpeg)];

    /// The format of a file whose name ends in this, whatever its case.
    pub fn of_ending(ending: &str) -> Option<Self> {
        let is_it = |(known, _): &(&str, Self)| known.eq_ignore_ascii_case(ending);
        Self::ENDINGS.iter().find(|known| is_it(known)).map(|(_, format)| *format)
    }

    /// The most pixels that a side may have.
    pub(super) fn longest_side(self) -> u32 {
        match self {
            // What its decoders take without a warning; drawing ends long before.
            Self::Png => i32::MAX as u32,
            Self::WebP => 1 << 14,
            Self::Jpeg => u16::MAX.into(),
        }
    }
}

impl std::fmt::Display for RasterFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Jpeg => "JPEG",
        })
    }
}
