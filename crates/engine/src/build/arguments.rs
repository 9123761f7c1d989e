//! Build arguments: what `ARG` declares, what the client gives, and who sees what. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Arguments that need no `ARG`: proxies are the builder's, not the image's.
const PREDEFINED: [&str; 10] = [
    "ALL_PROXY",
    "FTP_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "ftp_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The arguments of one build.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    given: BTreeMap<String, String>,
    declared: BTreeSet<String>,
    /// Declared before the first `FROM`.
    global: BTreeMap<String, Option<String>>,
    /// Declared in the current stage so far.
    stage: BTreeMap<String, Option<String>>,
}

impl Arguments {
    /// What the client gives; a name without a value is as if it were not given.
    pub(super) fn new(given: &BTreeMap<String, Option<String>>) -> Self {
        let given = given
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect();
        Self {
            given,
            ..Self::default()
        }
    }

    /// An `ARG` before the first `FROM`.
    pub(super) fn declare_global(&mut self, name: &str, default: Option<String>) {
        self.declared.insert(name.to_owned());
        let value = self.given.get(name).cloned().or(default);
        self.global.insert(name.to_owned(), value);
    }

    /// What `FROM` sees.
    pub(super) fn global(&self, name: &str) -> Option<String> {
        self.global.get(name).cloned().flatten()
    }

    /// A new stage has none but those that it declares.
    pub(super) fn begin_stage(&mut self) {
        self.stage.clear();
    }

    /// An `ARG` in a stage: what is given, else what it says, else what is said before the first `FROM`.
    pub(super) fn declare(&mut self, name: &str, default: Option<String>) {
        self.declared.insert(name.to_owned());
        let value = self
            .given
            .get(name)
            .cloned()
            .or(default)
            .or_else(|| self.global(name));
        self.stage.insert(name.to_owned(), value);
    }

    /// What the current stage sees.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.stage.get(name).cloned().flatten()
    }

    /// The declared arguments that a `RUN` has in its environment, as `name=value`; those that `env` has are
    /// not the argument's any more.
    pub(super) fn of_run(&self, env: &[String]) -> Vec<String> {
        self.stage
            .iter()
            .filter(|(name, _)| !has(env, name))
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)))
            .collect()
    }

    /// The proxies that a `RUN` has in its environment though nobody declared them. They change no cache key.
    pub(super) fn proxies(&self, env: &[String]) -> Vec<String> {
        self.given
            .iter()
            .filter(|(name, _)| PREDEFINED.contains(&name.as_str()))
            .filter(|(name, _)| !self.stage.contains_key(*name) && !has(env, name))
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    /// What was given, and nobody declared.
    pub(super) fn unused(&self) -> Vec<&str> {
        self.given
            .keys()
            .map(String::as_str)
            .filter(|name| !self.declared.contains(*name) && !PREDEFINED.contains(name))
            .collect()
    }
}

/// Whether an environment has this variable.
fn has(env: &[String], name: &str) -> bool {
    env.iter()
        .any(|variable| variable.split_once('=').is_some_and(|(own, _)| own == name))
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn given(pairs: &[(&str, Option<&str>)]) -> Arguments {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)));
        Arguments::new(&pairs.collect())
    }

    #[test]
    fn what_is_given_wins_over_defaults() {
        let mut arguments = given(&[("a", Some("given")), ("b", None)]);
        arguments.begin_stage();
        assert_eq!(arguments.get("a"), None, "not declared");
        arguments.declare("a", Some("default".to_owned()));
        arguments.declare("b", Some("default".to_owned()));
        arguments.declare("c", None);
        assert_eq!(arguments.get("a").as_deref(), Some("given"));
        assert_eq!(arguments.get("b").as_deref(), Some("default"));
        assert_eq!(arguments.get("c"), None);
        let env = ["b=x".to_owned()];
        assert_eq!(arguments.of_run(&env), ["a=given"]);
        arguments.begin_stage();
        assert_eq!(arguments.get("a"), None, "of another stage");
    }

    #[test]
    fn global_ones_are_for_from_and_for_who_declares_them_again() {
        let mut arguments = given(&[("tag", Some("2"))]);
        arguments.declare_global("tag", Some("1".to_owned()));
        arguments.declare_global("other", Some("x".to_owned()));
        arguments.begin_stage();
        assert_eq!(arguments.global("tag").as_deref(), Some("2"));
        assert_eq!(arguments.get("other"), None);
        arguments.declare("other", None);
        assert_eq!(arguments.get("other").as_deref(), Some("x"));
        arguments.declare("other", Some("own".to_owned()));
        assert_eq!(arguments.get("other").as_deref(), Some("own"));
        assert_eq!(arguments.unused(), Vec::<&str>::new());
    }

    #[test]
    fn proxies_need_no_declaration() {
        let arguments = given(&[("http_proxy", Some("p")), ("odd", Some("x"))]);
        assert_eq!(arguments.proxies(&[]), ["http_proxy=p"]);
        assert_eq!(arguments.of_run(&[]), Vec::<String>::new());
        assert_eq!(arguments.unused(), ["odd"]);
    }
}
