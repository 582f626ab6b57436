//! Tables that are written while a model runs equal those of its traces.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{LensTrace, Request, Session, Sink, TokenId, sink::Tee, toy::ToyBackend};
use lens_data::{Format, Prompt, ReadoutSink, Readouts, TableWriter, TokenSink};

/// Two labelled runs of a toy, one of which writes; `sink` is told both.
fn runs(sink: &mut dyn Sink) -> Vec<LensTrace> {
    let mut toy = ToyBackend::new(3, 8, 14, 3);
    let mut session = Session::new(&mut toy, &());
    let request = |ids: &[u32]| Request::tokens(ids.iter().copied().map(TokenId));
    let requests =
        [request(&[1, 0, 3]).positions("all".parse().unwrap()), request(&[5, 6]).max_new_tokens(3)];
    let run = |(index, request): (usize, &Request)| {
        let id = (index > 0).then(|| "named".to_owned());
        let prepared = session.prepare(request).unwrap().labelled(index as u64, id);
        session.run_prepared(&prepared, &mut *sink).unwrap()
    };
    requests.iter().enumerate().map(run).collect()
}

#[test]
fn tables_of_running_models_equal_those_of_their_traces() {
    let mut readouts = ReadoutSink::new(Vec::new(), Format::Csv).unwrap();
    let mut tokens = TokenSink::new(Vec::new(), Format::Csv).unwrap();
    let both: [&mut dyn Sink; 2] = [&mut readouts, &mut tokens];
    let traces = runs(&mut Tee::new(both));

    let mut again = ReadoutSink::new(Vec::new(), Format::Csv).unwrap();
    let mut tokens_again = TokenSink::new(Vec::new(), Format::Csv).unwrap();
    let mut rows = TableWriter::<Readouts, _>::new(Vec::new(), Format::Csv).unwrap();
    for trace in &traces {
        again.whole(trace).unwrap();
        tokens_again.whole(trace).unwrap();
        let prompt = Prompt { index: trace.prompt_index.unwrap(), id: trace.id.as_deref() };
        trace.readouts.iter().for_each(|readout| rows.push(&(prompt, &trace.lens, readout)).unwrap());
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let readouts = text(readouts.finish().unwrap());
    assert_eq!(readouts, text(again.finish().unwrap()));
    assert_eq!(readouts, text(rows.finish().unwrap()));
    let tokens = text(tokens.finish().unwrap());
    assert_eq!(tokens, text(tokens_again.finish().unwrap()));
    // Every token, those that were written included, and a line of names.
    assert_eq!(tokens.lines().count(), 1 + traces.iter().map(|trace| trace.tokens.len()).sum::<usize>());
    assert_eq!(tokens.lines().filter(|line| line.starts_with("1,named,")).count(), 5);
}
