//! A repository at a registry, and the proof of who asks.
//!
//! The first request goes without proof. What the registry then asks for is got once and sent with all that
//! follow, to this registry only.

use std::time::Duration;

use data_encoding::BASE64;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use ipnet::IpNet;
use model::api::system::AuthConfig;
use model::reference::{DEFAULT_REGISTRY, Reference};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::Client;
use super::error::RegistryError;
use super::http::{Answer, Http, Sent, authority};
use super::tls::Verify;
use crate::error::Result;

/// Where Docker's own registry really is.
const DEFAULT_REGISTRY_HOST: &str = "registry-1.docker.io";

/// Redirects from one to the next.
const MAX_REDIRECTS: usize = 5;

/// No token or error message is longer.
const MAX_MESSAGE_BYTES: u64 = 1024 * 1024;

/// How often a request is made, and what is waited before the second time; it doubles each time.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
    LogIn,
}

/// A registry: where it is, and whether its certificate counts.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) base: Url,
    pub(super) verify: Verify,
}

/// Asks a registry about one repository.
pub(super) struct Session<'client> {
    http: &'client Http,
    endpoint: Endpoint,
    repository: String,
    auth: AuthConfig,
    access: Access,
    /// A repository that may be read too, for a layer that is mounted from it.
    also: Option<String>,
    proof: Mutex<Option<HeaderValue>>,
}

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

