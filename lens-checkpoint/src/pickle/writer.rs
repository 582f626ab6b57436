//! Writes pickles as Python's pickler does.
//!
//! A pickle is written step by step, in the order in which Python writes it: protocol 2, everything but numbers and
//! truth values remembered when it is made, and what is one object for Python (a name, the text `storage`) recalled.

use std::collections::BTreeMap;

use crate::view::packed_strides;

/// A pickle that is being written.
pub(crate) struct Pickler {
    bytes: Vec<u8>,
    remembered: u32,
    /// What is recalled: names and shared texts.
    shared: BTreeMap<String, u32>,
}

impl Pickler {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0x80, 2], remembered: 0, shared: BTreeMap::new() }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
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

    pub(crate) fn text(&mut self, text: &str) {
        self.text_bytes(text);
        self.remember();
    }

    /// A text that is one object wherever it stands.
    pub(crate) fn shared_text(&mut self, text: &str) {
        self.once(format!("X{text}"), |this| this.text_bytes(text));
    }

    fn text_bytes(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.bytes());
    }

    pub(crate) fn int(&mut self, value: usize) {
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

    pub(crate) fn none(&mut self) {
        self.bytes.push(b'N');
    }

    pub(crate) fn mark(&mut self) {
        self.bytes.push(b'(');
    }

    pub(crate) fn empty_dict(&mut self) {
        self.bytes.push(b'}');
        self.remember();
    }

    pub(crate) fn empty_list(&mut self) {
        self.bytes.push(b']');
        self.remember();
    }

    /// The key and value on top become an entry of the table below.
    pub(crate) fn set_item(&mut self) {
        self.bytes.push(b's');
    }

    /// The keys and values since the mark become entries of the table below it.
    pub(crate) fn set_items(&mut self) {
        self.bytes.push(b'u');
    }

    /// The value on top becomes an element of the list below.
    pub(crate) fn append(&mut self) {
        self.bytes.push(b'a');
    }

    /// The values since the mark become elements of the list below it.
    pub(crate) fn append_all(&mut self) {
        self.bytes.push(b'e');
    }

    /// The value on top becomes the state of the one below.
    pub(crate) fn build(&mut self) {
        self.bytes.push(b'b');
    }

    /// An empty `OrderedDict`.
    pub(crate) fn ordered_dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.bytes.extend(b")R");
        self.remember();
    }

    /// A row-major tensor: all of storage number `storage`, of this class.
    pub(crate) fn tensor(&mut self, shape: &[usize], storage: usize, class: &str) {
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
        let strides = packed_strides(shape).unwrap_or_default();
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
