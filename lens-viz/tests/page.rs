//! The page, in a real browser.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod browser;
mod support;

use browser::{Tab, axe, tab};
use lens_core::{LensTrace, Statistic};
use lens_viz::{
    Named,
    page::{PageOptions, page, pages},
};
use serde_json::{Value, json};
use support::{HOSTILE, Model, trace};

fn html(model: &Model) -> String {
    page(&trace(model), &PageOptions::default()).unwrap()
}

/// The cell of a row and column, as they are seen, from 0.
fn cell(row: usize, column: usize) -> String {
    format!("[role=row][aria-rowindex='{}'] > [role=gridcell][aria-colindex='{}']", row + 2, column + 2)
}

fn chosen(tab: &mut Tab) -> Value {
    tab.run(
        "(() => { const cell = document.querySelector('[aria-selected=true]'); \
         return [+cell.parentNode.getAttribute('aria-rowindex') - 2, +cell.getAttribute('aria-colindex') - 2]; })()",
    )
}

/// The address after `#`.
fn address(tab: &mut Tab) -> String {
    tab.text("location.hash")
}

#[test]
fn hovering_shows_a_readout_and_clicking_chooses_it() {
    let Some(mut tab) = tab(1280, 900) else { return };
    tab.open(&html(&Model::default()), "");
    assert!(tab.text_of("#detail h2").starts_with("layer 3, resid_post"));
    assert_eq!(tab.count("#detail tbody tr"), 10);
    tab.hover(&cell(1, 2));
    assert!(tab.text_of("#detail h2").starts_with("layer 0, resid_post"));
    assert!(tab.text_of("#detail .after").starts_with("Position 2, after"));
    assert_eq!(chosen(&mut tab), json!([4, 7]), "hovering must not choose");
    tab.hover("h1");
    assert!(tab.text_of("#detail h2").starts_with("layer 3"), "the chosen readout comes back");
    tab.click(&cell(2, 3));
    assert_eq!(chosen(&mut tab), json!([2, 3]));
    assert!(address(&mut tab).contains("at=L1.resid_post") && address(&mut tab).contains("position=3"));
    tab.assert_quiet();
}

#[test]
fn pins_are_the_top_tokens_by_their_maximum_until_others_are_chosen() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let model = Model::default();
    let trace = trace(&model);
    tab.open(&page(&trace, &PageOptions::default()).unwrap(), "");
    let mut best: Vec<(u32, f32)> = Vec::new();
    let stream = |r: &&lens_core::ReadoutTrace| {
        r.position == 7 && ["embed", "resid_post"].contains(&r.component.name())
    };
    for readout in trace.readouts.iter().filter(stream) {
        let top = &readout.top[0];
        match best.iter_mut().find(|(id, _)| *id == top.id.0) {
            Some((_, prob)) => *prob = prob.max(top.prob),
            None => best.push((top.id.0, top.prob)),
        }
    }
    best.sort_by(|a, b| b.1.total_cmp(&a.1));
    let texts = "[...document.querySelectorAll('#pins bdi')].map((token) => token.textContent)";
    let expected: Vec<String> = best.iter().map(|(id, _)| shown(&model.text(*id))).collect();
    assert_eq!(tab.run(texts), json!(expected));

    let before = expected.len() as u64;
    tab.click("#detail tbody tr:last-child .pin");
    assert_eq!(tab.count("#pins bdi"), before + 1);
    assert!(address(&mut tab).contains("pins="));
    assert_eq!(tab.count("#by-layer g"), before + 1, "a curve for each pin");
    tab.click("#pins li:first-child button");
    assert_eq!(tab.run(texts), json!(expected));
    tab.click("#pins-reset");
    assert!(!address(&mut tab).contains("pins="));
    tab.click("#curve-rank");
    assert_eq!(tab.text_of("#by-layer .tick"), "1", "rank 1 is on top");
    tab.assert_quiet();
}

/// A plain token as the page shows it.
fn shown(text: &str) -> String {
    text.replace(' ', "␠")
}

