//! From requests to questions, and from answers to responses.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use lens_viz::page::LivePage;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{
    bar,
    desk::Desk,
    export::{self, Wanted},
    failure::Failure,
    headers,
    job::{Job, What},
    key::Key,
    limits::Limits,
    lines::Lines,
    question::{Apart, Bare, Client, Reading},
    results::Results,
    told::Told,
};

/// The longest name of a page.
const LONGEST_CLIENT: usize = 64;

/// What answering takes.
pub(crate) struct Office {
    pub(crate) desk: Arc<Desk>,
    pub(crate) results: Arc<Results>,
    pub(crate) limits: Limits,
    pub(crate) key: Key,
    pub(crate) port: u16,
    pub(crate) page: LivePage,
    /// Files are made one at a time.
    pub(crate) printer: Semaphore,
}

/// All paths.
pub(crate) fn router(office: Arc<Office>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/api/run", post(run))
        .route("/api/stop", post(stop))
        .route("/api/attribute", post(attribute))
        .route("/api/patch", post(patch))
        .route("/api/export", post(file))
        .layer(middleware::from_fn_with_state(Arc::clone(&office), guard))
        .with_state(office)
}

/// Lets nobody pass who should not, and says the same about every answer.
async fn guard(State(office): State<Arc<Office>>, request: Request, next: Next) -> Response {
    let (asked, body) = request.into_parts();
    let mut response = match bar::judge(&asked, &office.key, office.port) {
        Ok(()) => next.run(Request::from_parts(asked, body)).await,
        Err((status, says)) => refuse(status, &Failure::new(says)),
    };
    headers::add(response.headers_mut());
    response
}

async fn page(State(office): State<Arc<Office>>) -> Response {
    let mut response = office.page.html.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&office.page.policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

async fn run(State(office): State<Arc<Office>>, request: Request) -> Result<Response, Refused> {
    let reading: Reading = question(&office, request).await?;
    reading.check(&office.limits).map_err(|failure| Refused(StatusCode::UNPROCESSABLE_ENTITY, failure))?;
    hand_in(&office, reading.client.clone(), What::Read(reading))
}

async fn attribute(State(office): State<Arc<Office>>, request: Request) -> Result<Response, Refused> {
    let ask: Apart = question(&office, request).await?;
    hand_in(&office, ask.client.clone(), What::Apart(ask))
}

async fn patch(State(office): State<Arc<Office>>, request: Request) -> Result<Response, Refused> {
    let Bare { client } = question(&office, request).await?;
    hand_in(&office, client, What::Patch)
}

async fn stop(State(office): State<Arc<Office>>, request: Request) -> Result<Response, Refused> {
    let Bare { client } = question(&office, request).await?;
    office.desk.stop(&client);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn file(State(office): State<Arc<Office>>, request: Request) -> Result<Response, Refused> {
    let wanted: Wanted = question(&office, request).await?;
    let kept = office.results.of(&wanted.client).ok_or_else(|| {
        let nothing = Failure::new("nothing of this page was read yet").with_help("type a prompt first");
        Refused(StatusCode::CONFLICT, nothing)
    })?;
    let broken = || Refused(StatusCode::INTERNAL_SERVER_ERROR, Failure::new("the file could not be made"));
    let _turn = office.printer.acquire().await.map_err(|_| broken())?;
    let made = spawn_blocking(move || export::export(&kept, &wanted)).await.map_err(|_| broken())?;
    let file = made.map_err(|failure| Refused(StatusCode::UNPROCESSABLE_ENTITY, failure))?;
    let name = format!("attachment; filename=\"{}\"", file.name);
    let headers = [(header::CONTENT_TYPE, file.kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, file.bytes).into_response())
}

/// Hands a question in, and gives its answer back as it comes.
fn hand_in(office: &Office, client: Client, what: What) -> Result<Response, Refused> {
    let (told, lines, wish) = Told::new(office.limits.unread);
    office.desk.hand_in(Job { client, what, told }).map_err(|_| {
        let busy =
            Failure::new("the model has as many questions as it takes").with_help("try again in a moment");
        Refused(StatusCode::SERVICE_UNAVAILABLE, busy)
    })?;
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::new(Lines::new(lines, wish))).into_response())
}

/// The question of a request, read in as much time and memory as it may take.
async fn question<T: DeserializeOwned + Named>(office: &Office, request: Request) -> Result<T, Refused> {
    let most = office.limits.body;
    let too_large = || {
        let failure =
            Failure::new(format!("a question has at most {most} bytes")).with_help("shorten the prompt");
        Refused(StatusCode::PAYLOAD_TOO_LARGE, failure)
    };
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let read = timeout(office.limits.patience, to_bytes(request.into_body(), most)).await;
    let bytes: Bytes = match read {
        Err(_) => {
            return Err(Refused(
                StatusCode::REQUEST_TIMEOUT,
                Failure::new("the question took too long to arrive"),
            ));
        }
        Ok(Err(_)) => return Err(too_large()),
        Ok(Ok(bytes)) => bytes,
    };
    let unreadable = |says: String| Refused(StatusCode::BAD_REQUEST, Failure::new(says));
    let question: T = serde_json::from_slice(&bytes)
        .map_err(|error| unreadable(format!("the question cannot be read: {error}")))?;
    let client = question.client();
    if client.is_empty() || client.len() > LONGEST_CLIENT {
        return Err(unreadable(format!("the name of a page has 1 to {LONGEST_CLIENT} bytes")));
    }
    Ok(question)
}

/// A question that says whose it is.
trait Named {
    fn client(&self) -> &Client;
}

macro_rules! named {
    ($($what:ty),*) => {
        $(impl Named for $what {
            fn client(&self) -> &Client {
                &self.client
            }
        })*
    };
}
named!(Reading, Apart, Bare, Wanted);

/// A question that is not answered.
#[derive(Debug)]
struct Refused(StatusCode, Failure);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refuse(self.0, &self.1)
    }
}

fn refuse(status: StatusCode, failure: &Failure) -> Response {
    #[derive(Serialize)]
    struct Said<'a> {
        error: &'a str,
        help: Option<&'a str>,
    }
    let said = Said { error: &failure.error, help: failure.help.as_deref() };
    let said = serde_json::to_string(&said).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], said).into_response()
}
