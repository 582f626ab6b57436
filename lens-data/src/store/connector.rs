//! How object stores are spoken to: over the client that the rest of the house has, which blocks.
//!
//! object_store is asynchronous and would bring a client of its own, with its own TLS. Here one thread waits for one
//! answer, so its futures may block; only its waits between tries need a runtime.

use std::{
    fs,
    future::Future,
    io::{self, Read},
    net::IpAddr,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use ureq::{
    Agent, AsSendBody, BodyReader, Proxy,
    http::{Method, Request, Response, uri::Scheme},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

/// Answers are read in pieces of this size.
const PIECE: usize = 64 << 10;

/// One that sends a byte now and then is given up after as many times as long as one that sends nothing.
const SLOW: u32 = 20;

/// Connects object stores to ureq.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let duration = |key, otherwise| match options.get_config_value(&key) {
            Some(text) => {
                humantime::parse_duration(&text).map_err(|error| wrong(format!("{key:?} {text:?}: {error}")))
            }
            None => Ok(Duration::from_secs(otherwise)),
        };
        let connect = duration(ClientConfigKey::ConnectTimeout, 5)?;
        let silence = duration(ClientConfigKey::Timeout, 30)?;
        let http = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let mut tls = TlsConfig::builder();
        if let Some(certificates) = certificates()? {
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let proxy = match options.get_config_value(&ClientConfigKey::ProxyUrl) {
            Some(address) => {
                Some(Proxy::new(&address).map_err(|error| wrong(format!("the proxy's address: {error}")))?)
            }
            None => Proxy::try_from_env(),
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .user_agent(concat!("lens/", env!("CARGO_PKG_VERSION")))
            // What is kept packed is unpacked elsewhere, and ranges are of the bytes that are kept.
            .accept_encoding("identity")
            .proxy(proxy)
            .tls_config(tls.build())
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_recv_response(Some(silence))
            .timeout_per_read(Some(silence))
            .timeout_per_write(Some(silence))
            .timeout_per_call(Some(silence * SLOW));
        Ok(HttpClient::new(Service { agent: config.build().new_agent(), http }))
    }
}

/// The certificates of who may sign for servers, where a file names them; otherwise those that Mozilla trusts.
fn certificates() -> object_store::Result<Option<Vec<Certificate<'static>>>> {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let Some(name) = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"].into_iter().find(set) else { return Ok(None) };
    let pem = fs::read(std::env::var_os(name).unwrap_or_default())
        .map_err(|error| wrong(format!("{name}: cannot read the certificates: {error}")))?;
    let found: Vec<_> = parse_pem(&pem)
        .filter_map(Result::ok)
        .filter_map(|item| if let PemItem::Certificate(found) = item { Some(found) } else { None })
        .collect();
    if found.is_empty() {
        return Err(wrong(format!("{name}: there is no certificate in that file")));
    }
    Ok(Some(found))
}

fn wrong(problem: String) -> object_store::Error {
    object_store::Error::Generic { store: "HTTP", source: problem.into() }
}

#[derive(Debug)]
struct Service {
    agent: Agent,
    /// Whether bytes may travel unprotected.
    http: bool,
}

impl HttpService for Service {
    // Written out, this is what the macro of async functions in traits would make.
    fn call<'s, 'f>(
        &'s self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move { self.answer(request) })
    }
}

impl Service {
    fn send(
        &self,
        request: Request<impl AsSendBody>,
        here: bool,
    ) -> Result<Response<ureq::Body>, ureq::Error> {
        if !here {
            return self.agent.run(request);
        }
        let request = self.agent.configure_request(request).proxy(None).build();
        self.agent.run(request)
    }

    fn answer(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        if !self.http && parts.uri.scheme() != Some(&Scheme::HTTPS) {
            let problem = "plain http:// is not allowed: AWS_ALLOW_HTTP=true (or AZURE_, GOOGLE_) allows it";
            return Err(HttpError::new_boxed(HttpErrorKind::Unknown, problem.into()));
        }
        let body = whole(body)?;
        let here = parts.uri.host().is_some_and(is_here);
        let carries = [Method::PUT, Method::POST, Method::PATCH].contains(&parts.method);
        let answer = if carries || !body.is_empty() {
            self.send(Request::from_parts(parts, &body[..]), here)
        } else {
            self.send(Request::from_parts(parts, ()), here)
        };
        let (parts, body) = answer.map_err(told)?.into_parts();
        let length = body.content_length();
        let reader = Mutex::new(body.into_reader());
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(Answer { reader, left: length })))
    }
}

/// Whether a host is this machine, to which no proxy leads.
fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// What a request carries.
fn whole(mut body: HttpRequestBody) -> Result<Bytes, HttpError> {
    let mut context = Context::from_waker(Waker::noop());
    let mut frames = Vec::new();
    while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
        frames.extend(frame?.into_data());
    }
    Ok(match frames.len() {
        1 => frames.remove(0),
        _ => frames.concat().into(),
    })
}

/// The body of an answer, read as it is asked for. The lock is never waited for: a body has one reader.
struct Answer {
    reader: Mutex<BodyReader<'static>>,
    left: Option<u64>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let mut piece = vec![0; PIECE];
        let read = self.reader.get_mut().unwrap_or_else(PoisonError::into_inner).read(&mut piece);
        Poll::Ready(match read {
            Ok(0) => match self.left.take() {
                Some(left @ 1..) => {
                    let problem = format!("the answer ends {left} bytes too early");
                    Some(Err(HttpError::new_boxed(HttpErrorKind::Interrupted, problem.into())))
                }
                _ => None,
            },
            Ok(n) => {
                piece.truncate(n);
                self.left = self.left.map(|left| left.saturating_sub(n as u64));
                Some(Ok(Frame::data(piece.into())))
            }
            Err(error) => Some(Err(told(error.into()))),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// An error of the transport, as what may be tried again.
fn told(error: ureq::Error) -> HttpError {
    use HttpErrorKind as Kind;
    use io::ErrorKind as Io;
    let kind = match &error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => Kind::Connect,
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => Kind::Connect,
        ureq::Error::Timeout(_) => Kind::Timeout,
        ureq::Error::Io(error) => match error.kind() {
            Io::ConnectionRefused | Io::HostUnreachable | Io::NetworkUnreachable | Io::AddrNotAvailable => {
                Kind::Connect
            }
            Io::TimedOut => Kind::Timeout,
            // A certificate that is not trusted does not become so.
            Io::InvalidData => Kind::Unknown,
            _ => Kind::Interrupted,
        },
        _ => Kind::Unknown,
    };
    HttpError::new(kind, error)
}
