//! Files that lie, or ask for more than data, are refused, each for its own reason and without a trace.

use std::collections::BTreeMap;

use super::{path, refused};

/// What the message about each file has to say.
const REASONS: [(&str, &str); 53] = [
    ("below_the_mark.pt", "its stack is empty"),
    ("big_endian.pt", "not little-endian"),
    ("build_on_text.pt", "sets the state of what is not a table"),
    ("builds_object.pt", "the instruction NEWOBJ"),
    ("calls_a_storage.pt", "calls what is not a function"),
    ("cut_list.pt", "not a zip file"),
    ("deflated.pt", "compressed"),
    ("encrypted.pt", "encrypted"),
    ("expanded.pt", "lies outside its storage"),
    ("huge_text.pt", "it is cut off"),
    ("huge_text_8.pt", "it is cut off"),
    ("inst.pt", "the instruction STRING"),
    ("itself.pt", "has the key \"J\""),
    ("legacy.pt", "older form of torch.save"),
    ("long_number.pt", "more than 64 bits"),
    ("lying_list.pt", "its end record lies"),
    ("lying_locator.pt", "its end record lies"),
    ("lying_name.pt", "its list of entries lies"),
    ("lying_offset.pt", "lies"),
    ("lying_size.pt", "lies"),
    ("lying_sizes_differ.pt", "compressed"),
    ("many_entries.pt", "at most 65536 are read"),
    ("negative_offset.pt", "negative size"),
    ("negative_stride.pt", "negative size"),
    ("no_end.pt", "it is cut off"),
    ("no_pickle.pt", "lacks data.pkl"),
    ("ordered_dict_of.pt", "arguments that are not plain"),
    ("other_entry.pt", "lies"),
    ("other_strides.pt", "lies outside its storage"),
    ("outside_far.pt", "lies outside its storage"),
    ("outside_offset.pt", "from element 1 on lies outside its storage"),
    ("outside_size.pt", "[3, 4] with strides [3, 1]"),
    ("outside_stride.pt", "lies outside its storage"),
    ("protocol_0.pt", "does not begin with its protocol"),
    ("runs_eval.pt", "asks for \"builtins.eval\""),
    ("runs_getattr.pt", "asks for \"__builtin__.getattr\""),
    ("runs_system.pt", "asks for \"posix.system\""),
    ("setitem_on_list.pt", "sets items of what is not a table"),
    ("setitem_on_tensor.pt", "sets items of what is not a table"),
    ("storage_elsewhere.pt", "storage that is not there"),
    ("storage_longer.pt", "should have 20 bytes, and its entry has 18"),
    ("storage_meta.pt", "something else than a storage"),
    ("storage_missing.pt", "storage that is not there"),
    ("storage_other_class.pt", "should have 72 bytes, and its entry has 18"),
    ("storage_other_tag.pt", "something else than a storage"),
    ("storage_shorter.pt", "should have 16 bytes, and its entry has 18"),
    ("torchscript.pt", "it is TorchScript"),
    ("truncated.pt", "not a zip file"),
    ("twice.pt", "two entries"),
    ("two_folders.pt", "not in one folder"),
    ("two_values.pt", "does not end with one value"),
    ("underflow.pt", "its stack is empty"),
    ("unknown_memo.pt", "recalls what it has not remembered"),
];

#[test]
fn every_hostile_file_is_refused_for_its_own_reason() {
    let reasons: BTreeMap<&str, &str> = REASONS.into();
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(path("hostile")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let message = refused(&format!("hostile/{name}"));
        let reason = reasons.get(&*name).unwrap_or_else(|| panic!("{name} has no reason here: {message}"));
        if !message.contains(reason) {
            wrong.push(format!("{name}: {message}"));
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen, reasons.len());
    assert!(!std::path::Path::new("/tmp/lens-was-here").exists(), "a pickle ran its command");
}
