//! What to type against errors of what runs a model; `lens_cli::advice` has those of everything else.

use lens_cli::advice::{self, AnyError};
use lens_core::{BackendError, LensError, attribution::AttributionError};
use lens_models::{EditError, ModelError, SessionError};

/// What may help against an error, as a sentence without a stop.
pub(crate) fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of_any)
}

fn of_any(error: &AnyError) -> Option<String> {
    if let Some(error) = error.downcast_ref() {
        return of_session(error);
    }
    if let Some(error) = error.downcast_ref() {
        return of_model(error);
    }
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(LensError::Backend(BackendError::Other(inner))), _) | (_, Some(BackendError::Other(inner))) => {
            of_any(&**inner)
        }
        _ => advice::of_any(error),
    }
}

fn of_session(error: &SessionError) -> Option<String> {
    match error {
        SessionError::Source(error) => of_any(error),
        SessionError::Checkpoint(error) => of_any(error),
        SessionError::Chat(error) => of_any(error),
        SessionError::Model(error) => of_model(error),
        SessionError::Lens(error) => of_any(error),
        SessionError::Attribution(AttributionError::Backend(error)) => of_any(error),
        SessionError::Edit(EditError::Run { source, .. } | EditError::Backend(source)) => of_any(source),
        SessionError::NoTokenizer { .. } => Some("give token ids with --token-ids 1,2,3".to_owned()),
        _ => None,
    }
}

fn of_model(error: &ModelError) -> Option<String> {
    match error {
        ModelError::Device(error) => of_any(error),
        ModelError::OutOfMemory { .. } => {
            Some("try --dtype bf16, fewer --positions, or --device-map auto".to_owned())
        }
        ModelError::SequenceTooLong { .. } => Some("try --dtype bf16, or a smaller -n".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use lens_models::{CheckpointError, config::ConfigError, device::DeviceError, source::SourceError};

    use super::*;

    fn advised(error: impl Into<anyhow::Error>) -> String {
        of(&error.into().context("outside")).unwrap_or_default()
    }

    #[test]
    fn errors_inside_those_of_a_session_become_what_to_type() {
        let not_cached = SourceError::NotCached {
            id: "o/m".to_owned(),
            revision: "v2".to_owned(),
            file: None,
            cache: "c".into(),
            snapshots: vec!["abc".to_owned()],
        };
        assert!(advised(SessionError::from(not_cached)).starts_with("run once without --offline"));
        let memory = ModelError::OutOfMemory { what: "it".to_owned(), said: String::new() };
        let memory = LensError::from(BackendError::Other(Box::new(memory)));
        assert!(advised(SessionError::from(memory)).contains("--dtype bf16"));
        let unread = ConfigError::Unread { family: "llama".to_owned(), keys: "x = 1".to_owned() };
        let unread = CheckpointError::from(unread);
        assert!(advised(SessionError::from(unread)).contains("--ignore-extra"));
        let no_cuda = DeviceError::NoCudaHalf {
            place: "cuda".parse().unwrap(),
            libtorch: "x".to_owned(),
            variable: "LENS_LIBTORCH",
        };
        assert!(advised(ModelError::from(no_cuda)).contains("cargo xtask setup --cuda"));
        assert!(advised(SessionError::NoTokenizer { id: "m".to_owned() }).contains("--token-ids"));
        assert_eq!(advised(anyhow::anyhow!("something else")), "");
    }
}
