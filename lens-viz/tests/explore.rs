//! What the page offers beyond its grid, in a real browser: the text at one layer, a token everywhere, charts, files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod browser;
mod support;

use browser::{Tab, axe, tab, tab_with_font};
use lens_core::{LensTrace, ReadoutTrace, Statistic, TargetTrace, TokenId, TopTrace};
use lens_viz::{
    Named,
    page::{PageOptions, page, pages},
};
use serde_json::{Value, json};
use support::{HOSTILE, Model, trace};

fn html(trace: &LensTrace) -> String {
    page(trace, &PageOptions::default()).unwrap()
}

/// The cell of a row and column, as they are seen, from 0.
fn cell(row: usize, column: usize) -> String {
    format!("[role=row][aria-rowindex='{}'] > [role=gridcell][aria-colindex='{}']", row + 2, column + 2)
}

fn readout<'a>(trace: &'a LensTrace, component: &str, layer: u16, position: usize) -> &'a ReadoutTrace {
    let same = |r: &&ReadoutTrace| {
        r.layer == Some(layer) && r.component.name() == component && r.position == position
    };
    trace.readouts.iter().find(same).unwrap()
}

/// The readouts of the rows that the page shows at first.
fn stream(trace: &LensTrace) -> impl Iterator<Item = &ReadoutTrace> {
    trace.readouts.iter().filter(|r| ["embed", "resid_post"].contains(&r.component.name()))
}

fn classes(tab: &mut Tab, selector: &str) -> String {
    tab.text(&format!("document.querySelector({}).className", json!(selector)))
}

#[test]
fn tokens_asked_for_are_pinned_first() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let mut trace = trace(&Model::default());
    let asked = TopTrace::new(TokenId(59), "asked for", -3.0, 0.001);
    for readout in &mut trace.readouts {
        readout.targets = vec![TargetTrace::new(asked.clone(), Some(40))];
    }
    tab.open(&html(&trace), "");
    assert_eq!(tab.text_of("#pins li:first-child bdi"), "asked for");
    assert!(tab.count("#pins bdi") > 1, "the top-1 tokens are pinned as well");
    let points = "document.querySelector('#by-layer .s0 .curve').getAttribute('d').split('L').length";
    assert_eq!(tab.run(points), json!(5), "its curve has every layer");
    tab.assert_quiet();
}

#[test]
fn all_components_have_a_line_each() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let mut trace = trace(&Model::default());
    for (i, readout) in trace.readouts.iter_mut().enumerate() {
        let token = TopTrace::new(TokenId(59), "asked for", -3.0, i as f32 / 1000.0);
        readout.targets = vec![TargetTrace::new(token, Some(40))];
    }
    let mut names: Vec<&str> = trace.readouts.iter().map(|r| r.component.name()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| *name != "embed");
    tab.open(&html(&trace), "#component=all&position=5");
    let keys = "[...document.querySelectorAll('#components li')].map((key) => key.textContent).sort()";
    assert_eq!(tab.run(keys), json!(names));
    for chart in ["by-layer", "by-position"] {
        assert_eq!(tab.count(&format!("#{chart} g .curve")), names.len() as u64, "{chart}");
    }
    assert!(tab.text_of("#by-layer-says").starts_with("Probability of asked for by layer"));
    // What a tooltip says at a layer is what the trace has there, of every component.
    tab.run("document.querySelector('#by-layer').parentNode.focus()");
    tab.key("Home");
    for _ in 0..3 {
        tab.key("ArrowRight");
    }
    let told = "Object.fromEntries([...document.querySelectorAll('#by-layer ~ .tip div')].map((line) => \
                [line.querySelector('.of').textContent, line.querySelector('.is').textContent]))";
    let told = tab.run(told);
    assert_eq!(told.as_object().unwrap().len(), names.len());
    for name in &names {
        let percent: f64 = told[*name].as_str().unwrap().trim_end_matches('%').parse().unwrap();
        let prob = f64::from(readout(&trace, name, 2, 5).targets[0].token.prob) * 100.0;
        assert!((percent - prob).abs() <= 0.5, "{name}: {percent} for {prob}");
    }
    // Another token, by the list.
    tab.run(
        "(() => { const list = document.getElementById('lead'); list.value = list.options[1].value; \
         list.dispatchEvent(new Event('change', {bubbles: true})); })()",
    );
    let second = tab.text_of("#pins li:nth-child(2) bdi").replace('␠', "");
    assert!(tab.text_of("#by-layer-says").contains(&second));
    assert!(tab.text("location.hash").contains("lead="));
    tab.assert_quiet();
}

