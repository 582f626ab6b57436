//! Outputs for eyes that are written while a model runs equal those of its trace.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{Component, LensTrace, Request, Session, Sink, Site, TokenId, sink::Tee, toy::ToyBackend};
use lens_viz::{
    logitlenskit,
    page::{PageOptions, page},
    sink::{Steps, html, logitlenskit_v2, tables},
    terminal::{StepsView, TableOptions, table},
};

fn run(sink: &mut dyn Sink) -> LensTrace {
    let mut toy = ToyBackend::new(3, 8, 14, 3);
    let mut session = Session::new(&mut toy, &());
    let request = Request::tokens([1, 0, 3].map(TokenId)).positions("all".parse().unwrap()).max_new_tokens(3);
    let prepared = session.prepare(&request).unwrap();
    session.run_prepared(&prepared, sink).unwrap()
}

#[test]
fn outputs_of_a_running_model_equal_those_of_its_trace() {
    let (mut steps, mut text, mut pages, mut v2) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let options = TableOptions::default().with_width(100);
    let resid_post = Component::Site(Site::ResidPost);
    let trace = {
        let mut live = Steps::new(&mut steps, 3, options.clone());
        let mut all = tables(&mut text, options.clone(), "--\n".to_owned());
        let mut whole = html(&mut pages, PageOptions::default());
        let mut other = logitlenskit_v2(&mut v2, resid_post);
        let sinks: [&mut dyn Sink; 4] = [&mut live, &mut all, &mut whole, &mut other];
        run(&mut Tee::new(sinks))
    };
    let string = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();

    let mut head = trace.clone();
    head.tokens.truncate(3);
    let view = StepsView::new(&head, 3, &options);
    let mut expected = view.header(&head);
    for step in &trace.steps {
        let last = trace.finals.iter().find(|last| last.position == step.position).unwrap();
        let at = trace.readouts.iter().filter(|readout| readout.position == step.position);
        expected.push_str(&view.step(step, last, &at.cloned().collect::<Vec<_>>()));
    }
    expected.push_str(&view.footer(&trace));
    assert_eq!(trace.steps.len(), 3);
    assert_eq!(string(steps), expected);

    let of = |position| table(&trace, &options.clone().with_position(Some(position))).unwrap();
    let each: Vec<String> = trace.finals.iter().map(|last| of(last.position)).collect();
    assert_eq!(string(text), each.join("--\n"));
    assert_eq!(string(pages), page(&trace, &PageOptions::default()).unwrap());
    let expected = serde_json::to_string(&logitlenskit::to_v2(&trace, resid_post).unwrap()).unwrap();
    assert_eq!(string(v2), expected + "\n");
}
