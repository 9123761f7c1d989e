//! From a request to run a further program in a container to what the runtime is told.

use std::path::PathBuf;
use std::sync::Arc;

use model::api::exec::Create;
use runtime::capability::Capabilities;
use runtime::spec::{ExecSpec, ProcessSpec};

use super::{config, resources, security, spec};
use crate::container::Record;
use crate::error::{Error, Result};
use crate::settings::Settings;

/// Finds what is wrong with the request.
pub fn check(create: &Create) -> Result<()> {
    let command = create.cmd.as_deref().unwrap_or_default();
    if command.is_empty() || command[0].is_empty() {
        return Err(Error::bad_parameter("No exec command specified"));
    }
    let directory = &create.working_dir;
    if !directory.is_empty() && !directory.starts_with('/') {
        return Err(Error::bad_parameter(format!(
            "the working directory '{directory}' is invalid, it needs to be an absolute path"
        )));
    }
    let texts = command.iter().chain(create.env.iter().flatten());
    let mut texts = texts.chain([directory, &create.user]);
    if texts.any(|text| text.contains('\0')) {
        return Err(Error::bad_parameter(
            "a command, variable, user or directory cannot contain a zero byte",
        ));
    }
    Ok(())
}

/// What the runtime is told. With `detached` nobody is at the other end of the streams.
pub fn spec(
    record: &Record,
    create: &Create,
    settings: &Settings,
    seccomp: Option<Arc<[u8]>>,
    detached: bool,
) -> Result<ExecSpec> {
    let host = &record.host_config;
    let own = &create.working_dir;
    let cwd = [own, &record.config.working_dir]
        .into_iter()
        .find(|directory| !directory.is_empty())
        .map_or("/", String::as_str);
    let mut environment = config::environment(&record.config);
    if create.tty {
        environment = config::overlay_environment(vec!["TERM=xterm".to_owned()], &environment);
    }
    let environment =
        config::overlay_environment(environment, create.env.as_deref().unwrap_or_default());
    let capabilities = if create.privileged {
        Capabilities::ALL
    } else {
        security::capabilities(host)?
    };
    let process = ProcessSpec {
        args: create.cmd.as_deref().unwrap_or_default().to_vec(),
        env: environment,
        cwd: PathBuf::from(cwd),
        user: if create.user.is_empty() {
            record.config.user.clone()
        } else {
            create.user.clone()
        },
        groups: host.group_add.clone().unwrap_or_default(),
        tty: create.tty,
        console_size: create.console_size.and_then(spec::console_size),
        capabilities,
        no_new_privileges: security::options(host)?.no_new_privileges,
        seccomp,
        rlimits: resources::rlimits(&host.resources, &settings.default_ulimits)?,
        oom_score_adj: (host.oom_score_adj != 0).then_some(host.oom_score_adj),
        umask: None,
    };
    Ok(ExecSpec {
        process,
        stdin: create.attach_stdin && !detached,
        stdout: create.attach_stdout && !detached,
        stderr: create.attach_stderr && !detached,
        cgroup: spec::cgroup(settings, &record.id.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use model::api::exec::Create;
    use serde_json::json;

    use crate::resolve::testing::{record, settings};

    #[test]
    fn what_is_not_said_is_the_containers() {
        let mut record = record();
        record.config.user = "www".to_owned();
        record.config.working_dir = "/srv".to_owned();
        record.config.env = Some(vec!["A=1".to_owned()]);
        let create: Create = serde_json::from_value(
            json!({"Cmd": ["id"], "Env": ["A=2"], "Tty": true, "AttachStdout": true}),
        )
        .unwrap();
        let spec = super::spec(&record, &create, &settings(), None, false).unwrap();
        assert_eq!(spec.process.user, "www");
        assert_eq!(spec.process.cwd.to_str(), Some("/srv"));
        assert!(spec.process.env.contains(&"A=2".to_owned()));
        assert!(spec.process.env.contains(&"TERM=xterm".to_owned()));
        assert!(spec.stdout && !spec.stdin);
        assert!(
            !super::spec(&record, &create, &settings(), None, true)
                .unwrap()
                .stdout
        );
    }

    #[test]
    fn nonsense_is_refused() {
        let check =
            |create| super::check(&serde_json::from_value::<Create>(create).unwrap()).is_ok();
        assert!(check(json!({"Cmd": ["id"]})));
        assert!(!check(json!({"Cmd": []})));
        assert!(!check(json!({})));
        assert!(!check(json!({"Cmd": ["id"], "WorkingDir": "x"})));
        assert!(!check(json!({"Cmd": ["i\0d"]})));
    }
}
