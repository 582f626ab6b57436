//! Writes the zip file of `torch.save`: entries as they are, numbers at multiples of 64.

use std::io::{self, Write};

use half::f16;

/// How numbers are stored in a file that is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Floats<'a> {
    /// As float32.
    Single(&'a [f32]),
    /// Rounded to float16.
    Half(&'a [f32]),
}

impl Floats<'_> {
    /// The class of a float32 storage.
    pub(crate) const SINGLE: &'static str = "FloatStorage";
    /// The class of a float16 storage.
    pub(crate) const HALF: &'static str = "HalfStorage";

    fn bytes(&self) -> usize {
        match self {
            Self::Single(values) => values.len() * 4,
            Self::Half(values) => values.len() * 2,
        }
    }

    /// The bytes, some at a time.
    fn each(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        const SOME: usize = 1 << 16;
        match self {
            Self::Single(values) => values.chunks(SOME).try_for_each(|some| {
                take(&some.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
            }),
            Self::Half(values) => values.chunks(SOME).try_for_each(|some| {
                take(&some.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect::<Vec<u8>>())
            }),
        }
    }
}

/// The zip file of `torch.save`.
pub(crate) struct TorchWriter<'a> {
    out: &'a mut dyn Write,
    folder: &'a str,
    written: u64,
    /// The list of entries.
    list: Vec<u8>,
    count: u64,
}

impl<'a> TorchWriter<'a> {
    /// A file whose entries are in `folder`.
    pub(crate) fn new(out: &'a mut dyn Write, folder: &'a str) -> Self {
        Self { out, folder, written: 0, list: Vec::new(), count: 0 }
    }

    /// Writes a pickle and its storages, which it names by their numbers.
    pub(crate) fn write(mut self, pickle: &[u8], storages: &[Floats<'_>]) -> io::Result<()> {
        self.bytes("data.pkl", pickle)?;
        self.bytes(".format_version", b"1")?;
        self.bytes(".storage_alignment", b"64")?;
        self.bytes("byteorder", b"little")?;
        for (index, storage) in storages.iter().enumerate() {
            self.entry(&format!("data/{index}"), storage.bytes(), |take| storage.each(take))?;
        }
        self.bytes("version", b"3\n")?;
        self.end()
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.entry(name, bytes.len(), |take| take(bytes))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// One entry, whose bytes begin at a multiple of 64, as torch has it for its own maps.
    fn entry(
        &mut self,
        name: &str,
        length: usize,
        content: impl Fn(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>,
    ) -> io::Result<()> {
        let name = format!("{}/{name}", self.folder);
        let size = u32::try_from(length).ok().filter(|size| *size < u32::MAX);
        let size =
            size.ok_or_else(|| io::Error::other("a tensor of 4 GiB or more does not fit such a file"))?;
        let mut hasher = crc32fast::Hasher::new();
        content(&mut |bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        let (start, crc) = (self.written, hasher.finalize());
        // Without a version that needs more, without flags but that names are UTF-8, stored, 1 January 1980.
        let common = |extra: usize| {
            let mut common = vec![0, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
            common.extend(crc.to_le_bytes());
            common.extend([size.to_le_bytes(), size.to_le_bytes()].concat());
            common.extend((name.len() as u16).to_le_bytes());
            common.extend((extra as u16).to_le_bytes());
            common
        };
        let unpadded = start + 30 + name.len() as u64 + 4;
        let padding = (unpadded.next_multiple_of(64) - unpadded) as usize;
        self.send(b"PK\x03\x04")?;
        self.send(&common(padding + 4))?;
        self.send(name.as_bytes())?;
        self.send(b"FB")?;
        self.send(&(padding as u16).to_le_bytes())?;
        self.send(&vec![b'Z'; padding])?;
        content(&mut |bytes| self.out.write_all(bytes))?;
        self.written += length as u64;
        self.list_entry(&name, start, &common);
        Ok(())
    }

    fn list_entry(&mut self, name: &str, start: u64, common: &dyn Fn(usize) -> Vec<u8>) {
        let narrow = u32::try_from(start).ok().filter(|start| *start < u32::MAX);
        let wide = if narrow.is_none() { 12 } else { 0 };
        self.list.extend(b"PK\x01\x02\x2d\x00");
        self.list.extend(common(wide));
        self.list.extend([0; 10]);
        self.list.extend(narrow.unwrap_or(u32::MAX).to_le_bytes());
        self.list.extend(name.bytes());
        if narrow.is_none() {
            self.list.extend([1, 0, 8, 0]);
            self.list.extend(start.to_le_bytes());
        }
        self.count += 1;
    }

    /// The list and the end records, the 64-bit one as well, as torch always has it.
    fn end(mut self) -> io::Result<()> {
        let (start, list) = (self.written, std::mem::take(&mut self.list));
        let (length, count) = (list.len() as u64, self.count);
        self.send(&list)?;
        let end = self.written;
        let mut last = b"PK\x06\x06".to_vec();
        last.extend(44_u64.to_le_bytes());
        last.extend([0x2d, 0, 0x2d, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for value in [count, count, length, start] {
            last.extend(value.to_le_bytes());
        }
        last.extend(b"PK\x06\x07\0\0\0\0");
        last.extend(end.to_le_bytes());
        last.extend(1_u32.to_le_bytes());
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        last.extend(b"PK\x05\x06\0\0\0\0");
        last.extend(
            [(count.min(0xffff) as u16).to_le_bytes(), (count.min(0xffff) as u16).to_le_bytes()].concat(),
        );
        last.extend([narrow(length).to_le_bytes(), narrow(start).to_le_bytes()].concat());
        last.extend([0, 0]);
        self.send(&last)
    }
}
