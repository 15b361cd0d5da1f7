//! The addresses of the server.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use ror::predict::Predictor;
use serde_json::json;
use tokio::sync::oneshot;
use utoipa::OpenApi;

use crate::budget::Budget;
use crate::counts::{Counts, Outcome};
use crate::description::{Answers, Error, Form, Model};
use crate::page::page;
use crate::policy::Policy;
use crate::queue::{Answer, Job, Queue};
use crate::refusal::Refusal;
use crate::upload::{self, Upload};

/// Maximum number of images that wait.
pub const MOST_WAITING: usize = 256;
/// Maximum number of bytes of images in memory.
pub const MOST_BYTES: u64 = 512 << 20;

/// What requests share.
pub struct Server {
    pub queue: Arc<Queue>,
    pub counts: Arc<Counts>,
    pub budget: Arc<Budget>,
    pub policy: Policy,
    /// The answer of `/v1/models`.
    pub models: String,
}

/// Predicts age and gender from faces. Images are neither stored nor logged.
#[derive(OpenApi)]
#[openapi(paths(predict, models, health, metrics))]
struct Description;

/// Returns the server's addresses.
pub fn router(server: Arc<Server>) -> Router {
    let (html, policy) = page();
    let policy =
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let page = get(move || async move { ([(CONTENT_SECURITY_POLICY, policy)], Html(html)) });
    let description = Description::openapi().to_json().unwrap_or_default();
    let open = Router::new()
        .route("/", page)
        .route("/healthz", get(health))
        .route("/openapi.json", get(move || async move { as_json(StatusCode::OK, description) }));
    let guarded = Router::new()
        .route("/v1/predict", post(predict))
        .route("/v1/models", get(models))
        .route("/metrics", get(metrics))
        .layer(from_fn_with_state(Arc::clone(&server), check_token));
    open.merge(guarded)
        .fallback(async |uri: Uri| {
            Refusal(StatusCode::NOT_FOUND, format!("there is no {}", uri.path()))
        })
        .layer(from_fn_with_state(Arc::clone(&server), check_origin))
        .with_state(server)
}

/// The models in use, as JSON.
pub fn models_json(predictor: &Predictor) -> String {
    let cards = predictor.cards().into_iter().map(|card| {
        json!({
            "key": card.key,
            "task": card.task,
            "weights_sha256": card.weights_sha256,
            "parameters": card.parameters,
            "input": card.net.input(),
        })
    });
    json!(cards.collect::<Vec<_>>()).to_string()
}

fn as_json(status: StatusCode, json: String) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], json).into_response()
}

/// Refuses what other sites send, and counts the answers.
async fn check_origin(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let mut response = match server.policy.check_origin(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    server.counts.answer(response.status().as_u16());
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(), geolocation=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let none = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(none);
    response
}

async fn check_token(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    match server.policy.check_token(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Predict the faces in images
///
/// The body is one image (JPEG, PNG, WebP, BMP, GIF or TIFF), or a form with several.
#[utoipa::path(
    post, path = "/v1/predict",
    params(("aligned" = Option<bool>, Query, description = "The images are aligned crops like UTKFace's")),
    request_body(content((Vec<u8> = "image/*"), (Form = "multipart/form-data"))),
    responses(
        (status = 200, body = Answers, description = "The objects of `ror predict --json`"),
        (status = 400, body = Error, description = "A malformed request"),
        (status = 401, body = Error, description = "The token is missing or wrong"),
        (status = 403, body = Error, description = "The Host or Origin header is of another site"),
        (status = 408, body = Error, description = "The body took too long"),
        (status = 413, body = Error, description = "More than 64 MiB or 256 images"),
        (status = 422, body = Answers, description = "No image could be read"),
        (status = 429, body = Error, description = "Too many images wait; see Retry-After"),
        (status = 503, body = Answers, description = "The images waited too long or the device failed"),
    )
)]
async fn predict(State(server): State<Arc<Server>>, request: Request) -> Response {
    let begin = Instant::now();
    let response = predicted(&server, request).await.unwrap_or_else(IntoResponse::into_response);
    server.counts.duration(begin.elapsed());
    response
}

async fn predicted(server: &Server, request: Request) -> Result<Response, Refusal> {
    let aligned = is_aligned(request.uri())?;
    if server.queue.len() >= MOST_WAITING {
        return Err(full()); // before its images are read
    }
    let mut held = server.budget.hold();
    let (images, is_form) = match upload::images(request, &mut held).await? {
        Upload::Body(image) => (vec![(String::new(), image)], false),
        Upload::Form(images) => (images, true),
    };
    let n = images.len();
    if n > MOST_WAITING {
        let error = format!("the form has {n} images: at most {MOST_WAITING} are allowed");
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, error));
    }
    let (held, since) = (Arc::new(held), Instant::now());
    let (mut jobs, mut replies) = (vec![], vec![]);
    for (path, image) in images {
        let (reply, answer) = oneshot::channel();
        jobs.push(Job { path, image, aligned, since, reply, held: Arc::clone(&held) });
        replies.push(answer);
    }
    drop(held);
    if !server.queue.put(jobs) {
        return Err(full());
    }
    let mut answers = vec![];
    for reply in replies {
        let lost =
            |_| Refusal(StatusCode::INTERNAL_SERVER_ERROR, "an inference thread ended".to_owned());
        answers.push(reply.await.map_err(lost)?);
    }
    let status = status(&answers);
    let objects: Vec<String> = answers.into_iter().map(|answer| answer.json).collect();
    let objects = objects.join(",");
    Ok(as_json(status, if is_form { format!("[{objects}]") } else { objects }))
}

/// 200 if any image was predicted, or the status of the first.
fn status(answers: &[Answer]) -> StatusCode {
    let is_predicted = |answer: &&Answer| answer.outcome == Outcome::Predicted;
    match answers.iter().find(is_predicted).or(answers.first()).map(|answer| answer.outcome) {
        Some(Outcome::Unread) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(Outcome::Failed) => StatusCode::SERVICE_UNAVAILABLE,
        Some(Outcome::Predicted) | None => StatusCode::OK,
    }
}

fn full() -> Refusal {
    let error = format!("{MOST_WAITING} images wait already: try again later");
    Refusal(StatusCode::TOO_MANY_REQUESTS, error)
}

fn is_aligned(uri: &Uri) -> Result<bool, Refusal> {
    match uri.query().unwrap_or_default() {
        "" | "aligned=false" => Ok(false),
        "aligned=true" => Ok(true),
        other => {
            let error =
                format!("unknown parameters {other:?}: only aligned=true and aligned=false exist");
            Err(Refusal(StatusCode::BAD_REQUEST, error))
        }
    }
}

/// List the networks in use
#[utoipa::path(
    get, path = "/v1/models",
    responses(
        (status = 200, body = Vec<Model>, description = "The networks"),
        (status = 401, body = Error, description = "The token is missing or wrong"),
    )
)]
async fn models(State(server): State<Arc<Server>>) -> Response {
    as_json(StatusCode::OK, server.models.clone())
}

/// Say that the server runs
#[utoipa::path(
    get, path = "/healthz",
    responses((status = 200, body = String, content_type = "text/plain", description = "It runs"))
)]
async fn health() -> &'static str {
    "ok\n"
}

/// Return counts for Prometheus
#[utoipa::path(
    get, path = "/metrics",
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "The counts"),
        (status = 401, body = Error, description = "The token is missing or wrong"),
    )
)]
async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let text = server.counts.text(server.queue.len(), server.budget.used());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
