//! Tests that need a process of their own.

use std::process::Command;

/// Whether this process runs one test alone. If not, one that does is started and waited for, and must pass it; for what
/// holds where nothing has used libtorch before. `test` is the test's whole name, as its program prints it.
pub fn in_a_process_of_its_own(test: &str) -> bool {
    const VARIABLE: &str = "LENS_TEST_ALONE";
    if std::env::var(VARIABLE).as_deref() == Ok(test) {
        return true;
    }
    let program = std::env::current_exe().expect("this program");
    let mut alone = Command::new(program);
    // More threads than processors do not wait for each other by going round and round.
    alone.args([test, "--exact"]).env(VARIABLE, test).env("OMP_WAIT_POLICY", "passive");
    let output = alone.output().expect("a process");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("test result: ok. 1 passed"), "{said}");
    false
}
