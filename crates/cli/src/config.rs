//! Docker's configuration file, `~/.docker/config.json`: logins, keys, formats.
//!
//! What is in it that we do not know stays in it. Passwords leave it only for the registry that they are for.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data_encoding::{BASE64, BASE64URL};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Docker's own registry, as logins name it.
pub(crate) const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// See the module.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    content: Map<String, Value>,
}

/// Who somebody is to a registry, as the API takes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Login {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) password: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) serveraddress: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) identitytoken: String,
}

impl Login {
    /// The value of `X-Registry-Auth`.
    pub(crate) fn header(&self) -> String {
        BASE64URL.encode(&serde_json::to_vec(self).expect("four texts are JSON"))
    }
}

/// The program of a helper that keeps logins, and what it says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Kept {
    username: String,
    secret: String,
}

impl ConfigFile {
    /// Reads the file in `folder`; one that is not there is an empty one.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("config.json");
        let content = match fs::read(&path) {
            Ok(bytes) if bytes.is_empty() => Map::new(),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Failure::caused(&format!("loading config file: {}", path.display()), &error)
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
            // A file that another user's rights hide must not keep commands from working.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                crate::output::warn(&format!(
                    "WARNING: Error loading config file: {}: {error}",
                    path.display()
                ));
                Map::new()
            }
            Err(error) => {
                return Err(Failure::caused(
                    &format!("loading config file: {}", path.display()),
                    &error,
                ));
            }
        };
        Ok(Self { path, content })
    }

    /// A text of the file, such as `psFormat`; none where it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.content
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    /// Headers that every request is to have.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let headers = self.content.get("HttpHeaders").and_then(Value::as_object);
        headers
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The helper that keeps the login of a registry, if it is one.
    pub(crate) fn helper(&self, registry: &str) -> Option<&str> {
        self.content
            .get("credHelpers")
            .and_then(|helpers| helpers.get(registry))
            .and_then(Value::as_str)
            .or_else(|| self.text("credsStore"))
            .filter(|name| !name.is_empty())
    }

    /// The login for a registry; an empty one where none is kept.
    pub(crate) fn login(&self, registry: &str) -> Result<Login, Failure> {
        if let Some(helper) = self.helper(registry) {
            return ask_helper(helper, registry);
        }
        let logins = self.content.get("auths").and_then(Value::as_object);
        let found = logins.and_then(|logins| {
            logins.get(registry).or_else(|| {
                let wanted = host_of(registry);
                logins
                    .iter()
                    .find(|(name, _)| host_of(name) == wanted)
                    .map(|(_, login)| login)
            })
        });
        Ok(found
            .map(|found| stored_login(registry, found))
            .unwrap_or_default())
    }

    /// The logins of all registries, for builds.
    pub(crate) fn logins(&self) -> Result<Map<String, Value>, Failure> {
        let mut names: Vec<&String> = Vec::new();
        for member in ["auths", "credHelpers"] {
            names.extend(
                self.content
                    .get(member)
                    .and_then(Value::as_object)
                    .into_iter()
                    .flat_map(Map::keys),
            );
        }
        let mut logins = Map::new();
        for name in names {
            let login = self.login(name)?;
            if login != Login::default() {
                logins.insert(name.clone(), json!(login));
            }
        }
        Ok(logins)
    }

    /// Keeps a login and tells whether it lies in the file, where anybody can read it who can read the file.
    pub(crate) fn keep(&mut self, login: &Login) -> Result<bool, Failure> {
        let registry = &login.serveraddress;
        if let Some(helper) = self.helper(registry) {
            let secret = if login.identitytoken.is_empty() {
                &login.password
            } else {
                &login.identitytoken
            };
            let username = if login.identitytoken.is_empty() {
                &login.username
            } else {
                "<token>"
            };
            let message = json!({"ServerURL": registry, "Username": username, "Secret": secret});
            run_helper(helper, "store", &message.to_string())?;
            return Ok(false);
        }
        let mut entry = Map::new();
        let pair = format!("{}:{}", login.username, login.password);
        entry.insert("auth".to_owned(), BASE64.encode(pair.as_bytes()).into());
        if !login.identitytoken.is_empty() {
            entry.insert(
                "identitytoken".to_owned(),
                login.identitytoken.clone().into(),
            );
        }
        if let Some(logins) = self.member("auths") {
            logins.insert(registry.clone(), Value::Object(entry));
        }
        self.write()?;
        Ok(true)
    }

    /// Forgets a login and tells whether there was one.
    pub(crate) fn forget(&mut self, registry: &str) -> Result<bool, Failure> {
        if let Some(helper) = self.helper(registry) {
            run_helper(helper, "erase", registry)?;
        }
        let known = self
            .member("auths")
            .is_some_and(|logins| logins.remove(registry).is_some());
        if known {
            self.write()?;
        }
        Ok(known)
    }

    fn member(&mut self, name: &str) -> Option<&mut Map<String, Value>> {
        self.content
            .entry(name)
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut()
    }

    /// Writes the file anew, in one step, readable for its owner only.
    fn write(&self) -> Result<(), Failure> {
        let failed = |error: &std::io::Error| {
            Failure::caused(&format!("saving {}", self.path.display()), error)
        };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| failed(&error))?;
        let text = serde_json::to_vec_pretty(&self.content).expect("it was read as JSON");
        let draft = folder.join(format!("config.json.{}", std::process::id()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| fs::rename(&draft, &self.path));
        written.map_err(|error| {
            let _removed = fs::remove_file(&draft);
            failed(&error)
        })
    }
}

