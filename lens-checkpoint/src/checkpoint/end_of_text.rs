//! Where a text ends, as the file says that also holds the defaults of generation.

use lens_core::TokenId;
use serde_json::Value;

use super::CheckpointError;
use crate::{
    config::{self, Config, ConfigError},
    limits,
    sidecar::Sidecars,
};

/// The tokens that end a text, as generation_config.json says.
pub(super) fn of_generation_config(files: &Sidecars) -> Result<Vec<TokenId>, CheckpointError> {
    let broken = |reason: String| CheckpointError::BrokenFile { file: "generation_config.json", reason };
    let Some(file) = &files.generation_config else { return Ok(Vec::new()) };
    let json =
        file.read(limits::config::LARGEST_GENERATION_CONFIG).map_err(|error| broken(error.to_string()))?;
    let value: Value = serde_json::from_slice(&json).map_err(|error| broken(error.to_string()))?;
    let ids = Config::new(&value).and_then(|config| config.token_ids("eos_token_id"));
    let ids = ids.map_err(|error| match error {
        ConfigError::Wrong { key, expected, got } => {
            broken(format!("\"{key}\" should be {expected}, but is {}", config::cut(&got)))
        }
        ConfigError::NotAnObject => broken("it is not a JSON object".to_owned()),
        other => other.into(),
    })?;
    Ok(ids.into_iter().map(TokenId).collect())
}
