//! Weights in files of `torch.save`: read as they are meant, or refused for what they ask.

use lens_checkpoint::{Checkpoint, Outline, StoredDtype, checkpoint::Io};

use crate::{assert_says, copy::Copy};

const FILE: &str = "pytorch_model.bin";

fn of(form: &str) -> Copy {
    Copy::of(&format!("../torch/{form}"))
}

/// All values of a checkpoint, in float16, by name.
fn values(checkpoint: &Checkpoint) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let spec = checkpoint.outline().spec.tensors();
    let mut names: Vec<&str> = spec.into_iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    let tensor = |name: &str| {
        let tensor = checkpoint.outline().tensors.get(name).unwrap();
        assert_eq!(tensor.dtype, Ok(StoredDtype::F16), "{name}");
        (name.to_owned(), tensor.shape.clone(), checkpoint.values(tensor).unwrap().into_owned())
    };
    names.into_iter().map(tensor).collect()
}

#[test]
fn every_form_holds_the_same_weights_as_safetensors() {
    let expected = values(&Copy::of("../quantised/gptq/twin").open().unwrap());
    for form in ["zip", "legacy", "sharded"] {
        let checkpoint = of(form).open().unwrap();
        for ((name, shape, ours), (_, as_stored, theirs)) in values(&checkpoint).into_iter().zip(&expected) {
            assert!(shape == *as_stored && ours == *theirs, "{form}: {name} differs");
        }
        let made: Vec<&str> = checkpoint
            .outline()
            .tensors
            .iter()
            .filter(|(_, tensor)| tensor.made.is_some())
            .map(|(name, _)| name)
            .collect();
        // The one that is transposed, where its strides were kept.
        assert!(made.iter().all(|name| name.ends_with("q_proj.weight")), "{made:?}");
        assert!(form == "sharded" || !made.is_empty(), "{form}");
        let notes = checkpoint.outline().notes.join(" ");
        assert!(notes.contains("torch.save"), "{notes}");
    }
}

#[test]
fn what_is_in_memory_is_what_is_mapped() {
    let options = lens_checkpoint::checkpoint::OpenOptions::default().with_io(Io::Read);
    let copy = of("legacy");
    assert_eq!(values(&copy.open_with(&options).unwrap()), values(&copy.open().unwrap()));
}

#[test]
fn outlines_know_the_tensors_of_pickles() {
    use lens_checkpoint::source::{Silent, SourceOptions, headers};
    for form in ["zip", "legacy", "sharded"] {
        let copy = of(form);
        let folder = copy.path("");
        let headers =
            headers(folder.to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent).unwrap();
        let outline = Outline::of_headers(&headers).unwrap();
        assert_eq!(outline.parameters(), copy.open().unwrap().outline().parameters());
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    for form in ["zip", "legacy"] {
        let whole = std::fs::read(of(form).path(FILE)).unwrap();
        for end in (0..whole.len()).step_by(397).chain([whole.len() - 1]) {
            let copy = of(form).with_file(FILE, &whole[..end]);
            assert_says(&copy.refusal(), &[FILE]);
        }
    }
}

#[test]
fn a_file_that_is_changed_anywhere_is_read_or_refused() {
    for form in ["zip", "legacy"] {
        let whole = std::fs::read(of(form).path(FILE)).unwrap();
        let copy = of(form);
        for at in (0..3000.min(whole.len())).step_by(19).chain((whole.len() - 2500..whole.len()).step_by(23))
        {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            std::fs::write(copy.path(FILE), &changed).unwrap();
            // Numbers may change without a trace; whatever is read has to be safe to look at.
            if let Ok(checkpoint) = copy.open() {
                for (_, tensor) in checkpoint.outline().tensors.iter() {
                    drop(checkpoint.values(tensor));
                }
            }
        }
    }
}

#[test]
fn a_pickle_that_asks_for_more_than_tensors_is_refused_by_what_it_asks() {
    for (what, pickle) in [
        ("posix.system", b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.".as_slice()),
        ("builtins.eval", b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.".as_slice()),
    ] {
        // The older form, whose fourth pickle is the one that counts.
        let whole = std::fs::read(of("legacy").path(FILE)).unwrap();
        let magic = &whole[..15];
        let version = b"\x80\x02M\xe9\x03.";
        let facts = b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.";
        let file = [magic, version, facts, pickle].concat();
        assert_says(&of("legacy").with_file(FILE, &file).refusal(), &[FILE, what, "not allowed"]);
        let big =
            [magic, version, b"\x80\x02}X\x0d\x00\x00\x00little_endian\x89s.".as_slice(), pickle].concat();
        assert_says(&of("legacy").with_file(FILE, &big).refusal(), &[FILE, "not little-endian"]);
    }
    let lfs =
        of("zip").with_file(FILE, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    assert_says(&lfs.refusal(), &["git-lfs"]);
}
