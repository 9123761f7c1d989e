//! Our registry and our client, with each other and with skopeo; and registries that lie, break off or redirect.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use futures_util::stream;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use image::registry::client::{Client, Settings};
use image::registry::server::{self, Registry, Untagged, collect_garbage, user_line};
use image::{Progress, Store};
use model::api::system::AuthConfig;
use model::reference::Reference;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::sample::{changes, image_on, store_with};

fn registry(root: &Path) -> Registry {
    Registry::open(&server::Settings {
        root: root.to_owned(),
        ..server::Settings::default()
    })
    .unwrap()
}

/// Serves a registry for as long as the runtime lives.
async fn serve(registry: &Registry) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let registry = registry.clone();
    tokio::spawn(async move {
        let never = std::future::pending();
        server::serve(&registry, listener, None, never)
            .await
            .unwrap();
    });
    address
}

/// Serves what answers each request.
async fn serve_with<F, A>(answer: F) -> SocketAddr
where
    F: Fn(Request) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn client() -> Client {
    Client::new(Settings {
        user_agent: "test".to_owned(),
        ..Settings::default()
    })
    .unwrap()
}

fn name(address: SocketAddr, rest: &str) -> Reference {
    format!("{address}/{rest}").parse().unwrap()
}

async fn push(store: &Store, name: &Reference, auth: &AuthConfig) -> image::Result<()> {
    let image = store.resolve("busybox").unwrap();
    store.tag(image.id, name).unwrap();
    client().push(store, name, auth, &Progress::none()).await
}

async fn pull(store: &Store, name: &Reference) -> image::Result<model::digest::ImageId> {
    let nobody = AuthConfig::default();
    client()
        .pull(store, name, &nobody, None, &Progress::none())
        .await
}

async fn skopeo(arguments: &[&str]) -> Output {
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    tokio::task::spawn_blocking(move || Command::new("skopeo").args(arguments).output().unwrap())
        .await
        .unwrap()
}

#[track_caller]
fn is_empty(path: &Path) {
    assert!(
        std::fs::read_dir(path).unwrap().next().is_none(),
        "{}",
        path.display()
    );
}

#[tokio::test]
async fn what_is_pushed_can_be_pulled_and_is_not_pushed_twice() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder.path().join("registry"));
    let address = serve(&registry).await;
    let store = store_with(&folder.path().join("one"), "busybox");
    let base = store.resolve("busybox").unwrap();
    let upper = folder.path().join("upper");
    changes(&upper, "hello");
    let image = image_on(&store, &base, &upper);
    let target = name(address, "team/app:1");
    store.tag(image.id, &target).unwrap();
    let nobody = AuthConfig::default();
    let lines = |store: Store, target: Reference| {
        let nobody = nobody.clone();
        async move {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(10_000);
            let progress = Progress::to(sender);
            client()
                .push(&store, &target, &nobody, &progress)
                .await
                .unwrap();
            drop(progress);
            let mut lines = Vec::new();
            while let Some(line) = receiver.recv().await {
                lines.push(line.status.unwrap_or_default());
            }
            lines
        }
    };
    let first = lines(store.clone(), target.clone()).await;
    assert!(first.contains(&"Pushed".to_owned()), "{first:?}");
    assert!(
        first
            .iter()
            .any(|line| line.starts_with("1: digest: sha256:"))
    );
    let again = lines(store.clone(), target.clone()).await;
    assert!(!again.contains(&"Pushed".to_owned()), "{again:?}");
    let elsewhere = name(address, "team/other:1");
    store.tag(image.id, &elsewhere).unwrap();
    let mounted = lines(store.clone(), elsewhere).await;
    assert!(
        mounted.contains(&"Mounted from team/app".to_owned()),
        "{mounted:?}"
    );
    let other = Store::open(folder.path().join("two")).unwrap();
    assert_eq!(pull(&other, &target).await.unwrap(), image.id);
    let pulled = other.get(image.id).unwrap();
    let names = other.names_of(image.id);
    assert_eq!((names.tags.len(), names.digests.len()), (1, 1));
    for layer in pulled.layers() {
        other.write_archive(*layer, std::io::sink()).unwrap();
    }
    let by_digest = names.digests[0].clone();
    assert_eq!(pull(&other, &by_digest).await.unwrap(), image.id);
    let tags = client().tags(&target, &nobody).await.unwrap();
    assert_eq!(tags, ["1"]);
    let about = client().distribution(&target, &nobody).await.unwrap();
    assert_eq!(
        about.descriptor.digest,
        by_digest.digest().unwrap().to_string()
    );
    is_empty(&folder.path().join("two/incoming"));
    is_empty(&folder.path().join("registry/uploads"));
}