#[test]
fn charts_say_what_they_show_under_the_pointer_and_to_the_keyboard() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let trace = trace(&Model::default());
    tab.open(&html(&trace), "");
    assert_eq!(tab.run("document.querySelector('#by-layer ~ .tip').hidden"), json!(true));
    tab.hover("#by-layer");
    // Five places, the middle of which is layer 1.
    assert_eq!(tab.text_of("#by-layer ~ .tip strong"), "layer 1");
    let first = &readout(&trace, "resid_post", 1, 7).top[0];
    let pinned = first.text.replace(' ', "␠");
    let lines = tab.text_of("#by-layer ~ .tip");
    assert!(lines.contains(&pinned), "{lines}");
    assert!(tab.count("#by-layer .hover") == 1);
    tab.hover("h1");
    assert_eq!(tab.run("document.querySelector('#by-layer ~ .tip').hidden"), json!(true));

    tab.run("document.querySelector('#by-position').parentNode.focus()");
    tab.key("Home");
    assert!(tab.text_of("#by-position ~ .tip strong").starts_with("position 0"));
    tab.key("ArrowRight");
    let value = "document.activeElement.getAttribute('aria-valuetext')";
    assert!(tab.text(value).starts_with("position 1 "), "{}", tab.text(value));
    assert!(tab.text(value).contains('%'));
    assert!(tab.text("location.hash").contains("position=1"));
    tab.key("Escape");
    assert_eq!(tab.run("document.querySelector('#by-position ~ .tip').hidden"), json!(true));
    tab.assert_quiet();
}

#[test]
fn numbers_of_positions_are_whole() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let mut trace = trace(&Model { positions: 121, ..Model::default() });
    trace.readouts.retain(|r| r.component.name() == "resid_post");
    tab.open(&html(&trace), "#cells=overview&position=0");
    for edge in ["0", "1e6"] {
        tab.run(&format!("document.getElementById('grid').scrollLeft = {edge}"));
        tab.settle();
        tab.settle();
        let covered = "(() => { const grid = document.getElementById('grid').getBoundingClientRect(); \
            const side = document.querySelector('.corner').getBoundingClientRect().right; \
            return [...document.querySelectorAll('.head-cell small')].filter((number) => { \
              const range = document.createRange(); range.selectNodeContents(number); \
              const box = range.getBoundingClientRect(); \
              if (box.right < side || box.left > grid.right) return false; \
              if (box.left < side && number.parentNode.getBoundingClientRect().left < side) return false; \
              const at = document.elementFromPoint(box.right - 1, box.top + box.height / 2); \
              return box.right > grid.right || getComputedStyle(at).backgroundColor !== 'rgba(0, 0, 0, 0)' && !at.contains(number); \
            }).map((number) => number.textContent); })()";
        assert_eq!(tab.run(covered), json!([]), "scrolled to {edge}");
    }
    let last = "[...document.querySelectorAll('.head-cell small')].at(-1).textContent";
    assert_eq!(tab.run(last), json!("120"));
    tab.assert_quiet();
}

