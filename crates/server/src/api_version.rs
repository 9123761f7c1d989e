//! Versions of the API, and which of them a path asks for.

use std::fmt;

/// A version: major is always 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ApiVersion(pub(crate) u32);

/// The oldest that is spoken.
pub(crate) const OLDEST: ApiVersion = ApiVersion(24);

/// The newest that is spoken, and what is spoken with clients that name none.
pub(crate) const NEWEST: ApiVersion = ApiVersion(50);

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// Why a version cannot be spoken; the texts are Docker's, clients show them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unspoken {
    /// Older than the oldest.
    #[error(
        "client version {asked} is too old. Minimum supported API version is {OLDEST}, please upgrade your \
         client to a newer version"
    )]
    TooOld {
        /// What was asked for.
        asked: String,
    },
    /// Newer than the newest.
    #[error("client version {asked} is too new. Maximum supported API version is {NEWEST}")]
    TooNew {
        /// What was asked for.
        asked: String,
    },
}

/// Takes the version off the front of a path: `/v1.41/info` is `/info` of 1.41, `/info` is of the newest.
///
/// A path whose first part is no version is left as it is.
pub(crate) fn split(path: &str) -> Result<(ApiVersion, &str), Unspoken> {
    let Some((asked, rest)) = version_prefix(path) else {
        return Ok((NEWEST, path));
    };
    let mut numbers = asked.splitn(2, '.').map(str::parse::<u32>);
    let (major, minor) = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        (Some(Ok(major)), None) => (major, 0),
        _ => return Ok((NEWEST, path)),
    };
    let asked = || asked.to_owned();
    match (major, ApiVersion(minor)) {
        (0, _) => Err(Unspoken::TooOld { asked: asked() }),
        (1, version) if version < OLDEST => Err(Unspoken::TooOld { asked: asked() }),
        (1, version) if version <= NEWEST => Ok((version, rest)),
        _ => Err(Unspoken::TooNew { asked: asked() }),
    }
}

fn version_prefix(path: &str) -> Option<(&str, &str)> {
    let after = path.strip_prefix("/v")?;
    let end = after.find('/')?;
    let (version, rest) = after.split_at(end);
    let numeric = version
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    (numeric && !version.is_empty()).then_some((version, rest))
}

#[cfg(test)]
mod tests {
    use super::{ApiVersion, NEWEST, split};

    #[track_caller]
    fn check(path: &str, expected: Result<(ApiVersion, &str), &str>) {
        let found = split(path).map_err(|error| error.to_string());
        assert_eq!(
            found.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|text| *text)
        );
    }

    #[test]
    fn a_prefix_names_the_version() {
        check("/v1.24/info", Ok((ApiVersion(24), "/info")));
        check("/v1.50/containers/json", Ok((NEWEST, "/containers/json")));
        check("/info", Ok((NEWEST, "/info")));
        check("/volumes/v1.9", Ok((NEWEST, "/volumes/v1.9")));
        check("/v1.24", Ok((NEWEST, "/v1.24")));
        check("/vx/info", Ok((NEWEST, "/vx/info")));
    }

    #[test]
    fn others_are_told_why_not() {
        check(
            "/v1.99/info",
            Err("client version 1.99 is too new. Maximum supported API version is 1.50"),
        );
        check(
            "/v2.0/info",
            Err("client version 2.0 is too new. Maximum supported API version is 1.50"),
        );
        check(
            "/v1.12/info",
            Err(
                "client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade \
                 your client to a newer version",
            ),
        );
    }
}
