//! Web addresses: who a request goes to, where a redirect leads, what may be shown.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Uri;
use url::{Host, Url};

/// Where a redirect leads, or why it is not followed. It may not fall back from https to http.
pub(super) fn redirect_target(from: &Uri, location: &str) -> Result<Uri, &'static str> {
    const UNREADABLE: &str = "its redirect cannot be parsed";
    let base = Url::parse(&from.to_string()).map_err(|_| UNREADABLE)?;
    // No hub answers with an address that is relative to a folder of its own.
    let next = if location.starts_with('/') { base.join(location) } else { Url::parse(location) };
    let next = next.map_err(|_| UNREADABLE)?;
    if !matches!(next.scheme(), "http" | "https") || next.host().is_none() {
        return Err("it redirects to something that is not a web address");
    }
    if base.scheme() == "https" && next.scheme() != "https" {
        return Err("it redirects from https to http");
    }
    next.as_str().parse().map_err(|_| UNREADABLE)
}

/// Scheme, host and port: who a request goes to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Origin(url::Origin);

impl Origin {
    pub(super) fn of(address: &Uri) -> Option<Self> {
        let address = Url::parse(&address.to_string()).ok()?;
        matches!(address.scheme(), "http" | "https").then(|| Self(address.origin()))
    }

    pub(super) fn is_loopback(&self) -> bool {
        match &self.0 {
            url::Origin::Tuple(_, Host::Domain(name), _) => name == "localhost",
            url::Origin::Tuple(_, Host::Ipv4(ip), _) => ip.is_loopback(),
            url::Origin::Tuple(_, Host::Ipv6(ip), _) => ip.is_loopback(),
            url::Origin::Opaque(_) => false,
        }
    }
}

/// An address without its query, where download hosts keep their signatures, and without a user name.
pub(super) fn shown(url: &Uri) -> String {
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme_str().unwrap_or("?"), url.host().unwrap_or("?"), url.path())
}

/// What a person gave as an address, without what may be a secret in it: a user name, a password, a query.
pub(super) fn redacted(address: &str) -> String {
    const HIDDEN: &str = "(hidden)";
    let (start, query) = match address.find(['?', '#']) {
        Some(at) => (&address[..at], format!("{}{HIDDEN}", &address[at..=at])),
        None => (address, String::new()),
    };
    // Everything up to the last @: a password that was not encoded may hold any character. A path that holds one is
    // hidden in part, which does no harm.
    match start.rsplit_once('@') {
        Some((user, rest)) => {
            let scheme = user.find("://").map_or("", |at| &user[..at + 3]);
            format!("{scheme}{HIDDEN}@{rest}{query}")
        }
        // Cut at a ? or # of a password, the rest of which is hidden as a query is.
        None if address.contains('@') => {
            let scheme = start.find("://").map_or("", |at| &start[..at + 3]);
            format!("{scheme}{HIDDEN}")
        }
        None => format!("{start}{query}"),
    }
}

/// A name as one part of an address.
pub(super) fn percent_encoded(text: &str) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Origin, percent_encoded, redacted, redirect_target, shown};

    #[test]
    fn a_redirect_stays_on_the_web_and_on_https() {
        let from = "https://hub.test/a/b?x=1".parse().unwrap();
        let to = |location| redirect_target(&from, location).map(|url| url.to_string());
        assert_eq!(to("/c?d=e").unwrap(), "https://hub.test/c?d=e");
        assert_eq!(to("//cdn.test/c").unwrap(), "https://cdn.test/c");
        assert_eq!(to("https://cdn.test/c?sig=s").unwrap(), "https://cdn.test/c?sig=s");
        for bad in ["http://hub.test/c", "file:///etc/passwd", "c", "", "https://", "javascript:1"] {
            assert!(to(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |url: &str| Origin::of(&url.parse().unwrap());
        assert!(origin("https://Hub.test/a") == origin("https://hub.test:443/b"));
        assert!(origin("https://hub.test") != origin("http://hub.test"));
        assert!(origin("http://localhost:1") != origin("http://127.0.0.1:1"));
        assert!(origin("http://localhost:1") != origin("http://localhost:2"));
    }

    #[test]
    fn no_part_of_an_address_that_may_be_secret_is_shown() {
        for (address, expected) in [
            ("https://hub.test/a", "https://hub.test/a"),
            ("http://user:SECRET@hub.test/a", "http://(hidden)@hub.test/a"),
            ("http://user:SEC@RET@hub.test", "http://(hidden)@hub.test"),
            ("http://user:SEC/RET@hub.test", "http://(hidden)@hub.test"),
            ("http://user:SEC?RET@hub.test", "http://(hidden)"),
            ("http://user:SEC#RET@hub.test", "http://(hidden)"),
            ("user:SECRET@hub.test", "(hidden)@hub.test"),
            ("SECRET@hub.test?t=SECRET", "(hidden)@hub.test?(hidden)"),
            ("http://hub.test?token=SECRET", "http://hub.test?(hidden)"),
            ("http://hub.test/#SECRET", "http://hub.test/#(hidden)"),
        ] {
            assert_eq!(redacted(address), expected);
        }
    }

    #[test]
    fn signatures_and_user_names_are_not_shown() {
        assert_eq!(
            shown(&"https://u:p@cdn.test:8/a/b?sig=secret".parse().unwrap()),
            "https://cdn.test:8/a/b"
        );
        assert_eq!(percent_encoded("refs/pr/1#é"), "refs%2Fpr%2F1%23%C3%A9");
    }
}