#[test]
fn a_font_without_the_mark_of_a_space_is_met() {
    let Some(mut tab) = tab_with_font(1280, 900, "fonts/DejaVuSans-subset.ttf") else { return };
    let html = html(&trace(&Model { generated: 2, ..Model::default() }));
    tab.open(&html, "#show=prob&pins=3.9&component=all");
    tab.call("DOM.enable", json!({}));
    tab.call("CSS.enable", json!({}));
    // Nowhere but under what is drawn in its place.
    let bare = "(() => { const walk = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT); \
        const bare = []; while (walk.nextNode()) { const { data, parentElement: parent } = walk.currentNode; \
        if (data.includes('␠') && !parent.closest('.space')) bare.push(data); } return bare; })()";
    assert_eq!(tab.run(bare), json!([]));
    assert!(tab.count("#grid .space") > 0 && tab.count("#plain .space") > 0);
    let drawn = "(() => { const space = document.querySelector('#grid .cell .space'); \
        return [getComputedStyle(space, '::before').content, getComputedStyle(space).webkitTextFillColor]; })()";
    assert_eq!(tab.run(drawn), json!(["\"·\"", "rgba(0, 0, 0, 0)"]));
    let root = tab.call("DOM.getDocument", json!({}));
    let space = json!({"nodeId": root["root"]["nodeId"], "selector": "#grid .head-cell .token"});
    let node = tab.call("DOM.querySelector", space)["nodeId"].clone();
    let fonts = tab.call("CSS.getPlatformFontsForNode", json!({"nodeId": node}));
    assert_eq!(fonts["fonts"][0]["familyName"], json!("DejaVu Sans"), "{fonts}");
    tab.assert_quiet();
}

#[test]
fn a_token_is_marked_everywhere_with_its_rank() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let trace = trace(&Model::default());
    let id = readout(&trace, "resid_post", 3, 7).top[2].id;
    let rank = |r: &ReadoutTrace| r.top.iter().position(|token| token.id == id).map(|at| at + 1);
    let expected = stream(&trace).filter(|r| rank(r).is_some()).count();
    tab.open(&html(&trace), "#position=7&at=L3.resid_post");
    tab.click("#detail tbody tr:nth-child(3) .everywhere");
    assert!(tab.text("location.hash").contains("find="));
    assert_eq!(tab.count(".cell.hit"), expected as u64);
    assert_eq!(tab.text_of(&format!("{} .rank", cell(4, 7))), "#3");
    // The rank in every cell is the trace's.
    let ranks = "[...document.querySelectorAll('.cell.hit')].map((cell) => [+cell.parentNode.getAttribute('aria-rowindex') - 3, \
                 +cell.getAttribute('aria-colindex') - 2, cell.querySelector('.rank').textContent])";
    for found in tab.run(ranks).as_array().unwrap() {
        let (layer, position) = (found[0].as_i64().unwrap(), found[1].as_u64().unwrap() as usize);
        let here = stream(&trace)
            .find(|r| r.layer.map_or(-1, i64::from) == layer && r.position == position)
            .unwrap();
        assert_eq!(
            found[2],
            json!(format!("#{}", rank(here).unwrap())),
            "layer {layer}, position {position}"
        );
    }
    let firsts = stream(&trace).filter(|r| rank(r) == Some(1)).count();
    let says = tab.text_of("#found");
    let cells = if expected == 1 { "cell" } else { "cells" };
    assert!(says.starts_with(&format!("1 token in {expected} {cells} ")), "{says}");
    assert!(says.contains(&format!("rank 1 in {firsts} cell")), "{says}");
    // There and back, and around the end.
    let at = |tab: &mut Tab| tab.text("location.hash.match(/at=[^&]*&position=[^&]*/)[0]");
    let before = at(&mut tab);
    tab.click("[data-go='1']");
    assert!(tab.text_of(".ways").contains(&format!("1 of {expected}")), "{}", tab.text_of(".ways"));
    assert_eq!(tab.run("document.activeElement.dataset.go"), json!("1"));
    tab.click("[data-go='-1']");
    assert_eq!(at(&mut tab), before);
    tab.click("#detail tbody tr:nth-child(3) .everywhere");
    assert_eq!(tab.count(".cell.hit"), 0);
    // From the keyboard, the top-1 token.
    tab.run("document.querySelector('[role=gridcell][tabindex=\"0\"]').focus()");
    tab.key("h");
    assert_eq!(tab.text_of(&format!("{} .rank", cell(4, 7))), "#1");
    tab.assert_quiet();
}

