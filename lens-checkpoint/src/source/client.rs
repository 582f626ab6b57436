//! Requests to the hub: addresses, redirects, the token, and what a refusal means.
//!
//! The download itself is not left to the crate hf-hub, whose cache layout and replies are used otherwise:
//! hf-hub 0.5 asks the host that a redirect names with the token in the request, goes on writing at the end
//! of a partial file whatever the server answers, compares neither size nor hash, and takes any etag and file
//! name as a path.

use std::io::Read;

use ureq::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, DefaultConnector};
use ureq::{Agent, Body, Proxy};

use super::address::{Origin, percent_encoded, redacted, redirect_target, shown};
use super::name::{HubId, RepoKind, Revision};
use super::pace::{self, Paced};
use super::{SourceError, SourceOptions, files};
use crate::limits;

/// What a request is about, for the message when it is refused.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) id: &'a HubId,
    pub(super) revision: &'a str,
    pub(super) file: Option<&'a str>,
}

/// Which redirects are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// All of them.
    Anywhere,
    /// Those that stay at the hub; the first reply that leads away is the answer.
    AtHome,
}

/// An answer, and the replies on the way to it.
pub(super) struct Answer {
    pub(super) reply: Response<Body>,
    pub(super) url: Uri,
    pub(super) earlier: Vec<Response<Body>>,
}

impl Answer {
    /// A header's text, from the first reply that has it.
    pub(super) fn first_header(&self, name: &str) -> Option<&str> {
        let mut replies = self.earlier.iter().chain(std::iter::once(&self.reply));
        replies.find_map(|reply| text(reply, name))
    }

    /// A header's text in the last reply.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        text(&self.reply, name)
    }

    pub(super) fn bad(&self, reason: impl Into<String>) -> SourceError {
        SourceError::BadReply { url: shown(&self.url), reason: reason.into() }
    }

    /// The body, read whole.
    pub(super) fn read(mut self) -> Result<Vec<u8>, SourceError> {
        let mut bytes = Vec::new();
        let read =
            self.reply.body_mut().as_reader().take(limits::hub::LARGEST_REPLY + 1).read_to_end(&mut bytes);
        read.map_err(|source| unreachable(&self.url, source))?;
        if bytes.len() as u64 > limits::hub::LARGEST_REPLY {
            Err(self.bad("the answer is endless"))
        } else {
            Ok(bytes)
        }
    }
}

/// What stands before an id in the addresses of its files.
fn prefix(id: &HubId) -> &'static str {
    match id.kind() {
        RepoKind::Model => "",
        RepoKind::Space => "spaces/",
    }
}

fn text<'a>(reply: &'a Response<Body>, name: &str) -> Option<&'a str> {
    reply.headers().get(name)?.to_str().ok()
}

/// A connection to one hub.
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
    home: Origin,
    authorization: Option<HeaderValue>,
}