fn stored_login(registry: &str, stored: &Value) -> Login {
    let text = |name: &str| {
        stored
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let pair = BASE64.decode(text("auth").as_bytes()).unwrap_or_default();
    let pair = String::from_utf8(pair).unwrap_or_default();
    let (username, password) = pair.split_once(':').unwrap_or_default();
    let or = |own: String, other: &str| {
        if own.is_empty() {
            other.trim_end_matches('\0').to_owned()
        } else {
            own
        }
    };
    Login {
        username: or(text("username"), username),
        password: or(text("password"), password),
        serveraddress: registry.to_owned(),
        identitytoken: text("identitytoken"),
    }
}

fn host_of(registry: &str) -> &str {
    let rest = registry
        .split_once("://")
        .map_or(registry, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn ask_helper(helper: &str, registry: &str) -> Result<Login, Failure> {
    let Some(answer) = run_helper(helper, "get", registry)? else {
        return Ok(Login::default());
    };
    let kept: Kept = serde_json::from_str(&answer).map_err(|error| {
        Failure::caused(
            &format!("reading the answer of docker-credential-{helper}"),
            &error,
        )
    })?;
    let mut login = Login {
        serveraddress: registry.to_owned(),
        ..Login::default()
    };
    if kept.username == "<token>" {
        login.identitytoken = kept.secret;
    } else {
        login.username = kept.username;
        login.password = kept.secret;
    }
    Ok(login)
}

/// Runs a helper. It has nothing to say where it knows no such registry.
fn run_helper(helper: &str, action: &str, input: &str) -> Result<Option<String>, Failure> {
    let program = format!("docker-credential-{helper}");
    let failed =
        |error: std::io::Error| Failure::caused(&format!("running {program} {action}"), &error);
    let mut child = Command::new(&program)
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that reads nothing says by its status what it thinks.
        let _written = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        Ok(Some(said))
    } else if said.contains("credentials not found") {
        Ok(None)
    } else {
        Err(Failure::message(format!(
            "{program} {action}: {said} ({})",
            output.status
        )))
    }
}

/// The name under which the login of an image's registry is kept.
pub(crate) fn login_name(registry: &str) -> &str {
    if registry == model::reference::DEFAULT_REGISTRY {
        DOCKER_HUB
    } else {
        registry
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{ConfigFile, Login};

    fn login() -> Login {
        Login {
            username: "me".into(),
            password: "a:b".into(),
            serveraddress: "localhost:5000".into(),
            identitytoken: String::new(),
        }
    }

    #[test]
    fn logins_are_kept_and_forgotten_and_all_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("docker");
        std::fs::create_dir(&home).unwrap();
        std::fs::write(
            home.join("config.json"),
            r#"{"psFormat":"x","plugins":{"a":{}}}"#,
        )
        .unwrap();
        let mut config = ConfigFile::read(&home).unwrap();
        assert!(config.keep(&login()).unwrap());
        let mode = std::fs::metadata(home.join("config.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);

        let mut again = ConfigFile::read(&home).unwrap();
        assert_eq!(again.text("psFormat"), Some("x"));
        assert!(again.content.contains_key("plugins"));
        assert_eq!(again.login("localhost:5000").unwrap(), login());
        assert_eq!(
            again.login("http://localhost:5000/v1/").unwrap().username,
            "me"
        );
        assert_eq!(again.login("other").unwrap(), Login::default());
        assert!(again.forget("localhost:5000").unwrap());
        assert!(!again.forget("localhost:5000").unwrap());
    }

    #[test]
    fn a_broken_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), "{").unwrap();
        assert!(ConfigFile::read(folder.path()).is_err());
    }
}
