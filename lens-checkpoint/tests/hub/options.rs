//! The environment, as the hub's own tools read it.

use std::collections::HashMap;
use std::path::Path;

use lens_checkpoint::source::{Silent, SourceOptions, Token, locate};
use tempfile::TempDir;

use crate::server::{ID, Model, Server};

type Env<'a> = &'a [(&'a str, &'a str)];

fn options(env: Env) -> SourceOptions {
    let env: HashMap<&str, &str> = env.iter().copied().collect();
    SourceOptions::from_lookup(|name| env.get(name).map(Into::into))
}

#[test]
fn the_cache_folder_follows_the_variables_in_their_order() {
    let home = ("HOME", "/home/me");
    let cases: [(Env, &str); 8] = [
        (&[home], "/home/me/.cache/huggingface/hub"),
        (&[home, ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
        (&[home, ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/hf")], "/hf/hub"),
        (&[home, ("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
        (&[home, ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new")], "/new"),
        (&[home, ("HF_HOME", "~/hf")], "/home/me/hf/hub"),
        (
            &[home, ("HF_HUB_CACHE", "${SCRATCH}/$USER/$NONE"), ("SCRATCH", "/s"), ("USER", "me")],
            "/s/me/$NONE",
        ),
        (&[home, ("HF_HOME", "")], "/home/me/.cache/huggingface/hub"),
    ];
    for (env, expected) in cases {
        assert_eq!(options(env).cache.as_deref(), Some(Path::new(expected)), "{env:?}");
    }
    assert_eq!(options(&[]).cache, None);
}

#[test]
fn offline_is_on_for_the_hubs_true_values() {
    for (value, on) in [("1", true), ("true", true), ("YES", true), ("on", true), ("0", false), ("no", false)]
    {
        assert_eq!(options(&[("HF_HUB_OFFLINE", value)]).offline, on, "{value}");
        assert_eq!(options(&[("TRANSFORMERS_OFFLINE", value)]).offline, on, "{value}");
    }
    assert!(!options(&[("HF_HUB_OFFLINE", "0"), ("TRANSFORMERS_OFFLINE", "1")]).offline);
}

#[test]
fn the_endpoint_has_a_default() {
    assert_eq!(options(&[]).endpoint, "https://huggingface.co");
    assert_eq!(options(&[("HF_ENDPOINT", "https://mirror.test/")]).endpoint, "https://mirror.test/");
}

#[test]
fn a_token_prints_as_nothing() {
    let options = options(&[("HF_TOKEN", "hf_SENTINEL")]);
    assert!(!format!("{options:?} {options:#?}").contains("SENTINEL"));
    assert!(!Token::new("hf_SENTINEL").unwrap().to_string().contains("SENTINEL"));
    assert!(Token::new(" \r\n").is_none());
}

/// The authorization that a hub sees under an environment, with a token file in `HF_HOME` and one elsewhere.
fn authorization(env: Env) -> Option<String> {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("token"), "hf_home\n").unwrap();
    std::fs::write(dir.path().join("elsewhere"), "  hf_elsewhere  ").unwrap();
    let model = Model::single();
    let server = Server::start("127.0.0.1", move |ask| model.answer(ask));
    let at = dir.path().to_str().unwrap();
    let env: Vec<(String, String)> =
        env.iter().map(|(name, value)| ((*name).to_owned(), value.replace("DIR", at))).collect();
    let mut env: Vec<(&str, &str)> = env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    env.extend([("HF_HOME", at), ("HF_ENDPOINT", &server.url)]);
    locate(ID, &options(&env), &mut Silent).unwrap();
    assert!(dir.path().join("hub/models--owner--model").is_dir());
    server.asked()[0].header("authorization").map(str::to_owned)
}

#[test]
fn the_token_comes_from_the_variable_or_else_from_the_file() {
    let cases: [(Env, Option<&str>); 7] = [
        (&[], Some("Bearer hf_home")),
        (&[("HF_TOKEN", " hf_env\n")], Some("Bearer hf_env")),
        (&[("HUGGING_FACE_HUB_TOKEN", "hf_old")], Some("Bearer hf_old")),
        (&[("HF_TOKEN", ""), ("HF_TOKEN_PATH", "DIR/elsewhere")], Some("Bearer hf_elsewhere")),
        (&[("HF_TOKEN_PATH", "DIR/none")], None),
        (&[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")], None),
        (&[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"), ("HF_TOKEN", "hf_env")], None),
    ];
    for (env, expected) in cases {
        assert_eq!(authorization(env).as_deref(), expected, "{env:?}");
    }
}