#[test]
fn statistics_components_and_strides_switch() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let trace = trace(&Model::default());
    tab.open(&page(&trace, &PageOptions::default()).unwrap(), "");
    let readout = |component: &str, layer: u16, position: usize| {
        let same = |r: &&lens_core::ReadoutTrace| {
            r.layer == Some(layer) && r.component.name() == component && r.position == position
        };
        trace.readouts.iter().find(same).unwrap()
    };
    tab.choose("statistic", "entropy");
    let number = tab.text_of(&format!("{} .number", cell(1, 0)));
    assert_eq!(number, format!("{:.2}", readout("resid_post", 0, 0).get(Statistic::Entropy).unwrap()));
    tab.choose("statistic", "rank");
    let number = tab.text_of(&format!("{} .number", cell(2, 1)));
    assert_eq!(
        number,
        format!("#{}", readout("resid_post", 1, 1).statistics.whole(Statistic::RankOfFinal).unwrap())
    );
    tab.choose("statistic", "kl_to_final");
    tab.choose("component", "mlp_out");
    let number = tab.text_of(&format!("{} .number", cell(0, 4)));
    assert_eq!(number, format!("{:.2}", readout("mlp_out", 0, 4).get(Statistic::KlToFinal).unwrap()));
    tab.choose("component", "all");
    assert_eq!(tab.text("document.querySelector('[role=grid]').getAttribute('aria-rowcount')"), "18");
    tab.choose("component", "resid_post");
    tab.choose("stride", "3");
    let layers = "[...document.querySelectorAll('[role=rowheader] .layer')].map((name) => name.textContent)";
    assert_eq!(tab.run(layers), json!(["embed", "0", "3"]), "the last layer stays");
    tab.choose("statistic", "prob");
    tab.choose("tracked", "next");
    let surprise = readout("resid_post", 0, 0).get(Statistic::CrossEntropy).unwrap();
    let number = tab.text_of(&format!("{} .number", cell(1, 0)));
    let percent: f64 = number.trim_end_matches('%').parse().unwrap();
    assert!((percent / 100.0 / (-surprise).exp() - 1.0).abs() < 0.5, "{number} for {}", (-surprise).exp());
    tab.assert_quiet();
}

#[test]
fn the_keyboard_reaches_every_cell_and_acts() {
    let Some(mut tab) = tab(1280, 900) else { return };
    tab.open(&html(&Model::default()), "");
    tab.run("document.querySelector('[role=gridcell][tabindex=\"0\"]').focus()");
    assert_eq!(tab.count("[role=gridcell][tabindex='0']"), 1);
    for (key, place) in [
        ("ArrowUp", json!([3, 7])),
        ("ArrowLeft", json!([3, 6])),
        ("Home", json!([3, 0])),
        ("PageUp", json!([0, 0])),
        ("ArrowUp", json!([0, 0])),
        ("End", json!([0, 7])),
        ("ArrowDown", json!([1, 7])),
    ] {
        tab.key(key);
        assert_eq!(chosen(&mut tab), place, "{key}");
        assert_eq!(tab.run("document.activeElement.getAttribute('aria-selected')"), json!("true"), "{key}");
    }
    tab.key("s");
    assert!(address(&mut tab).contains("show=prob"));
    tab.key("c");
    assert!(address(&mut tab).contains("component=all"), "{}", address(&mut tab));
    tab.key("Enter");
    assert!(address(&mut tab).contains("pins="));
    tab.run("document.getElementById('search').focus()");
    for key in ["w", "3"] {
        tab.key(key);
    }
    assert!(tab.text_of("#found").contains("token"));
    assert!(tab.count(".cell.hit") > 0);
    let before = chosen(&mut tab);
    tab.key("Enter");
    assert_ne!(chosen(&mut tab), before, "the next cell found");
    assert_eq!(tab.run("document.activeElement.id"), json!("search"));
    tab.key("Escape");
    assert_eq!(
        (tab.text("document.getElementById('search').value"), tab.count(".cell.hit")),
        (String::new(), 0)
    );
    tab.assert_quiet();
}

