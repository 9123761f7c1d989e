//! The API without a socket, on an engine in a folder of its own.

use engine::settings::Settings;
use engine::{Engine, ShimProgram};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;

use crate::api::{About, Api};
use crate::body::{self, Body};

struct Fixture {
    api: Api,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new(folder.path().join("data"), folder.path().join("exec"));
        let engine = Engine::open(settings, ShimProgram::new(&[]).unwrap()).unwrap();
        let about = About {
            version: "0.0.0",
            commit: "",
            built: "",
        };
        Self {
            api: Api::new(engine, about),
            _folder: folder,
        }
    }

    async fn ask(&self, method: &str, path: &str) -> Response<Body> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(body::empty())
            .unwrap();
        self.api.answer(request).await
    }

    async fn status_and_message(&self, method: &str, path: &str) -> (u16, String) {
        let response = self.ask(method, path).await;
        let status = response.status().as_u16();
        let message = json(response).await["message"].as_str().unwrap().to_owned();
        (status, message)
    }
}

async fn json(response: Response<Body>) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_ping_tells_what_clients_negotiate_by() {
    let fixture = Fixture::new();
    for (method, path, expected) in [
        ("GET", "/_ping", "OK"),
        ("HEAD", "/_ping", ""),
        ("GET", "/v1.24/_ping", "OK"),
    ] {
        let response = fixture.ask(method, path).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["Api-Version"], "1.50");
        assert_eq!(response.headers()["Builder-Version"], "1");
        assert_eq!(response.headers()["Docker-Experimental"], "false");
        assert_eq!(response.headers()["Ostype"], "linux");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn the_version_has_the_range_of_the_api() {
    let version = json(Fixture::new().ask("GET", "/version").await).await;
    assert_eq!(version["ApiVersion"], "1.50");
    assert_eq!(version["MinAPIVersion"], "1.24");
    assert_eq!(version["Os"], "linux");
    assert_eq!(version["Components"][0]["Name"], "Engine");
}

#[tokio::test]
async fn what_is_not_there_is_told_by_its_kind() {
    let fixture = Fixture::new();
    for (method, path, status, message) in [
        ("GET", "/nonsense", 404, "page not found"),
        ("GET", "/", 404, "page not found"),
        ("PATCH", "/version", 404, "page not found"),
        ("GET", "/v1.41/nonsense", 404, "page not found"),
        (
            "GET",
            "/v1.99/version",
            400,
            "client version 1.99 is too new. Maximum supported API version is 1.50",
        ),
        (
            "POST",
            "/swarm/init",
            501,
            "swarm init is not supported by this engine yet",
        ),
        ("GET", "/events?filters=x", 400, "invalid filter: "),
        ("GET", "/events?since=soon", 400, "invalid value of since"),
        ("GET", "/%zz", 400, "invalid URL escape \"%zz\""),
    ] {
        let (found, text) = fixture.status_and_message(method, path).await;
        assert_eq!(found, status, "{path}");
        assert!(text.starts_with(message), "{path}: {text}");
    }
}

#[tokio::test]
async fn outside_a_swarm_its_resources_are_refused() {
    let fixture = Fixture::new();
    for path in ["/nodes", "/services", "/v1.30/tasks", "/secrets", "/swarm"] {
        let (status, message) = fixture.status_and_message("GET", path).await;
        assert_eq!(status, 503, "{path}");
        assert!(message.starts_with("This node is not a swarm manager."));
    }
}

#[tokio::test]
async fn events_end_at_their_time() {
    let response = Fixture::new().ask("GET", "/events?since=1&until=2").await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "");
}
