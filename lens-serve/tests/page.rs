//! The page, in a real browser, asking a real server.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../../lens-viz/tests/browser/mod.rs"]
mod browser;
mod support;

use std::{fs, sync::atomic::Ordering, thread, time::Duration};

use browser::{Tab, axe, tab};
use lens_serve::Limits;
use serde_json::json;
use support::{HOSTILE, open_lenses, open_slow_layers, open_words};

/// Types into a field, letter by letter as far as the page can tell.
fn write(tab: &mut Tab, id: &str, text: &str) {
    tab.run(&format!(
        "(() => {{ const field = document.getElementById('{id}'); field.focus(); field.value = {}; \
         field.dispatchEvent(new Event('input', {{bubbles: true}})); }})()",
        json!(text)
    ));
}

/// Waits for what the page says when it has read something.
fn wait_read(tab: &mut Tab, positions: usize) {
    let says = if positions == 1 {
        "Read 1 position in".to_owned()
    } else {
        format!("Read {positions} positions in")
    };
    tab.wait_until(&format!("document.getElementById('status').textContent.startsWith({})", json!(says)));
}

/// How many columns of readouts there are.
fn columns(tab: &mut Tab) -> i64 {
    tab.run("+document.getElementById('grid').getAttribute('aria-colcount') - 1").as_i64().unwrap()
}

#[test]
fn what_is_typed_is_read_and_pinned_and_kept_where_one_looks() {
    let Some(mut tab) = tab(1280, 1100) else { return };
    let open = open_words(Limits::default(), Duration::ZERO);
    tab.visit(&open.server.url());
    assert_eq!(tab.run("document.activeElement.id"), "prompt-0");
    assert_eq!(tab.run("document.getElementById('app').hidden"), true);
    for (text, tokens) in [("one", 1), ("one two", 2), ("one two three", 3)] {
        write(&mut tab, "prompt-0", text);
        wait_read(&mut tab, tokens);
        assert_eq!(tab.count("#tokens-0 li"), tokens as u64);
        assert_eq!(columns(&mut tab), tokens as i64);
    }
    assert_eq!(tab.run("document.activeElement.id"), "prompt-0");
    assert!(tab.count("[role=gridcell]") >= 12);
    // A place that was chosen stays chosen when the prompt grows.
    tab.click("[role=row][aria-rowindex='3'] > [role=gridcell][aria-colindex='2']");
    write(&mut tab, "prompt-0", "one two three four");
    wait_read(&mut tab, 4);
    assert_eq!(tab.run("document.querySelector('[aria-selected=true]').getAttribute('aria-colindex')"), "2");
    // What is pinned is asked about at every layer.
    tab.run("document.querySelector('#detail button.pin').click()");
    let pinned = "document.querySelectorAll('#pins li').length";
    assert!(tab.run(pinned).as_u64().unwrap() >= 1);
    tab.wait_until("document.querySelector('#detail').textContent.includes('Tokens asked for')");
    // The keyboard goes through the grid as in the file.
    tab.run("document.querySelector('[aria-selected=true]').focus()");
    tab.key("ArrowRight");
    assert_eq!(tab.run("document.activeElement.getAttribute('aria-colindex')"), "3");
    assert_eq!(tab.count("[role=gridcell][tabindex='0']"), 1);
    // Other components and statistics.
    tab.choose("component", "mlp_out");
    tab.choose("statistic", "entropy");
    write(&mut tab, "prompt-0", "one two three four five");
    wait_read(&mut tab, 5);
    assert_eq!(tab.run("document.getElementById('component').value"), "mlp_out");
    assert_eq!(tab.run("document.getElementById('statistic').value"), "entropy");
    tab.assert_quiet();
    // The key is in the address, and nowhere else.
    assert_eq!(tab.run("document.cookie + localStorage.length + sessionStorage.length"), "00");
    tab.call("Page.reload", json!({}));
    tab.wait_until("document.readyState === 'complete' && document.getElementById('prompt-0') !== null");
}

