//! Files of `torch.save`, read as data: numbers, texts, lists, tables and tensors of floats, and nothing else.
//!
//! A pickle is a program for a stack machine, and the usual machine calls whatever function the program names. The one
//! here ([`machine`]) knows a few names and what each of them builds; any other name ends the reading with an error that
//! says it. The zip file around it ([`zip`]) is taken only as `torch.save` writes it: entries stored as they are, so that
//! a tensor is a view of the file. Everything that a file claims (sizes, offsets, strides, counts) is compared with what
//! is there, and everything that costs memory is capped: what is kept of a pickle grows with its bytes alone.

mod build;
mod container;
mod error;
mod legacy;
mod machine;
mod node;
mod storages;
mod tensors;
mod writer;
mod zip;

pub(crate) use container::{Floats, TorchWriter};
pub use error::PickleError;
use machine::Machine;
use node::{Id, Object};
pub(crate) use node::{Node, Number, Tensor};
use storages::Storages;

use crate::limits;
pub(crate) use tensors::{NamedTensor, tensors};
pub(crate) use writer::Pickler;
pub(crate) use zip::Archive;

/// What a pickle built.
#[derive(Debug)]
pub(crate) struct Built {
    objects: Vec<Object>,
    root: Id,
}

impl Built {
    /// Runs the pickle of a file of `torch.save`.
    pub(crate) fn of(file: &[u8]) -> Result<Self, PickleError> {
        let (objects, root) = run(file)?;
        Ok(Self { objects, root })
    }

    /// The same for a `state_dict`, which may be in the older form as well.
    pub(crate) fn of_state(file: &[u8]) -> Result<Self, PickleError> {
        let (objects, root) = if file.starts_with(legacy::MAGIC) { legacy::run(file)? } else { run(file)? };
        Ok(Self { objects, root })
    }

    /// What was saved; `file` is the file that it was built of.
    pub(crate) fn root<'a>(&'a self, file: &'a [u8]) -> Node<'a> {
        Node::new(file, &self.objects, self.root)
    }
}

/// Runs the pickle of a file.
fn run(bytes: &[u8]) -> Result<(Vec<Object>, Id), PickleError> {
    let archive = Archive::open(bytes)?;
    let pickle = archive.pickle()?;
    if pickle.len() > limits::pickle::LONGEST {
        return Err(PickleError::TooLarge {
            what: "pickle",
            has: pickle.len(),
            most: limits::pickle::LONGEST,
        });
    }
    Machine::new(&bytes[pickle], Storages::Zip(&archive)).run()
}

/// As much as a pickle may have of what lies at its beginning.
fn bounded(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(limits::pickle::LONGEST)]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lenses/files");
        std::fs::read(folder.join(name)).unwrap()
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_refused() {
        let whole = fixture("jlens_attn_out.pt");
        for end in 0..whole.len() {
            assert!(run(&whole[..end]).is_err(), "{end} of {} bytes were read", whole.len());
        }
    }

    #[test]
    fn a_file_that_is_changed_anywhere_is_read_or_refused() {
        for name in ["jlens_attn_out.pt", "jlens_protocol_5.pt"] {
            let whole = fixture(name);
            for at in 0..whole.len() {
                for change in [0x01, 0xff] {
                    let mut changed = whole.clone();
                    changed[at] ^= change;
                    // Numbers may change without a trace; whatever is read has to be safe to look at.
                    if let Ok((objects, root)) = run(&changed) {
                        let node = Node::new(&changed, &objects, root);
                        let tables = [Some(node), node.get("J")].into_iter().flatten();
                        tables.filter_map(Node::entries).flatten().for_each(|(_, value)| {
                            value.tensor().map(|view| view.to_vec().is_ok());
                        });
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_pickle_may_cost_is_bounded() {
        let run_pickle = |pickle: &[u8]| {
            let mut file = Vec::new();
            TorchWriter::new(&mut file, "lens").write(pickle, &[]).unwrap();
            run(&file).unwrap_err()
        };
        let of = |part: &[u8], times: usize| [b"\x80\x02".as_slice(), &part.repeat(times), b"."].concat();
        let many =
            |what| move |error| matches!(error, PickleError::TooLarge { what: found, .. } if found == what);
        assert!(many("pickle's nesting")(run_pickle(&of(b"(", 100_000))));
        assert!(many("pickle's stack")(run_pickle(&of(b"N", 100_000))));
        assert!(many("pickle")(run_pickle(&of(b"N0", 1 << 19))));
        assert!(many("pickle")(run_pickle(&of(b"N0", limits::pickle::LONGEST / 2))));
        let indices = (0..600_000_u32).flat_map(|index| [b"r".as_slice(), &index.to_le_bytes()].concat());
        let memo: Vec<u8> = b"\x80\x02N".iter().copied().chain(indices).chain(*b".").collect();
        assert!(many("pickle's memo")(run_pickle(&memo)));
    }

    #[test]
    fn whole_numbers_are_written_as_they_are_read() {
        for value in
            [0, 255, 256, 65_535, 65_536, i32::MAX as usize, 1 << 31, 1 << 39, (1 << 40) - 1, 1 << 62]
        {
            let mut pickler = Pickler::new();
            pickler.int(value);
            let mut file = Vec::new();
            TorchWriter::new(&mut file, "lens").write(&pickler.finish(), &[]).unwrap();
            let (objects, root) = run(&file).unwrap();
            assert_eq!(Node::new(&file, &objects, root).int(), Some(value as i64));
        }
    }
}
