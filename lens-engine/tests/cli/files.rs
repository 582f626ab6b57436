//! The files of a run, and what is drawn from them later.

use std::path::Path;

use serde_json::Value;

use crate::support::{Model, ok, refused, run, says};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("the file is there")).expect("JSON")
}

/// A folder with the results of a short continuation of the demo model.
fn results() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_str().expect("text");
    ok(&["run", "The capital of France is", "-n", "2", "--layers", "0,-1", "-k", "3", "-o", out]);
    folder
}

#[test]
fn a_run_leaves_everything_in_its_folder() {
    let folder = results();
    let mut names: Vec<String> = ["", "heatmaps"]
        .iter()
        .flat_map(|place| std::fs::read_dir(folder.path().join(place)).expect("a folder"))
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let expected = [
        ".lens-files.jsonl",
        "all_layers.json",
        "all_layers_step_0.svg",
        "all_layers_step_1.svg",
        "grid.svg",
        "heatmaps",
        "important_layers.json",
        "important_layers_step_0.svg",
        "important_layers_step_1.svg",
        "lens.html",
        "readouts.parquet",
        "tokens.parquet",
        "trace.json",
    ];
    assert_eq!(names, expected);

    let all = json(&folder.path().join("all_layers.json"));
    assert_eq!(all["step_0"]["input_text"], "The capital of France is");
    assert_eq!(all["step_0"]["predicted_token"], " Paris");
    assert_eq!(all["step_1"]["input_text"], "The capital of France is Paris");
    let block = &all["step_0"]["all_layers_data"]["7"]["block_output"];
    assert_eq!(block[0][0], " Paris");
    assert!(block[0][1].as_f64().is_some_and(|percent| percent > 90.0), "{block}");
    let important = json(&folder.path().join("important_layers.json"));
    assert!(important["step_0"]["important_layers"]["7"]["block_output"].is_array());
    let html = std::fs::read_to_string(folder.path().join("lens.html")).expect("a page");
    assert!(html.starts_with("<!DOCTYPE html>") && !html.contains("https://"));
}

#[test]
fn pictures_of_a_folder_are_drawn_as_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let run_with = |forms: &str| {
        let out = folder.path().join(forms);
        let args = ["run", "The cat", "-n", "2", "--layers", "0,-1", "-k", "3", "--pictures", forms, "-o"];
        let outcome = run(&[&args[..], &[out.to_str().expect("text")]].concat());
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let pictures = std::fs::read_dir(out.join("heatmaps")).into_iter().flatten();
        let mut names: Vec<String> =
            pictures.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        (out, names, outcome.stderr)
    };
    let (_, none, notes) = run_with("none");
    assert!(
        none.is_empty() && !notes.contains("heatmaps") && notes.contains("lens.html"),
        "{none:?}: {notes}"
    );
    let (_, svg, _) = run_with("svg");
    let (out, png, _) = run_with("png");
    assert_eq!(svg.len(), 5);
    assert_eq!(png, svg.iter().map(|name| name.replace(".svg", ".png")).collect::<Vec<_>>());
    for name in &png {
        let picture = std::fs::read(out.join("heatmaps").join(name)).expect("a picture");
        assert!(
            picture.starts_with(b"\x89PNG") && picture.len() < 300_000,
            "{name}: {} bytes",
            picture.len()
        );
    }
    let (_, both, notes) = run_with("svg,png");
    assert_eq!(both.len(), 10);
    says(&notes, &["10 pictures in heatmaps/"]);
    let (out, others, _) = run_with("webp,jpeg,pdf");
    assert_eq!(others.len(), 15);
    let begins = |name: &str, start: &[u8]| {
        let bytes = std::fs::read(out.join("heatmaps").join(name)).expect("a picture");
        assert!(bytes.starts_with(start), "{name}");
    };
    begins("grid.webp", b"RIFF");
    begins("all_layers_step_0.jpg", b"\xff\xd8\xff");
    begins("important_layers_step_1.pdf", b"%PDF-");
    says(&refused(&["run", "a", "--pictures", "png"], 2), &["--pictures", "name a folder with --out"]);
    says(
        &refused(&["run", "a", "--pictures", "gif", "-o", "x"], 2),
        &["svg, png, webp, jpg, pdf, several with commas"],
    );
}