#[test]
fn dark_follows_the_system_and_the_button() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let dark = |tab: &mut Tab, scheme: &str| {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        tab.call("Emulation.setEmulatedMedia", features);
        tab.text("getComputedStyle(document.body).backgroundColor")
    };
    tab.open(&html(&Model::default()), "");
    let (light, night) = (dark(&mut tab, "light"), dark(&mut tab, "dark"));
    assert_eq!((light.as_str(), night.as_str()), ("rgb(255, 255, 255)", "rgb(21, 23, 26)"));
    tab.click("#theme");
    assert_eq!(tab.text("getComputedStyle(document.body).backgroundColor"), light);
    assert!(address(&mut tab).contains("theme=light"));
    assert_eq!(tab.text_of("#theme"), "Dark");
    tab.assert_quiet();
}

#[test]
fn hostile_tokens_stay_text() {
    let Some(mut tab) = tab(1600, 900) else { return };
    let model = Model { hostile: true, ..Model::default() };
    let trace = trace(&model);
    let html = page(&trace, &PageOptions::default()).unwrap();
    for script in ["", "off"] {
        if script == "off" {
            tab.disable_scripts();
        }
        tab.open(&html, "#find=script");
        let (heads, inputs) = if script == "off" {
            ("#plain thead bdi", "document.querySelectorAll('#plain bdi script, #plain img, main > script')")
        } else {
            ("[role=columnheader] bdi", "document.querySelectorAll('bdi *:not(.space), img')")
        };
        let shown = tab.run(&format!(
            "[...document.querySelectorAll({})].map((token) => token.textContent)",
            json!(heads)
        ));
        let expected: Vec<&str> = HOSTILE.iter().map(|(_, shown)| *shown).collect();
        assert_eq!(shown, json!(expected));
        assert_eq!(tab.run(&format!("{inputs}.length")), json!(0));
        assert_eq!(tab.run("document.querySelectorAll('script').length"), json!(2));
        assert_eq!(tab.run("typeof hacked"), json!("undefined"));
    }
    let island =
        "JSON.parse(document.getElementById('data').textContent).vocabulary.map((token) => token[1])";
    let texts = tab.run(island);
    for (text, _) in HOSTILE {
        assert!(texts.as_array().unwrap().contains(&json!(text)), "{text:?} is not in the data as it was");
    }
    tab.assert_quiet();
}

#[test]
fn without_javascript_there_is_a_table() {
    let Some(mut tab) = tab(1280, 900) else { return };
    tab.disable_scripts();
    tab.open(&html(&Model::default()), "");
    assert_eq!(tab.count("#plain tbody tr"), 5);
    assert_eq!(tab.count("#plain thead th[scope=col]"), 10);
    assert_eq!(tab.count("#plain tbody th[scope=row]"), 5);
    assert!(tab.text_of("#plain tbody td:nth-child(3)").contains('%'));
    let shown = "getComputedStyle(document.getElementById('plain')).display";
    assert_eq!(tab.text(shown), "block");
    assert_eq!(tab.text("getComputedStyle(document.getElementById('app')).display"), "none");
    tab.assert_quiet();
}

#[test]
fn the_page_has_no_serious_barrier() {
    let Some(program) = axe() else { return };
    let Some(mut tab) = tab(1280, 1400) else { return };
    // axe-core is no part of the page, so the page's policy does not let it in.
    tab.call("Page.setBypassCSP", json!({"enabled": true}));
    let html = html(&Model { generated: 3, ..Model::default() });
    for view in ["", "#theme=dark&show=rank&component=all&find=w1", "#cells=overview&theme=light&curve=rank"]
    {
        tab.open(&html, view);
        tab.run("document.querySelectorAll('details').forEach((more) => { more.open = true; })");
        tab.run(&format!("{program}; null"));
        let found = "axe.run().then(({violations}) => violations.filter(({impact}) => \
                     ['serious', 'critical'].includes(impact)).map(({id, nodes}) => \
                     [id, nodes.slice(0, 3).map((node) => node.html + ' ' + node.failureSummary)]))";
        assert_eq!(tab.run(found), json!([]), "in {view:?}");
    }
    let (before, after) = (trace(&Model::default()), changed(&Model::default()));
    let named = [Named::new("after", &after), Named::new("before", &before)];
    let two = pages(&named, &PageOptions::default()).unwrap();
    for view in ["#minus=1", "#minus=1&theme=dark&show=kl_to_final"] {
        tab.open(&two, view);
        tab.run(&format!("{program}; null"));
        let found = "axe.run().then(({violations}) => violations.filter(({impact}) => \
                     ['serious', 'critical'].includes(impact)).map(({id, nodes}) => \
                     [id, nodes.slice(0, 3).map((node) => node.html + ' ' + node.failureSummary)]))";
        assert_eq!(tab.run(found), json!([]), "in {view:?}");
    }
    tab.run("document.documentElement.classList.remove('js'); document.getElementById('app').hidden = true");
    let found = "axe.run('#plain').then(({violations}) => violations.filter(({impact}) => \
                 ['serious', 'critical'].includes(impact)).map(({id, nodes}) => [id, nodes[0].html]))";
    assert_eq!(tab.run(found), json!([]));
}

