//! A lower bound on how fast a server has to answer.
//!
//! A limit on each read is none on the whole: a server that sends a byte before each one is over, in its headers or in
//! its body, would hold a download for ever. What is counted here is what arrives on a connection, whatever it is part
//! of.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use crate::limits;

/// The time over which that is measured, and within which all headers have to be there.
pub(super) fn window(timeout: Duration) -> Duration {
    timeout.saturating_mul(3)
}

/// Watches the pace of every connection.
#[derive(Debug)]
pub(super) struct Paced {
    window: Duration,
}

impl Paced {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { window: window(timeout) }
    }
}

impl<In: Transport> Connector<In> for Paced {
    type Out = PacedTransport<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let meter = Meter { window: self.window, since: Instant::now(), bytes: 0 };
        Ok(chained.map(|inner| PacedTransport { inner, meter }))
    }
}

/// A connection whose pace is watched.
#[derive(Debug)]
pub(super) struct PacedTransport<In> {
    inner: In,
    meter: Meter,
}

impl<In: Transport> Transport for PacedTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        // A request begins: what was before is over.
        self.meter.restart(Instant::now());
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let before = self.inner.buffers().input().len();
        // Time that passes elsewhere, while nobody asks, is not the server's fault.
        let asked = Instant::now();
        let progress = self.inner.await_input(timeout)?;
        let arrived = self.inner.buffers().input().len().saturating_sub(before);
        self.meter.add(asked, Instant::now(), arrived as u64).map_err(Error::Io)?;
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// What arrived since when.
#[derive(Debug)]
struct Meter {
    window: Duration,
    since: Instant,
    bytes: u64,
}

impl Meter {
    fn restart(&mut self, now: Instant) {
        (self.since, self.bytes) = (now, 0);
    }

    /// Counts what came between `asked` and `now`.
    fn add(&mut self, asked: Instant, now: Instant, bytes: u64) -> io::Result<()> {
        // A reader that was away for long (a full disk, a stopped process) starts a window of its own.
        if asked.duration_since(self.since) > self.window {
            self.restart(asked);
        }
        self.bytes += bytes;
        if now.duration_since(self.since) < self.window {
            return Ok(());
        }
        let least = self.window.as_secs_f64() * limits::hub::SLOWEST as f64;
        if (self.bytes as f64) < least {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                TooSlow { bytes: self.bytes, window: self.window },
            ));
        }
        self.restart(now);
        Ok(())
    }
}

/// Too little arrived.
#[derive(Debug)]
struct TooSlow {
    bytes: u64,
    window: Duration,
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes came in {:.1?}", self.bytes, self.window)
    }
}

impl StdError for TooSlow {}

/// Whether an error says that a server was too slow as a whole; a single read that took too long is another matter,
/// and is tried again.
pub(super) fn is_too_slow(error: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<Error>() {
        return match error {
            Error::Timeout(ureq::Timeout::RecvResponse) => true,
            Error::Io(error) => is_too_slow(error),
            _ => false,
        };
    }
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<TooSlow>() || is_too_slow(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_too_slow_and_a_pause_of_the_reader_is_not() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut meter = Meter { window: Duration::from_secs(30), since: start, bytes: 0 };
        for second in 0..29 {
            meter.add(at(second), at(second + 1), 8).unwrap();
        }
        let error = meter.add(at(29), at(30), 8).unwrap_err();
        assert!(is_too_slow(&error) && is_too_slow(&Error::Io(error)));

        meter.restart(start);
        meter.add(at(0), at(1), 8).unwrap();
        meter.add(at(3600), at(3601), 8).unwrap();
        meter.add(at(3601), at(3630), 1 << 20).unwrap();
        assert!(!is_too_slow(&Error::Timeout(ureq::Timeout::PerRead)));
    }
}