#[test]
fn a_file_of_another_form_is_not_made_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.tsv", "a.txt", "a.html", "a.gz", "a.json.bz2"] {
        let out = folder.path().join(name);
        let path = out.to_str().expect("text");
        says(
            &refused(&["run", "a", "-o", path], 2),
            &[name, ".json, .jsonl, .csv", "for a folder of that name"],
        );
        assert!(!out.exists());
    }
    let out = format!("{}/a.txt/", folder.path().display());
    ok(&["run", "a", "--pictures", "none", "-o", &out]);
    assert!(folder.path().join("a.txt/trace.json").exists());
}

#[test]
fn a_name_that_nothing_can_be_written_into_is_met_with_those_that_can() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let of_results =
        [".json, .jsonl, .csv, .parquet or .arrow", "lens render makes", ".pdf", ".gif, a film", "(-n)"];
    let drawn = [".svg, .pdf, .png, .webp, .jpg, .gif, .html, .txt or .json"];
    let of_diff = [".txt, .json, .csv, .html, .svg, .pdf, .png, .webp or .jpg", "for a folder of that name"];
    let merged = [".txt, .json, .csv or .html", "--pictures", "for a folder of that name"];
    let trace = at("trace.json");
    ok(&["run", "a", "-o", &trace]);
    for (command, code, wrong, advice) in [
        (&["run", "a"][..], 2, &["gif", "mp4", "jpg", "txt"][..], &of_results[..]),
        (&["render", &trace], 1, &["mp4", "csv", "bmp", ""], &drawn),
        (&["diff", "a", "b", "--corpus", "c"], 2, &["gif", "mp4", "tsv"], &of_diff),
        (&["corpus", "merge", "parts"], 2, &["gif", "mp4", "jpg"], &merged),
        (
            &["corpus", "run", "--input", "a"],
            2,
            &["gif", "jpg", "csv", "txt"],
            &["lens corpus merge", "folder"],
        ),
        (
            &["attribute", "a", "--target", "b"],
            1,
            &["gif", "csv", "txt"],
            &[".json, .html, .svg, .pdf, .png, .webp or .jpg"],
        ),
        (
            &["patch", "--clean", "a", "--corrupted", "b"],
            1,
            &["gif", "csv", "txt"],
            &[".json, .svg, .pdf", "of a folder"],
        ),
    ] {
        for ending in wrong {
            let dot = if ending.is_empty() { "" } else { "." };
            let out = at(&format!("x{dot}{ending}"));
            let said = refused(&[command, &["-o", &out]].concat(), code);
            says(&said, &[&[&*out][..], advice].concat());
            assert!(!std::path::Path::new(&out).exists(), "{out} was made");
        }
    }
    says(&refused(&["render", &trace, "-o", "x.mp4"], 1), &["the nearest to .mp4 is .gif"]);
    says(&refused(&["diff", "a", "b", "--corpus", "c", "-o", "x.tsv"], 2), &["the nearest to .tsv is .csv"]);
}

#[test]
fn a_saved_trace_is_drawn_without_a_model() {
    let folder = results();
    let trace = folder.path().join("trace.json");
    let trace = trace.to_str().expect("text");
    let file = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();

    says(&ok(&["render", trace, "--step", "0"]), &["resid_post", "·Paris"]);
    assert!(ok(&["render", trace, "--kind", "all-layers"]).starts_with("<svg "));
    for (name, start) in [
        ("a.svg", &b"<svg "[..]),
        ("b.png", b"\x89PNG"),
        ("b.webp", b"RIFF"),
        ("b.JPG", b"\xff\xd8\xff"),
        ("b.pdf", b"%PDF-"),
        ("b.gif", b"GIF89a"),
        ("c.html", b"<!DOCTYPE"),
        ("d.txt", b"model"),
    ] {
        ok(&["render", trace, "-o", &file(name)]);
        assert!(std::fs::read(file(name)).expect("a file").starts_with(start), "{name}");
    }
    for kind in ["important-layers", "grid-kl", "trajectories", "curves"] {
        let path = file(&format!("{kind}.svg"));
        ok(&["render", trace, "--kind", kind, "-o", &path]);
        assert!(std::fs::read(&path).expect("a file").starts_with(b"<svg "), "{kind}");
    }
    let with_tokens = ["render", trace, "--kind", "trajectories", "--tokens", " Paris", "--step", "0"];
    assert!(ok(&with_tokens).contains("Paris"));
}