#[test]
fn a_long_prompt_puts_only_what_is_in_sight_into_the_document() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let html = html(&Model { layers: 32, positions: 500, ..Model::default() });
    tab.open(&html, "#position=0");
    for view in ["cells=normal", "cells=overview", "component=all"] {
        tab.go_to(&format!("#position=0&{view}"));
        assert!(tab.count("*") < 10_000, "{view}: {} elements", tab.count("*"));
        tab.run("document.getElementById('grid').scrollLeft = 1e6");
        let last = "[...document.querySelectorAll('[role=columnheader]')].map((head) => \
                    head.getAttribute('aria-colindex')).includes('501')";
        tab.wait_until(last);
        assert_eq!(
            tab.count("[role=gridcell][aria-selected=true]"),
            1,
            "the chosen cell stays in the document"
        );
    }
    tab.assert_quiet();
}

#[test]
fn a_link_restores_the_view() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let html = html(&Model::default());
    let link = "#show=prob&of=7&component=all&stride=2&cells=compact&at=L1.mlp_out&position=2&pins=7.9&lead=9&curve=rank&text=written&find=w1&theme=dark";
    tab.open(&html, link);
    assert_eq!(tab.run("document.getElementById('statistic').value"), json!("prob"));
    assert_eq!(tab.run("document.getElementById('stride').value"), json!("2"));
    assert_eq!(tab.count("#pins bdi"), 2);
    tab.click("#curve-rank");
    let kept = address(&mut tab);
    let words = |link: &str| {
        let mut words: Vec<String> = link.trim_start_matches('#').split('&').map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(words(&kept), words(link));
    for nonsense in ["#position=-1&at=L99.x&show=x&pins=99999999.&run=7&stride=0", "#%", "#=&&find=%00%ff"] {
        tab.open(&html, nonsense);
        assert_eq!(tab.count("[role=gridcell][aria-selected=true]"), 1, "{nonsense}");
        tab.assert_quiet();
    }
}

#[test]
fn steps_scrub_through_what_the_model_wrote() {
    let Some(mut tab) = tab(1280, 900) else { return };
    tab.open(&html(&Model { generated: 3, ..Model::default() }), "#position=6");
    assert_eq!(tab.run("document.getElementById('steps').hidden"), json!(false));
    assert!(tab.text_of("#step-says").starts_with("step 2, generated token 3 of 3: "));
    tab.click("#step-back");
    tab.click("#step-back");
    assert!(tab.text_of("#step-says").starts_with("step 0, generated token 1 of 3: "));
    assert_eq!(chosen(&mut tab)[1], json!(4));
    assert!(tab.text_of("#detail .after").contains("step 0 wrote"));
    tab.run(
        "(() => { const step = document.getElementById('step'); step.value = 1; \
             step.dispatchEvent(new Event('input', {bubbles: true})); })()",
    );
    assert_eq!(chosen(&mut tab)[1], json!(5));
    tab.assert_quiet();
}

