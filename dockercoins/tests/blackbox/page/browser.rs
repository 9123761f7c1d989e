//! Chromium without a window, on a profile of its own, driven by chromedriver.

use std::time::Duration;

use fantoccini::actions::{InputSource, MouseActions, PointerAction};
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::harness::PATIENCE;
use crate::harness::folder::Folder;
use crate::harness::process::{Process, other_program};
use crate::page::backend::Backend;

const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    // Tests run as root in containers, where Chromium's sandbox cannot.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    // Over a pipe: Chromium ends when chromedriver does, also when that is killed.
    "--remote-debugging-pipe",
];

/// What chromedriver says before its port.
const STARTED: &str = "started successfully on port ";

/// A browser with the page in it.
pub(crate) struct Browser {
    client: Client,
    origin: String,
    // The driver is dropped first, then the folder that it has Chromium write into.
    _driver: Process,
    _folder: Folder,
}

impl Browser {
    /// Starts Chromium and opens the page.
    pub(crate) async fn open(backend: &Backend) -> Self {
        let folder = Folder::new();
        let mut command = other_program("chromedriver", &["--port=0"]);
        // Chromium has more to write than its profile.
        command.env("TMPDIR", folder.path());
        let driver = Process::spawn(command);
        let line = driver.line(STARTED);
        let port = line.split_once(STARTED).unwrap().1.trim_end_matches('.');
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&folder))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromedriver starts Chromium");
        let origin = backend.webui.url("http");
        let browser = Self {
            client,
            origin,
            _driver: driver,
            _folder: folder,
        };
        let recorder = json!({ "source": include_str!("recorder.js") });
        browser
            .devtools("Page.addScriptToEvaluateOnNewDocument", recorder)
            .await;
        browser.client.goto(&browser.origin).await.unwrap();
        browser
    }

    /// Ends the browser, having seen that the page made no error and asked nothing of anyone but webui.
    pub(crate) async fn close(self) {
        let errors = self.console_errors().await;
        assert!(errors.is_empty(), "errors in the console: {errors:#?}");
        let requested = self.requested().await;
        let asked = |file: &str| requested.contains(&format!("{}/{file}", self.origin));
        assert!(
            asked("json") && asked("app.js"),
            "the page asked only for {requested:?}"
        );
        let origin = format!("{}/", self.origin);
        let elsewhere = |url: &&String| !url.starts_with(&origin) && !url.starts_with("data:");
        let elsewhere: Vec<_> = requested.iter().filter(elsewhere).collect();
        assert!(elsewhere.is_empty(), "requests to others: {elsewhere:?}");
        self.client.close().await.unwrap();
    }

    /// The value of a script that returns one.
    pub(crate) async fn value(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// The value that a script's promise comes to; the script is the body of an async function.
    pub(crate) async fn promised(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[0];
             (async () => {{ {script} }})().then(done, (error) => done(`failed: ${{error.stack}}`));"
        );
        self.client
            .execute_async(&script, Vec::new())
            .await
            .unwrap()
    }

    /// The text of the element with this id.
    pub(crate) async fn text(&self, id: &str) -> String {
        let text = self.value(&text_script(id)).await;
        text.as_str().unwrap().to_owned()
    }

    /// Waits until a script's value is as wanted, and returns it.
    #[track_caller]
    pub(crate) fn until(
        &self,
        script: impl Into<String>,
        wanted: impl Fn(&Value) -> bool,
    ) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        let script = script.into();
        async move {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let value = self.value(&script).await;
                if wanted(&value) {
                    return value;
                }
                assert!(
                    Instant::now() < deadline,
                    "{caller}: {script}\nstayed at {value:#}"
                );
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Waits until the element with this id says this.
    #[track_caller]
    pub(crate) fn until_text(&self, id: &str, text: &str) -> impl Future<Output = Value> {
        let text = text.to_owned();
        self.until(text_script(id), move |value| *value == text)
    }

    /// Presses a key, as `WebDriver` writes it, in what has the focus.
    pub(crate) async fn press(&self, key: impl Into<char>) {
        let focused = self.client.active_element().await.unwrap();
        focused.send_keys(&key.into().to_string()).await.unwrap();
    }

    /// Moves the mouse over the element with this id, to so many pixels right of its middle.
    pub(crate) async fn point_at(&self, id: &str, x: f64) {
        let element = self.client.find(Locator::Id(id)).await.unwrap();
        let target = PointerAction::MoveToElement {
            element,
            duration: None,
            x,
            y: 0.0,
        };
        let mouse = MouseActions::new("mouse".to_owned()).then(target);
        self.client.perform_actions(mouse).await.unwrap();
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// Makes the window as wide and high as a device's.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let device = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", device)
            .await;
    }

    /// Makes the system prefer a theme, `light` or `dark`.
    pub(crate) async fn prefer(&self, theme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    async fn devtools(&self, command: &'static str, parameters: Value) {
        let command = Command {
            path: "goog/cdp/execute",
            body: json!({ "cmd": command, "params": parameters }),
        };
        self.client.issue_cmd(command).await.unwrap();
    }

    /// What the page wrote into the console as an error or threw. A request that failed is no such error: the
    /// browser notes each by itself.
    async fn console_errors(&self) -> Vec<Value> {
        let mut entries = self.log("browser").await.unwrap();
        entries.retain(|entry| entry["level"] == "SEVERE" && entry["source"] != "network");
        entries
    }

    /// The addresses that the page, not the browser's own first one, asked for.
    async fn requested(&self) -> Vec<String> {
        let entries = self.log("performance").await.unwrap();
        let messages = entries
            .iter()
            .map(|entry| entry["message"].as_str().unwrap());
        let events = messages.map(|message| serde_json::from_str::<Value>(message).unwrap());
        let url = |event: Value| {
            let event = &event["message"];
            if event["method"] != "Network.requestWillBeSent" {
                return None;
            }
            let document = event["params"]["documentURL"].as_str().unwrap();
            let url = event["params"]["request"]["url"].as_str().unwrap();
            document.starts_with(&self.origin).then(|| url.to_owned())
        };
        events.filter_map(url).collect()
    }

    async fn log(&self, kind: &'static str) -> Result<Vec<Value>, CmdError> {
        let command = Command {
            path: "se/log",
            body: json!({ "type": kind }),
        };
        let entries = self.client.issue_cmd(command).await?;
        Ok(entries.as_array().unwrap().clone())
    }
}

fn text_script(id: &str) -> String {
    format!("return document.getElementById('{id}').textContent")
}

fn capabilities(folder: &Folder) -> Map<String, Value> {
    let profile = format!("--user-data-dir={}/profile", folder.as_str());
    let arguments: Vec<_> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
    let capabilities = json!({
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    });
    capabilities.as_object().unwrap().clone()
}

/// A command of chromedriver's own, under the session.
#[derive(Debug)]
struct Command {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.path
        ))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
