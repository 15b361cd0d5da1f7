//! Who may use the server, and what a page may do.

mod common;

use common::{Running, crop};

#[test]
fn other_sites_and_names_are_refused() {
    let (server, crop) = (Running::start(&[]), crop());
    let own = format!("Host: {0}\r\nOrigin: http://{0}\r\n", server.address);
    assert_eq!(server.send("POST", "/v1/predict", &own, &crop).status, 200);
    for headers in [
        "Host: evil.example\r\n",
        "Host: localhost\r\nOrigin: http://evil.example\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
    ] {
        for path in ["/", "/v1/predict", "/metrics", "/openapi.json"] {
            let answer = server.send("POST", path, headers, &crop);
            assert_eq!(answer.status, 403, "{path} with {headers}: {}", answer.body);
        }
    }
}

#[test]
fn other_machines_need_the_token() {
    let server = Running::start(&["--host", "0.0.0.0"]);
    let token = server.said.split(['#', ' ']).nth(1).unwrap().to_owned();
    assert_eq!(token.len(), 32, "{}", server.said);
    for path in ["/v1/models", "/metrics"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 401);
        assert!(
            answer.headers.contains("www-authenticate: bearer") && !answer.body.contains(&token)
        );
        let wrong = format!("Authorization: Bearer {}\r\n", "0".repeat(32));
        assert_eq!(server.send("GET", path, &wrong, b"").status, 401);
        let right = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(server.send("GET", path, &right, b"").status, 200);
    }
    assert_eq!(server.predict(&crop()).status, 401);
    // The page itself has nothing to hide, and asks for the token.
    assert_eq!((server.get("/").status, server.get("/healthz").status), (200, 200));
}

#[test]
fn the_page_may_run_nothing_but_its_own_script() {
    let server = Running::start(&[]);
    let page = server.get("/");
    let policy =
        page.headers.lines().find(|line| line.starts_with("content-security-policy:")).unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(
        !policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"),
        "{policy}"
    );
    for answer in [&page, &server.get("/nothing"), &server.predict(b"")] {
        for header in [
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
            "content-security-policy: default-src 'none'",
        ] {
            assert!(answer.headers.contains(header), "{header} is not in {}", answer.headers);
        }
    }
    for elsewhere in ["http://", "https://", "//", "src=", "onclick=", "style="] {
        let html = page.body.replace("// ", ""); // comments
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
}