impl Client {
    /// Finds out how the registry is spoken to.
    pub(super) async fn endpoint(&self, host: &str) -> Result<Endpoint> {
        let host = if host == DEFAULT_REGISTRY {
            DEFAULT_REGISTRY_HOST
        } else {
            host
        };
        let url = |scheme: &str| {
            let text = format!("{scheme}://{host}/");
            Url::parse(&text).map_err(|source| RegistryError::Url { text, source })
        };
        let secure = url("https")?;
        if !is_insecure(&secure, host, &self.settings.insecure) {
            return Ok(Endpoint {
                base: secure,
                verify: Verify::Yes,
            });
        }
        let endpoint = Endpoint {
            base: secure,
            verify: Verify::No,
        };
        match self.knock(&endpoint).await {
            Ok(()) => Ok(endpoint),
            Err(RegistryError::Connection { .. }) => {
                let plain = Endpoint {
                    base: url("http")?,
                    verify: Verify::No,
                };
                self.knock(&plain).await?;
                Ok(plain)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The mirrors of Docker's own registry.
    pub(super) fn mirrors(&self) -> Vec<Endpoint> {
        self.settings
            .mirrors
            .iter()
            .filter_map(|text| Url::parse(text).ok())
            .map(|mut base| {
                if !base.path().ends_with('/') {
                    base.set_path(&format!("{}/", base.path()));
                }
                let host = authority(&base);
                let verify = if is_insecure(&base, &host, &self.settings.insecure) {
                    Verify::No
                } else {
                    Verify::Yes
                };
                Endpoint { base, verify }
            })
            .collect()
    }

    async fn knock(&self, endpoint: &Endpoint) -> Result<(), RegistryError> {
        let url = join(&endpoint.base, "v2/")?;
        let verify = endpoint.verify;
        self.http
            .send(Method::GET, url, &[], Sent::Nothing, verify)
            .await?;
        Ok(())
    }
}

impl<'client> Session<'client> {
    pub(super) fn new(
        client: &'client Client,
        endpoint: Endpoint,
        repository: &str,
        auth: &AuthConfig,
        access: Access,
    ) -> Self {
        Self {
            http: &client.http,
            endpoint,
            repository: repository.to_owned(),
            auth: auth.clone(),
            access,
            also: None,
            proof: Mutex::new(None),
        }
    }

    /// The same, also allowed to read another repository of the registry.
    pub(super) fn and_reading(mut self, repository: &str) -> Self {
        self.also = Some(repository.to_owned());
        self
    }

    pub(super) fn registry(&self) -> String {
        authority(&self.endpoint.base)
    }

    /// The URL of something of the repository.
    pub(super) fn url(&self, rest: &str) -> Result<Url, RegistryError> {
        let path = format!("v2/{}/{rest}", self.repository);
        join(&self.endpoint.base, &path)
    }

    pub(super) async fn get(
        &self,
        url: Url,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer, RegistryError> {
        self.ask(Method::GET, url, headers, Sent::Nothing).await
    }

    /// Asks, as often as it takes to prove who asks, to get past passing failures, and to follow redirects.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: Url,
        headers: &[(HeaderName, HeaderValue)],
        sent: Sent,
    ) -> Result<Answer, RegistryError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            let asked = self
                .ask_once(method.clone(), url.clone(), headers, sent.clone())
                .await;
            match asked {
                Ok(answer) if is_passing(answer.status()) => {}
                Err(error) if error.is_passing() => {}
                other => return other,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.ask_once(method, url, headers, sent).await
    }

    async fn ask_once(
        &self,
        method: Method,
        url: Url,
        headers: &[(HeaderName, HeaderValue)],
        sent: Sent,
    ) -> Result<Answer, RegistryError> {
        let before = self.proof.lock().await.clone();
        let answer = self
            .send(&method, url.clone(), headers, sent.clone(), before.as_ref())
            .await?;
        let answer = if answer.status() == StatusCode::UNAUTHORIZED {
            match self.prove(&answer, before.as_ref()).await? {
                None => answer,
                proof => {
                    let proof = proof.as_ref();
                    self.send(&method, url, headers, sent, proof).await?
                }
            }
        } else {
            answer
        };
        self.follow(answer, headers).await
    }

    async fn send(
        &self,
        method: &Method,
        url: Url,
        headers: &[(HeaderName, HeaderValue)],
        sent: Sent,
        proof: Option<&HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let mut headers = headers.to_vec();
        // An upload's address may be anywhere; proof goes to the registry itself only.
        if let Some(proof) = proof
            && url.origin() == self.endpoint.base.origin()
        {
            headers.push((header::AUTHORIZATION, proof.clone()));
        }
        self.http
            .send(method.clone(), url, &headers, sent, self.endpoint.verify)
            .await
    }

    /// Follows redirects of requests that change nothing, without proof.
    async fn follow(
        &self,
        mut answer: Answer,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer, RegistryError> {
        for _ in 0..MAX_REDIRECTS {
            let follows = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308)
                && matches!(answer.method, Method::GET | Method::HEAD);
            let Some(location) = answer.header("location").filter(|_| follows) else {
                return Ok(answer);
            };
            let refused = || RegistryError::Redirect {
                url: location.to_owned(),
            };
            let next = answer.url.join(location).map_err(|_| refused())?;
            let weaker = answer.url.scheme() == "https" && next.scheme() != "https";
            if weaker || !matches!(next.scheme(), "https" | "http") {
                return Err(refused());
            }
            // That one registry was called insecure says nothing about another host.
            let verify = if next.origin() == self.endpoint.base.origin() {
                self.endpoint.verify
            } else {
                Verify::Yes
            };
            let method = answer.method.clone();
            answer = self
                .http
                .send(method, next, headers, Sent::Nothing, verify)
                .await?;
        }
        Err(RegistryError::Redirect {
            url: answer.url.to_string(),
        })
    }

    /// Gets what the registry asks for. Nothing, if there is none that was not tried already.
    async fn prove(
        &self,
        answer: &Answer,
        tried: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let mut proof = self.proof.lock().await;
        if proof.is_some() && proof.as_ref() != tried {
            // Another request has got one in the meantime.
            return Ok(proof.clone());
        }
        let Some(challenge) = challenge(&answer.headers("www-authenticate"))? else {
            return Ok(None);
        };
        let text = match challenge {
            Challenge::Basic => self.basic()?,
            Challenge::Bearer { realm, service } => {
                let token = self.token(&realm, service.as_deref()).await?;
                Some(format!("Bearer {}", token.token))
            }
        };
        let Some(text) = text else { return Ok(None) };
        let mut value = HeaderValue::from_str(&text).map_err(|_| RegistryError::Unauthorized {
            message: "credentials with characters that cannot be sent".to_owned(),
        })?;
        value.set_sensitive(true);
        if Some(&value) == tried {
            return Ok(None);
        }
        *proof = Some(value.clone());
        Ok(Some(value))
    }

    /// The credentials as a header, if there are any.
    fn basic(&self) -> Result<Option<String>, RegistryError> {
        if !self.auth.auth.is_empty() && self.auth.username.is_empty() {
            return Ok(Some(format!("Basic {}", self.auth.auth)));
        }
        if self.auth.username.is_empty() {
            return Ok(None);
        }
        if self.endpoint.base.scheme() != "https" && self.endpoint.verify == Verify::Yes {
            return Err(RegistryError::Unprotected {
                url: self.endpoint.base.to_string(),
            });
        }
        let pair = format!("{}:{}", self.auth.username, self.auth.password);
        Ok(Some(format!("Basic {}", BASE64.encode(pair.as_bytes()))))
    }

    async fn token(&self, realm: &str, service: Option<&str>) -> Result<Token, RegistryError> {
        if !self.auth.registrytoken.is_empty() {
            return Ok(Token {
                token: self.auth.registrytoken.clone(),
                refresh_token: None,
            });
        }
        let mut url = Url::parse(realm).map_err(|source| RegistryError::Url {
            text: realm.to_owned(),
            source,
        })?;
        let same = url.origin() == self.endpoint.base.origin();
        let verify = if same {
            self.endpoint.verify
        } else {
            Verify::Yes
        };
        let has_secret = !self.auth.identitytoken.is_empty() || self.basic()?.is_some();
        let weaker = url.scheme() != "https" && self.endpoint.base.scheme() == "https";
        if weaker && has_secret {
            return Err(RegistryError::Unprotected {
                url: url.to_string(),
            });
        }
        let scopes = self.scopes();
        let answer = if self.auth.identitytoken.is_empty() {
            {
                let mut query = url.query_pairs_mut();
                query.extend_pairs(service.map(|service| ("service", service)));
                query.extend_pairs(scopes.iter().map(|scope| ("scope", scope.as_str())));
                if !self.auth.username.is_empty() {
                    query.append_pair("account", &self.auth.username);
                }
                if self.access == Access::LogIn {
                    query.append_pair("offline_token", "true");
                    query.append_pair("client_id", "docker");
                }
            }
            let headers = sensitive(self.basic()?);
            self.http
                .send(Method::GET, url, &headers, Sent::Nothing, verify)
                .await?
        } else {
            // Kept in one statement: the form may not cross an `await`, it is bound to this thread.
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "refresh_token")
                .append_pair("client_id", "docker")
                .append_pair("refresh_token", &self.auth.identitytoken)
                .append_pair("scope", &scopes.join(" "))
                .extend_pairs(service.map(|service| ("service", service)))
                .finish();
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            let sent = Sent::Bytes(form.into());
            let headers = [(header::CONTENT_TYPE, kind)];
            self.http
                .send(Method::POST, url, &headers, sent, verify)
                .await?
        };
        if !answer.status().is_success() {
            return Err(self.refusal(answer).await);
        }
        let bytes = answer.document(MAX_MESSAGE_BYTES).await?;
        let answer: TokenAnswer = serde_json::from_slice(&bytes).map_err(RegistryError::json)?;
        let token = [answer.token, answer.access_token]
            .into_iter()
            .flatten()
            .find(|token| !token.is_empty())
            .ok_or_else(|| RegistryError::Unauthorized {
                message: "the token service gave no token".to_owned(),
            })?;
        Ok(Token {
            token,
            refresh_token: answer.refresh_token,
        })
    }

    fn scopes(&self) -> Vec<String> {
        let repository = &self.repository;
        let mut scopes = match self.access {
            Access::Pull => vec![format!("repository:{repository}:pull")],
            Access::Push => vec![format!("repository:{repository}:pull,push")],
            Access::LogIn => Vec::new(),
        };
        scopes.extend(
            self.also
                .iter()
                .map(|also| format!("repository:{also}:pull")),
        );
        scopes
    }

    /// Whether the registry takes the credentials; a token that stands for them, if it has one.
    pub(super) async fn log_in(&self) -> Result<Option<String>> {
        let url = join(&self.endpoint.base, "v2/")?;
        let send = |proof: Option<HeaderValue>| {
            let url = url.clone();
            async move {
                self.send(&Method::GET, url, &[], Sent::Nothing, proof.as_ref())
                    .await
            }
        };
        let answer = send(None).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return if answer.status().is_success() {
                Ok(None)
            } else {
                Err(self.refusal(answer).await.into())
            };
        }
        let mut identity = None;
        let text = match challenge(&answer.headers("www-authenticate"))? {
            Some(Challenge::Bearer { realm, service }) => {
                let token = self.token(&realm, service.as_deref()).await?;
                identity = token.refresh_token;
                Some(format!("Bearer {}", token.token))
            }
            Some(Challenge::Basic) => self.basic()?,
            None => None,
        };
        let proof = sensitive(text).pop().map(|(_, value)| value);
        let answer = send(proof).await?;
        if answer.status().is_success() {
            Ok(identity)
        } else {
            Err(self.refusal(answer).await.into())
        }
    }

    /// An answer that has found what was asked for; else the error in Docker's words.
    pub(super) async fn expect_found(
        &self,
        answer: Answer,
        name: &Reference,
    ) -> Result<Answer, RegistryError> {
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => {
                let refusal = self.message(answer).await;
                if refusal.code.as_deref() == Some("NAME_UNKNOWN") {
                    Err(RegistryError::PullDenied {
                        repository: name.repository().familiar(),
                    })
                } else {
                    Err(RegistryError::ManifestUnknown {
                        name: name.familiar(),
                    })
                }
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(RegistryError::PullDenied {
                repository: name.repository().familiar(),
            }),
            _ => Err(self.refusal(answer).await),
        }
    }

    /// What an answer that is none of success means.
    pub(super) async fn refusal(&self, answer: Answer) -> RegistryError {
        let (method, url, status) = (answer.method.clone(), answer.url.clone(), answer.status());
        let refusal = self.message(answer).await;
        match status {
            StatusCode::UNAUTHORIZED => RegistryError::Unauthorized {
                message: refusal.text.unwrap_or_else(|| {
                    if self.access == Access::LogIn {
                        "incorrect username or password".to_owned()
                    } else {
                        "authentication required".to_owned()
                    }
                }),
            },
            StatusCode::FORBIDDEN => RegistryError::Denied {
                message: refusal
                    .text
                    .unwrap_or_else(|| "requested access to the resource is denied".to_owned()),
            },
            _ => RegistryError::Status {
                method: method.to_string(),
                url: url.to_string(),
                status: status.as_u16(),
                message: refusal.text.unwrap_or_default(),
            },
        }
    }

    async fn message(&self, answer: Answer) -> Refusal {
        #[derive(Deserialize)]
        struct Errors {
            #[serde(default)]
            errors: Vec<OneError>,
            details: Option<String>,
        }
        #[derive(Deserialize)]
        struct OneError {
            code: Option<String>,
            message: Option<String>,
        }
        // A message that cannot be read leaves the status to say it all.
        let bytes = answer.document(MAX_MESSAGE_BYTES).await.unwrap_or_default();
        let Ok(read) = serde_json::from_slice::<Errors>(&bytes) else {
            return Refusal::default();
        };
        match read.errors.into_iter().next() {
            Some(error) => Refusal {
                code: error.code,
                text: error.message,
            },
            None => Refusal {
                code: None,
                text: read.details,
            },
        }
    }
}

#[derive(Default)]
struct Refusal {
    code: Option<String>,
    text: Option<String>,
}

struct Token {
    token: String,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
}

fn sensitive(text: Option<String>) -> Vec<(HeaderName, HeaderValue)> {
    text.and_then(|text| HeaderValue::from_str(&text).ok())
        .map(|mut value| {
            value.set_sensitive(true);
            (header::AUTHORIZATION, value)
        })
        .into_iter()
        .collect()
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
}

fn join(base: &Url, path: &str) -> Result<Url, RegistryError> {
    base.join(path).map_err(|source| RegistryError::Url {
        text: path.to_owned(),
        source,
    })
}

/// Whether a registry may be spoken to without verified TLS. Pure.
fn is_insecure(url: &Url, host: &str, insecure: &[String]) -> bool {
    let address = match url.host() {
        Some(url::Host::Ipv4(address)) => Some(address.into()),
        Some(url::Host::Ipv6(address)) => Some(address.into()),
        Some(url::Host::Domain("localhost")) => return true,
        _ => None,
    };
    let is_loopback = address.is_some_and(|address: std::net::IpAddr| address.is_loopback());
    let bare = url.host_str().unwrap_or_default();
    is_loopback
        || insecure.iter().any(|entry| {
            let in_range = entry.parse::<IpNet>().ok().zip(address);
            entry == host
                || entry == bare
                || in_range.is_some_and(|(range, address)| range.contains(&address))
        })
}

/// What the headers ask for; a token is preferred.
fn challenge(headers: &[String]) -> Result<Option<Challenge>, RegistryError> {
    let mut found = None;
    for text in headers {
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            found.get_or_insert(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer") {
            let parameters = parameters(rest);
            let get = |name: &str| {
                parameters
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.clone())
            };
            if let Some(realm) = get("realm") {
                return Ok(Some(Challenge::Bearer {
                    realm,
                    service: get("service"),
                }));
            }
        }
    }
    match (found, headers.first()) {
        (None, Some(first)) => Err(RegistryError::Challenge {
            challenge: first.clone(),
        }),
        (found, _) => Ok(found),
    }
}