#[test]
fn several_traces_are_chosen_from() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let [first, second] = [Model::default(), Model { layers: 2, positions: 3, ..Model::default() }];
    tab.open(
        &pages(&Named::all(&[trace(&first), trace(&second)]), &PageOptions::default()).unwrap(),
        "#component=mlp_out",
    );
    tab.choose("trace", "1");
    assert_eq!(tab.text("document.getElementById('grid').getAttribute('aria-colcount')"), "4");
    assert_eq!(
        tab.run("[document.getElementById('head-0').hidden, document.getElementById('head-1').hidden]"),
        json!([true, false])
    );
    tab.assert_quiet();
}

/// The same readouts with other numbers: divergences larger by 0.25, probabilities halved.
fn changed(model: &Model) -> LensTrace {
    let mut trace = trace(model);
    for readout in &mut trace.readouts {
        let kl = readout.get(Statistic::KlToFinal).unwrap();
        readout.statistics.set(Statistic::KlToFinal, Some(kl + 0.25));
        readout.top.iter_mut().for_each(|token| token.prob *= 0.5);
    }
    trace
}

#[test]
fn two_traces_are_subtracted() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let (before, after) = (trace(&Model::default()), changed(&Model::default()));
    let named = [Named::new("after", &after), Named::new("before <b>", &before)];
    tab.open(&pages(&named, &PageOptions::default()).unwrap(), "#position=3");
    let entries = "[...document.getElementById('trace').options].map((option) => option.textContent)";
    assert_eq!(tab.run(entries), json!(["after", "before <b>"]));
    tab.choose("minus", "1");
    tab.choose("statistic", "kl_to_final");
    assert_eq!(tab.text_of(&format!("{} .number", cell(1, 0))), "+0.25");
    let legend = tab.text_of("#legend");
    assert!(legend.contains("after − before <b>, nats") && legend.contains("not in both"), "{legend}");
    assert!(legend.contains("−0.5") && legend.contains("+0.5"), "{legend}");
    assert_eq!(tab.count("[role=gridcell].d30"), tab.count("[role=gridcell]"), "half of the way up");
    tab.choose("statistic", "top");
    let here = |readout: &&lens_core::ReadoutTrace| {
        (readout.layer, readout.component.name(), readout.position) == (Some(3), "resid_post", 3)
    };
    let top = before.readouts.iter().find(here);
    let by = -50.0 * f64::from(top.unwrap().top[0].prob);
    let number = tab.text_of(&format!("{} .number", cell(4, 3)));
    let written: f64 = number.replace('−', "-").parse().unwrap();
    assert!((written / by - 1.0).abs() < 0.1, "{number} for {by}");
    assert!(tab.text_of("#pair-says").contains("Red: more in “after”"));
    assert!(tab.text_of("#detail").contains("difference"));
    assert!(tab.count("#by-layer .other") > 0);
    assert!(address(&mut tab).contains("minus=1"));
    // Linked, the view is the same; the keyboard leads out of it, and to the other run at the same place.
    let link = address(&mut tab);
    tab.open(&pages(&named, &PageOptions::default()).unwrap(), &link);
    assert_eq!(tab.text_of(&format!("{} .number", cell(4, 3))), number);
    tab.run("document.querySelector('[role=gridcell][tabindex=\"0\"]').focus()");
    tab.key("m");
    assert_eq!(tab.count("[role=gridcell][class*=' d']"), 0);
    assert!(tab.run("document.getElementById('pair-says').hidden") == json!(true));
    tab.key("r");
    assert_eq!(
        (tab.text("document.getElementById('trace').value"), chosen(&mut tab)),
        ("1".to_owned(), json!([4, 3]))
    );
    tab.assert_quiet();
}

#[test]
fn what_one_trace_lacks_is_not_subtracted() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let [before, mut after] = [(); 2].map(|()| trace(&Model::default()));
    after.readouts.retain(|readout| readout.layer != Some(2) || readout.position != 5);
    let mut apart = trace(&Model { layers: 9, ..Model::default() });
    apart.readouts.retain(|readout| readout.layer == Some(8));
    let named = [("before", &before), ("after", &after), ("apart", &apart)];
    let named = named.map(|(name, trace)| Named::new(name, trace));
    tab.open(&pages(&named, &PageOptions::default()).unwrap(), "#minus=1&show=entropy");
    assert_eq!(tab.text_of(&format!("{} .number", cell(3, 5))), "–");
    assert_eq!(tab.count("[role=gridcell].unknown"), 1);
    let entries = "[...document.getElementById('minus').options].map((option) => option.textContent)";
    assert_eq!(tab.run(entries), json!(["nothing", "after", "apart: no layer and component in common"]));
    let open = "[...document.getElementById('minus').options].map((option) => !option.disabled)";
    assert_eq!(tab.run(open), json!([true, true, false]));
    tab.assert_quiet();
}