#[tokio::test]
async fn skopeo_pulls_from_it_and_pushes_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder.path().join("registry"));
    let address = serve(&registry).await;
    let store = store_with(&folder.path().join("store"), "busybox");
    let id = store.resolve("busybox").unwrap().id;
    push(&store, &name(address, "ours:1"), &AuthConfig::default())
        .await
        .unwrap();
    for (format, target) in [("v2s2", "theirs:docker"), ("oci", "theirs:oci")] {
        let output = skopeo(&[
            "copy",
            "--insecure-policy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            "--format",
            format,
            &format!("docker://{address}/ours:1"),
            &format!("docker://{address}/{target}"),
        ])
        .await;
        assert!(output.status.success(), "{output:?}");
        let other = Store::open(folder.path().join(format)).unwrap();
        let pulled = pull(&other, &name(address, target)).await.unwrap();
        // On the way to OCI's form skopeo writes the configuration anew.
        assert!(format == "oci" || pulled == id);
        let layers = |store: &Store, id| store.get(id).unwrap().layers().to_vec();
        assert_eq!(layers(&other, pulled), layers(&store, id));
    }
    let output = skopeo(&[
        "list-tags",
        "--tls-verify=false",
        &format!("docker://{address}/theirs"),
    ])
    .await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("\"docker\"") && text.contains("\"oci\""),
        "{text}"
    );
    let output = skopeo(&[
        "delete",
        "--tls-verify=false",
        &format!("docker://{address}/theirs:oci"),
    ])
    .await;
    assert!(output.status.success(), "{output:?}");
    let error = pull(&store, &name(address, "theirs:oci"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("manifest unknown"), "{error}");
}