#[test]
fn a_search_counts_the_cells_of_each_token() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let trace = trace(&Model::default());
    tab.open(&html(&trace), "#find=w1");
    let count =
        |text: &str| stream(&trace).filter(|r| r.top.iter().any(|token| &*token.text == text)).count();
    let offers = tab.run(
        "[...document.querySelectorAll('.offer')].map((offer) => \
         [offer.querySelector('bdi').textContent.replaceAll('␠', ' '), +offer.querySelector('small').textContent])",
    );
    let offers = offers.as_array().unwrap().clone();
    assert!(offers.len() > 3);
    let mut last = u64::MAX;
    for offer in &offers {
        let number = offer[1].as_u64().unwrap();
        assert_eq!(number, count(offer[0].as_str().unwrap()) as u64, "{offer}");
        assert!(number <= last, "the most frequent come first");
        last = number;
    }
    tab.click(".offer .everywhere");
    assert_eq!(tab.count(".cell.hit"), offers[0][1].as_u64().unwrap());
    tab.assert_quiet();
}

/// The words of the text, and the class of each.
fn words(tab: &mut Tab) -> Vec<(String, String)> {
    let words = tab.run(
        "[...document.querySelectorAll('.word-here')].map((word) => [word.textContent, word.className])",
    );
    let text = |word: &Value, i: usize| word[i].as_str().unwrap().to_owned();
    words.as_array().unwrap().iter().map(|word| (text(word, 0), text(word, 1))).collect()
}

#[test]
fn the_text_is_coloured_by_one_layer() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let mut trace = trace(&Model::default());
    for readout in trace.readouts.iter_mut().filter(|r| r.position < 7) {
        let rank = 20 + 3 * readout.position as u32 + u32::from(readout.layer.unwrap_or(0));
        readout.statistics.set(Statistic::RankOfNext, Some(f64::from(rank)));
    }
    tab.open(&html(&trace), "#at=L1.resid_post");
    let shown = words(&mut tab);
    assert_eq!(shown.iter().map(|(text, _)| text.as_str()).collect::<String>(), trace.prompt);
    let level = |prob: f32| format!("q{}", (prob * 40.0).round());
    for (position, (_, class)) in shown.iter().enumerate() {
        let prob = readout(&trace, "resid_post", 1, position).top[0].prob;
        assert!(class.split(' ').any(|one| one == level(prob)), "{position}: {class} for {prob}");
    }
    // Of the token that comes next, a token has the colour of what was read before it.
    tab.choose("statistic", "prob");
    tab.choose("tracked", "next");
    let shown = words(&mut tab);
    assert!(shown[0].1.contains("unread"), "nothing was read before the first");
    for (position, (_, class)) in shown.iter().enumerate().skip(1) {
        let before = readout(&trace, "resid_post", 1, position - 1);
        let prob = (-before.get(Statistic::CrossEntropy).unwrap()).exp();
        assert!(class.split(' ').any(|one| one == level(prob as f32)), "{position}: {class} for {prob}");
    }
    assert!(tab.text_of("#slice-note").contains("one position before"));
    // After the last token nothing comes that could be more or less probable.
    assert_eq!(tab.text_of(&format!("{} .number", cell(2, 7))), "–");
    // Its rank as well, where it is not among the tokens that were kept.
    tab.choose("statistic", "rank");
    let titles = tab.run("[...document.querySelectorAll('.word-here')].map((word) => word.title)");
    for position in 1..trace.tokens.len() {
        let before = readout(&trace, "resid_post", 1, position - 1);
        let kept = before.top.iter().position(|token| token.id == trace.tokens[position].id);
        let stated = before.statistics.whole(Statistic::RankOfNext).unwrap();
        let rank = kept.map_or(stated, |at| at as u32 + 1);
        let title = titles[position].as_str().unwrap();
        assert!(title.ends_with(&format!(": #{rank}")), "{position}: {title} for {rank}");
    }
    // A click chooses what was read there, and the grid and the detail agree.
    tab.click(".word-here:nth-child(4)");
    assert!(tab.text_of("#detail .after").starts_with("Position 2, after"));
    assert!(classes(&mut tab, ".word-here:nth-child(4)").contains("chosen"));
    tab.key("ArrowRight");
    assert!(tab.text_of("#detail .after").starts_with("Position 3, after"));
    tab.key("ArrowDown");
    assert!(tab.text_of("#detail h2").starts_with("layer 2"));
    assert_eq!(tab.run("document.activeElement.getAttribute('aria-selected')"), json!("true"));
    tab.assert_quiet();
}

