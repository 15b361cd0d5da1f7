//! The answers: those of the command line, as they are described.

mod common;

use std::collections::BTreeSet;
use std::thread;

use common::{Running, command_line, crop, photos, root};
use serde_json::Value;
use tempfile::TempDir;

/// Images of several kinds, two of which can't be read.
fn images() -> (TempDir, Vec<(String, Vec<u8>)>) {
    let mut images = photos();
    images.push(("no image.jpg".to_owned(), b"no image".to_vec()));
    images.push(("half.jpg".to_owned(), images[0].1[..images[0].1.len() / 2].to_vec()));
    images.push(("ä <b>&.jpg".to_owned(), crop()));
    let place = TempDir::new().unwrap();
    for (name, bytes) in &images {
        std::fs::write(place.path().join(name), bytes).unwrap();
    }
    (place, images)
}

/// Whether photos are answered with the same bytes. The numbers of crops that are predicted together
/// may differ in the last digits of f32, and more where the processor has bf16.
fn is_same(answer: &str, line: &str, options: &[&str]) -> bool {
    let of = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    if options.is_empty() { answer == line } else { is_near(&of(answer), &of(line)) }
}

fn is_near(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() < if has_bf16() { 0.05 + 0.05 * b.abs() } else { 1e-5 + 1e-5 * b.abs() }
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_near(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_near(a, b)))
        }
        _ => one == other,
    }
}

fn has_bf16() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("avx512_bf16"))
}

#[test]
fn answers_are_those_of_the_command_line() {
    let (place, images) = images();
    let names: Vec<String> = images.iter().map(|(name, _)| name.clone()).collect();
    let server = Running::start(&[]);
    for (query, options) in [("", &[][..]), ("?aligned=true", &["--aligned"])] {
        let lines = command_line(place.path(), options, &names);
        let answer = server.predict_form(query, &images);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let whole = format!("[{}]", lines.join(","));
        assert!(is_same(&answer.body, &whole, options), "{query}: {} {whole}", answer.body);
        for ((name, bytes), line) in images.iter().zip(&lines) {
            let answer = server.send("POST", &format!("/v1/predict{query}"), "", bytes);
            let own: Value = serde_json::from_str(line).unwrap();
            assert_eq!(answer.status, if own.get("error").is_some() { 422 } else { 200 }, "{name}");
            // A body has no name.
            let path = serde_json::to_string(name).unwrap();
            let line = line.replacen(&path, "\"\"", 1);
            assert!(is_same(&answer.body, &line, options), "{name}: {} {line}", answer.body);
        }
    }
}

/// Photos that wait must not change each other's digits.
#[test]
fn answers_do_not_depend_on_what_else_is_asked() {
    let (server, photos) = (Running::start(&[]), photos());
    let alone: Vec<String> = photos.iter().map(|(_, photo)| server.predict(photo).body).collect();
    let (server, photos) = (&server, &photos);
    thread::scope(|scope| {
        let ask = |n: usize| scope.spawn(move || server.predict(&photos[n % photos.len()].1).body);
        let all: Vec<_> = (0..6 * photos.len()).map(ask).collect();
        for (n, answer) in all.into_iter().enumerate() {
            assert_eq!(answer.join().unwrap(), alone[n % photos.len()]);
        }
    });
    let metrics = server.get("/metrics").body;
    let count = |name: &str| -> usize {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    let predicted = count("ror_images_total{outcome=\"predicted\"}");
    let unread = count("ror_images_total{outcome=\"unread\"}");
    assert_eq!(predicted + unread, 7 * photos.len());
    assert_eq!(count("ror_batches_total"), 7 * photos.len());
    assert_eq!(count("ror_answers_total{status=\"200\"}"), predicted);
    assert_eq!(count("ror_predict_seconds_count"), 7 * photos.len());
    assert_eq!((count("ror_waiting_images"), count("ror_held_bytes")), (0, 0));
    let faces: usize = alone
        .iter()
        .filter_map(|answer| {
            serde_json::from_str::<Value>(answer).unwrap()["faces"].as_array().map(Vec::len)
        })
        .sum();
    assert_eq!(count("ror_faces_total"), 7 * faces);
}

#[test]
fn crops_that_wait_are_predicted_together() {
    let (server, crop) = (Running::start(&[]), crop());
    let many = vec![("a.jpg".to_owned(), crop); 200];
    let answers = server.predict_form("?aligned=true", &many).json();
    assert!(answers.as_array().unwrap().iter().all(|answer| is_near(answer, &answers[0])));
    let metrics = server.get("/metrics").body;
    let batches = metrics.lines().find_map(|line| line.strip_prefix("ror_batches_total ")).unwrap();
    assert!(batches.parse::<usize>().unwrap() < 50, "{batches} batches of 200 crops");
}

/// What a schema says of its fields, with `properties`, or which are `required`; those of the schemas
/// that it is made of included.
fn described(schemas: &Value, schema: &Value, what: &str) -> BTreeSet<String> {
    if let Some(name) = schema["$ref"].as_str() {
        return described(schemas, &schemas[name.rsplit('/').next().unwrap()], what);
    }
    match schema["allOf"].as_array() {
        Some(parts) => parts.iter().flat_map(|part| described(schemas, part, what)).collect(),
        None => fields(&schema[what]),
    }
}

/// The names of an object's fields, or those in a list.
fn fields(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(object) => object.keys().cloned().collect(),
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        _ => panic!("{value}"),
    }
}

