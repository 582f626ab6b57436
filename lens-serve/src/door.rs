//! Connections: no more than there may be, and none that says nothing.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, time::sleep};

use crate::limits::Limits;

/// The largest head of a request, in bytes.
const HEAD: usize = 16 << 10;

/// How long nobody is let in after the system could not.
const BREATH: Duration = Duration::from_millis(50);

/// Lets in who comes, for ever.
pub(crate) async fn open(listener: TcpListener, router: Router, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(BREATH).await;
            continue;
        };
        // Closed unheard: whoever was there before is still served.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let service = TowerToHyperService::new(router.clone());
        let patience = limits.patience;
        tokio::spawn(async move {
            let _place = place;
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(HEAD);
            // An end that came early is the other side's business.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