#[test]
fn the_slider_goes_through_what_each_layer_would_have_written() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let trace = trace(&Model::default());
    tab.open(&html(&trace), "#text=written");
    for (at, layer) in [(1, 0), (3, 2), (4, 3)] {
        tab.run(&format!(
            "(() => {{ const layer = document.getElementById('layer'); layer.value = {at}; \
             layer.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
        ));
        let written = words(&mut tab);
        assert_eq!(written.len(), trace.tokens.len() + 1, "the last would come next");
        for (position, (text, class)) in written.iter().enumerate().skip(1) {
            let top = &readout(&trace, "resid_post", layer, position - 1).top[0];
            assert_eq!(*text, *top.text, "layer {layer}, position {position}");
            let kept = trace.tokens.get(position).is_some_and(|token| token.id == top.id);
            assert_eq!(class.contains("kept"), kept, "layer {layer}, position {position}");
        }
        assert!(tab.text_of("#layer-says").starts_with(&format!("layer {layer} of 0–3")));
    }
    tab.click("#layer-back");
    assert!(tab.text("location.hash").contains("at=L2.resid_post"));
    assert!(tab.text("location.hash").contains("text=written"));
    tab.assert_quiet();
}

#[test]
fn a_generation_plays_layer_by_layer_and_step_by_step() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let trace = trace(&Model { generated: 3, ..Model::default() });
    tab.open(&html(&trace), "#text=written");
    tab.run(
        "(() => { const text = document.getElementById('layer-says'); window.seen = []; \
         new MutationObserver(() => { const chosen = document.querySelector('.word-here.chosen'); \
           seen.push([text.textContent.split(',')[0], location.hash, \
             [...document.querySelectorAll('.word-here.to-come')].length, chosen === null ? '' : chosen.textContent]); }) \
           .observe(text, {childList: true}); })()",
    );
    tab.click("#film");
    assert_eq!(tab.text_of("#film"), "Stop");
    tab.wait_until("document.getElementById('film').textContent === 'Play'");
    let seen = tab.run("seen");
    let frames = seen.as_array().unwrap();
    // Three steps of five rows each, then the end.
    let layers = ["embedding", "layer 0 of 0–3", "layer 1 of 0–3", "layer 2 of 0–3", "layer 3 of 0–3"];
    assert_eq!(frames.len(), 16, "{seen}");
    for (i, frame) in frames.iter().take(15).enumerate() {
        assert!(frame[0].as_str().unwrap().starts_with(layers[i % 5]), "frame {i}: {frame}");
        // The token that is being written is the last there.
        assert_eq!(frame[2], json!(2 + 1 - i / 5), "frame {i}: {frame}");
        let position = 4 + i / 5;
        if i % 5 > 0 {
            let top = &readout(&trace, "resid_post", (i % 5 - 1) as u16, position).top[0];
            assert_eq!(frame[3], json!(*top.text), "frame {i}");
        }
        assert_eq!(frame[1], frames[0][1], "no frame has an address of its own");
    }
    assert_eq!(frames[15][2], json!(0), "all of it is there again");
    assert!(tab.text("location.hash").contains("position=6"));
    // A key stops it.
    tab.click("#film");
    tab.run("document.querySelector('[role=gridcell][tabindex=\"0\"]').focus()");
    tab.key("ArrowUp");
    assert_eq!(tab.text_of("#film"), "Play");
    tab.assert_quiet();
}

