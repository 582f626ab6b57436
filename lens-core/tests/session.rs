//! Sessions and sinks on the toy model: the whole way from a request to an output, without any tensor library.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{
    Conversation, Input, Known, LensError, LensTrace, Message, Named, PositionTrace, Progress, PromptTokens,
    Request, Session, SessionError, Sink, SinkError, StepTrace, Stopped, Target, Texts, TokenId, TokenText,
    TokenTexts, TokenTrace,
    sink::{Collected, End, JsonLines, Tee, all_layers_json, important_layers_json, replay, trace_json},
    toy::ToyBackend,
};

/// Texts of a toy: a letter is a token, `a` is 0, and `.` (the last of 27) ends a text.
struct Letters;

const END: u32 = 26;

impl TokenTexts for Letters {
    fn text(&self, id: TokenId) -> TokenText {
        TokenText::from_bytes(&self.bytes(id).unwrap_or_default())
    }
}

impl Texts for Letters {
    type Error = SessionError;

    fn names(&self) -> &dyn TokenTexts {
        self
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, SessionError> {
        let ids = text.bytes().map(|byte| TokenId(if byte == b'.' { END } else { u32::from(byte - b'a') }));
        let ids: Vec<_> = ids.collect();
        if ids.is_empty() { Err(SessionError::Lens(LensError::NoTokens)) } else { Ok(ids) }
    }

    fn converse(&self, messages: &[Message]) -> Result<Conversation, SessionError> {
        let text: String = messages.iter().map(|message| message.content.as_str()).collect();
        Ok(Conversation { tokens: self.encode(&text)?, text, roles: Vec::new() })
    }

    fn target(&self, target: &Target) -> Result<Named, SessionError> {
        match target {
            Target::Id(id) => Ok(Named { id: *id, note: None }),
            Target::Text(text) => {
                Ok(Named { id: self.encode(text)?[0], note: Some(format!("{text} is a letter")) })
            }
        }
    }

    fn end_of_text(&self) -> Result<Vec<TokenId>, SessionError> {
        Ok(vec![TokenId(END)])
    }

    fn knows_bytes(&self) -> Result<(), SessionError> {
        Ok(())
    }

    fn bytes(&self, token: TokenId) -> Option<Vec<u8>> {
        Some(vec![if token.0 == END { b'.' } else { b'a' + token.0 as u8 }])
    }

    fn notes(&self, prompt: &PromptTokens<'_>) -> Vec<String> {
        vec![format!("{} letters, from {:?}", prompt.tokens.len(), prompt.origin)]
    }
}

fn toy() -> ToyBackend {
    ToyBackend::new(3, 16, 27, 5)
}

fn ids(ids: &[u32]) -> Vec<TokenId> {
    ids.iter().copied().map(TokenId).collect()
}

/// A request with a bit of everything.
fn everything() -> Request {
    Request::text("lens")
        .positions("all".parse().unwrap())
        .target(Target::Text("q".to_owned()))
        .max_new_tokens(5)
        .steer("L1.resid_post += 2*@'abc'".parse().unwrap())
        .steer("L2.z.h0[1] = 0".parse().unwrap())
}

/// What happens, in words.
#[derive(Default)]
struct Heard {
    events: Vec<String>,
    /// Stops the run once so much was heard.
    stops_after: Option<usize>,
    /// Fails at the position.
    fails_at: Option<usize>,
}

impl Sink for Heard {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.events.push(format!("begin {}", head.tokens.len()));
        Ok(())
    }

    fn progress(&mut self, progress: Progress) -> Result<(), SinkError> {
        self.events.push(format!("progress {}/{}", progress.done, progress.total));
        Ok(())
    }

    fn stop(&mut self) -> bool {
        self.stops_after.is_some_and(|most| self.events.len() >= most)
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        if self.fails_at == Some(position.last.position) {
            return Err(SinkError::new("the list", "the list is full"));
        }
        self.events.push(format!("position {}", position.last.position));
        Ok(())
    }