impl Client {
    pub(super) fn new(options: &SourceOptions) -> Result<Self, SourceError> {
        let endpoint = options.endpoint.trim_end_matches('/').to_owned();
        let bad = |reason| SourceError::BadEndpoint { endpoint: redacted(&endpoint), reason };
        let uri: Uri = endpoint.parse().map_err(|_| bad("it cannot be parsed"))?;
        let home = Origin::of(&uri).ok_or_else(|| bad("scheme or host is missing"))?;
        // As text: what comes after a slash in a password looks like a path.
        if endpoint.contains(['@', '?', '#']) {
            return Err(bad(
                "it holds a query, or a user name and a password: give a token in HF_TOKEN instead",
            ));
        }
        let authorization = match options.read_token()? {
            Some((token, origin)) => Some(token.authorization(&origin)?),
            None => None,
        };
        let mut tls = TlsConfig::builder();
        if let Some(path) = &options.ca_bundle {
            let pem = files::read_whole(path, limits::hub::LARGEST_REPLY)?;
            let items = parse_pem(&pem).filter_map(Result::ok);
            let certificate = |item| if let PemItem::Certificate(found) = item { Some(found) } else { None };
            let found: Vec<Certificate<'static>> = items.filter_map(certificate).collect();
            if found.is_empty() {
                return Err(SourceError::io("find a certificate in", path)(
                    std::io::ErrorKind::InvalidData.into(),
                ));
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&found));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("lens/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .proxy(if home.is_loopback() { None } else { Proxy::try_from_env() })
            .tls_config(tls.build())
            .timeout_connect(Some(options.timeout))
            .timeout_recv_response(Some(pace::window(options.timeout)))
            .timeout_per_read(Some(options.timeout))
            .timeout_per_write(Some(options.timeout));
        let connector = DefaultConnector::new().chain(Paced::new(options.timeout));
        let agent = Agent::with_parts(config.build(), connector, DefaultResolver::default());
        Ok(Self { agent, endpoint, home, authorization })
    }

    /// The page of a model, for people.
    pub(super) fn page(&self, id: &HubId) -> String {
        format!("{}/{}{id}", self.endpoint, prefix(id))
    }

    /// The address that describes a revision.
    pub(super) fn revision_url(&self, id: &HubId, revision: &Revision) -> String {
        let kind = match id.kind() {
            RepoKind::Model => "models",
            RepoKind::Space => "spaces",
        };
        format!("{}/api/{kind}/{id}/revision/{}", self.endpoint, percent_encoded(revision.as_str()))
    }

    /// The address of a file at a commit. File names are plain names, by the checks of whoever calls.
    pub(super) fn file_url(&self, id: &HubId, commit: &str, file: &str) -> String {
        format!("{}/{}{id}/resolve/{commit}/{file}", self.endpoint, prefix(id))
    }

    /// Sends a request and follows redirects. The token goes to the hub itself and to nobody else, whoever
    /// redirects.
    ///
    /// # Errors
    /// No answer, or one that is neither a success (or, with [`Follow::AtHome`], a redirect) nor 416.
    pub(super) fn send(
        &self,
        method: &Method,
        url: &str,
        range: Option<&str>,
        follow: Follow,
        subject: Subject<'_>,
    ) -> Result<Answer, SourceError> {
        let bad_url =
            |url: &str| SourceError::BadReply { url: redacted(url), reason: "no such address".into() };
        let mut url: Uri = url.parse().map_err(|_| bad_url(url))?;
        let mut earlier = Vec::new();
        loop {
            let at_home = Origin::of(&url).as_ref() == Some(&self.home);
            let reply = self.send_once(method, &url, range, at_home)?;
            let answer = Answer { reply, url, earlier };
            let status = answer.reply.status();
            if status.is_redirection() && answer.reply.headers().contains_key(header::LOCATION) {
                let location =
                    answer.header("location").ok_or_else(|| answer.bad("its redirect is not text"))?;
                let next = redirect_target(&answer.url, location).map_err(|reason| answer.bad(reason))?;
                if follow == Follow::AtHome && Origin::of(&next).as_ref() != Some(&self.home) {
                    return Ok(answer);
                }
                if answer.earlier.len() == limits::hub::MOST_REDIRECTS {
                    return Err(answer.bad("it redirects in a circle"));
                }
                earlier = answer.earlier;
                earlier.push(answer.reply);
                url = next;
            } else if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
                return Ok(answer);
            } else {
                return Err(self.refusal(&answer, at_home, subject));
            }
        }
    }

    fn send_once(
        &self,
        method: &Method,
        url: &Uri,
        range: Option<&str>,
        at_home: bool,
    ) -> Result<Response<Body>, SourceError> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        if let Some(authorization) = self.authorization.as_ref().filter(|_| at_home) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(()).map_err(|source| unreachable(url, source))?;
        self.agent.run(request).map_err(|source| unreachable(url, source))
    }

    /// What a refusal means, as the hub marks it in its headers.
    fn refusal(&self, answer: &Answer, at_home: bool, subject: Subject<'_>) -> SourceError {
        let status = answer.reply.status().as_u16();
        let (id, page) = (subject.id.to_string(), self.page(subject.id));
        let revision = subject.revision.to_owned();
        let token_sent = self.authorization.is_some();
        if !at_home {
            return SourceError::Status { url: shown(&answer.url), status };
        }
        match (status, answer.header("x-error-code")) {
            (_, Some("GatedRepo")) => SourceError::Gated { id, page, token_sent },
            (_, Some("RevisionNotFound")) => SourceError::UnknownRevision { id, revision, page },
            (404, Some("RepoNotFound")) => SourceError::UnknownModel { id },
            (401, Some("RepoNotFound")) if token_sent => SourceError::UnknownModel { id },
            (401, _) if token_sent => SourceError::TokenRejected { id },
            (401, _) => SourceError::Unauthorized { id, page },
            (403, _) => SourceError::Forbidden { id, page },
            (404, _) => match subject.file {
                Some(file) => SourceError::UnknownFile { id, revision, file: file.to_owned() },
                None if revision == "main" => SourceError::UnknownModel { id },
                None => SourceError::UnknownRevision { id, revision, page },
            },
            _ => SourceError::Status { url: shown(&answer.url), status },
        }
    }
}

pub(super) fn unreachable(url: &Uri, source: impl std::error::Error + Send + Sync + 'static) -> SourceError {
    let (url, source) = (shown(url), Box::new(source));
    if pace::is_too_slow(&*source) {
        SourceError::TooSlow { url, source }
    } else {
        SourceError::Unreachable { url, source }
    }
}
