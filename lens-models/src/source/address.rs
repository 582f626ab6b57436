//! Web addresses: who a request goes to, where a redirect leads, what may be shown.

use ureq::http::Uri;

/// Where a redirect leads, or why it is not followed. It may not fall back from https to http.
pub(super) fn redirect_target(from: &Uri, location: &str) -> Result<Uri, &'static str> {
    let scheme = from.scheme_str().unwrap_or("https");
    let authority = from.authority().map_or("", |authority| authority.as_str());
    let whole = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        location.to_owned()
    };
    let next: Uri = whole.parse().map_err(|_| "its redirect cannot be parsed")?;
    if Origin::of(&next).is_none() {
        return Err("it redirects to something that is no web address");
    }
    if scheme == "https" && next.scheme_str() != Some("https") {
        return Err("it redirects from https to http");
    }
    Ok(next)
}

/// Scheme, host and port: who a request goes to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    pub(super) fn of(url: &Uri) -> Option<Self> {
        let scheme = url.scheme_str()?.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let host = url.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        Some(Self { scheme, host, port: url.port_u16().unwrap_or(default) })
    }

    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
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
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
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