#[test]
fn texts_of_both_directions_and_hostile_tokens_stay_text() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let hostile = trace(&Model { hostile: true, ..Model::default() });
    for view in ["", "#text=written&at=embed"] {
        tab.open(&html(&hostile), view);
        assert_eq!(tab.count(".running script, .running img, .running bdi"), 0);
        assert_eq!(tab.run("typeof hacked"), json!("undefined"));
        let control = r"/[\u0000-\u0008\u000b-\u001f\u200e\u200f\u2028-\u202e\u2066-\u2069]/.test(document.querySelector('.running').textContent)";
        assert_eq!(tab.run(control), json!(false), "a control character reaches the text");
    }
    tab.open(&html(&hostile), "");
    let texts: Vec<String> = words(&mut tab).into_iter().map(|(text, _)| text).collect();
    let expected: Vec<String> = HOSTILE.iter().map(|(_, shown)| shown.replace('␠', " ")).collect();
    assert_eq!(texts, expected);

    let mut mixed = trace(&Model::default());
    for (token, text) in
        mixed.tokens.iter_mut().zip(["שלום", " עולם", "\n", "left", " to", " right", "\n", "مرحبا"])
    {
        token.text = text.into();
    }
    tab.open(&html(&mixed), "");
    let directions =
        "[...document.querySelectorAll('.line')].map((line) => getComputedStyle(line).direction)";
    assert_eq!(tab.run(directions), json!(["rtl", "ltr", "rtl"]));
    // Within a line of Hebrew the second word is to the left of the first.
    let order = "(() => { const [one, two] = document.querySelectorAll('.word-here'); \
                 return two.getBoundingClientRect().left < one.getBoundingClientRect().left; })()";
    assert_eq!(tab.run(order), json!(true));
    tab.assert_quiet();
}

#[test]
fn long_texts_and_many_layers_are_gone_through() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let mut trace = trace(&Model { layers: 80, positions: 500, ..Model::default() });
    trace.readouts.retain(|r| ["embed", "resid_post"].contains(&r.component.name()));
    tab.open(&html(&trace), "#position=250&text=written&find=w1");
    assert_eq!(tab.count(".word-here"), 501);
    let milliseconds = "(() => { const began = performance.now(); const layer = document.getElementById('layer'); \
        for (let i = 0; i < 10; i++) { layer.value = 30 + i; layer.dispatchEvent(new Event('input', {bubbles: true})); } \
        return (performance.now() - began) / 10; })()";
    let each = tab.run(milliseconds).as_f64().unwrap();
    // Far beyond what a busy machine takes: a view that grows with layers times positions is not scrubbed through.
    assert!(each < 2000.0, "{each:.1} ms for a layer of 500 positions");
    assert!(tab.text_of("#layer-says").starts_with("layer 38 of 0–79"));
    tab.assert_quiet();
}

#[test]
fn the_new_views_have_no_serious_barrier() {
    let Some(program) = axe() else { return };
    let Some(mut tab) = tab(1280, 1400) else { return };
    tab.call("Page.setBypassCSP", json!({"enabled": true}));
    let [one, other] = [(); 2].map(|()| trace(&Model { generated: 3, ..Model::default() }));
    let two = pages(&[Named::new("a", &one), Named::new("b", &other)], &PageOptions::default()).unwrap();
    for view in [
        "#text=written&find=w3&component=all&theme=dark",
        "#show=prob&of=next&at=L1.resid_post&theme=light",
        "#minus=1&component=all&curve=rank&find=%3Cid+9%3E",
    ] {
        tab.open(&two, view);
        tab.run(&format!("{program}; null"));
        tab.hover("#by-layer");
        let found = "axe.run().then(({violations}) => violations.filter(({impact}) => \
                     ['serious', 'critical'].includes(impact)).map(({id, nodes}) => \
                     [id, nodes.slice(0, 3).map((node) => node.html + ' ' + node.failureSummary)]))";
        assert_eq!(tab.run(found), json!([]), "in {view:?}");
    }
}

