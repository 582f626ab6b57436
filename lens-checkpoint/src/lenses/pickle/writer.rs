//! Writes pickles as Python's pickler does, and the zip file of `torch.save` around them.
//!
//! A pickle is written step by step, in the order in which Python writes it: protocol 2, everything but numbers and
//! truth values remembered when it is made, and what is one object for Python (a name, the text `storage`) recalled.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use half::f16;

/// How numbers are stored in a file that is written.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Floats<'a> {
    /// As float32.
    Single(&'a [f32]),
    /// Rounded to float16.
    Half(&'a [f32]),
}

impl Floats<'_> {
    /// The class of a float32 storage.
    pub(in super::super) const SINGLE: &'static str = "FloatStorage";
    /// The class of a float16 storage.
    pub(in super::super) const HALF: &'static str = "HalfStorage";

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

/// A pickle that is being written.
pub(in super::super) struct Pickler {
    bytes: Vec<u8>,
    remembered: u32,
    /// What is recalled: names and shared texts.
    shared: BTreeMap<String, u32>,
}

impl Pickler {
    pub(in super::super) fn new() -> Self {
        Self { bytes: vec![0x80, 2], remembered: 0, shared: BTreeMap::new() }
    }

    pub(in super::super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(b'.');
        self.bytes
    }

    fn remember(&mut self) -> u32 {
        let index = self.remembered;
        self.remembered += 1;
        match u8::try_from(index) {
            Ok(index) => self.bytes.extend([b'q', index]),
            Err(_) => {
                self.bytes.push(b'r');
                self.bytes.extend(index.to_le_bytes());
            }
        }
        index
    }

    fn recall(&mut self, index: u32) {
        match u8::try_from(index) {
            Ok(index) => self.bytes.extend([b'h', index]),
            Err(_) => {
                self.bytes.push(b'j');
                self.bytes.extend(index.to_le_bytes());
            }
        }
    }

    /// Recalls what has this name, or makes and remembers it.
    fn once(&mut self, name: String, make: impl FnOnce(&mut Self)) {
        if let Some(index) = self.shared.get(&name) {
            return self.recall(*index);
        }
        make(self);
        let index = self.remember();
        self.shared.insert(name, index);
    }

    fn global(&mut self, module: &str, name: &str) {
        let line = format!("c{module}\n{name}\n");
        self.once(line.clone(), |this| this.bytes.extend(line.bytes()));
    }

    pub(in super::super) fn text(&mut self, text: &str) {
        self.text_bytes(text);
        self.remember();
    }

    /// A text that is one object wherever it stands.
    pub(in super::super) fn shared_text(&mut self, text: &str) {
        self.once(format!("X{text}"), |this| this.text_bytes(text));
    }

    fn text_bytes(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.bytes());
    }

    pub(in super::super) fn int(&mut self, value: usize) {
        match (u8::try_from(value), u16::try_from(value), i32::try_from(value)) {
            (Ok(value), ..) => self.bytes.extend([b'K', value]),
            (_, Ok(value), _) => {
                self.bytes.push(b'M');
                self.bytes.extend(value.to_le_bytes());
            }
            (.., Ok(value)) => {
                self.bytes.push(b'J');
                self.bytes.extend(value.to_le_bytes());
            }
            _ => {
                let bytes = (value as u64).to_le_bytes();
                // As short as the sign bit allows.
                let length = (1..=8).find(|n| bytes[*n..].iter().all(|b| *b == 0) && bytes[n - 1] < 0x80);
                let wide = [bytes.as_slice(), &[0]].concat();
                let length = length.unwrap_or(9);
                self.bytes.extend([0x8a, length as u8]);
                self.bytes.extend(&wide[..length]);
            }
        }
    }

    pub(in super::super) fn none(&mut self) {
        self.bytes.push(b'N');
    }

    pub(in super::super) fn mark(&mut self) {
        self.bytes.push(b'(');
    }

    pub(in super::super) fn empty_dict(&mut self) {
        self.bytes.push(b'}');
        self.remember();
    }

    pub(in super::super) fn empty_list(&mut self) {
        self.bytes.push(b']');
        self.remember();
    }

    /// The key and value on top become an entry of the table below.
    pub(in super::super) fn set_item(&mut self) {
        self.bytes.push(b's');
    }

    /// The keys and values since the mark become entries of the table below it.
    pub(in super::super) fn set_items(&mut self) {
        self.bytes.push(b'u');
    }

    /// The value on top becomes an element of the list below.
    pub(in super::super) fn append(&mut self) {
        self.bytes.push(b'a');
    }

    /// The values since the mark become elements of the list below it.
    pub(in super::super) fn append_all(&mut self) {
        self.bytes.push(b'e');
    }

    /// The value on top becomes the state of the one below.
    pub(in super::super) fn build(&mut self) {
        self.bytes.push(b'b');
    }

    /// An empty `OrderedDict`.
    pub(in super::super) fn ordered_dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.bytes.extend(b")R");
        self.remember();
    }

    /// A row-major tensor: all of storage number `storage`, of this class.
    pub(in super::super) fn tensor(&mut self, shape: &[usize], storage: usize, class: &str) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.bytes.extend(b"((");
        self.shared_text("storage");
        self.global("torch", class);
        self.text(&storage.to_string());
        self.shared_text("cpu");
        self.int(shape.iter().product());
        self.bytes.push(b't');
        self.remember();
        self.bytes.push(b'Q');
        self.int(0);
        self.tuple(shape);
        let strides = super::super::view::row_major(shape).unwrap_or_default();
        self.tuple(&strides);
        self.bytes.push(0x89);
        self.ordered_dict();
        self.bytes.push(b't');
        self.remember();
        self.bytes.push(b'R');
        self.remember();
    }

    /// A tuple of one or two sizes.
    fn tuple(&mut self, sizes: &[usize]) {
        for size in sizes {
            self.int(*size);
        }
        self.bytes.push(if sizes.len() == 1 { 0x85 } else { 0x86 });
        self.remember();
    }
}

/// The zip file of `torch.save`.
pub(in super::super) struct TorchWriter<'a> {
    out: &'a mut dyn Write,
    folder: &'a str,
    written: u64,
    /// The list of entries.
    list: Vec<u8>,
    count: u64,
}

impl<'a> TorchWriter<'a> {
    /// A file whose entries are in `folder`.
    pub(in super::super) fn new(out: &'a mut dyn Write, folder: &'a str) -> Self {
        Self { out, folder, written: 0, list: Vec::new(), count: 0 }
    }

    /// Writes a pickle and its storages, which it names by their numbers.
    pub(in super::super) fn write(mut self, pickle: &[u8], storages: &[Floats<'_>]) -> io::Result<()> {
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
