//! Adapters on the hub: by name, in the place of a model, beside one, offline, and hostile.

use std::collections::BTreeMap;

use lens_checkpoint::source::{AdapterFiles, Silent, SourceError, headers, locate, locate_adapter};

use crate::lens::{Repositories, answer};
use crate::server::{COMMIT, Server};
use crate::{Bench, assert_says_no_secret, read};

fn repositories() -> Repositories {
    let file = |name: &str, content: &str| (name.to_owned(), content.as_bytes().to_vec());
    let config = |base: &str| format!(r#"{{"peft_type": "LORA", "base_model_name_or_path": {base}}}"#);
    let adapter = |folder: &str, base: &str| {
        [
            file(&format!("{folder}adapter_config.json"), &config(base)),
            file(&format!("{folder}adapter_model.safetensors"), "tensors"),
        ]
    };
    let model =
        || [file("config.json", "{}"), file("model.safetensors", "weights"), file("tokenizer.json", "{}")];
    let with = |files: &[(String, Vec<u8>)], more: &[(String, Vec<u8>)]| -> BTreeMap<String, Vec<u8>> {
        files.iter().chain(more).cloned().collect()
    };
    let chat = [file("tokenizer.json", "{\"own\": 1}"), file("chat_template.jinja", "x")];
    [
        ("owner/base", with(&model(), &[])),
        ("owner/adapter", with(&adapter("", "\"owner/base\""), &chat)),
        (
            "owner/pickled",
            with(&[adapter("", "\"owner/base\"")[0].clone(), file("adapter_model.bin", "x")], &[]),
        ),
        ("owner/many", with(&adapter("step-10/", "null"), &adapter("step-20/", "null"))),
        ("owner/both", with(&model(), &adapter("", "\"owner/both\""))),
        ("owner/merged", with(&model(), &adapter("", "\"owner/base\""))),
        ("owner/hostile", with(&adapter("", "\"../../../etc\""), &[])),
        ("owner/local", with(&adapter("", "\"/etc\""), &[])),
        ("owner/nameless", with(&adapter("", "null"), &[])),
        ("owner/half", with(&[file("adapter_config.json", "{}")], &[])),
        ("owner/chain", with(&adapter("", "\"owner/adapter\""), &[])),
    ]
    .into()
}

fn hub() -> Server {
    let repositories = repositories();
    Server::start("127.0.0.1", move |ask| answer(&repositories, ask))
}

fn find(bench: &Bench, name: &str) -> Result<AdapterFiles, SourceError> {
    locate_adapter(name, &bench.options, &mut Silent)
}

#[test]
fn an_adapter_is_found_by_name_folder_and_revision() {
    let server = hub();
    let mut bench = Bench::new(&server);
    // The revision that was asked for is the model's.
    bench.options.revision = Some("of-the-model".to_owned());
    let found = find(&bench, "owner/adapter").unwrap();
    assert_eq!((found.id.as_str(), found.revision.as_deref()), ("owner/adapter", Some(COMMIT)));
    assert_eq!(read(&found.weights), b"tensors");
    assert!(
        !server.asked().iter().any(|ask| ask.path.contains("tokenizer") || ask.path.contains("of-the-model"))
    );
    let found = find(&bench, "owner/many/step-20").unwrap();
    assert_eq!(found.id, "owner/many/step-20");
    assert!(found.config.ends_with("step-20/adapter_config.json"));
    let at = find(&bench, "owner/pickled@some-branch").unwrap();
    assert!(at.weights.ends_with("adapter_model.bin"));
    assert!(server.asked().iter().any(|ask| ask.path.ends_with("/revision/some-branch")));
    for name in ["owner/half", "owner/many", "owner/base", "owner/many/../adapter", "owner/many/step-30"] {
        let error = find(&bench, name).unwrap_err();
        assert_says_no_secret(&error);
        assert!(matches!(error, SourceError::NoAdapter { .. }), "{name}: {error:?}");
    }
}

#[test]
fn an_adapter_in_the_place_of_a_model_brings_its_model_and_its_tokenizer() {
    let server = hub();
    let mut bench = Bench::new(&server);
    let files = locate("owner/adapter", &bench.options, &mut Silent).unwrap();
    assert_eq!((files.id.as_str(), files.adapters.len()), ("owner/base", 1));
    assert_eq!(read(&files.weights[0]), b"weights");
    assert_eq!(read(&files.adapters[0].weights), b"tensors");
    assert_eq!(read(&files.tokenizer.clone().unwrap()), b"{\"own\": 1}");
    assert!(
        files.notes[0].contains("merged into the model that its config names: owner/base"),
        "{:?}",
        files.notes
    );
    bench.options.offline = true;
    let again = locate("owner/adapter", &bench.options, &mut Silent).unwrap();
    assert_eq!((again.weights, again.adapters), (files.weights.clone(), files.adapters.clone()));
    bench.options.offline = false;
    drop(server);
    let again = locate("owner/adapter", &bench.options, &mut Silent).unwrap();
    assert_eq!(again.weights, files.weights);
    assert!(again.notes.iter().any(|note| note.contains("using the cached copy")), "{:?}", again.notes);
}

#[test]
fn an_adapter_beside_a_model_is_fetched_if_it_is_for_it() {
    let server = hub();
    let bench = Bench::new(&server);
    let both = locate("owner/both", &bench.options, &mut Silent).unwrap();
    assert_eq!(both.adapters.len(), 1);
    let of_headers = |name| headers(name, &bench.options, &mut Silent);
    // The weights themselves are no headers.
    assert!(of_headers("owner/both").is_err());
    let merged = locate("owner/merged", &bench.options, &mut Silent).unwrap();
    assert!(merged.adapters.is_empty());
    assert!(
        merged.notes[0].contains("not merged") && merged.notes[0].contains("owner/base"),
        "{:?}",
        merged.notes
    );
    assert!(
        !server
            .asked()
            .iter()
            .any(|ask| ask.path.contains("owner/merged") && ask.path.contains("adapter_model"))
    );
}

#[test]
fn what_a_config_on_the_hub_says_is_no_path() {
    let server = hub();
    let bench = Bench::new(&server);
    for (name, base) in
        [("owner/hostile", "../../../etc"), ("owner/local", "/etc"), ("owner/chain", "owner/adapter")]
    {
        let error = locate(name, &bench.options, &mut Silent).unwrap_err();
        assert_says_no_secret(&error);
        assert!(matches!(&error, SourceError::Base { base: named, .. } if named == base), "{error:?}");
    }
    let error = locate("owner/nameless", &bench.options, &mut Silent).unwrap_err();
    assert!(matches!(error, SourceError::NoBase { .. }), "{error:?}");
    let asked = server.asked();
    assert!(!asked.iter().any(|ask| ask.path.contains("..") || ask.path.contains("etc")), "{asked:?}");
}
