//! Who is let in, and with what.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts};

use crate::key::Key;

/// The header that the key goes along in.
pub(crate) const KEY: &str = "x-lens-token";

/// Every path that there is, with the one method that it knows.
pub(crate) const PATHS: [(&str, Method); 6] = [
    ("/", Method::GET),
    ("/api/run", Method::POST),
    ("/api/stop", Method::POST),
    ("/api/attribute", Method::POST),
    ("/api/patch", Method::POST),
    ("/api/export", Method::POST),
];

/// Why somebody is not let in.
pub(crate) type Refusal = (StatusCode, &'static str);

/// Lets in who has asked this machine by its name, is no page from elsewhere, has the key, and asks for what there is.
pub(crate) fn judge(asked: &Parts, key: &Key, port: u16) -> Result<(), Refusal> {
    let headers = &asked.headers;
    is_here(headers, &asked.uri, port)?;
    is_ours(headers, &asked.uri)?;
    has_key(headers, &asked.uri, key)?;
    let (_, method) = PATHS
        .iter()
        .find(|(path, _)| *path == asked.uri.path())
        .ok_or((StatusCode::NOT_FOUND, "there is nothing here"))?;
    if asked.method != *method {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "this is asked in another way"));
    }
    let is_json = |kind: &str| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
    if *method == Method::POST && !only(headers, header::CONTENT_TYPE.as_str()).is_some_and(is_json) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "a question is application/json"));
    }
    Ok(())
}

/// A name of somebody else's that leads to this machine is how foreign pages get in.
fn is_here(headers: &HeaderMap, uri: &Uri, port: u16) -> Result<(), Refusal> {
    let known = |host: &str| host == format!("127.0.0.1:{port}") || host == format!("localhost:{port}");
    // A request to a proxy names the host twice.
    let is_known = uri.authority().is_none() && only(headers, header::HOST.as_str()).is_some_and(known);
    if is_known { Ok(()) } else { Err((StatusCode::FORBIDDEN, "this server is not known under that name")) }
}

/// Browsers say where a page that asks comes from.
fn is_ours(headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    const FOREIGN: Refusal = (StatusCode::FORBIDDEN, "pages from elsewhere may not ask here");
    let host = only(headers, header::HOST.as_str()).unwrap_or_default();
    if headers.contains_key(header::ORIGIN)
        && only(headers, header::ORIGIN.as_str()) != Some(&*format!("http://{host}"))
    {
        return Err(FOREIGN);
    }
    // The page itself may be opened from anywhere, by whoever knows its address.
    if uri.path() != "/"
        && headers.contains_key("sec-fetch-site")
        && only(headers, "sec-fetch-site") != Some("same-origin")
    {
        return Err(FOREIGN);
    }
    Ok(())
}

fn has_key(headers: &HeaderMap, uri: &Uri, key: &Key) -> Result<(), Refusal> {
    let offered = if uri.path() == "/" {
        let words = uri.query().unwrap_or_default().split('&');
        words.filter_map(|word| word.strip_prefix("token=")).next()
    } else {
        only(headers, KEY)
    };
    match offered {
        Some(offered) if key.fits(offered.as_bytes()) => Ok(()),
        _ => Err((StatusCode::UNAUTHORIZED, "open the address that lens has printed, with its token")),
    }
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