#[test]
fn answers_are_as_described() {
    let server = Running::start(&[]);
    let description = server.get("/openapi.json").json();
    let schemas = &description["components"]["schemas"];
    let photo =
        server.predict(&std::fs::read(root().join("tests/photos/group.jpg")).unwrap()).json();
    let crop = server.send("POST", "/v1/predict?aligned=true", "", &crop()).json();
    let models = server.get("/v1/models");
    for (schema, answer) in [
        ("Photo", &photo),
        ("PhotoFace", &photo["faces"][0]),
        ("Crop", &crop),
        ("Unread", &server.predict(b"").json()),
        ("Error", &server.send("POST", "/v1/predict?x=y", "", b"").json()),
        ("Model", &models.json()[0]),
    ] {
        for what in ["properties", "required"] {
            assert_eq!(described(schemas, &schemas[schema], what), fields(answer), "{schema}");
        }
    }
    let paths = fields(&description["paths"]);
    assert_eq!(
        paths,
        ["/healthz", "/metrics", "/v1/models", "/v1/predict"].map(str::to_owned).into()
    );
    // OpenAPI requires a description of every response.
    let operations = description["paths"].as_object().unwrap().values();
    for operation in operations.flat_map(|methods| methods.as_object().unwrap().values()) {
        let responses = operation["responses"].as_object().unwrap().values();
        assert!(responses.clone().all(|one| one["description"].is_string()), "{operation}");
    }
    assert_eq!(models.json()[0]["task"], "both");
    assert_eq!(
        (server.get("/healthz").status, server.get("/healthz").body.as_str()),
        (200, "ok\n")
    );
}

#[test]
fn bad_requests_are_told_what_is_wrong() {
    let server = Running::start(&[]);
    let form = "Content-Type: multipart/form-data; boundary=frontier\r\n";
    for (method, path, headers, body, status, says) in [
        ("GET", "/v2", "", "", 404, "there is no /v2"),
        (
            "POST",
            "/v1/predict?aligned=yes",
            "",
            "",
            400,
            "only aligned=true and aligned=false exist",
        ),
        ("POST", "/v1/predict", "", "", 422, "not a JPEG, PNG, WebP, BMP, GIF or TIFF image"),
        ("POST", "/v1/predict", form, "--frontier--\r\n", 400, "it has no image"),
        ("POST", "/v1/predict", form, "--frontier\r\nhalf", 400, "malformed form"),
        ("POST", "/v1/predict", "Content-Type: multipart/form-data\r\n", "", 400, "malformed form"),
    ] {
        let answer = server.send(method, path, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.error().contains(says), "{}", answer.body);
    }
    assert_eq!(server.get("/v1/predict").status, 405);
}
