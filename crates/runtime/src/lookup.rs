//! Which file a program's name means: the container's `PATH`, and Docker's words where there is none.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::failure::{Failure, FailureKind};

/// What a container without a `PATH` gets.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The file to run for `name`, seen from here, with this environment.
pub(crate) fn program(name: &str, environment: &[String]) -> Result<PathBuf, Failure> {
    if name.contains('/') {
        return runnable(Path::new(name))
            .map(|()| PathBuf::from(name))
            .map_err(|error| match error {
                Unusable::Missing => Failure::new(
                    FailureKind::ProgramNotFound,
                    format!("exec: {name:?}: stat {name}: no such file or directory"),
                ),
                Unusable::NoFolder => Failure::new(
                    FailureKind::ProgramNotExecutable,
                    format!("exec: {name:?}: stat {name}: not a directory"),
                ),
                Unusable::Folder => Failure::new(
                    FailureKind::ProgramNotExecutable,
                    format!("exec: {name:?}: is a directory: permission denied"),
                ),
                Unusable::Forbidden => Failure::new(
                    FailureKind::ProgramNotExecutable,
                    format!("exec: {name:?}: permission denied"),
                ),
            });
    }
    let path = environment
        .iter()
        .rev()
        .find_map(|variable| variable.strip_prefix("PATH="))
        .unwrap_or(DEFAULT_PATH);
    path.split(':')
        // An empty part means the working directory, which nobody wants here.
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| Path::new(folder).join(name))
        .find(|candidate| !name.is_empty() && runnable(candidate).is_ok())
        .ok_or_else(|| {
            let message = format!("exec: {name:?}: executable file not found in $PATH");
            Failure::new(FailureKind::ProgramNotFound, message)
        })
}

enum Unusable {
    Missing,
    NoFolder,
    Folder,
    Forbidden,
}

fn runnable(path: &Path) -> Result<(), Unusable> {
    let status = rustix::fs::stat(path).map_err(|error| match error {
        rustix::io::Errno::NOTDIR => Unusable::NoFolder,
        rustix::io::Errno::ACCESS => Unusable::Forbidden,
        _ => Unusable::Missing,
    })?;
    if rustix::fs::FileType::from_raw_mode(status.st_mode) == rustix::fs::FileType::Directory {
        return Err(Unusable::Folder);
    }
    if status.st_mode & 0o111 == 0 {
        return Err(Unusable::Forbidden);
    }
    rustix::fs::access(path, Access::EXEC_OK).map_err(|_| Unusable::Forbidden)
}

#[cfg(test)]
mod tests {
    use super::program;

    #[track_caller]
    fn check(name: &str, environment: &[&str], expect: Result<&str, (Option<i32>, &str)>) {
        let environment: Vec<String> = environment.iter().map(|&text| text.to_owned()).collect();
        let found = program(name, &environment);
        let found = found
            .as_ref()
            .map(|path| path.to_str().unwrap())
            .map_err(|failure| (failure.exit_code(), failure.message.as_str()));
        assert_eq!(found, expect);
    }

    #[test]
    fn names_are_looked_up_as_docker_does() {
        check("sh", &["PATH=/nowhere:/bin"], Ok("/bin/sh"));
        check("/bin/sh", &[], Ok("/bin/sh"));
        check(
            "nosuch",
            &[],
            Err((
                Some(127),
                "exec: \"nosuch\": executable file not found in $PATH",
            )),
        );
        check(
            "",
            &[],
            Err((Some(127), "exec: \"\": executable file not found in $PATH")),
        );
        check(
            "sh",
            &["PATH=bin::."],
            Err((
                Some(127),
                "exec: \"sh\": executable file not found in $PATH",
            )),
        );
        check(
            "/nosuch",
            &[],
            Err((
                Some(127),
                "exec: \"/nosuch\": stat /nosuch: no such file or directory",
            )),
        );
        check(
            "/etc/passwd",
            &[],
            Err((Some(126), "exec: \"/etc/passwd\": permission denied")),
        );
        check(
            "/etc",
            &[],
            Err((
                Some(126),
                "exec: \"/etc\": is a directory: permission denied",
            )),
        );
        check(
            "/etc/passwd/x",
            &[],
            Err((
                Some(126),
                "exec: \"/etc/passwd/x\": stat /etc/passwd/x: not a directory",
            )),
        );
    }
}