#[test]
fn what_cannot_be_drawn_is_refused_with_what_can() {
    let folder = results();
    let trace = folder.path().join("trace.json");
    let trace = trace.to_str().expect("text");
    says(
        &refused(&["render", trace, "--kind", "gird"], 2),
        &["did you mean \"grid\"", "known: table, page, all-layers"],
    );
    says(
        &refused(&["render", trace, "--kind", "grid", "-o", "x.html"], 1),
        &["a grid is .svg, .pdf, .png, .webp, .jpg or .txt"],
    );
    says(
        &refused(&["render", trace, "-o", "x.bmp"], 1),
        &[".svg, .pdf, .png, .webp, .jpg, .gif, .html, .txt or .json"],
    );
    says(
        &refused(&["render", trace, "--kind", "curves", "-o", "x.html"], 1),
        &["a picture is .svg, .pdf, .png, .webp or .jpg"],
    );
    says(&refused(&["render", trace, "--step", "7"], 1), &["steps are 0 to 1"]);
    says(&refused(&["render", trace, "--kind", "film"], 1), &["name one with -o, such as film.gif"]);
    says(&refused(&["render", trace, "--kind", "film", "-o", "x.webp"], 1), &["a film is .gif"]);
    says(
        &refused(&["render", trace, "-o", "x.gif", "--font-size", "7"], 2),
        &["--font-size has no effect", "--scale"],
    );
    for (width, advice) in [
        ("85 furlongs", "\"furlongs\" is no unit that is known"),
        ("-5mm", "--width"),
        ("wide", "is no width"),
    ] {
        says(&refused(&["render", trace, &format!("--width={width}"), "-o", "x.svg"], 2), &[advice]);
    }
    for points in ["0", "-1", "large"] {
        says(
            &refused(&["render", trace, &format!("--font-size={points}"), "-o", "x.pdf"], 2),
            &["no size of text"],
        );
    }
    for (given, advice) in [
        (["--width", "0mm"], "above 0"),
        (["--width", "1mm"], "choose at least 42.34 mm, or text of at most"),
        (["--width", "99999in"], "up to 200 in"),
        (["--width", "1"], "choose a width from 160"),
    ] {
        says(&refused(&[&["render", trace, "-o", "x.pdf"][..], &given].concat(), 1), &[advice]);
    }
    let large = ["render", trace, "-o", "x.pdf", "--width", "85mm", "--font-size", "1000"];
    says(&refused(&large, 1), &["text of 1000 points cannot be laid out"]);
    says(&refused(&["render", trace, "-o", "x.pdf", "--font-size", "1000"], 1), &["choose smaller text"]);
    says(&refused(&["render", trace, "--kind", "curves", "--positions", "6..8"], 1), &["positions"]);
    says(&refused(&["render", "/nonexistent.json"], 1), &["cannot read /nonexistent.json"]);
    let other = folder.path().join("all_layers.json");
    says(&refused(&["render", other.to_str().expect("text")], 1), &["is not a trace"]);
    let tokens = ["render", trace, "--kind", "trajectories", "--tokens", "nowhere to be seen"];
    says(&refused(&tokens, 1), &["no readout of the trace has a token"]);
}

#[test]
fn a_table_and_a_page_hold_what_was_asked_for() {
    let folder = results();
    let trace = folder.path().join("trace.json");
    let trace = trace.to_str().expect("text");
    let text =
        ok(&["render", trace, "--components", "mlp_out", "--layers", "7", "-k", "1", "--threshold", "0"]);
    says(&text, &["mlp_out", "numbers beside the tokens: of mlp_out", "layers 0, 7 (a token above 0 %)"]);
    assert!(!text.contains("resid_post") && !text.contains("embed"), "{text}");
    let rows: Vec<&str> =
        text.lines().filter(|line| line.starts_with(['▸', ' ']) && line.contains("Paris")).collect();
    assert!(rows.iter().all(|row| !row.trim_start_matches('▸').trim_start().starts_with('0')), "{text}");
    let all = ok(&["render", trace, "--components", "all", "--positions", "6", "--stride", "8"]);
    says(&all, &["resid_post", "position    6"]);
    // Two layers were read, and the embedding is in neither.
    assert!(!all.contains("embed"), "{all}");

    let page = |args: &[&str]| {
        let html = ok(&[&["render", trace, "--kind", "page"], args].concat());
        let (_, data) = html.split_once("id=\"data\">").expect("the data");
        let (data, _) = data.split_once("</script>").expect("an end");
        serde_json::from_str::<Value>(data).expect("JSON")["traces"][0].clone()
    };
    let part = page(&["--step", "1", "--components", "resid_post", "--layers", "-1"]);
    assert_eq!(part["positions"], serde_json::json!([6]));
    assert_eq!(part["points"].as_array().map(Vec::len), Some(1));
    assert_eq!(part["points"][0][0], 7);
    assert_eq!(page(&[])["positions"], serde_json::json!([5, 6]));
}

