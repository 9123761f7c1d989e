//! The API as a function from request to answer. It needs no socket: tests call it as it is.

use std::sync::Arc;

use engine::Engine;
use http::header::SERVER;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;

use crate::api_version::{self, NEWEST};
use crate::body::{self, Body, Held};
use crate::call::Call;
use crate::failure::{Failure, Result};
use crate::query::{Plus, Query, decode};
use crate::routes;

/// What the API says about the program that it is a part of.
#[derive(Debug, Clone)]
pub struct About {
    /// The version of the program.
    pub version: &'static str,
    /// The commit it was built from, if that is known.
    pub commit: &'static str,
    /// When it was built, if that is known.
    pub built: &'static str,
}

/// The API of one engine. Clones are the same one.
#[derive(Clone)]
pub struct Api {
    engine: Engine,
    about: Arc<About>,
}

impl Api {
    /// The API of `engine`.
    pub fn new(engine: Engine, about: About) -> Self {
        Self {
            engine,
            about: Arc::new(about),
        }
    }

    /// Answers one request. Whoever drops this future has hung up.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let is_head = request.method() == Method::HEAD;
        let mut response = match self.route(request).await {
            Ok(response) => response,
            Err(failure) => failure.response(),
        };
        let headers = response.headers_mut();
        headers.insert("Api-Version", HeaderValue::from_static("1.50"));
        headers.insert("Docker-Experimental", HeaderValue::from_static("false"));
        headers.insert("Ostype", HeaderValue::from_static("linux"));
        let server = format!("Essaim/{} (linux)", self.about.version);
        if let Ok(server) = HeaderValue::from_str(&server) {
            headers.insert(SERVER, server);
        }
        if is_head {
            *response.body_mut() = body::empty();
        }
        response
    }

    async fn route(&self, request: Request<Body>) -> Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let held = Held::new(body);
        let result = self.handle(parts, held.clone().boxed_unsync()).await;
        if result.is_err() {
            held.drain().await;
        }
        result
    }

    async fn handle(&self, mut parts: Parts, body: Body) -> Result<Response<Body>> {
        let path = decode(parts.uri.path(), Plus::IsPlus)?;
        let (version, path) =
            api_version::split(&path).map_err(|error| Failure::bad_request(error.to_string()))?;
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        tracing::debug!(method = %parts.method, path, %version, "a request");
        let call = Call {
            engine: self.engine.clone(),
            about: Arc::clone(&self.about),
            version,
            query,
            upgrade: parts.extensions.remove(),
            headers: parts.headers,
            body,
        };
        debug_assert!(version <= NEWEST);
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match routes::find(&parts.method, &segments, call) {
            Some(work) => work.await,
            None => Err(Failure::no_such_page()),
        }
    }
}