#[tokio::test]
async fn only_users_get_in() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    std::fs::write(&users, user_line("ann", "secret").unwrap()).unwrap();
    let registry = Registry::open(&server::Settings {
        root: folder.path().join("registry"),
        users: Some(users),
        ..server::Settings::default()
    })
    .unwrap();
    let address = serve(&registry).await;
    let store = store_with(&folder.path().join("store"), "busybox");
    let target = name(address, "private:1");
    let auth = |password: &str| AuthConfig {
        username: "ann".to_owned(),
        password: password.to_owned(),
        serveraddress: address.to_string(),
        ..AuthConfig::default()
    };
    let error = push(&store, &target, &AuthConfig::default())
        .await
        .unwrap_err();
    assert!(error.is_unauthorized(), "{error}");
    assert!(
        client()
            .log_in(&auth("wrong"))
            .await
            .unwrap_err()
            .is_unauthorized()
    );
    client().log_in(&auth("secret")).await.unwrap();
    push(&store, &target, &auth("secret")).await.unwrap();
    let other = Store::open(folder.path().join("other")).unwrap();
    let error = pull(&other, &target).await.unwrap_err();
    assert!(error.to_string().contains("pull access denied"), "{error}");
    let output = skopeo(&[
        "inspect",
        "--tls-verify=false",
        "--creds",
        "ann:secret",
        &format!("docker://{target}"),
    ])
    .await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder.path().join("registry"));
    let behind = serve(&registry).await;
    let store = store_with(&folder.path().join("store"), "busybox");
    push(&store, &name(behind, "a:1"), &AuthConfig::default())
        .await
        .unwrap();
    let router = registry.router();
    let (ranges, broken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let address = serve_with({
        let (ranges, broken) = (Arc::clone(&ranges), Arc::clone(&broken));
        move |request: Request| {
            let (router, ranges, broken) =
                (router.clone(), Arc::clone(&ranges), Arc::clone(&broken));
            async move {
                if request.headers().contains_key(header::RANGE) {
                    ranges.fetch_add(1, Ordering::Relaxed);
                }
                let is_blob =
                    request.method() == Method::GET && request.uri().path().contains("/blobs/");
                let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
                let bytes = body.collect().await.unwrap().to_bytes();
                if !is_blob || bytes.len() < 100_000 || broken.load(Ordering::Relaxed) > 2 {
                    return Response::from_parts(parts, Body::from(bytes));
                }
                broken.fetch_add(1, Ordering::Relaxed);
                let half = bytes.slice(..bytes.len() / 2);
                let pieces = [Ok(half), Err(std::io::Error::other("broken"))];
                Response::from_parts(parts, Body::from_stream(stream::iter(pieces)))
            }
        }
    })
    .await;
    let other = Store::open(folder.path().join("other")).unwrap();
    pull(&other, &name(address, "a:1")).await.unwrap();
    assert_eq!(broken.load(Ordering::Relaxed), 3);
    assert_eq!(ranges.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn credentials_stay_with_their_registry() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder.path().join("registry"));
    let behind = serve(&registry).await;
    let store = store_with(&folder.path().join("store"), "busybox");
    push(&store, &name(behind, "a:1"), &AuthConfig::default())
        .await
        .unwrap();
    let router = registry.router();
    let (seen, leaked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let elsewhere = serve_with({
        let (router, leaked) = (router.clone(), Arc::clone(&leaked));
        move |request: Request| {
            let (router, leaked) = (router.clone(), Arc::clone(&leaked));
            async move {
                if request.headers().contains_key(header::AUTHORIZATION) {
                    leaked.fetch_add(1, Ordering::Relaxed);
                }
                router.oneshot(request).await.unwrap()
            }
        }
    })
    .await;
    let front = serve_with({
        let seen = Arc::clone(&seen);
        move |request: Request| {
            let (router, seen) = (router.clone(), Arc::clone(&seen));
            async move {
                if !request.headers().contains_key(header::AUTHORIZATION) {
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::UNAUTHORIZED;
                    let basic = HeaderValue::from_static("Basic realm=\"x\"");
                    response
                        .headers_mut()
                        .insert(header::WWW_AUTHENTICATE, basic);
                    return response;
                }
                seen.fetch_add(1, Ordering::Relaxed);
                if request.uri().path().contains("/blobs/") {
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
                    let target = format!("http://{elsewhere}{}", request.uri().path());
                    let target = HeaderValue::from_str(&target).unwrap();
                    response.headers_mut().insert(header::LOCATION, target);
                    return response;
                }
                router.oneshot(request).await.unwrap()
            }
        }
    })
    .await;
    let auth = AuthConfig {
        username: "ann".to_owned(),
        password: "secret".to_owned(),
        ..AuthConfig::default()
    };
    let other = Store::open(folder.path().join("other")).unwrap();
    client()
        .pull(&other, &name(front, "a:1"), &auth, None, &Progress::none())
        .await
        .unwrap();
    assert!(seen.load(Ordering::Relaxed) > 1);
    assert_eq!(leaked.load(Ordering::Relaxed), 0);
}

/// What a registry says instead, by path and truth.
type Lie = fn(&str, Vec<u8>) -> Vec<u8>;

#[tokio::test]
async fn a_registry_that_lies_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder.path().join("registry"));
    let behind = serve(&registry).await;
    let store = store_with(&folder.path().join("store"), "busybox");
    push(&store, &name(behind, "a:1"), &AuthConfig::default())
        .await
        .unwrap();
    let flip: Lie = |_, mut bytes| {
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        bytes
    };
    let lies: [(&str, Lie, &str); 5] = [
        ("/manifests/", flip, "manifest has the digest"),
        ("/blobs/", flip, "has the digest"),
        (
            "/manifests/",
            |_, _| br#"{"schemaVersion":1,"fsLayers":[]}"#.to_vec(),
            "schema 1",
        ),
        ("/manifests/", |_, _| vec![b'['; 5_000_000], "longer than"),
        (
            "/blobs/",
            |_, bytes| [bytes, vec![0; 1_000]].concat(),
            "longer than",
        ),
    ];
    for (number, (path, lie, words)) in lies.into_iter().enumerate() {
        let router = registry.router();
        let address = serve_with(move |request: Request| {
            let router = router.clone();
            async move {
                let asked = request.uri().path().to_owned();
                let response = router.oneshot(request).await.unwrap();
                let (mut parts, body) = response.into_parts();
                let mut bytes = body.collect().await.unwrap().to_bytes();
                let is_config = bytes.first() == Some(&b'{') && asked.contains("/blobs/");
                if asked.contains(path) && !is_config {
                    bytes = Bytes::from(lie(&asked, bytes.to_vec()));
                    parts.headers.remove(header::CONTENT_LENGTH);
                    if words == "schema 1" || words == "longer than" {
                        parts.headers.remove("docker-content-digest");
                    }
                }
                Response::from_parts(parts, Body::from(bytes))
            }
        })
        .await;
        let root = folder.path().join(format!("store-{number}"));
        let other = Store::open(&root).unwrap();
        let error = pull(&other, &name(address, "a:1")).await.unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(other.list().is_empty());
        for directory in ["incoming", "layers", "recipes"] {
            is_empty(&root.join(directory));
        }
    }
}