    fn step(&mut self, step: StepTrace, token: TokenTrace) -> Result<(), SinkError> {
        assert_eq!(step.token.id, token.id);
        self.events.push(format!("step {} at {}", step.step, step.position));
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<(), SinkError> {
        self.events.push(format!("end {:?} {}", end.stopped(), end.notes.len()));
        Ok(())
    }
}

#[test]
fn a_request_on_a_toy_becomes_a_trace_with_texts_targets_steering_and_a_continuation() {
    let mut toy = toy();
    let mut session = Session::new(&mut toy, &Letters).with_generator("a test", "1");
    let trace = session.run(&everything()).unwrap();
    trace.validate().unwrap();
    assert_eq!(trace.generator.name, "a test");
    assert_eq!((trace.prompt.as_str(), &*trace.tokens[0].text), ("lens", "l"));
    assert_eq!(trace.notes, ["q is a letter", "4 letters, from Some(Text)"]);
    assert_eq!(trace.interventions.len(), 2);
    assert_eq!(trace.interventions[1].positions, Some(vec![1]));
    assert_eq!(&*trace.finals[0].targets[0].token.text, "q");
    let generation = trace.generation.as_ref().unwrap();
    match generation.stopped {
        Stopped::EndOfText => assert_eq!(trace.tokens.last().unwrap().id, TokenId(END)),
        stopped => assert_eq!((stopped, trace.steps.len()), (Stopped::Length, 5)),
    }
    assert_eq!(trace.finals.len(), 3 + trace.steps.len());
    assert!(trace.self_check.unwrap().passed);

    let plain = session.run(&Request::text("lens")).unwrap();
    assert!(plain.interventions.is_empty());
    assert_ne!(plain.finals[0].top, trace.finals[3].top, "nothing was steered");
    let again = session.run(&Request::text("lens")).unwrap();
    assert_eq!(plain, again);
}

#[test]
fn conversations_labels_trials_and_stop_texts_pass_through() {
    let mut toy = toy();
    let mut session = Session::new(&mut toy, &Letters);
    let chat = Request::chat([Message::new("user", "le"), Message::new("user", "ns")]).max_new_tokens(6);
    let prepared = session.prepare(&chat).unwrap().labelled(7, Some("seven".to_owned())).for_trial(2);
    let trace = session.run_prepared(&prepared, &mut ()).unwrap();
    assert_eq!(
        (trace.prompt.as_str(), trace.prompt_index, trace.id.as_deref()),
        ("lens", Some(7), Some("seven"))
    );
    assert_eq!(trace.generation.as_ref().unwrap().trial, 2);

    let written: String = trace.steps.iter().map(|step| &*step.token.text).collect();
    let stop = &written[1..3]; // spread over two tokens
    let first = written.find(stop).unwrap();
    let stopped = session.run(&chat.clone().stop(stop)).unwrap();
    assert_eq!(stopped.generation.as_ref().unwrap().stopped, Stopped::StopText);
    assert_eq!(stopped.steps.len(), first + 2);
}

#[test]
fn what_is_wrong_with_a_request_is_said_before_anything_is_run() {
    let mut toy = toy();
    let session = Session::new(&mut toy, &());
    let refused = |request: &Request| session.prepare(request).unwrap_err();
    assert!(matches!(refused(&Request::text("lens")), SessionError::NoTexts));
    assert!(matches!(refused(&Request::new(Input::Chat(Vec::new()))), SessionError::NoTexts));
    let tokens = Request::tokens(ids(&[1, 2]));
    assert!(matches!(refused(&tokens.clone().stop("x").max_new_tokens(1)), SessionError::NoTexts));
    let threshold = refused(&tokens.clone().important_above(f32::NAN));
    assert!(matches!(threshold, SessionError::Lens(LensError::Threshold { .. })), "{threshold}");

    let mut session = session;
    let error = session.run(&tokens.clone().steer("L1.mlp_out += @'x'".parse().unwrap())).unwrap_err();
    assert!(error.to_string().contains("cannot be encoded"), "{error}");
    let error = session.run(&tokens.steer("L1.mlp_out += file:'v'".parse().unwrap())).unwrap_err();
    let SessionError::Edit(lens_core::EditError::Vector { source, .. }) = &error else { panic!("{error}") };
    assert!(source.to_string().contains("reads files"), "{source}");
}

#[test]
fn what_a_model_has_to_do_without_is_a_note() {
    let mut toy = toy();
    toy.set_notes(vec!["it has no fingers".to_owned()]);
    let trace = Session::new(&mut toy, &()).run(&Request::tokens(ids(&[1, 2]))).unwrap();
    assert_eq!(trace.notes, ["it has no fingers"]);
}

#[test]
fn a_prompt_beyond_what_the_model_was_made_for_is_a_note() {
    let mut toy = toy();
    let mut known = Known::default();
    (known.context, known.notes) = (Some(3), vec!["it is a toy".to_owned()]);
    let mut session = Session::new(&mut toy, &()).with_known(known);
    let trace = session.run(&Request::tokens(ids(&[1, 2, 3, 4]))).unwrap();
    assert_eq!(trace.notes[0], "it is a toy");
    assert!(trace.notes[1].contains("4 tokens, the model was made for 3"), "{:?}", trace.notes);
    let written = session.run(&Request::tokens(ids(&[1, 2])).max_new_tokens(9)).unwrap();
    assert_eq!(written.generation.unwrap().stopped, Stopped::Context);
}

#[test]
fn a_sink_is_told_everything_in_its_order() {
    let mut toy = toy();
    let mut heard = Heard::default();
    let request = Request::tokens(ids(&[1, 2, 3])).positions("0,2".parse().unwrap()).max_new_tokens(2);
    Session::new(&mut toy, &()).run_into(&request, &mut heard).unwrap();
    heard.events.retain(|event| !event.starts_with("progress"));
    assert_eq!(
        heard.events,
        [
            "begin 3",
            "position 0",
            "position 2",
            "step 0 at 2",
            "position 3",
            "step 1 at 3",
            "end Some(Length) 0"
        ]
    );
}

#[test]
fn a_sink_that_stops_keeps_what_was_read_and_says_so() {
    let mut toy = toy();
    let request = Request::tokens(ids(&[1; 8])).positions("all".parse().unwrap()).memory_budget(1);
    // Begin, then a position and a progress for each step of one token.
    let mut heard = Heard { stops_after: Some(5), ..Heard::default() };
    let mut session = Session::new(&mut toy, &());
    let prepared = session.prepare(&request).unwrap();
    let trace = session.run_prepared(&prepared, &mut heard).unwrap();
    assert_eq!(trace.finals.len(), 2);
    assert_eq!(
        trace.notes,
        ["interrupted after 2 of 8 tokens of the prompt: positions from 2 on were not read"]
    );
    assert_eq!(heard.events.last().unwrap(), "end None 1");

    let writes = session.prepare(&Request::tokens(ids(&[1, 2])).max_new_tokens(50)).unwrap();
    let mut heard = Heard { stops_after: Some(8), ..Heard::default() };
    let trace = session.run_prepared(&writes, &mut heard).unwrap();
    assert_eq!(trace.generation.unwrap().stopped, Stopped::Interrupted);
    assert!(trace.steps.len() < 50 && !trace.steps.is_empty(), "{}", trace.steps.len());
}

#[test]
fn a_sink_that_fails_ends_the_run_with_what_failed() {
    let mut toy = toy();
    let steered = Request::tokens(ids(&[1; 6]))
        .positions("all".parse().unwrap())
        .memory_budget(1)
        .steer("L0.mlp_out = 0".parse().unwrap());
    for request in [steered.clone(), steered.max_new_tokens(3)] {
        let mut heard = Heard { fails_at: Some(2), ..Heard::default() };
        let error = Session::new(&mut toy, &()).run_into(&request, &mut heard).unwrap_err();
        let SessionError::Sink(error) = error else { panic!("{error}") };
        assert_eq!((error.what(), error.to_string().as_str()), ("the list", "cannot write the list"));
        assert_eq!(error.into_cause().to_string(), "the list is full");
        assert!(heard.events.iter().all(|event| !event.starts_with("end")), "{:?}", heard.events);
    }
    let unsteered = lens_core::Backend::set_edits(&mut toy, None).unwrap();
    assert_eq!(unsteered, None, "a failed run leaves its edits");
}

#[test]
fn a_tee_tells_all_and_any_of_it_stops() {
    let mut toy = toy();
    let (mut first, mut second, mut third) = (Heard::default(), Heard::default(), Collected::default());
    second.stops_after = Some(4);
    let request = Request::tokens(ids(&[1; 8])).positions("all".parse().unwrap()).memory_budget(1);
    let sinks: [&mut dyn Sink; 3] = [&mut first, &mut second, &mut third];
    Session::new(&mut toy, &()).run_into(&request, &mut Tee::new(sinks)).unwrap();
    assert_eq!(first.events, second.events);
    assert_eq!(third.trace().unwrap().finals.len(), 2);
}

/// Every output is the same, whether it was told while the model ran or afterwards.
#[test]
fn outputs_of_a_running_model_equal_those_of_its_trace() {
    let mut toy = toy();
    let mut session = Session::new(&mut toy, &Letters);
    let prepared = session.prepare(&everything()).unwrap();
    let (mut json, mut lines, mut all, mut important) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut sinks: Vec<Box<dyn Sink + '_>> = vec![
        Box::new(trace_json(&mut json)),
        Box::new(JsonLines::new(&mut lines)),
        Box::new(all_layers_json(&mut all)),
        Box::new(important_layers_json(&mut important)),
    ];
    let told: Vec<&mut dyn Sink> = sinks.iter_mut().map(|sink| &mut **sink as &mut dyn Sink).collect();
    let trace = session.run_prepared(&prepared, &mut Tee::new(told)).unwrap();
    drop(sinks);

