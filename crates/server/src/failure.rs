//! What a request fails with, and the one place where that becomes a status and a body.

use engine::error::{Error, Kind};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use model::api::ErrorBody;

use crate::body::{self, Body};

/// A request that failed: a status, and the message that the client shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

/// What a handler ends with.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// The request is wrong.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// There is no such path, or not with this method.
    pub(crate) fn no_such_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "page not found")
    }

    /// A part of Docker's API that is not there yet; `what` is its name.
    pub(crate) fn not_there_yet(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            format!("{what} is not supported by this engine yet"),
        )
    }

    /// What a daemon outside a swarm says to requests about one.
    pub(crate) fn not_in_a_swarm() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to \
             connect this node to swarm and try again.",
        )
    }

    /// The answer.
    pub(crate) fn response(self) -> Response<Body> {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(message = self.message, "a request failed");
        } else {
            tracing::debug!(
                status = self.status.as_u16(),
                message = self.message,
                "a request was refused"
            );
        }
        let mut response = Response::new(body::empty());
        *response.status_mut() = self.status;
        if self.status == StatusCode::NOT_MODIFIED {
            return response;
        }
        let answer = ErrorBody {
            message: self.message,
        };
        let text = serde_json::to_string(&answer).unwrap_or_default() + "\n";
        *response.body_mut() = body::full(text);
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::BadParameter => StatusCode::BAD_REQUEST,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::NotModified => StatusCode::NOT_MODIFIED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, without_numbers(&error.to_string()))
    }
}

/// A message without the numbers of the kernel's errors, whose words are in it already.
fn without_numbers(message: &str) -> String {
    let mut parts = message.split(" (os error ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|it: char| it.is_ascii_digit());
        if let Some(rest) = rest.strip_prefix(')').filter(|_| rest.len() < part.len()) {
            text.push_str(rest);
        } else {
            text.push_str(" (os error ");
            text.push_str(part);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::without_numbers;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        assert_eq!(without_numbers(message), expected);
    }

    #[test]
    fn the_kernels_numbers_are_left_out() {
        check(
            "write x: No space left on device (os error 28)",
            "write x: No space left on device",
        );
        check("a (os error 2): b (os error 13) c", "a: b c");
        check("a (os error x)", "a (os error x)");
        check("a (os error ", "a (os error ");
        check("", "");
    }
}
