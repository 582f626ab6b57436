//! Pictures and tables from a trace.
