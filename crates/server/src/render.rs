//! Answers.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::api_version::{ApiVersion, NEWEST};
use crate::body::{self, Body};
use crate::call::Call;
use crate::downgrade::{self, Shape};
use crate::failure::{Failure, Result};

/// A document, as the client's version of the API has it.
pub(crate) fn json<T: Serialize>(
    version: ApiVersion,
    shape: Shape,
    value: &T,
) -> Result<Response<Body>> {
    let text = document(version, shape, value)?;
    let mut response = Response::new(body::full(text));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The same, for something made.
pub(crate) fn created<T: Serialize>(call: &Call, value: &T) -> Result<Response<Body>> {
    let mut response = json(call.version, Shape::Same, value)?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Something was made, and there is nothing to say about it.
pub(crate) fn created_empty() -> Response<Body> {
    status(StatusCode::CREATED)
}

/// Done, and nothing to say.
pub(crate) fn no_content() -> Response<Body> {
    status(StatusCode::NO_CONTENT)
}

/// Done, with an empty body.
pub(crate) fn ok() -> Response<Body> {
    status(StatusCode::OK)
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = status;
    response
}

/// Documents that come one by one, a line each, sent as they come.
pub(crate) fn json_lines<S, T>(version: ApiVersion, shape: Shape, values: S) -> Response<Body>
where
    S: Stream<Item = T> + Send + 'static,
    T: Serialize + Send + 'static,
{
    let lines = values.map(move |value| {
        document(version, shape, &value).map_err(|failure| io::Error::other(failure.message))
    });
    let mut response = Response::new(body::stream(lines));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Bytes that come piece by piece.
pub(crate) fn bytes<S>(content_type: &'static str, pieces: S) -> Response<Body>
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let mut response = Response::new(body::stream(pieces));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// One document with the line's end that Docker puts after each.
fn document<T: Serialize>(version: ApiVersion, shape: Shape, value: &T) -> Result<Bytes> {
    let failed = |error: serde_json::Error| {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("cannot write the answer: {error}"),
        )
    };
    let mut text = if version == NEWEST || shape == Shape::Same {
        serde_json::to_vec(value).map_err(failed)?
    } else {
        let mut value = serde_json::to_value(value).map_err(failed)?;
        downgrade::apply(shape, version, &mut value);
        serde_json::to_vec(&value).map_err(failed)?
    };
    text.push(b'\n');
    Ok(text.into())
}