#[test]
fn a_layer_that_was_not_read_is_refused_whatever_is_drawn() {
    let folder = results();
    let trace = folder.path().join("trace.json");
    let trace = trace.to_str().expect("text");
    for kind in ["table", "page", "all-layers", "important-layers", "grid", "trajectories", "curves"] {
        let with = |layers: &str| refused(&["render", trace, "--kind", kind, "--layers", layers], 1);
        says(&with("99"), &["layer 99"]);
        says(&with("3"), &["layer 3 was not read; the trace holds 0, 7"]);
    }
}

#[test]
fn an_option_without_effect_is_refused_with_what_has_it() {
    let folder = results();
    let trace = folder.path().join("trace.json");
    let trace = trace.to_str().expect("text");
    for (args, says_what, has_it) in [
        (
            &["--tokens", " Paris"][..],
            "--tokens has no effect on --kind table as text",
            "--kind trajectories",
        ),
        (
            &["--kind", "grid", "--tokens", " Paris"],
            "--tokens has no effect on --kind grid as text",
            "trajectories",
        ),
        (&["--kind", "grid", "-k", "3"], "--top-k", "all-layers"),
        (&["--kind", "page", "--threshold", "5"], "--kind page as .html", "important-layers"),
        (&["--width", "500"], "--width", "it is for pictures"),
        (&["--kind", "curves", "--scale", "3"], "--scale has no effect on --kind curves as .svg", ".png"),
        (
            &["--kind", "curves", "--ramp", "cividis"],
            "--ramp has no effect on --kind curves",
            "heatmaps, grids and films",
        ),
        (&["--kind", "grid", "--ramp", "cividis"], "--kind grid as text", "that are drawn"),
        (&["--kind", "curves", "--colors", "log"], "--colors", "it is for grids"),
        (&["--kind", "page", "--title", "x"], "--title", "it is for pictures"),
    ] {
        says(&refused(&[&["render", trace], args].concat(), 2), &[says_what, has_it]);
    }
}

#[test]
fn a_run_says_where_its_results_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let path = out.to_str().expect("text");
    let outcome = run(&["run", "The capital of France is", "-o", path]);
    let says_where = format!("note: results in {path}/: trace.json, lens.html, 2 pictures in heatmaps/");
    says(&outcome.stderr, &[&says_where]);
    assert_eq!(outcome.stderr.matches("results in").count(), 1, "{}", outcome.stderr);
}

#[test]
fn what_pngs_cannot_show_is_noted_once() {
    let words = ["a", "\u{10fffd}", "\u{10fffc}"];
    let model = Model::with_words(&words);
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let args = [
        "run",
        "-m",
        model.path(),
        "a \u{10fffd} \u{10fffc} a",
        "--positions",
        "all",
        "--pictures",
        "svg,png",
        "-o",
    ];
    let outcome = run(&[&args[..], &[out.to_str().expect("text")]].concat());
    let note = "no installed font has \u{10fffc}, \u{10fffd} (2 characters): pictures of pixels and PDF show their code points";
    assert_eq!(outcome.stderr.matches("no installed font has").count(), 1, "{}", outcome.stderr);
    says(&outcome.stderr, &[note, "install a font that has them, or use .svg or .html"]);
    let (trace, png) = (out.join("trace.json"), out.join("x.png"));
    let args = ["render", trace.to_str().expect("text"), "--kind", "grid", "-o"];
    says(&run(&[&args[..], &[png.to_str().expect("text")]].concat()).stderr, &[note]);
    let svg = out.join("x.svg");
    let outcome = run(&[&args[..], &[svg.to_str().expect("text")]].concat());
    // What the trace itself notes, and nothing about fonts.
    let begins =
        "note: the config begins sequences with \u{10fffd} (<id 1>), the tokenizer does not add it\n";
    assert_eq!(outcome.stderr, begins);
}