/// `key="value", key=value`.
fn parameters(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((key, rest)) = text.split_once('=') {
        let key = key.trim_matches([' ', ',']).to_owned();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        found.push((key, value.to_owned()));
        text = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Challenge, challenge, is_insecure};

    #[test]
    fn challenges_are_read() {
        let header = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        assert_eq!(
            challenge(&[r#"Basic realm="x""#.to_owned(), header.to_owned()]).unwrap(),
            Some(Challenge::Bearer {
                realm: "https://auth.docker.io/token".to_owned(),
                service: Some("registry.docker.io".to_owned()),
            })
        );
        assert_eq!(
            challenge(&["basic realm=x".to_owned()]).unwrap(),
            Some(Challenge::Basic)
        );
        assert!(challenge(&["Negotiate".to_owned()]).is_err());
        assert_eq!(challenge(&[]).unwrap(), None);
    }

    #[test]
    fn loopback_and_what_was_said_is_insecure() {
        let insecure = ["10.0.0.0/8".to_owned(), "reg.example:5000".to_owned()];
        let check = |host: &str, expect: bool| {
            let url = Url::parse(&format!("https://{host}/")).unwrap();
            assert_eq!(is_insecure(&url, host, &insecure), expect, "{host}");
        };
        check("127.0.0.9:5000", true);
        check("localhost:5000", true);
        check("[::1]:5000", true);
        check("10.1.2.3", true);
        check("11.1.2.3", false);
        check("reg.example:5000", true);
        check("reg.example:5001", false);
        check("localhost.example", false);
    }
}