#[test]
fn the_grid_fills_layer_by_layer_and_what_was_chosen_stays_chosen() {
    let Some(mut tab) = tab(1280, 1100) else { return };
    let open = open_slow_layers(Duration::from_millis(1200));
    tab.visit(&open.server.url());
    let words: Vec<String> = (0..100).map(|n| format!("w{n}")).collect();
    write(&mut tab, "prompt-0", &words.join(" "));
    let awaited = "document.querySelectorAll('.cell.awaited').length";
    tab.wait_until(&format!("{awaited} > 0 && document.querySelectorAll('.cell:not(.awaited)').length > 0"));
    // All rows are there, the upper ones filled; the last layer is chosen though it is still to come.
    let rows = "+document.getElementById('grid').getAttribute('aria-rowcount')";
    assert_eq!(tab.run(rows), 5);
    let chosen =
        "document.querySelector('[aria-selected=true]').closest('[role=row]').getAttribute('aria-rowindex')";
    assert_eq!(tab.run(chosen), "5");
    assert_eq!(
        tab.run("document.querySelector('[aria-selected=true]').getAttribute('aria-label')"),
        "not read yet"
    );
    assert!(
        tab.run("document.getElementById('detail').textContent").as_str().unwrap().contains("Not read yet.")
    );
    assert_eq!(tab.run("document.querySelectorAll('[aria-rowindex=\"2\"] .cell.awaited').length"), 0);
    assert_eq!(
        tab.run("(({value, max}) => 0 < value && value < max)(document.getElementById('progress'))"),
        true
    );
    // It can be looked at in every way meanwhile.
    tab.choose("statistic", "entropy");
    tab.choose("component", "all");
    tab.run("document.querySelector('[aria-rowindex=\"2\"] [role=gridcell]').click()");
    tab.choose("component", "resid_post");
    let before = tab.run(awaited).as_u64().unwrap();
    assert!(before > 0, "the model was quicker than this test");
    tab.wait_until(&format!("{awaited} < {before}"));
    wait_read(&mut tab, 100);
    assert_eq!(tab.run(awaited), 0);
    assert_eq!(tab.run(rows), 5);
    assert_eq!(tab.run("document.getElementById('statistic').value"), "entropy");
    assert_eq!(tab.run("document.getElementById('component').value"), "resid_post");
    assert!(
        !tab.run("document.getElementById('detail').textContent").as_str().unwrap().contains("Not read yet.")
    );
    tab.assert_quiet();
}

#[test]
fn two_prompts_fill_one_after_the_other() {
    let Some(mut tab) = tab(1280, 1100) else { return };
    let open = open_slow_layers(Duration::from_millis(500));
    tab.visit(&open.server.url());
    let words: Vec<String> = (0..100).map(|n| format!("w{n}")).collect();
    tab.choose("against", "prompt");
    write(&mut tab, "prompt-0", &words.join(" "));
    write(&mut tab, "prompt-1", &words.join(" ").replace("w3 ", "other "));
    // The first is whole, the second has some layers, and both are compared where both are read.
    tab.wait_until("document.querySelectorAll('.cell.unknown').length > 0 && document.querySelectorAll('.cell[class*=\" d\"]').length > 0");
    wait_read(&mut tab, 200);
    assert_eq!(tab.run("document.querySelectorAll('.cell.unknown').length"), 0);
    assert_eq!(tab.run("document.querySelectorAll('.cell.awaited').length"), 0);
    tab.assert_quiet();
}

