//! A prompt that is shown layer by layer while it is read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::HashMap, num::NonZeroUsize, ops::ControlFlow, time::Duration};

use lens_core::{
    Generate, Lens, LensTrace, Plan, Point, PositionTrace, Question, Readout, Request, Session, Sink,
    SinkError, Site, StatisticSet, TokenId,
    sink::{Collected, LayersTrace, Tee},
    toy::ToyBackend,
};
use proptest::prelude::*;

mod support;
use support::{Fault, Tampered};

fn tokens(n: usize) -> Vec<TokenId> {
    (0..n).map(|i| TokenId((7 * i % 50) as u32)).collect()
}

fn plan() -> Plan {
    Plan::default().with_positions("all".parse().unwrap()).with_question(
        Question::default()
            .with_top_k(NonZeroUsize::new(3).unwrap())
            .with_targets(vec![TokenId(4)])
            .with_statistics(StatisticSet::all()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What is read in bands is what is read at once, to the last bit, and every readout but those of the last band is told
    /// once, before its position is whole.
    #[test]
    fn bands_are_the_same_reading(
        n_layers in 1u16..6,
        n in 1usize..70,
        components in prop::sample::select(vec!["all", "all,heads", "resid_post", "embed,mlp_out"]),
        budget in prop::option::of(1usize..20_000),
        tracked in 0usize..5,
    ) {
        let sequence = tokens(n);
        let plan = plan().with_components(components.parse().unwrap()).with_memory_budget(budget);
        let question = plan.question.clone().with_tracked(tracked);
        let plan = plan.with_question(question);
        let mut toy = ToyBackend::new(n_layers, 16, 50, 3);
        let at_once = Lens::new(&mut toy).read(&sequence, &plan).unwrap();
        let mut told: HashMap<(usize, usize, Point), Readout> = HashMap::new();
        let mut lacking: HashMap<usize, Vec<(usize, Point)>> = HashMap::new();
        let in_bands = Lens::new(&mut toy)
            .with_layers(Duration::ZERO, |read| {
                for (index, last) in read.reading.finals.iter().enumerate() {
                    assert_eq!(last.decided_at, None);
                    for (lens, point, readout) in read.reading.all_at(index) {
                        assert!(readout.tracked.is_empty());
                        let before = told.insert((last.position, lens, point), readout.clone());
                        assert!(before.is_none(), "{point} at {} was told twice", last.position);
                    }
                    lacking.insert(last.position, read.awaited.to_vec());
                }
                ControlFlow::Continue(())
            })
            .read(&sequence, &plan)
            .unwrap();
        prop_assert_eq!(&in_bands, &at_once);
        for (index, last) in at_once.finals.iter().enumerate() {
            let Some(lacking) = lacking.get(&last.position) else { continue };
            for (lens, point, readout) in at_once.all_at(index) {
                match told.get(&(last.position, lens, point)) {
                    Some(early) => {
                        let mut untracked = readout.clone();
                        untracked.tracked.clear();
                        assert_eq!(early, &untracked);
                    }
                    None => assert!(lacking.contains(&(lens, point)), "{point} was never spoken of"),
                }
            }
        }
        // With no pace at all, a step of more than two of the least bands is told of.
        let columns = at_once.points.len();
        prop_assert!(columns * n <= 512 || budget.is_some() || !told.is_empty());
    }
}

#[test]
fn what_is_not_finite_is_blamed_on_the_point_where_it_began() {
    for (site, n) in [(Site::ResidPost, f32::NAN), (Site::MlpOut, f32::INFINITY)] {
        let mut broken = Tampered::new(5, 16, 50, 3, Fault::Shift(site, n));
        let at_once = Lens::new(&mut broken).read(&tokens(64), &plan()).unwrap_err();
        let go_on = |_: &lens_core::LayersRead<'_>| ControlFlow::Continue(());
        let mut lens = Lens::new(&mut broken).with_layers(Duration::ZERO, go_on);
        let in_bands = lens.read(&tokens(64), &plan()).unwrap_err();
        assert_eq!(in_bands.to_string(), at_once.to_string());
        assert!(in_bands.to_string().contains(&Point::block(0, site).to_string()), "{in_bands}");
    }
}

#[test]
fn a_step_that_is_quick_is_read_at_once() {
    let mut toy = ToyBackend::new(5, 16, 50, 3);
    let never = |_: &lens_core::LayersRead<'_>| unreachable!("nobody waits a day for a toy");
    let day = Duration::from_secs(86_400);
    Lens::new(&mut toy).with_layers(day, never).read(&tokens(64), &plan()).unwrap();
}

#[test]
fn whoever_has_seen_enough_ends_the_run_within_a_step() {
    let mut toy = ToyBackend::new(5, 16, 50, 3);
    let mut heard = 0;
    let mut lens = Lens::new(&mut toy).with_layers(Duration::ZERO, |_| {
        heard += 1;
        ControlFlow::Break(())
    });
    let reading = lens.read(&tokens(64), &plan()).unwrap();
    assert_eq!((reading.positions.len(), reading.readouts.len(), reading.self_check), (0, 0, None));
    let ask = Generate::greedy(NonZeroUsize::new(3).unwrap());
    let written = lens.generate(&tokens(64), &plan(), &ask, |_| None).unwrap();
    assert!(written.continuation.steps.is_empty());
    drop(lens);
    assert_eq!(heard, 2);
}

/// Puts the layers together that it hears of, and looks at what comes after them.
#[derive(Default)]
struct Growing {
    /// Ends the run at the first layers.
    breaks: bool,
    layers: Vec<PositionTrace>,
    /// What positions lacked when it last heard of them.
    lacked: usize,
    whole: usize,
}

impl Sink for Growing {
    fn layers_every(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn layers(&mut self, layers: LayersTrace) -> Result<ControlFlow<()>, SinkError> {
        if self.breaks {
            return Ok(ControlFlow::Break(()));
        }
        for position in &layers.positions {
            assert_eq!(position.last.decided_at, None);
            assert!(position.last.important_layers.is_empty() && !position.last.top.is_empty());
        }
        if self.layers.is_empty() {
            self.layers = layers.positions;
        } else {
            for (old, new) in self.layers.iter_mut().zip(layers.positions) {
                old.readouts.extend(new.readouts);
            }
        }
        self.lacked = layers.awaited.len();
        Ok(ControlFlow::Continue(()))
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        let early = &self.layers[self.whole];
        assert_eq!(early.last.top, position.last.top);
        let (told, rest) = position.readouts.split_at(early.readouts.len());
        for (early, told) in early.readouts.iter().zip(told) {
            assert_eq!(early.top, told.top);
            assert_eq!((early.layer, early.component), (told.layer, told.component));
        }
        assert_eq!(rest.len(), self.lacked);
        self.whole += 1;
        Ok(())
    }
}

#[test]
fn a_sink_hears_of_layers_and_then_of_whole_positions() {
    let mut toy = ToyBackend::new(5, 16, 50, 3);
    let request = Request::tokens(tokens(40)).positions("all".parse().unwrap());
    let plain: LensTrace = Session::new(&mut toy, &()).run(&request).unwrap();
    let (mut growing, mut collected) = (Growing::default(), Collected::default());
    let both: [&mut dyn Sink; 2] = [&mut growing, &mut collected];
    Session::new(&mut toy, &()).run_into(&request, &mut Tee::new(both)).unwrap();
    // At least six columns at a time: of nine that are left, six are a band, and three are not worth another look.
    assert_eq!((growing.whole, growing.lacked), (40, 9));
    assert_eq!(collected.into_trace().unwrap(), plain);
    assert_eq!(growing.layers[0].readouts.len() + 9, plain.readouts.len() / 40);
}

#[test]
fn a_run_that_is_ended_between_layers_says_so() {
    let mut toy = ToyBackend::new(5, 16, 50, 3);
    let request = Request::tokens(tokens(40)).positions("all".parse().unwrap());
    let (mut growing, mut collected) = (Growing { breaks: true, ..Growing::default() }, Collected::default());
    let both: [&mut dyn Sink; 2] = [&mut growing, &mut collected];
    Session::new(&mut toy, &()).run_into(&request, &mut Tee::new(both)).unwrap();
    let trace = collected.into_trace().unwrap();
    assert_eq!((trace.finals.len(), trace.readouts.len()), (0, 0));
    let says = "interrupted while a step of the prompt was read: positions from 0 on were not read";
    assert!(trace.notes.iter().any(|note| note == says), "{:?}", trace.notes);
}
