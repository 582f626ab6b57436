//! Helpers of the integration tests: fixtures and goldens.
