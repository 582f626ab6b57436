//! The stack machine that runs a pickle: protocols 2 to 5, as far as plain data and tensors need them.

use std::collections::BTreeMap;

use super::{
    error::PickleError,
    node::{Global, Id, Object},
    storages::Storages,
};
use crate::limits;

/// A pickle that is being run.
pub(super) struct Machine<'a> {
    rest: &'a [u8],
    pub(super) storages: Storages<'a>,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
}

pub(super) type Done = Result<(), PickleError>;

pub(super) const fn broken(reason: &'static str) -> PickleError {
    PickleError::Broken { reason }
}

impl<'a> Machine<'a> {
    pub(super) fn new(pickle: &'a [u8], storages: Storages<'a>) -> Self {
        let (objects, stack, marks, memo) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        Self { rest: pickle, storages, objects, stack, marks, memo }
    }

    /// Runs to the end: all objects, and the one that was saved.
    pub(super) fn run(self) -> Result<(Vec<Object>, Id), PickleError> {
        self.run_on().map(|(objects, root, _)| (objects, root))
    }

    /// The same, and what follows the pickle.
    pub(super) fn run_on(mut self) -> Result<(Vec<Object>, Id, &'a [u8]), PickleError> {
        if !self.rest.starts_with(b"\x80") {
            return Err(broken("it does not begin with its protocol"));
        }
        loop {
            let [opcode] = self.take()?;
            if opcode == b'.' {
                break;
            }
            self.step(opcode)?;
        }
        match (self.stack.as_slice(), self.marks.as_slice()) {
            (&[root], []) => Ok((self.objects, root, self.rest)),
            _ => Err(broken("it does not end with one value")),
        }
    }

    fn step(&mut self, opcode: u8) -> Done {
        match opcode {
            0x80 => match self.take()? {
                [2..=5] => Ok(()),
                _ => Err(broken("its protocol is none of 2 to 5")),
            },
            // A frame says how many bytes belong together.
            0x95 => self.take::<8>().map(drop),
            b'(' => self.mark(),
            b'0' => self.pop().map(drop),
            b'1' => self.pop_mark().map(drop),
            b'N' => self.push(Object::None),
            0x88 => self.push(Object::Bool(true)),
            0x89 => self.push(Object::Bool(false)),
            b'J' => self.take().and_then(|bytes| self.push(Object::Int(i32::from_le_bytes(bytes).into()))),
            b'K' => self.take().and_then(|[byte]| self.push(Object::Int(byte.into()))),
            b'M' => self.take().and_then(|bytes| self.push(Object::Int(u16::from_le_bytes(bytes).into()))),
            0x8a => self.long(),
            b'G' => self.take().and_then(|bytes| self.push(Object::Float(f64::from_be_bytes(bytes)))),
            b'X' => self.take().and_then(|bytes| self.text(u32::from_le_bytes(bytes).into())),
            0x8c => self.take().and_then(|[length]| self.text(length.into())),
            0x8d => self.take().and_then(|bytes| self.text(u64::from_le_bytes(bytes))),
            b')' => self.push(Object::Tuple(Vec::new())),
            0x85..=0x87 => self.tuple((opcode - 0x84).into()),
            b't' => self.pop_mark().and_then(|items| self.push(Object::Tuple(items))),
            b']' => self.push(Object::List(Vec::new())),
            b'a' => self.pop().and_then(|item| self.extend_list(vec![item])),
            b'e' => self.pop_mark().and_then(|items| self.extend_list(items)),
            b'}' => self.push(Object::Dict(Vec::new())),
            b's' => self.pop_many(2).and_then(|items| self.extend_dict(&items)),
            b'u' => self.pop_mark().and_then(|items| self.extend_dict(&items)),
            b'q' => self.take().and_then(|[index]| self.remember(index.into())),
            b'r' => self.take().and_then(|index| self.remember(u32::from_le_bytes(index))),
            // Numbered by how many are remembered.
            0x94 => self.remember(self.memo.len() as u32),
            b'h' => self.take().and_then(|[index]| self.recall(index.into())),
            b'j' => self.take().and_then(|index| self.recall(u32::from_le_bytes(index))),
            b'c' => self.global(),
            0x93 => self.stack_global(),
            b'R' => self.reduce(),
            b'Q' => self.storage(),
            b'b' => self.build(),
            other => Err(PickleError::Opcode { name: name_of(other) }),
        }
    }

