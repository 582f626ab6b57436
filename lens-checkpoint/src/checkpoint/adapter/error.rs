//! What can be wrong with an adapter.

/// An adapter that cannot be merged into the model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// Its config is broken.
    #[error("the adapter {adapter} has a broken adapter_config.json: {reason}")]
    Config {
        /// The adapter, as it was given.
        adapter: String,
        /// What is wrong.
        reason: String,
    },
    /// Another method than LoRA.
    #[error("the adapter {adapter} is of the type {peft_type}, and only LORA is read: {instead}")]
    Method {
        /// The adapter.
        adapter: String,
        /// Its `peft_type`.
        peft_type: String,
        /// What to do.
        instead: &'static str,
    },
    /// A variant of LoRA that is not merged here.
    #[error("the adapter {adapter} says {what}, which is not merged here: {instead}")]
    Variant {
        /// The adapter.
        adapter: String,
        /// The key and its value.
        what: String,
        /// Why, or what to do.
        instead: &'static str,
    },
    /// Keys of its config that say something and that nothing reads.
    #[error(
        "adapter_config.json of {adapter} says what is not read here: {keys}. An adapter that computes something \
         else is refused rather than approximated"
    )]
    Unread {
        /// The adapter.
        adapter: String,
        /// The keys with their values.
        keys: String,
    },
    /// A tensor that does not fit.
    #[error("the adapter {adapter} does not fit the model: its tensor {name} {reason}")]
    Tensor {
        /// The adapter.
        adapter: String,
        /// The tensor of the adapter.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Tensors that belong to nothing in the model.
    #[error(
        "the adapter {adapter} holds tensors for what the model does not have: {names}. It may be one for another model"
    )]
    Unplaced {
        /// The adapter.
        adapter: String,
        /// Their names.
        names: String,
    },
    /// A file without a single tensor.
    #[error("the adapter {adapter} changes nothing: {reason}")]
    Nothing {
        /// The adapter.
        adapter: String,
        /// Why.
        reason: &'static str,
    },
}