/// A file that a button of the page saves.
fn saved(tab: &mut Tab, folder: &std::path::Path, what: &str, form: &str) -> Vec<u8> {
    let file = folder.join(format!("{what}.{form}"));
    let _ = std::fs::remove_file(&file);
    tab.click(&format!("[data-keep='{what}'][data-as='{form}']"));
    tab.wait_until(&format!("document.getElementById('saved').textContent === '{what}.{form} was saved.'"));
    let began = std::time::Instant::now();
    loop {
        // Chromium gives a download its name when it is whole.
        if let Ok(bytes) = std::fs::read(&file) {
            return bytes;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{} never came", file.display());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn downloads(tab: &mut Tab) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let to = json!({"behavior": "allow", "downloadPath": folder.path()});
    tab.call("Page.setDownloadBehavior", to);
    folder
}

#[test]
fn what_is_seen_is_saved_as_a_table() {
    let Some(mut tab) = tab(1280, 1400) else { return };
    let mut trace = trace(&Model::default());
    let texts = ["=1+1", "a,b", "\"", "+x", "two\nlines"];
    trace.model.n_vocab = 200;
    let formulas = trace.readouts.iter_mut().filter(|r| r.layer == Some(3)).enumerate();
    for (i, readout) in formulas {
        readout.top[0].text = texts[i % texts.len()].into();
        readout.top[0].id = TokenId(100 + (i % texts.len()) as u32);
    }
    tab.open(&html(&trace), "");
    let folder = downloads(&mut tab);
    let bytes = saved(&mut tab, folder.path(), "grid", "csv");
    let lines = fields(std::str::from_utf8(&bytes).unwrap());
    let column = |name: &str| lines[0].iter().position(|head| head == name).unwrap();
    assert_eq!(lines.len(), 1 + 5 * 8, "a line for every readout of the rows");
    for line in &lines[1..] {
        assert_eq!(line.len(), lines[0].len());
        let position: usize = line[column("position")].parse().unwrap();
        let here = |r: &&ReadoutTrace| {
            r.position == position
                && r.component.name() == line[column("component")]
                && r.layer.map_or(String::new(), |layer| layer.to_string()) == line[column("layer")]
        };
        let top = &trace.readouts.iter().find(here).unwrap().top[0];
        let number: f64 = line[column("number")].parse().unwrap();
        assert!((number - f64::from(top.prob)).abs() < 1e-3, "{number} for {}", top.prob);
        assert_eq!(line[column("shown_id")], top.id.to_string().trim_start_matches('#'));
        let shown = &line[column("shown")];
        match &*top.text {
            text @ ("=1+1" | "+x") => assert_eq!(*shown, format!("'{text}"), "it would be a formula"),
            text => assert_eq!(shown, text),
        }
    }
    let curves = saved(&mut tab, folder.path(), "by-layer", "csv");
    let lines = fields(std::str::from_utf8(&curves).unwrap());
    assert_eq!(lines.len(), 1 + 5, "a line for every layer");
    assert_eq!(lines[0].len() as u64, 1 + tab.count("#pins bdi"));
    tab.assert_quiet();
}

/// The fields of a table as RFC 4180 has them.
fn fields(csv: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut rest = csv.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => field.push(rest.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => line.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                line.push(std::mem::take(&mut field));
                lines.push(std::mem::take(&mut line));
            }
            c => field.push(c),
        }
    }
    lines
}

#[test]
fn what_is_seen_is_saved_as_pictures() {
    let Some(mut tab) = tab(1280, 1400) else { return };
    for (hostile, view) in
        [(false, "#find=w3"), (true, "#theme=dark&component=all"), (true, "#cells=overview")]
    {
        let trace = trace(&Model { hostile, ..Model::default() });
        tab.open(&html(&trace), view);
        let folder = downloads(&mut tab);
        for what in ["grid", "by-layer", "by-position"] {
            let svg = saved(&mut tab, folder.path(), what, "svg");
            let svg = String::from_utf8(svg).unwrap();
            // A strict reader of XML takes it, and it needs neither a style sheet nor anything from elsewhere.
            let tree = roxmltree::Document::parse(&svg).unwrap();
            let size = |name: &str| tree.root_element().attribute(name).unwrap().parse::<f32>().unwrap();
            assert!(!svg.contains("class=") && !svg.contains("<script") && !svg.contains("href"), "{what}");
            let png = saved(&mut tab, folder.path(), what, "png");
            assert!(png.starts_with(b"\x89PNG\r\n"), "{what}");
            let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as f32;
            assert_eq!(
                [side(16), side(20)],
                [size("width") * 2.0, size("height") * 2.0].map(f32::round),
                "{what}"
            );
            if what == "grid" && !hostile {
                let cells = svg.matches("stroke-width=\"2\"").count();
                assert_eq!(cells as u64, tab.count(".cell.hit"), "the cells found are framed");
                assert!(svg.contains("example") || svg.contains("toy"), "the model is named");
            }
        }
        tab.assert_quiet();
    }
}

