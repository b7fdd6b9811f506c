//! The URL of a request as its actor sees it: absolute, without what led to the actor.

use http::{
    Uri,
    header::HOST,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{headers::ORIGINAL_URL, target::Route};

impl Route {
    /// The path of a raw HTTP request after `/request`, with one slash before it. `None` when the route
    /// leads to something else.
    #[must_use]
    pub fn raw_path(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("/request")?;
        match rest.trim_start_matches('/') {
            "" => Some("/"),
            // All leading slashes but the last.
            path if rest.starts_with('/') => Some(&rest[rest.len() - path.len() - 1..]),
            _ => None,
        }
    }

    /// The absolute URL that the actor sees: path and query without what is the gateway's, behind the
    /// scheme and host that the client asked for.
    ///
    /// Clients of raw requests may name another host, from which their caller's URL was; its path does
    /// not count, since who lets requests pass by their path has not seen it. A server is not told
    /// whether something before it spoke TLS, so over HTTP/1 the scheme is `http`.
    #[must_use]
    pub fn url(&self, request: &Parts) -> Uri {
        let raw = self.raw_path();
        let original = raw.and_then(|_| original(request));
        let (scheme, authority) = original.unwrap_or_else(|| asked(request));
        let path = raw.unwrap_or(&self.path);
        let text = match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(scheme);
        parts.authority = Some(authority);
        // They come from a URL, so they make one.
        parts.path_and_query = PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).ok();
        Uri::from_parts(parts).unwrap_or_else(|_| request.uri.clone())
    }
}

/// Scheme and host as the request has them.
fn asked(request: &Parts) -> (Scheme, Authority) {
    let scheme = request.uri.scheme().cloned().unwrap_or(Scheme::HTTP);
    let authority = request.uri.authority().cloned().or_else(|| {
        let host = request.headers.get(HOST)?;
        Authority::try_from(host.as_bytes()).ok()
    });
    let nobody = || Authority::from_static("localhost");
    (scheme, authority.unwrap_or_else(nobody))
}

/// Scheme and host of the URL that a client's caller gave it.
fn original(request: &Parts) -> Option<(Scheme, Authority)> {
    let url = request.headers.get(ORIGINAL_URL)?;
    let parts = Uri::try_from(url.as_bytes()).ok()?.into_parts();
    Some((parts.scheme?, parts.authority?))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::protocol::target::Target;

    fn route(path: &str, query: Option<&str>) -> Route {
        Route {
            target: Target::Direct {
                actor_id: String::new(),
                token: None,
            },
            path: path.into(),
            query: query.map(Into::into),
        }
    }

    fn request(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn raw_paths_keep_one_slash() {
        for (path, raw) in [
            ("/request", Some("/")),
            ("/request/", Some("/")),
            ("/request//", Some("/")),
            ("/request/a//b/", Some("/a//b/")),
            ("/request//a", Some("/a")),
            ("/request/%2Fa%20b", Some("/%2Fa%20b")),
            ("/requests", None),
            ("/action/request", None),
        ] {
            assert_eq!(route(path, None).raw_path(), raw, "{path}");
        }
    }

    #[test]
    fn urls_are_absolute_and_the_actors_own() {
        let sent = "/gateway/x/request/a%20b?rvt-method=get&c=d%2Fe";
        let check = |path, query, headers: &[_], url: &str| {
            let seen = route(path, query).url(&request(sent, headers));
            assert_eq!(seen.to_string(), url);
        };
        let host = ("host", "app.example:8080");
        check(
            "/request/a%20b",
            Some("c=d%2Fe"),
            &[host],
            "http://app.example:8080/a%20b?c=d%2Fe",
        );
        check("/request", None, &[host], "http://app.example:8080/");
        check(
            "/action/x",
            Some(""),
            &[host],
            "http://app.example:8080/action/x?",
        );
        check("/connect", None, &[], "http://localhost/connect");
        check(
            "/connect",
            None,
            &[("host", "<>")],
            "http://localhost/connect",
        );
        // HTTP/2 has both in the URI.
        let two = request("https://two.example/gateway/x/connect", &[host]);
        assert_eq!(
            route("/connect", None).url(&two).to_string(),
            "https://two.example/connect"
        );
    }

    #[test]
    fn a_client_may_name_the_callers_host_and_not_another_path() {
        let original = (ORIGINAL_URL, "https://caller.example/admin?x");
        let seen = |path| {
            route(path, None)
                .url(&request("/", &[original]))
                .to_string()
        };
        assert_eq!(seen("/request/public"), "https://caller.example/public");
        assert_eq!(seen("/action/x"), "http://localhost/action/x");
        let broken = (ORIGINAL_URL, "/admin");
        let seen = route("/request/a", None).url(&request("/", &[broken]));
        assert_eq!(seen.to_string(), "http://localhost/a");
    }
}
