//! A registry server: images kept for others, by the distribution protocol.
//!
//! ```text
//! listen (TLS, bounds) ──▶ router: who asks (users) ──▶ what is asked (route, pure) ──▶ answer
//!                                                                  │
//!                              blobs, uploads, manifests, lists ◀──┘──▶ Storage (files)
//! ```
//!
//! A blob is in the storage once, and a repository has it if it was pushed or mounted there: who may read one
//! repository does not see another's blobs by guessing digests. A manifest is taken only when all that it names is
//! there. Whatever the program was doing when it ended, the storage is as it was before or after it.

mod answer;
mod blobs;
mod garbage;
mod listen;
mod lists;
mod manifests;
mod route;
mod storage;
mod uploads;
mod users;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};

use answer::{Code, Refusal};
pub use garbage::{Collected, Untagged, collect_garbage};
pub use listen::{TlsFiles, serve};
use route::Route;
use storage::Storage;
pub use users::{Users, line as user_line};

/// How long an upload may lie untouched.
const UPLOAD_AGE: Duration = Duration::from_hours(24);

/// What a registry is told when it starts.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where it keeps everything.
    pub root: PathBuf,
    /// Who may use it; everybody, if there is no such file.
    pub users: Option<PathBuf>,
    /// Whether what is there can be removed.
    pub deletion: Deletion,
}

/// Whether a registry removes what it is asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deletion {
    /// Manifests, tags and blobs can be removed.
    #[default]
    Allowed,
    /// Nothing can.
    Refused,
}

/// A failure of the registry itself.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A file could not be worked with.
    #[error("{operation} {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file of users has a line that is none.
    #[error("line {line} of {} is not a user and a hashed password", path.display())]
    UserLine {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
    },
    /// TLS cannot be set up.
    #[error("set up TLS with {}: {message}", path.display())]
    Tls {
        /// Which file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Passwords would have to go over connections that anybody can read.
    #[error("a registry with users needs TLS, unless it listens on loopback only")]
    Unprotected,
    /// Connections cannot be taken.
    #[error("listen: {source}")]
    Listen {
        /// Why.
        source: std::io::Error,
    },
    /// There is no randomness to be had.
    #[error("no random bytes from the kernel")]
    Random,
}

/// A registry.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    storage: Storage,
    users: Option<Users>,
    deletion: Deletion,
}

impl Registry {
    /// Opens the registry's storage, or makes it; uploads that nobody finished are removed.
    pub fn open(settings: &Settings) -> Result<Self, ServerError> {
        let storage = Storage::open(&settings.root)?;
        storage.expire_uploads(UPLOAD_AGE)?;
        let users = settings.users.as_deref().map(Users::read).transpose()?;
        Ok(Self {
            inner: Arc::new(Inner {
                storage,
                users,
                deletion: settings.deletion,
            }),
        })
    }

    /// The registry as a function from requests to answers.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Whether it asks who one is.
    pub fn has_users(&self) -> bool {
        self.inner.users.is_some()
    }

    /// Removes uploads that nobody has touched for a day. Blocks.
    pub fn expire_uploads(&self) -> Result<usize, ServerError> {
        self.inner.storage.expire_uploads(UPLOAD_AGE)
    }

    fn storage(&self) -> &Storage {
        &self.inner.storage
    }

    /// Does something with the storage on a thread that may block.
    async fn on_storage<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Storage) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let registry = self.clone();
        tokio::task::spawn_blocking(move || work(registry.storage()))
            .await
            .map_err(|_| Refusal::internal("a thread of the registry ended"))?
    }
}

async fn handle(State(registry): State<Registry>, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    let mut response = match answer(&registry, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(
        "docker-distribution-api-version",
        HeaderValue::from_static("registry/2.0"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if head {
        // The length stays, the contents do not.
        *response.body_mut() = Body::empty();
    }
    response
}

async fn answer(registry: &Registry, request: Request) -> Result<Response, Refusal> {
    if let Some(users) = &registry.inner.users {
        users.admit(request.headers()).await?;
    }
    let route = route::parse(request.uri().path())?;
    let method = request.method().clone();
    let reads = matches!(method, Method::GET | Method::HEAD);
    match route {
        Route::Base if reads => {
            let mut response = Response::new(Body::from("{}"));
            let kind = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            Ok(response)
        }
        Route::Catalog if reads => lists::catalog(registry, request.uri()).await,
        Route::Tags(name) if reads => lists::tags(registry, name, request.uri()).await,
        Route::Manifest(name, reference) => match method {
            Method::GET | Method::HEAD => manifests::get(registry, name, reference).await,
            Method::PUT => manifests::put(registry, name, reference, request).await,
            Method::DELETE => {
                registry.may_delete()?;
                manifests::delete(registry, name, reference).await
            }
            _ => Err(Refusal::method()),
        },
        Route::Blob(name, digest) => match method {
            Method::GET | Method::HEAD => {
                blobs::get(registry, name, digest, request.headers()).await
            }
            Method::DELETE => {
                registry.may_delete()?;
                blobs::delete(registry, name, digest).await
            }
            _ => Err(Refusal::method()),
        },
        Route::NewUpload(name) if method == Method::POST => {
            uploads::begin(registry, name, request).await
        }
        Route::Upload(name, upload) => match method {
            Method::GET => uploads::status(registry, &name, &upload),
            Method::PATCH => uploads::go_on(registry, name, upload, request).await,
            Method::PUT => uploads::finish(registry, name, upload, request).await,
            Method::DELETE => uploads::give_up(registry, &name, &upload),
            _ => Err(Refusal::method()),
        },
        Route::Base | Route::Catalog | Route::Tags(_) | Route::NewUpload(_) => {
            Err(Refusal::method())
        }
    }
}

impl Registry {
    fn may_delete(&self) -> Result<(), Refusal> {
        match self.inner.deletion {
            Deletion::Allowed => Ok(()),
            Deletion::Refused => Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                Code::Unsupported,
                "this registry removes nothing",
            )),
        }
    }
}