#[test]
fn the_model_writes_until_it_is_stopped_or_asked_something_else() {
    let Some(mut tab) = tab(1280, 1100) else { return };
    let open = open_words(Limits::default(), Duration::from_millis(40));
    tab.visit(&open.server.url());
    write(&mut tab, "prompt-0", "one two");
    wait_read(&mut tab, 2);
    assert_eq!(tab.run("document.getElementById('stop').disabled"), true);
    write(&mut tab, "write-n", "200");
    tab.click("#write");
    // It comes token by token.
    tab.wait_until("+document.getElementById('grid').getAttribute('aria-colcount') - 1 >= 4");
    assert_eq!(tab.run("document.getElementById('stop').disabled"), false);
    let some = columns(&mut tab);
    tab.wait_until(&format!("+document.getElementById('grid').getAttribute('aria-colcount') - 1 > {some}"));
    assert!(tab.count("#tokens-0 .written") >= 3);
    tab.click("#stop");
    tab.wait_until("document.getElementById('status').textContent.startsWith('Read ')");
    let kept = columns(&mut tab);
    assert!((4..100).contains(&kept), "{kept}");
    assert_eq!(tab.run("document.getElementById('stop').disabled"), true);
    // The steps can be gone through, as in the file.
    assert_eq!(tab.run("document.getElementById('steps').hidden"), false);
    // Ctrl and Enter write as the button does, and typing ends it.
    write(&mut tab, "prompt-0", "one two three");
    wait_read(&mut tab, 3);
    let begun = open.written.load(Ordering::SeqCst);
    tab.call(
        "Input.dispatchKeyEvent",
        json!({"type": "keyDown", "key": "Enter", "modifiers": 2, "windowsVirtualKeyCode": 13}),
    );
    tab.wait_until("+document.getElementById('grid').getAttribute('aria-colcount') - 1 >= 5");
    write(&mut tab, "prompt-0", "other");
    wait_read(&mut tab, 1);
    assert!(open.written.load(Ordering::SeqCst) - begun < 150);
    open.wait_until("nothing is left", |counts| counts.waiting == 0 && counts.begun == counts.ended);
    tab.assert_quiet();
}

#[test]
fn two_hundred_quick_edits_show_the_last_one() {
    let Some(mut tab) = tab(1280, 1100) else { return };
    let open = open_words(Limits::default(), Duration::ZERO);
    tab.visit(&open.server.url());
    tab.run(
        "new Promise((done) => { let n = 0; const field = document.getElementById('prompt-0'); \
         const edit = () => { n += 1; field.value = Array.from({length: 1 + n % 9}, (_, i) => `w${i}`).join(' '); \
         field.dispatchEvent(new Event('input', {bubbles: true})); \
         if (n < 200) setTimeout(edit, n % 3 === 0 ? 30 : 4); else done(n); }; edit(); })",
    );
    wait_read(&mut tab, 3);
    assert_eq!(columns(&mut tab), 3);
    assert_eq!(tab.count("#tokens-0 li"), 3);
    open.wait_until("nothing is left", |counts| counts.waiting == 0 && counts.begun == counts.ended);
    // What the page holds does not grow with what was typed.
    assert!(tab.count("*") < 3000, "{} elements", tab.count("*"));
    tab.assert_quiet();
}

#[test]
fn two_prompts_differ_and_a_change_is_a_slider() {
    let Some(mut tab) = tab(1280, 1100) else { return };
    let open = open_words(Limits::default(), Duration::ZERO);
    tab.visit(&open.server.url());
    write(&mut tab, "prompt-0", "one two three");
    wait_read(&mut tab, 3);
    tab.choose("against", "prompt");
    write(&mut tab, "prompt-1", "one four three");
    wait_read(&mut tab, 6);
    assert_eq!(tab.run("document.getElementById('minus').value"), "1");
    assert!(tab.text_of("#pair-says").contains("first prompt"));
    assert_eq!(tab.count("#tokens-1 li"), 3);
    // One patched into the other.
    tab.click("#patch");
    tab.wait_until("document.querySelectorAll('.places tbody tr').length === 3");
    // A change, stronger and weaker.
    tab.choose("against", "unchanged");
    tab.run(
        "(() => { const slider = document.querySelector('.strength'); slider.value = '2'; \
         slider.dispatchEvent(new Event('input', {bubbles: true})); })()",
    );
    tab.wait_until("document.getElementById('heads').textContent.includes('L1.resid_post *= 3')");
    assert_eq!(tab.run("document.getElementById('steer-on-0').checked"), true);
    tab.wait_until("document.getElementById('pair-says').textContent.includes('unchanged')");
    tab.click("#steer-on-0");
    tab.wait_until("!document.getElementById('heads').textContent.includes('L1.resid_post')");
    // As a message.
    tab.choose("against", "");
    tab.click("#chat");
    wait_read(&mut tab, 5);
    // Where a logit comes from.
    tab.click("#take-apart");
    tab.wait_until(
        "document.querySelectorAll('.shares tbody tr').length > 6 || !document.getElementById('trouble').hidden",
    );
    assert_eq!(tab.text_of("#trouble"), "");
    tab.assert_quiet();
}

