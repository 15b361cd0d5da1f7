//! The images in a request, read within limits of bytes and time.

use std::time::Duration;

use axum::RequestExt;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Multipart, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt;

use crate::budget::Held;
use crate::refusal::Refusal;

/// Maximum size of a request's body in bytes.
pub const MOST_BODY: u64 = 64 << 20;
/// How long a client may take to send a body.
const MOST_SENDING: Duration = Duration::from_secs(60);

/// The images of a request, each with its name.
pub enum Upload {
    /// The body is one image without a name.
    Body(Bytes),
    /// The parts of a form, named by their file names or fields.
    Form(Vec<(String, Bytes)>),
}

/// Reads the images of a request, whose bytes are added to `held`.
pub async fn images(request: Request, held: &mut Held) -> Result<Upload, Refusal> {
    let (mut parts, body) = request.into_parts();
    let body = tokio::time::timeout(MOST_SENDING, read(&parts.headers, body, held)).await;
    let body = Bytes::from(body.map_err(|_| {
        let seconds = MOST_SENDING.as_secs();
        Refusal(StatusCode::REQUEST_TIMEOUT, format!("the body took more than {seconds} seconds"))
    })??);
    if !is_form(&parts.headers) {
        return Ok(Upload::Body(body));
    }
    parts.headers.remove(CONTENT_LENGTH);
    let mut request = Request::from_parts(parts, Body::from(body));
    DefaultBodyLimit::disable().apply(&mut request); // `read` has one
    let malformed =
        |error: String| Refusal(StatusCode::BAD_REQUEST, format!("malformed form: {error}"));
    let form = request.extract::<Multipart, _>().await;
    let mut form = form.map_err(|error| malformed(error.body_text()))?;
    let mut images = vec![];
    while let Some(part) = form.next_field().await.map_err(|error| malformed(error.body_text()))? {
        let name = part.file_name().or(part.name()).unwrap_or_default().to_owned();
        images.push((name, part.bytes().await.map_err(|error| malformed(error.body_text()))?));
    }
    match images.is_empty() {
        true => Err(malformed("it has no image".to_owned())),
        false => Ok(Upload::Form(images)),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let form = "multipart/form-data";
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.get(..form.len()).is_some_and(|start| start.eq_ignore_ascii_case(form))
}

async fn read(headers: &HeaderMap, body: Body, held: &mut Held) -> Result<Vec<u8>, Refusal> {
    let too_large = || {
        let most = MOST_BODY >> 20;
        Refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is too large: at most {most} MiB are allowed"),
        )
    };
    let length = headers.get(CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MOST_BODY) {
        return Err(too_large());
    }
    let mut bytes = vec![];
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let broken =
            |error| Refusal(StatusCode::BAD_REQUEST, format!("the body can't be read: {error}"));
        let chunk = chunk.map_err(broken)?;
        if (bytes.len() + chunk.len()) as u64 > MOST_BODY {
            return Err(too_large());
        }
        if !held.grow(chunk.len() as u64) {
            let error = "the server's memory for images is in use: try again later";
            return Err(Refusal(StatusCode::TOO_MANY_REQUESTS, error.to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