#[test]
fn paper_gets_the_whole_grid() {
    let Some(mut tab) = tab(1280, 900) else { return };
    tab.open(&html(&Model { positions: 25, ..Model::default() }), "");
    let pdf = tab.call("Page.printToPDF", json!({"printBackground": true}));
    assert!(pdf["data"].as_str().unwrap().len() > 10_000);
    tab.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    tab.run("dispatchEvent(new Event('beforeprint'))");
    assert_eq!(tab.count("#printed table"), 3);
    assert_eq!(tab.count("#printed td"), 25 * 5);
    assert_eq!(tab.text("getComputedStyle(document.querySelector('#printed')).display"), "block");
    assert_eq!(tab.text("getComputedStyle(document.querySelector('.controls')).display"), "none");
    // Charts keep the shape of their drawing; names and their KL are whole and apart from each other.
    let shape = "(() => { const svg = document.getElementById('by-layer'), box = svg.viewBox.baseVal; \
                 return Math.abs(svg.clientWidth / svg.clientHeight / (box.width / box.height) - 1) < 0.02; })()";
    assert_eq!(tab.run(shape), json!(true), "the chart is letterboxed");
    let cut = "[...document.querySelectorAll('#printed tbody th')].some((head) => head.scrollWidth > head.clientWidth)";
    assert_eq!(tab.run(cut), json!(false), "the head of a row is cut");
    assert!(tab.text_of("#printed tbody tr:last-child th").starts_with("L3.resid_post KL "));
    assert_eq!(tab.text("getComputedStyle(document.querySelector('#printed th small')).display"), "block");
    tab.assert_quiet();
}

#[test]
fn small_numbers_are_plain() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let mut trace = trace(&Model::default());
    for readout in &mut trace.readouts {
        readout.statistics.set(Statistic::KlToFinal, Some(0.000_04));
        readout.top[0].prob = 0.000_012_3;
        readout.top[1].prob = 3e-12;
        readout.top.truncate(2);
    }
    tab.open(&page(&trace, &PageOptions::default()).unwrap(), "");
    assert_eq!(tab.text_of(&format!("{} .number", cell(1, 2))), "<0.1%");
    assert_eq!(tab.text_of("#detail tbody tr:nth-child(1) .prob"), "0.0012%");
    assert_eq!(tab.text_of("#detail tbody tr:nth-child(2) .prob"), "<0.000001%");
    assert!(tab.text_of("#detail dl").contains("<0.001"));
    let exponent = "/[0-9]e[-+][0-9]/.test(document.getElementById('app').textContent)";
    assert_eq!(tab.run(exponent), json!(false));
    tab.assert_quiet();
}

#[test]
fn divergences_have_the_logarithmic_colours_of_pictures() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let mut trace = trace(&Model::default());
    let levels = [(0.001, 40), (0.01, 40), (0.1, 30), (1.0, 20), (10.0, 10), (100.0, 0), (500.0, 0)];
    for (position, (kl, _)) in levels.iter().enumerate() {
        for readout in trace.readouts.iter_mut().filter(|readout| readout.position == position) {
            readout.statistics.set(Statistic::KlToFinal, Some(*kl));
        }
    }
    tab.open(&page(&trace, &PageOptions::default()).unwrap(), "#show=kl_to_final");
    for (position, (kl, level)) in levels.iter().enumerate() {
        let has = format!("document.querySelector(\"{}\").classList.contains('q{level}')", cell(1, position));
        assert_eq!(tab.run(&has), json!(true), "a KL of {kl}");
    }
    assert!(tab.text_of("#legend").contains("logarithmic"));
    tab.assert_quiet();
}