#[test]
fn a_grid_shows_the_components_that_were_read_and_says_which() {
    let grid = |args: &[&str]| ok(&[&["run", "The capital of France is", "--grid"], args].concat());
    says(&grid(&[]), &["probability of the top-1 token of resid_post, %"]);
    let text = grid(&["--components", "mlp_out"]);
    says(&text, &["probability of the top-1 token of mlp_out, %"]);
    let text = grid(&["--components", "attn_out,mlp_out"]);
    says(&text, &["attn_out", "mlp_out", "probability of the top-1 token, %"]);
}

#[test]
fn a_grid_stands_in_the_terminal_and_in_a_text_file() {
    let text = ok(&["run", "The capital of France is", "--positions", "all", "--grid=rank"]);
    says(&text, &["·Paris", "·France"]);
    let folder = results();
    let (trace, out) = (folder.path().join("trace.json"), folder.path().join("grid.txt"));
    let (trace, out) = (trace.to_str().expect("text"), out.to_str().expect("text"));
    ok(&["render", trace, "--kind", "grid", "-o", out]);
    assert_eq!(std::fs::read_to_string(out).expect("a file"), ok(&["render", trace, "--kind", "grid"]));
}

#[test]
fn steering_is_said_everywhere_and_compared() {
    let steer = "L4.resid_post[last] = @'The capital of Italy is'";
    let args = ["run", "The capital of France is", "--steer", steer];
    says(&ok(&args), &["changed     L4.resid_post[last]", "prediction  ·Rome"]);
    let trace: Value = serde_json::from_str(&ok(&[&args[..], &["--format", "json"]].concat())).expect("JSON");
    let recorded =
        serde_json::json!([{"point": "L4.resid_post", "kind": "replace", "text": steer, "positions": [5]}]);
    assert_eq!(trace["interventions"], recorded);

    let text = ok(&[&args[..], &["--compare"]].concat());
    says(&text, &["before", "after", "·Paris", "▸ ·Rome"]);
    let both: Value =
        serde_json::from_str(&ok(&[&args[..], &["--compare", "--format", "json"]].concat())).expect("JSON");
    assert_eq!(both["before"]["final"][0]["top"][0]["text"], " Paris");
    assert_eq!(both["after"]["final"][0]["top"][0]["text"], " Rome");
    assert_eq!(both["before"].get("interventions"), None);
    let text = ok(&[&args[..], &["--compare", "-n", "3"]].concat());
    says(&text, &["before       Paris.", "after        Rome."]);
}

#[test]
fn steering_that_does_not_fit_is_refused() {
    let with = |steer: &str, code| refused(&["run", "The capital", "--steer", steer], code);
    says(&with("L4.atn_out = 0", 2), &["did you mean \"attn_out\"", "column 4"]);
    says(&with("L9.attn_out = 0", 1), &["there is no layer 9"]);
    says(&with("L1.z.h99 = 0", 1), &["there is no head 99"]);
    says(&with("L1.mlp_out += file:'/nonexistent.gguf'", 1), &["cannot read /nonexistent.gguf"]);
    assert_eq!(run(&["run", "a", "--compare"]).code, 2);
}

#[test]
fn a_chat_goes_through_the_template_and_a_base_model_says_that_it_has_none() {
    let words = ["<s>", "</s>", "user", "system", "hello", "be", "brief", "assistant"];
    let template = "{% for m in messages %}{{ m.role }} {{ m.content }} </s> {% endfor %}\
                    {% if add_generation_prompt %}assistant{% endif %}";
    let model = Model::with_words(&words).with("chat_template.jinja", template);
    let args = ["run", "hello", "-m", model.path(), "--system", "be brief", "--format", "json"];
    let trace: Value = serde_json::from_str(&ok(&args)).expect("JSON");
    assert_eq!(trace["prompt"], "system be brief </s> user hello </s> assistant");
    let roles = trace["roles"].as_array().expect("roles");
    let user = roles.iter().find(|role| role["role"] == "user").expect("a user");
    let start = user["start"].as_u64().expect("a number") as usize;
    assert_eq!(trace["tokens"][start]["text"], "hello");

    says(&refused(&["run", "hello", "--chat"], 1), &["has no chat template", "on a text, without --chat"]);
}
