//! Which URLs a configuration may hold.

use reqwest::Url;

/// Refuses what is no `http` or `https` URL of a host, and what carries a user, a query or a
/// fragment. The text is returned without a slash at its end.
pub(super) fn http(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL; write it as https://host")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must begin with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry a user or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not carry a query or fragment");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// As [`http`], but only `https` leaves the machine.
pub(super) fn guarded(text: &str) -> Result<String, &'static str> {
    let text = http(text)?;
    if text.starts_with("https:") || is_local(&text) {
        return Ok(text);
    }
    Err("must be https, because keys travel in it")
}

/// Whether a URL names this machine itself.
pub(super) fn is_local(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    // The host of an IPv6 address keeps its brackets.
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// Refuses what is no place for checkpoints.
pub(super) fn checkpoints(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL; write it as s3://bucket/prefix")?;
    match url.scheme() {
        "s3" if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(text.to_owned()),
        "file" if url.path().len() > 1 => Ok(text.to_owned()),
        _ => Err("must be s3://bucket/prefix or file:///directory"),
    }
}