/// The names in a list of choices.
fn choices(tab: &mut Tab, id: &str) -> Vec<String> {
    let texts = format!("[...document.getElementById('{id}').options].map((option) => option.textContent)");
    serde_json::from_value(tab.run(&texts)).unwrap()
}

#[test]
fn several_lenses_read_what_is_typed_and_the_chosen_one_stays() {
    let Some(mut tab) = tab(1280, 1100) else { return };
    let open = open_lenses(Limits::default());
    tab.visit(&open.server.url());
    write(&mut tab, "prompt-0", "one two three");
    wait_read(&mut tab, 3);
    assert_eq!(choices(&mut tab, "trace"), ["logit lens", "jacobian lens"]);
    let cells = "[...document.querySelectorAll('[role=gridcell]')].map((cell) => cell.textContent).join()";
    let plain = tab.run(cells);
    tab.choose("trace", "1");
    let turned = tab.run(cells);
    assert_ne!(plain, turned, "both lenses say the same");
    // It stays chosen while more is typed and written, at the newest position.
    write(&mut tab, "prompt-0", "one two three four");
    wait_read(&mut tab, 4);
    assert_eq!(tab.run("document.getElementById('trace').value"), "1");
    write(&mut tab, "write-n", "3");
    tab.click("#write");
    wait_read(&mut tab, 6);
    assert_eq!(tab.run("document.getElementById('trace').value"), "1");
    assert_eq!(tab.count("#tokens-0 .written"), 3);
    // One lens against the other, and a lens of one prompt against the same of another.
    tab.choose("minus", "0");
    assert!(tab.text_of("#pair-says").contains("The lenses differ"), "{}", tab.text_of("#pair-says"));
    write(&mut tab, "prompt-0", "one two three");
    wait_read(&mut tab, 3);
    tab.choose("against", "prompt");
    write(&mut tab, "prompt-1", "one four three");
    wait_read(&mut tab, 6);
    let names = [
        "first prompt, logit lens",
        "first prompt, jacobian lens",
        "second prompt, logit lens",
        "second prompt, jacobian lens",
    ];
    assert_eq!(choices(&mut tab, "trace"), names);
    tab.choose("trace", "1");
    tab.choose("minus", "3");
    assert!(tab.text_of("#pair-says").contains("second prompt, jacobian lens"));
    // One prompt in the other is asked once, whatever the lenses: the first prompt's part stands where they differ.
    tab.click("#patch");
    tab.wait_until("document.querySelectorAll('.places tbody tr').length === 3");
    assert_eq!(tab.count(".places thead th"), 4);
    let first: Vec<String> = serde_json::from_value(tab.run(
        "[...document.querySelectorAll('.places tbody tr:first-child td')].map((cell) => cell.textContent)",
    ))
    .unwrap();
    assert_eq!(first, ["0", "+1.00", "0"], "what enters the first block is the whole difference");
    assert_eq!(tab.text_of("#trouble"), "");
    tab.assert_quiet();
}

