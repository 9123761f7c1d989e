//! Who may use a registry: names and hashed passwords from a file.
//!
//! ```text
//! name:pbkdf2-sha256$<rounds>$<salt>$<hash>      salt and hash in base 64
//! ```
//!
//! A password is hashed slowly, so that a stolen file is of little use; one that was right is remembered, as a
//! quick hash with a key of this process, so that only the first request waits.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::BASE64;
use http::{HeaderMap, header};
use model::digest::Digest;
use ring::pbkdf2;

use super::ServerError;
use super::answer::Refusal;

const SCHEME: &str = "pbkdf2-sha256";

/// How often a password is hashed: some tenths of a second for whoever has to guess.
const ROUNDS: u32 = 210_000;

/// A file may ask for more, but not for so much that a login takes minutes.
const MAX_ROUNDS: u32 = 10_000_000;

const SALT: usize = 16;
const HASH: usize = 32;

/// Passwords that were right and are remembered.
const MAX_REMEMBERED: usize = 1_024;

static ALGORITHM: pbkdf2::Algorithm = pbkdf2::PBKDF2_HMAC_SHA256;

/// The users of a registry.
#[derive(Debug)]
pub struct Users {
    by_name: Arc<HashMap<String, Hashed>>,
    key: [u8; HASH],
    right: Mutex<HashMap<String, Digest>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Hashed {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Users {
    /// Reads the file: a user on each line; empty lines and those that begin with `#` do not count.
    pub fn read(path: &Path) -> Result<Self, ServerError> {
        let text = std::fs::read_to_string(path).map_err(|source| ServerError::File {
            operation: "read",
            path: path.to_owned(),
            source,
        })?;
        let mut by_name = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hashed) = parse(line).ok_or_else(|| ServerError::UserLine {
                path: path.to_owned(),
                line: number + 1,
            })?;
            by_name.insert(name, hashed);
        }
        let mut key = [0; HASH];
        getrandom::fill(&mut key).map_err(|_| ServerError::Random)?;
        Ok(Self {
            by_name: Arc::new(by_name),
            key,
            right: Mutex::default(),
        })
    }

    /// Lets a request pass whose credentials are right.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let (name, password) = credentials(headers).ok_or_else(Refusal::unauthorized)?;
        let quick = self.quick(&name, &password);
        let known = self
            .right
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&name)
            .copied();
        if known == Some(quick) {
            return Ok(());
        }
        let by_name = Arc::clone(&self.by_name);
        let right = tokio::task::spawn_blocking({
            let name = name.clone();
            move || is_right(&by_name, &name, &password)
        })
        .await
        .map_err(|_| Refusal::internal("the thread that checks a password ended"))?;
        if !right {
            return Err(Refusal::unauthorized());
        }
        let mut remembered = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(name, quick);
        Ok(())
    }

    fn quick(&self, name: &str, password: &str) -> Digest {
        let parts = [
            &self.key,
            name.as_bytes(),
            b":",
            password.as_bytes(),
            &self.key,
        ];
        crate::digest::of(&parts.concat())
    }
}

/// The line of the file for a user.
pub fn line(name: &str, password: &str) -> Result<String, ServerError> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| ServerError::Random)?;
    let rounds = NonZeroU32::new(ROUNDS).unwrap_or(NonZeroU32::MIN);
    let mut hash = [0; HASH];
    pbkdf2::derive(ALGORITHM, rounds, &salt, password.as_bytes(), &mut hash);
    Ok(format!(
        "{name}:{SCHEME}${rounds}${}${}",
        BASE64.encode(&salt),
        BASE64.encode(&hash)
    ))
}

fn is_right(users: &HashMap<String, Hashed>, name: &str, password: &str) -> bool {
    let password = password.as_bytes();
    if let Some(user) = users.get(name) {
        return pbkdf2::verify(ALGORITHM, user.rounds, &user.salt, password, &user.hash).is_ok();
    }
    // As long as for a user that there is, so that names cannot be found out by the time it takes.
    let rounds = NonZeroU32::new(ROUNDS).unwrap_or(NonZeroU32::MIN);
    let mut hash = [0; HASH];
    pbkdf2::derive(ALGORITHM, rounds, &[0; SALT], password, &mut hash);
    false
}

fn parse(line: &str) -> Option<(String, Hashed)> {
    let (name, rest) = line.split_once(':')?;
    let mut parts = rest.split('$');
    let (scheme, rounds) = (parts.next()?, parts.next()?);
    let (salt, hash) = (parts.next()?, parts.next()?);
    let decode = |text: &str| BASE64.decode(text.as_bytes()).ok();
    let hashed = Hashed {
        rounds: rounds
            .parse()
            .ok()
            .filter(|rounds: &NonZeroU32| rounds.get() <= MAX_ROUNDS)?,
        salt: decode(salt)?,
        hash: decode(hash)?,
    };
    let valid =
        scheme == SCHEME && !name.is_empty() && parts.next().is_none() && hashed.hash.len() == HASH;
    valid.then(|| (name.to_owned(), hashed))
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64.decode(encoded.trim().as_bytes()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{is_right, line, parse};

    #[test]
    fn a_line_that_was_made_admits_its_user_only() {
        let text = line("ann", "secret:1").unwrap();
        let users = HashMap::from([parse(&text).unwrap()]);
        assert!(is_right(&users, "ann", "secret:1"));
        assert!(!is_right(&users, "ann", "secret:2"));
        assert!(!is_right(&users, "bob", "secret:1"));
        assert_ne!(line("ann", "secret:1").unwrap(), text, "salted");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "ann",
            "ann:",
            "ann:secret",
            "ann:$2y$05$abcdefghijklmnopqrstuv",
            ":pbkdf2-sha256$1$AAAA$AAAA",
            "ann:pbkdf2-sha256$0$AAAA$AAAA",
            "ann:pbkdf2-sha256$1$AAAA$AAAA",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
