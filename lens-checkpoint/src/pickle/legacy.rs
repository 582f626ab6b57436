//! The older form of `torch.save`, from before PyTorch 1.6: pickles one after the other (a number that says so, a version,
//! facts about the machine, what was saved, the keys of the storages), and then each storage: how many numbers it has, in
//! eight bytes, and the numbers.

use std::{collections::BTreeMap, ops::Range};

use super::{
    error::PickleError,
    machine::{Machine, broken},
    node::{Id, Object},
    storages::Storages,
};

/// How such a file begins: a pickle of a number that says so.
pub(super) const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The version of the form.
const VERSION: i64 = 1001;

/// Runs the pickles of a file.
pub(super) fn run(file: &[u8]) -> Result<(Vec<Object>, Id), PickleError> {
    let rest = file.strip_prefix(MAGIC).ok_or_else(|| broken("it does not begin as its form does"))?;
    let next = |pickle| Machine::new(super::bounded(pickle), Storages::Later).run_on();
    let end = |left: &[u8], of: &[u8]| of.len() - super::bounded(of).len() + left.len();
    let (objects, root, left) = next(rest)?;
    if objects.get(root.0 as usize) != Some(&Object::Int(VERSION)) {
        return Err(broken("its form has another version than 1001"));
    }
    let rest = &rest[rest.len() - end(left, rest)..];
    let (objects, root, left) = next(rest)?;
    if !is_little_endian(&objects, root) {
        return Err(broken("its numbers are not little-endian"));
    }
    let rest = &rest[rest.len() - end(left, rest)..];
    let main = rest;
    let (objects, _, left) = next(rest)?;
    let rest = &rest[rest.len() - end(left, rest)..];
    let (keys, root, left) = next(rest)?;
    let start = file.len() - end(left, rest);
    let found = find(file, start, &keys, root, &sizes(&objects))?;
    Machine::new(super::bounded(main), Storages::Found(&found)).run()
}

fn is_little_endian(objects: &[Object], root: Id) -> bool {
    let at = |id: &Id| objects.get(id.0 as usize);
    let Some(Object::Dict(facts)) = at(&root) else { return false };
    let little = |(key, value): &(Id, Id)| {
        matches!(at(key), Some(Object::Text(key)) if key == "little_endian")
            && at(value) == Some(&Object::Bool(true))
    };
    facts.iter().any(little)
}

/// How many bytes a number of each storage has.
fn sizes(objects: &[Object]) -> BTreeMap<&str, usize> {
    let mut sizes = BTreeMap::new();
    for object in objects {
        if let Object::Storage(storage) = object {
            sizes.insert(storage.key.as_str(), storage.number.bytes());
        }
    }
    sizes
}

/// Where each storage lies: one after the other, in the order of their keys.
fn find(
    file: &[u8],
    mut at: usize,
    keys: &[Object],
    root: Id,
    sizes: &BTreeMap<&str, usize>,
) -> Result<BTreeMap<String, Range<usize>>, PickleError> {
    let Some(Object::List(ids)) = keys.get(root.0 as usize) else {
        return Err(broken("it has no list of its storages"));
    };
    let mut found = BTreeMap::new();
    for id in ids {
        let Some(Object::Text(key)) = keys.get(id.0 as usize) else {
            return Err(broken("it has a storage without a key"));
        };
        let size = *sizes.get(key.as_str()).ok_or_else(|| broken("it has a storage that no tensor uses"))?;
        let count = file.get(at..).and_then(<[u8]>::first_chunk::<8>).map(|count| u64::from_le_bytes(*count));
        let bytes = count.and_then(|count| usize::try_from(count).ok()?.checked_mul(size));
        let end = bytes.and_then(|bytes| (at + 8).checked_add(bytes)).filter(|end| *end <= file.len());
        let end = end.ok_or_else(|| broken("it is cut off"))?;
        if found.insert(key.clone(), at + 8..end).is_some() {
            return Err(broken("it has two storages of one key"));
        }
        at = end;
    }
    match at == file.len() {
        true => Ok(found),
        false => Err(broken("something follows its last storage")),
    }
}
