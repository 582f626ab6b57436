//! What was read last, for the questions about it and for files.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lens_core::{Intervention, LensTrace};

use crate::question::Client;

/// Pages whose results are kept: of more windows, those that asked last.
const PAGES: usize = 4;

/// The runs of a question.
pub(crate) struct Kept {
    pub(crate) runs: Vec<KeptRun>,
}

/// A run, and what was changed in it.
pub(crate) struct KeptRun {
    pub(crate) name: &'static str,
    pub(crate) trace: LensTrace,
    pub(crate) changes: Vec<Intervention>,
}

/// The last results of each page.
#[derive(Default)]
pub(crate) struct Results(Mutex<VecDeque<(Client, Arc<Kept>)>>);

impl Results {
    pub(crate) fn keep(&self, client: &Client, kept: Kept) {
        let mut all = self.all();
        all.retain(|(other, _)| other != client);
        all.push_back((client.clone(), Arc::new(kept)));
        while all.len() > PAGES {
            all.pop_front();
        }
    }

    pub(crate) fn of(&self, client: &Client) -> Option<Arc<Kept>> {
        self.all().iter().find(|(other, _)| other == client).map(|(_, kept)| Arc::clone(kept))
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<(Client, Arc<Kept>)>> {
        // A list of results is whole whatever panicked beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
