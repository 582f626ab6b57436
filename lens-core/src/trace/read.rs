//! Reading a trace: from JSON, with the place of whatever is wrong.

use serde::{Deserialize, Deserializer};

use super::{LensTrace, SCHEMA};

/// Text that is not a trace, or a trace that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The text is not JSON, or lacks a field, or has a value of another type.
    #[error("{}{problem}", place(path))]
    Json {
        /// Where, as in `readouts[3].top[0].prob`; empty for the whole document.
        path: String,
        /// What is wrong there, with line and column.
        problem: String,
    },
    /// The trace is of another schema.
    #[error("schema: {}", other_schema(found))]
    Schema {
        /// The schema that the trace names.
        found: String,
    },
    /// A value that cannot be true.
    #[error("{path}: {problem}")]
    Value {
        /// Where, as in `readouts[3].top[0].prob`.
        path: String,
        /// What is wrong there.
        problem: String,
    },
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

fn other_schema(found: &str) -> String {
    let version = |schema: &str| schema.strip_prefix("lens-trace/").and_then(|n| n.parse::<u64>().ok());
    match version(found).zip(version(SCHEMA)) {
        Some((theirs, ours)) if theirs > ours => format!(
            "a later version of lens wrote this as {found:?}; this version reads {SCHEMA:?}: use the version that \
             `generator` names, or a later one"
        ),
        _ => format!("{found:?} is not known; this version of lens reads {SCHEMA:?}"),
    }
}

impl LensTrace {
    /// Reads a trace from its JSON, UTF-8, and [validates](Self::validate) it.
    ///
    /// # Errors
    /// When the text is not the JSON of a trace, when it is of another schema, and when a value cannot be true. The
    /// error says where.
    pub fn from_json(json: &[u8]) -> Result<Self, TraceError> {
        match serde_json::from_slice::<Self>(json) {
            Ok(trace) => {
                trace.validate()?;
                Ok(trace)
            }
            Err(_) => Err(why(json)),
        }
    }
}

/// Why a text could not be read. Following the path takes time, so it is not done for texts that can.
fn why(json: &[u8]) -> TraceError {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    // Whatever else differs in another schema, its name explains it.
    if let Ok(Head { schema }) = serde_json::from_slice(json)
        && schema != SCHEMA
    {
        return TraceError::Schema { found: schema };
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let error = match serde_path_to_error::deserialize::<_, LensTrace>(&mut reader) {
        Err(error) => error,
        Ok(_) => {
            let problem = "more text follows after the end of the trace".to_owned();
            return TraceError::Json { path: String::new(), problem };
        }
    };
    let path = error.path().to_string();
    TraceError::Json {
        path: if path == "." { String::new() } else { path },
        problem: error.inner().to_string(),
    }
}

/// For a number that may be absent: present, it has to be a number. What was not finite when it was written stands in
/// JSON as null, which must not pass for "not measured".
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
