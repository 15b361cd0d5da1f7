//! Which requests are allowed: by the Host and Origin headers, and by the token.
//!
//! A page of another site can send requests to this machine too. Its Origin differs, and after DNS
//! rebinding the Host is a name of that site.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};

use crate::refusal::Refusal;

/// Who may use the server.
pub struct Policy {
    /// The host that was asked for with `--host`, a name or an address.
    host: String,
    /// The token that requests must have; `None` on a loopback address.
    token: Option<String>,
}

impl Policy {
    /// Creates a policy for a host. Without a token, only loopback addresses are allowed.
    pub fn new(host: &str, token: Option<String>) -> Self {
        Self { host: host.to_owned(), token }
    }

    /// Checks where a request comes from.
    ///
    /// # Errors
    /// A Host header that does not name this server, or the Origin of another site.
    pub fn check_origin(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let forbidden = |error: String| Refusal(StatusCode::FORBIDDEN, error);
        let named = single(headers, HOST).and_then(|host| Authority::from_str(host).ok());
        let host = named.filter(|host| self.is_own(host.host()));
        let host = host.filter(|_| uri.host().is_none_or(|host| self.is_own(host))).ok_or_else(|| {
            forbidden(match self.token {
                None => "the Host header does not name localhost: use http://localhost, or start ror serve with --host",
                Some(_) => "the Host header is neither an address nor the name given with --host",
            }.to_owned())
        })?;
        if headers.contains_key(ORIGIN) {
            let origin = single(headers, ORIGIN).and_then(|origin| Uri::from_str(origin).ok());
            let same =
                origin.as_ref().and_then(Uri::authority).is_some_and(|origin| *origin == host);
            if !same {
                return Err(forbidden("pages of other sites may not use this server".to_owned()));
            }
        }
        Ok(())
    }

    /// Checks the token of a request.
    ///
    /// # Errors
    /// A token that is missing or wrong.
    pub fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = single(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        match given.is_some_and(|given| is_same(given.as_bytes(), token.as_bytes())) {
            true => Ok(()),
            false => Err(Refusal(
                StatusCode::UNAUTHORIZED,
                "the token is missing or wrong: send `Authorization: Bearer TOKEN` with the token that ror serve printed".to_owned(),
            )),
        }
    }

    fn is_own(&self, host: &str) -> bool {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match address {
            // No DNS name leads to a Host that is an address.
            Ok(address) => self.token.is_some() || address.is_loopback(),
            Err(_) => {
                host.eq_ignore_ascii_case("localhost") || host.eq_ignore_ascii_case(&self.host)
            }
        }
    }
}

/// The value of a header that is there once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

/// Whether two texts are the same, in a time that does not depend on where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differs = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policy: &Policy, headers: &[(HeaderName, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        policy.check_origin(&Uri::from_static("/"), &map).is_ok()
            && policy.check_token(&map).is_ok()
    }

    #[test]
    fn only_this_machine_and_its_own_page_are_allowed() {
        let policy = Policy::new("127.0.0.1", None);
        for (host, origin, is_allowed) in [
            ("127.0.0.1:8000", None, true),
            ("LOCALHOST:9", None, true),
            ("[::1]:8000", None, true),
            ("evil.example:8000", None, false),
            ("127.0.0.1.evil.example", None, false),
            ("192.168.0.5:8000", None, false),
            ("user@localhost", None, true),
            ("", None, false),
            ("localhost:8000", Some("http://localhost:8000"), true),
            ("localhost:8000", Some("http://127.0.0.1:8000"), false),
            ("localhost:8000", Some("http://localhost:8001"), false),
            ("localhost:8000", Some("https://evil.example"), false),
            ("localhost:8000", Some("null"), false),
        ] {
            let origin = origin.map(|origin| (ORIGIN, origin));
            let headers: Vec<_> = [(HOST, host)].into_iter().chain(origin).collect();
            assert_eq!(allowed(&policy, &headers), is_allowed, "{headers:?}");
        }
        assert!(!allowed(&policy, &[]), "without Host");
        assert!(!allowed(&policy, &[(HOST, "localhost"), (HOST, "localhost")]), "two");
    }

    #[test]
    fn another_address_needs_the_token() {
        let policy = Policy::new("box.local", Some("secret".to_owned()));
        for (host, token, is_allowed) in [
            ("192.168.0.5:8000", Some("Bearer secret"), true),
            ("BOX.local", Some("Bearer secret"), true),
            ("evil.example", Some("Bearer secret"), false),
            ("192.168.0.5:8000", Some("Bearer secre"), false),
            ("192.168.0.5:8000", Some("secret"), false),
            ("192.168.0.5:8000", None, false),
        ] {
            let token = token.map(|token| (AUTHORIZATION, token));
            let headers: Vec<_> = [(HOST, host)].into_iter().chain(token).collect();
            assert_eq!(allowed(&policy, &headers), is_allowed, "{headers:?}");
        }
    }
}