    assert_eq!(String::from_utf8(json.clone()).unwrap(), serde_json::to_string(&trace).unwrap() + "\n");
    assert_eq!(json.iter().filter(|byte| **byte == b'\n').count(), 1);
    let events: Vec<serde_json::Value> = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!(
        (of("run"), of("position"), of("step"), of("end")),
        (1, trace.finals.len(), trace.steps.len(), 1)
    );
    let pretty =
        |steps: &lens_core::predecessor::Steps<'_>| serde_json::to_string_pretty(steps).unwrap() + "\n";
    assert_eq!(String::from_utf8(all).unwrap(), pretty(&lens_core::predecessor::all_layers(&trace)));
    assert_eq!(
        String::from_utf8(important).unwrap(),
        pretty(&lens_core::predecessor::important_layers(&trace))
    );

    let mut after = Vec::new();
    replay(&trace, &mut JsonLines::new(&mut after)).unwrap();
    assert_eq!(String::from_utf8(after).unwrap(), String::from_utf8(lines).unwrap());
    let mut collected = Collected::default();
    replay(&trace, &mut collected).unwrap();
    assert_eq!(collected.into_trace().unwrap(), trace);
}

#[test]
fn an_output_that_cannot_be_written_says_which() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is full"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut toy = toy();
    let request = Request::tokens(ids(&[1, 2]));
    let outputs: [(Box<dyn Sink>, &str); 3] = [
        (Box::new(trace_json(Full)), "the trace"),
        (Box::new(JsonLines::new(Full)), "JSON lines"),
        (Box::new(all_layers_json(Full)), "all_layers.json"),
    ];
    for (mut output, what) in outputs {
        let error = Session::new(&mut toy, &()).run_into(&request, &mut *output).unwrap_err();
        assert!(matches!(&error, SessionError::Sink(error) if error.what() == what), "{error}");
    }
}