#[tokio::test]
async fn garbage_goes_and_what_is_needed_stays() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("registry");
    let registry = registry(&root);
    let address = serve(&registry).await;
    let store = store_with(&folder.path().join("store"), "busybox");
    let target = name(address, "a:1");
    push(&store, &target, &AuthConfig::default()).await.unwrap();
    let nothing = collect_garbage(&root, Untagged::Remove, Duration::ZERO).unwrap();
    assert_eq!((nothing.blobs, nothing.manifests), (0, 0));
    let request = Request::delete(format!("/v2/{}/manifests/1", target.repository().path()))
        .body(Body::empty())
        .unwrap();
    let response = registry.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let kept = collect_garbage(&root, Untagged::Keep, Duration::ZERO).unwrap();
    assert_eq!(kept.blobs, 0, "the manifest can still be had by its digest");
    let hour = Duration::from_hours(1);
    let spared = collect_garbage(&root, Untagged::Remove, hour).unwrap();
    assert_eq!((spared.manifests, spared.blobs), (1, 0));
    let gone = collect_garbage(&root, Untagged::Remove, Duration::ZERO).unwrap();
    assert!(gone.blobs >= 3 && gone.bytes > 0, "{gone:?}");
    is_empty(&root.join("blobs/sha256"));
}

#[tokio::test]
async fn uploads_come_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let router = registry(folder.path()).router();
    let send = async |method: Method, uri: &str, headers: &[(&str, &str)], body: &'static str| {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    let location = |response: &Response| {
        let value = &response.headers()[header::LOCATION];
        value.to_str().unwrap().to_owned()
    };
    let begun = send(Method::POST, "/v2/a/b/blobs/uploads/", &[], "").await;
    assert_eq!(begun.status(), StatusCode::ACCEPTED);
    let upload = location(&begun);
    let first = [("content-range", "0-4")];
    let response = send(Method::PATCH, &upload, &first, "hello").await;
    assert_eq!(response.headers()[header::RANGE], "0-4");
    let wrong = [("content-range", "3-7")];
    let response = send(Method::PATCH, &upload, &wrong, "lo wo").await;
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let response = send(Method::GET, &upload, &[], "").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let response = send(Method::PATCH, &upload.replace("/a/b/", "/c/"), &[], "x").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND, "another's upload");
    let digest = "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
    let end = format!("{upload}?digest={digest}");
    let response = send(Method::PUT, &end, &[], " world").await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let blob = format!("/v2/a/b/blobs/{digest}");
    let response = send(Method::GET, &blob, &[("range", "bytes=6-")], "").await;
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(bytes, "world");
    let response = send(Method::GET, &blob.replace("a/b", "c"), &[], "").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND, "another's blob");
    let mount = format!("/v2/c/blobs/uploads/?mount={digest}&from=a/b");
    let response = send(Method::POST, &mount, &[], "").await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let response = send(Method::HEAD, &blob.replace("a/b", "c"), &[], "").await;
    assert_eq!(response.headers()[header::CONTENT_LENGTH], "11");
    let whole = format!("/v2/d/blobs/uploads/?digest={digest}");
    let response = send(Method::POST, &whole, &[], "hello worlds").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let response = send(Method::POST, &whole, &[], "hello world").await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let manifest = r#"{"schemaVersion":2}"#;
    let response = send(Method::PUT, "/v2/a/b/manifests/x", &[], manifest).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let response = send(Method::GET, "/v2/a/b/tags/list", &[], "").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    is_empty(&folder.path().join("uploads"));
}
