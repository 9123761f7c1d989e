//! webui without a browser: its paths, its JSON, and Redis coming and going.

use redis::Commands;

use crate::harness::http::{Response, get, request};
use crate::harness::redis::{Redis, RedisKind};
use crate::harness::server::{Server, address_in};
use crate::harness::wait_until;

fn json(response: &Response) -> serde_json::Value {
    serde_json::from_slice(&response.body).unwrap()
}

fn counts_as_redis_has_them(kind: RedisKind) {
    let redis = Redis::start(kind);
    let webui = Server::start("webui", &["--redis-url", &redis.url()]);
    let empty = json(&webui.get("/json"));
    assert_eq!(
        (empty["coins"].as_u64(), &empty["hashes"]),
        (Some(0), &serde_json::Value::Null)
    );
    let mut connection = redis.connect();
    let () = connection.incr("hashes", 42).unwrap();
    let () = connection.hset("wallet", "0a", "x").unwrap();
    let response = webui.get("/json");
    assert_eq!(response.header("content-type"), Some("application/json"));
    let text = response.text();
    let now = text
        .strip_prefix(r#"{"coins":1,"hashes":"42","now":"#)
        .unwrap()
        .strip_suffix('}')
        .unwrap();
    let seconds: f64 = now.parse().unwrap();
    let real = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert!((seconds - real.as_secs_f64()).abs() < 60.0, "{seconds}");
}

#[test]
fn counts_as_debians_redis_has_them() {
    counts_as_redis_has_them(RedisKind::Debian);
}

#[test]
fn counts_as_the_store_has_them() {
    counts_as_redis_has_them(RedisKind::Store);
}

#[test]
fn serves_its_page_and_nothing_else() {
    let redis = Redis::start(RedisKind::Store);
    let webui = Server::start("webui", &["--redis-url", &redis.url()]);
    let home = webui.get("/");
    assert_eq!(
        (home.status, home.header("location")),
        (302, Some("/index.html"))
    );
    let page = webui.get("/index.html");
    assert_eq!(page.header("content-type"), Some("text/html"));
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'self'")
    );
    let tag = page.header("etag").unwrap();
    let again = format!(
        "GET /index.html HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(request(webui.address, &again).status, 304);
    for path in [
        "/nothing",
        "/../Cargo.toml",
        "/..%2f..%2fCargo.toml",
        "/page/index.html",
        "//etc/passwd",
    ] {
        assert_eq!(webui.get(path).status, 404, "{path}");
    }
}

#[test]
fn says_when_redis_is_away_and_recovers() {
    for kind in [RedisKind::Debian, RedisKind::Store] {
        let mut redis = Redis::start(kind);
        let webui = Server::start(
            "webui",
            &["--redis-url", &redis.url(), "--metrics-port", "0"],
        );
        let metrics = address_in(&webui.process.line("metrics on http://"));
        assert_eq!(webui.get("/json").status, 200);
        redis.process.kill();
        wait_until("it says so", || webui.get("/json").status == 503);
        wait_until("it says why", || {
            let error = json(&webui.get("/json"))["error"]
                .as_str()
                .unwrap()
                .to_owned();
            error.contains(&format!("cannot reach Redis at {}", redis.address))
                && error.contains("(is it running")
        });
        assert_eq!(webui.get("/index.html").status, 200);
        assert_eq!(get(metrics, "/readyz").status, 503);
        redis.restart();
        wait_until("it recovers", || webui.get("/json").status == 200);
        webui.process.line("answers again");
        assert_eq!(get(metrics, "/readyz").status, 200);
    }
}

#[test]
fn says_when_redis_errs() {
    let redis = Redis::start(RedisKind::Debian);
    let webui = Server::start("webui", &["--redis-url", &redis.url()]);
    let mut connection = redis.connect();
    let () = connection.set("wallet", "mine").unwrap();
    let error = json(&webui.get("/json"))["error"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        error.contains("WRONGTYPE") && error.contains("another program uses the key"),
        "{error}"
    );
    let () = connection.del("wallet").unwrap();
    wait_until("it recovers", || webui.get("/json").status == 200);
}

#[test]
fn a_redis_that_never_answers_holds_nobody_up() {
    // Takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let webui = Server::start("webui", &["--redis-url", &url]);
    let address = webui.address;
    let askers: Vec<_> = (0..20)
        .map(|_| std::thread::spawn(move || get(address, "/json").status))
        .collect();
    assert_eq!(webui.get("/index.html").status, 200);
    // One attempt of two seconds serves all: one after the other they would outlast the harness.
    for asker in askers {
        assert_eq!(asker.join().unwrap(), 503);
    }
}