    /// The next `N` bytes.
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let (first, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| broken("it is cut off"))?;
        self.rest = rest;
        Ok(*first)
    }

    /// The next `length` bytes.
    fn take_bytes(&mut self, length: u64) -> Result<&'a [u8], PickleError> {
        let length = usize::try_from(length).ok().filter(|length| *length <= self.rest.len());
        let (first, rest) = self.rest.split_at(length.ok_or_else(|| broken("it is cut off"))?);
        self.rest = rest;
        Ok(first)
    }

    /// The next bytes up to a line's end.
    fn take_line(&mut self) -> Result<&'a str, PickleError> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| broken("it is cut off"))?;
        let line = str::from_utf8(&self.rest[..end]).map_err(|_| broken("a name in it is not UTF-8"))?;
        self.rest = &self.rest[end + 1..];
        Ok(line)
    }

    pub(super) fn push(&mut self, object: Object) -> Done {
        if self.objects.len() == limits::pickle::MOST_OBJECTS {
            return Err(PickleError::TooLarge {
                what: "pickle",
                has: limits::pickle::MOST_OBJECTS + 1,
                most: limits::pickle::MOST_OBJECTS,
            });
        }
        self.objects.push(object);
        self.push_id(Id(self.objects.len() as u32 - 1))
    }

    fn push_id(&mut self, id: Id) -> Done {
        if self.stack.len() == limits::pickle::DEEPEST_STACK {
            return Err(PickleError::TooLarge {
                what: "pickle's stack",
                has: limits::pickle::DEEPEST_STACK + 1,
                most: limits::pickle::DEEPEST_STACK,
            });
        }
        self.stack.push(id);
        Ok(())
    }

    /// What may be taken from the stack: nothing below the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn pop(&mut self) -> Result<Id, PickleError> {
        self.top()?;
        self.stack.pop().ok_or_else(|| broken("its stack is empty"))
    }

    pub(super) fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, PickleError> {
        let start = self.stack.len().checked_sub(count).filter(|start| *start >= self.floor());
        Ok(self.stack.split_off(start.ok_or_else(|| broken("its stack is empty"))?))
    }

    pub(super) fn top(&self) -> Result<Id, PickleError> {
        self.stack[self.floor()..].last().copied().ok_or_else(|| broken("its stack is empty"))
    }

    fn mark(&mut self) -> Done {
        if self.marks.len() == limits::pickle::DEEPEST_NESTING {
            let (has, most) = (limits::pickle::DEEPEST_NESTING + 1, limits::pickle::DEEPEST_NESTING);
            return Err(PickleError::TooLarge { what: "pickle's nesting", has, most });
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let start = self.marks.pop().ok_or_else(|| broken("it has no mark"))?;
        Ok(self.stack.split_off(start))
    }

    fn remember(&mut self, index: u32) -> Done {
        if self.memo.len() == limits::pickle::LARGEST_MEMO && !self.memo.contains_key(&index) {
            return Err(PickleError::TooLarge {
                what: "pickle's memo",
                has: limits::pickle::LARGEST_MEMO + 1,
                most: limits::pickle::LARGEST_MEMO,
            });
        }
        self.memo.insert(index, self.top()?);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Done {
        let id = *self.memo.get(&index).ok_or_else(|| broken("it recalls what it has not remembered"))?;
        self.push_id(id)
    }

    pub(super) fn object(&self, id: Id) -> &Object {
        &self.objects[id.0 as usize]
    }

    fn long(&mut self) -> Done {
        let [length] = self.take()?;
        let bytes = self.take_bytes(length.into())?;
        if bytes.len() > 8 {
            return Err(broken("it has a whole number of more than 64 bits"));
        }
        // Two's complement, little-endian, as short as can be.
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut all = [if negative { 0xff } else { 0 }; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        self.push(Object::Int(i64::from_le_bytes(all)))
    }

    fn text(&mut self, length: u64) -> Done {
        let bytes = self.take_bytes(length)?;
        let text = str::from_utf8(bytes).map_err(|_| broken("a text in it is not UTF-8"))?;
        self.push(Object::Text(text.to_owned()))
    }

    fn tuple(&mut self, count: usize) -> Done {
        let items = self.pop_many(count)?;
        self.push(Object::Tuple(items))
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Done {
        let list = self.top()?;
        match &mut self.objects[list.0 as usize] {
            Object::List(list) => list.extend(items),
            _ => return Err(broken("it appends to what is not a list")),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Done {
        let (pairs, rest) = items.as_chunks::<2>();
        let dict = self.top()?;
        match &mut self.objects[dict.0 as usize] {
            Object::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            _ => return Err(broken("it sets items of what is not a table")),
        }
        Ok(())
    }

    fn global(&mut self) -> Done {
        let (module, name) = (self.take_line()?, self.take_line()?);
        self.push_global(module, name)
    }

    fn stack_global(&mut self) -> Done {
        let names = self.pop_many(2)?;
        let text = |id: Id| match self.object(id) {
            Object::Text(text) => Ok(text.clone()),
            _ => Err(broken("it has a name that is not a text")),
        };
        let (module, name) = (text(names[0])?, text(names[1])?);
        self.push_global(&module, &name)
    }

    fn push_global(&mut self, module: &str, name: &str) -> Done {
        match Global::named(module, name) {
            Some(global) => self.push(Object::Global(global)),
            None => Err(PickleError::Forbidden { name: format!("{module}.{name}") }),
        }
    }
}

/// An instruction as Python calls it.
fn name_of(opcode: u8) -> String {
    let name = match opcode {
        b'i' => "INST",
        b'o' => "OBJ",
        b'P' => "PERSID",
        b'I' => "INT",
        b'L' => "LONG",
        b'F' => "FLOAT",
        b'S' => "STRING",
        b'T' => "BINSTRING",
        b'U' => "SHORT_BINSTRING",
        b'B' => "BINBYTES",
        b'C' => "SHORT_BINBYTES",
        0x81 => "NEWOBJ",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x8b => "LONG4",
        0x8e => "BINBYTES8",
        0x8f => "EMPTY_SET",
        0x90 => "ADDITEMS",
        0x91 => "FROZENSET",
        0x92 => "NEWOBJ_EX",
        0x96 => "BYTEARRAY8",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        other => return format!("{other:#04x}"),
    };
    name.to_owned()
}