/// Plain prompts of one plan are read in packs; their traces say what single runs say.
#[test]
fn traces_of_many_prepared_prompts_are_those_of_each() {
    let mut model = ToyBackend::new(3, 16, 50, 7);
    let mut session = Session::new(&mut model, &());
    let request = |i: u32| Request::tokens((0..2 + i % 5).map(|j| TokenId((i * 7 + j) % 50)));
    let mut prepared: Vec<_> = (0..20)
        .map(|i| session.prepare(&request(i)).unwrap().labelled(u64::from(i), Some(format!("id {i}"))))
        .collect();
    let alone = |session: &mut Session<'_, _, _>, prepared: &[lens_core::Prepared]| -> Vec<_> {
        prepared.iter().map(|one| session.run_prepared(one, &mut ()).unwrap()).collect()
    };
    let expected = alone(&mut session, &prepared);
    let together: Vec<_> = session.run_many_prepared(&prepared).into_iter().map(Result::unwrap).collect();
    assert_eq!(together, expected);
    assert_eq!(prepared[3].label(), (Some(3), Some("id 3")));
    // One that writes is not plain, and then each runs by itself.
    prepared[5] = session.prepare(&request(5).max_new_tokens(2)).unwrap();
    let expected = alone(&mut session, &prepared);
    let together: Vec<_> = session.run_many_prepared(&prepared).into_iter().map(Result::unwrap).collect();
    assert_eq!(together, expected);
    assert_eq!(together[5].steps.len(), 2);
}