#[test]
fn a_tracked_tokens_cells_carry_no_sign_of_another_token() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let trace = trace(&Model::default());
    let html = page(&trace, &PageOptions::default()).unwrap();
    // A token that is in some readouts, and never the most probable one.
    let tops: Vec<u32> = trace.readouts.iter().filter_map(|r| Some(r.top.first()?.id.0)).collect();
    let mut others = trace.readouts.iter().flat_map(|r| r.top.iter().map(|token| token.id.0));
    let tracked = others.find(|id| !tops.contains(id)).unwrap();
    let signs = "document.querySelectorAll('#grid .agrees, #grid .right').length";
    for statistic in ["prob", "rank"] {
        tab.open(&html, &format!("#show={statistic}&of={tracked}"));
        assert!(tab.count("#grid [role=gridcell]") > 0);
        assert_eq!(tab.run(signs), json!(0), "{statistic}");
        // The final answer's cells carry the sign exactly where the answer is on top.
        tab.open(&html, &format!("#show={statistic}"));
        let agreeing = |position: usize| {
            let answer = trace.finals[position].top[0].id;
            let stream = trace.readouts.iter().filter(move |r| {
                r.position == position && ["embed", "resid_post"].contains(&r.component.name())
            });
            stream.filter(move |r| r.top[0].id == answer).count()
        };
        let expected: usize = (0..trace.finals.len()).map(agreeing).sum();
        assert!(expected > 0);
        assert_eq!(tab.count("#grid .agrees"), expected as u64, "{statistic}");
    }
    tab.assert_quiet();
}

#[test]
fn the_head_lists_the_notes_and_an_unchecked_trace_says_so() {
    let mut trace = trace(&Model::default());
    trace.notes = vec!["the <b>norm</b> was assumed".to_owned()];
    trace.self_check = None;
    let html = page(&trace, &PageOptions::default()).unwrap();
    assert!(html.contains("was assumed</bdi></li>"), "the note is missing");
    assert!(!html.contains("<b>norm"), "the note is not text");
    assert!(html.contains("<dt>Self-check</dt><dd>not checked</dd>"));
}

#[test]
fn an_id_without_a_text_is_whole_in_its_cell() {
    let Some(mut tab) = tab(1280, 900) else { return };
    let mut trace = trace(&Model::default());
    trace.model.n_vocab = 151_938;
    for readout in &mut trace.readouts {
        readout.top.truncate(1);
        let top = &mut readout.top[0];
        (top.id, top.text) = (lens_core::TokenId(151_937), "<id 151937>".into());
    }
    tab.open(&page(&trace, &PageOptions::default()).unwrap(), "");
    assert_eq!(tab.text_of(&format!("{} .token", cell(1, 2))), "<id 151937>");
    let cut = format!(
        "(({{scrollWidth, clientWidth}}) => scrollWidth > clientWidth)(document.querySelector(\"{} .token\"))",
        cell(1, 2)
    );
    assert_eq!(tab.run(&cut), json!(false));
    assert_eq!(tab.text_of("#detail tbody tr:nth-child(1) .token"), "<id 151937>");
    tab.assert_quiet();
}

#[test]
fn the_head_says_what_the_model_wrote() {
    let model = Model { generated: 3, ..Model::default() };
    let trace = trace(&model);
    let text: String = trace.tokens[5..].iter().map(|token| &*token.text).collect();
    assert!(html(&model).contains(&format!("<dt>Generated text</dt><dd><bdi lang=\"\">{text}</bdi></dd>")));
    assert!(!html(&Model::default()).contains("Generated text"));
    let one = html(&Model { positions: 1, ..Model::default() });
    assert!(one.contains("1 of 1 position</dd>"));
}

#[test]
fn a_narrow_screen_has_no_sideways_scroll() {
    let Some(mut tab) = tab(400, 900) else { return };
    for view in ["", "#component=all&show=rank&find=w"] {
        tab.open(&html(&Model { positions: 40, generated: 3, ..Model::default() }), view);
        let wide = tab.run("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= 400, "{wide} pixels wide");
    }
    tab.assert_quiet();
}