#[test]
fn a_picture_of_a_long_grid_has_the_positions_around_the_chosen_one_and_says_so() {
    let Some(mut tab) = tab(1280, 1400) else { return };
    let mut trace = trace(&Model { layers: 60, positions: 300, ..Model::default() });
    trace.readouts.retain(|r| ["embed", "resid_post"].contains(&r.component.name()));
    tab.open(&html(&trace), "#cells=overview&position=150");
    let folder = downloads(&mut tab);
    let svg = String::from_utf8(saved(&mut tab, folder.path(), "grid", "svg")).unwrap();
    assert!(svg.contains("of 300 that were read."), "what is left out is said");
    assert!(svg.contains(">150<") && !svg.contains(">290<"));
    tab.assert_quiet();
}

#[test]
fn two_runs_differ_in_every_view() {
    let Some(mut tab) = tab(1280, 1200) else { return };
    let one = trace(&Model::default());
    let mut other = one.clone();
    for readout in &mut other.readouts {
        readout.top.iter_mut().for_each(|token| token.prob *= 0.5);
    }
    let two = pages(&[Named::new("one", &one), Named::new("half", &other)], &PageOptions::default()).unwrap();
    tab.open(&two, "#minus=1&at=L2.resid_post");
    // Half of a probability is taken away: red everywhere, in the text as in the grid.
    for (position, (_, class)) in words(&mut tab).iter().enumerate() {
        let level: u32 = class.split(' ').find_map(|one| one.strip_prefix('d')).unwrap().parse().unwrap();
        let in_grid = classes(&mut tab, &cell(3, position));
        assert!(in_grid.contains(&format!("d{level}")), "{position}: {class} and {in_grid}");
        assert!(level >= 20, "{position}: {class}");
    }
    assert!(tab.text_of("#slice-legend").contains("one − half"));
    tab.hover("#by-layer");
    assert!(tab.text_of("#by-layer ~ .tip").contains(" | "), "both runs' numbers");
    let folder = downloads(&mut tab);
    let bytes = saved(&mut tab, folder.path(), "grid", "csv");
    let lines = fields(std::str::from_utf8(&bytes).unwrap());
    let column = |name: &str| lines[0].iter().position(|head| head == name).unwrap();
    for line in lines[1..].iter().filter(|line| line[column("layer")] == "2") {
        assert_eq!((line[column("run")].as_str(), line[column("minus")].as_str()), ("one", "half"));
        let number: f32 = line[column("number")].parse().unwrap();
        let top = &readout(&one, "resid_post", 2, line[column("position")].parse().unwrap()).top[0];
        assert!((number - 50.0 * top.prob).abs() < 0.1, "{number} for {}", top.prob);
    }
    tab.assert_quiet();
}

#[test]
fn long_numbers_fit_on_the_axes() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let mut trace = trace(&Model::default());
    let tokens = trace.tokens.clone();
    trace.tokens = tokens.iter().cycle().take(12_345).cloned().collect();
    let shift = 12_345 - 8;
    trace.readouts.iter_mut().for_each(|readout| readout.position += shift);
    trace.finals.iter_mut().for_each(|last| last.position += shift);
    for view in ["", "#cells=overview", "#cells=compact&component=all"] {
        tab.open(&html(&trace), view);
        let outside = "[...document.querySelectorAll('.charts text')].filter((text) => { \
            const box = text.getBoundingClientRect(), svg = text.closest('svg').getBoundingClientRect(); \
            return box.left < svg.left || box.right > svg.right; }).map((text) => text.textContent)";
        assert_eq!(tab.run(outside), json!([]), "in {view:?}");
        let cut = "[...document.querySelectorAll('.head-cell small')].filter((number) => \
            number.scrollWidth > number.clientWidth && getComputedStyle(number.parentNode).overflow === 'hidden').length";
        assert_eq!(tab.run(cut), json!(0), "in {view:?}");
    }
    assert_eq!(tab.text("[...document.querySelectorAll('#by-position .tick')].at(-1).textContent"), "12344");
    tab.assert_quiet();
}
