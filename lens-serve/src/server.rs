//! The server: a port, a thread for what comes in, and the thread that answers.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use lens_viz::page::live;
use tokio::sync::{Notify, Semaphore};

use crate::{
    about::About,
    desk::{Counts, Desk},
    door,
    failure::Failure,
    key::Key,
    limits::Limits,
    model::Model,
    results::Results,
    routes::{self, Office},
    run,
};

/// A server that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Nobody may listen there.
    #[error("cannot listen on port {port} of this machine")]
    Listen {
        /// The port that was asked for; 0 is any.
        port: u16,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// There is no thread for it.
    #[error("cannot start the server")]
    Start(#[source] io::Error),
    /// The system has no random numbers.
    #[error("there are no random numbers for a key")]
    Key(#[source] getrandom::Error),
    /// What is known of the model cannot be written down.
    #[error("cannot write the page")]
    Page(#[source] serde_json::Error),
}

/// A page that is served on this machine, and the desk at which its questions wait.
pub struct Server {
    address: SocketAddr,
    key: Key,
    desk: Arc<Desk>,
    results: Arc<Results>,
    limits: Limits,
    closing: Arc<Notify>,
}

impl Server {
    /// Listens at 127.0.0.1 on a port, or on any free one for 0, and serves the page of a model. Questions wait until
    /// [`work`](Self::work) is called.
    ///
    /// # Errors
    /// When the port is taken, or the system has no thread or random numbers to give.
    pub fn open(port: u16, about: &About, limits: Limits) -> Result<Self, ServerError> {
        let listen = |cause| ServerError::Listen { port, cause };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let key = Key::new().map_err(ServerError::Key)?;
        let page = live(&about.model, &about.json(&limits).map_err(ServerError::Page)?);
        let page = page.opened(&about.before, about.prompt.as_deref());
        let server = Self {
            address,
            key: key.clone(),
            desk: Desk::new(limits.waiting),
            results: Arc::default(),
            limits: limits.clone(),
            closing: Arc::default(),
        };
        let office = Arc::new(Office {
            desk: Arc::clone(&server.desk),
            results: Arc::clone(&server.results),
            limits,
            key,
            port: address.port(),
            page,
            printer: Semaphore::new(1),
        });
        server.listen(listener, office).map_err(ServerError::Start)?;
        Ok(server)
    }

    /// Starts the thread that connections are held by.
    fn listen(&self, listener: TcpListener, office: Arc<Office>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let closing = Arc::clone(&self.closing);
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        thread::Builder::new().name("server".to_owned()).spawn(move || {
            let limits = office.limits.clone();
            runtime.block_on(async {
                tokio::select! {
                    () = door::open(listener, routes::router(office), limits) => {}
                    () = closing.notified() => {}
                }
            });
            // Files that are still being made are for nobody.
            runtime.shutdown_background();
        })?;
        Ok(())
    }

    /// The address of the page, with its key: whoever has it may ask.
    pub fn url(&self) -> String {
        format!("http://{}/?token={}", self.address, self.key.as_str())
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers questions on this thread, one at a time, until the server is closed.
    pub fn work(&self, model: &mut dyn Model) {
        while let Some(job) = self.desk.next() {
            let answered =
                catch_unwind(AssertUnwindSafe(|| run::answer(&job, model, &self.results, &self.limits)));
            if answered.is_err() {
                job.told.failed(
                    &Failure::new("this is a bug: the model's thread panicked")
                        .with_help("please report what the terminal says that lens runs in"),
                );
            }
            self.desk.done();
        }
    }

    /// What became of the questions so far.
    pub fn counts(&self) -> Counts {
        self.desk.counts()
    }

    /// Ends everything: connections are closed, and [`work`](Self::work) returns soon.
    pub fn close(&self) {
        self.desk.close();
        self.closing.notify_one();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}