#[test]
fn files_are_saved() {
    let Some(mut tab) = tab(1280, 1100) else { return };
    let open = open_words(Limits::default(), Duration::ZERO);
    let folder = tempfile::tempdir().unwrap();
    tab.visit(&open.server.url());
    let to = json!({"behavior": "allow", "downloadPath": folder.path()});
    tab.call("Page.setDownloadBehavior", to);
    write(&mut tab, "prompt-0", "one two three");
    wait_read(&mut tab, 3);
    for (form, name) in [
        ("page", "lens.html"),
        ("svg", "lens.svg"),
        ("png", "lens.png"),
        ("csv", "lens.csv"),
        ("trace", "trace.json"),
    ] {
        tab.click(&format!("[data-save={form}]"));
        tab.wait_until(&format!("document.getElementById('status').textContent === 'Saved {name}.'"));
        let file = folder.path().join(name);
        for _ in 0..200 {
            if fs::metadata(&file).is_ok_and(|file| file.len() > 100) {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        assert!(fs::metadata(&file).unwrap().len() > 100, "{name}");
    }
    let trace = fs::read_to_string(folder.path().join("trace.json")).unwrap();
    assert!(trace.starts_with("{\"schema\":\"lens-trace/1\""));
    tab.assert_quiet();
}

#[test]
fn hostile_prompts_and_names_are_text_and_errors_say_what_to_do() {
    let Some(mut tab) = tab(1280, 1100) else { return };
    let open = open_words(Limits::default().with_prompt(30), Duration::ZERO);
    tab.visit(&open.server.url());
    tab.run("window.hurt = 0; window.alert = () => { window.hurt += 1; }");
    assert_eq!(tab.run("document.querySelector('h1 bdi').textContent.includes('<img src=x')"), true);
    let prompts = [
        HOSTILE.to_owned(),
        "<script>alert(1)</script> {{7*7}} ${alert(1)} javascript:alert(1)".to_owned(),
        "\u{202e}\u{0}\u{7f} \u{2028} ]]> --> \"onmouseover=alert(1)".to_owned(),
        (0..20).map(|n| format!("word{n} ")).collect::<String>(),
    ];
    for prompt in &prompts {
        write(&mut tab, "prompt-0", prompt);
        wait_read(&mut tab, prompt.split_whitespace().count());
        assert_eq!(tab.count("main img, main iframe, main object, main a"), 0);
    }
    assert_eq!(tab.run("window.hurt"), 0);
    assert_eq!(tab.count("script"), 2);
    tab.assert_quiet();
    // Too long: said in the page, with what to do, and gone with the next prompt.
    write(&mut tab, "prompt-0", &"a ".repeat(31));
    tab.wait_until("!document.getElementById('trouble').hidden");
    let said = tab.text_of("#trouble");
    assert!(said.contains("31 tokens, and the most is 30") && said.contains("Shorten it"), "{said}");
    assert_eq!(tab.run("document.getElementById('trouble').getAttribute('role')"), "alert");
    write(&mut tab, "prompt-0", "fine");
    wait_read(&mut tab, 1);
    assert_eq!(tab.run("document.getElementById('trouble').hidden"), true);
    // The server is gone.
    open.server.close();
    thread::sleep(Duration::from_millis(100));
    write(&mut tab, "prompt-0", "late");
    tab.wait_until("!document.getElementById('trouble').hidden");
    assert!(tab.text_of("#trouble").contains("does not answer"), "{}", tab.text_of("#trouble"));
}

#[test]
fn nothing_serious_keeps_people_out() {
    let Some(program) = axe() else { return };
    for (width, theme) in [(1280, "light"), (390, "dark")] {
        let Some(mut tab) = tab(width, 1400) else { return };
        let open = open_words(Limits::default(), Duration::ZERO);
        // axe-core is no part of the page, so the page's policy does not let it in.
        tab.call("Page.setBypassCSP", json!({"enabled": true}));
        tab.visit(&format!("{}#theme={theme}", open.server.url()));
        let serious = |tab: &mut Tab| {
            tab.run("document.querySelectorAll('details').forEach((more) => { more.open = true; })");
            tab.run(&format!("{program}; null"));
            let found = "axe.run().then(({violations}) => violations.filter(({impact}) => \
                         ['serious', 'critical'].includes(impact)).map(({id, nodes}) => \
                         [id, nodes.slice(0, 3).map((node) => node.html + ' ' + node.failureSummary)]))";
            tab.run(found)
        };
        assert_eq!(serious(&mut tab), json!([]), "empty, {theme}");
        write(&mut tab, "prompt-0", "one two three");
        wait_read(&mut tab, 3);
        tab.choose("against", "prompt");
        write(&mut tab, "prompt-1", "one four three");
        wait_read(&mut tab, 6);
        tab.click("#write");
        tab.wait_until("document.querySelectorAll('#tokens-0 .written').length > 3 && document.getElementById('stop').disabled");
        tab.click("#take-apart");
        tab.wait_until("document.querySelectorAll('.shares tbody tr').length > 6");
        assert_eq!(serious(&mut tab), json!([]), "with results, {theme}");
        // A phone scrolls one way.
        assert_eq!(tab.run("document.documentElement.scrollWidth <= innerWidth"), true, "{theme} at {width}");
        let page =
            tab.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        if let Some(folder) = std::env::var_os("LENS_SCREENSHOTS") {
            let name = std::path::Path::new(&folder).join(format!("serve_{theme}.b64"));
            fs::write(name, page["data"].as_str().unwrap()).unwrap();
        }
    }
}
