//! Operating systems and processor architectures.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The system an image is built for or a node runs.
///
/// An empty part stands for any. Architectures have two spellings, the kernel's and Go's; they are kept as
/// given and compared as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`, …
    pub os: String,
    /// `x86_64` or `amd64`, `aarch64` or `arm64`, …
    pub architecture: String,
}

impl Platform {
    /// Whether what is built for `self` runs on `node`.
    pub fn runs_on(&self, node: &Self) -> bool {
        let os = self.os.is_empty() || self.os.eq_ignore_ascii_case(&node.os);
        let architecture = self.architecture.is_empty()
            || architecture(&self.architecture) == architecture(&node.architecture);
        os && architecture
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_any = |part: &'_ str| {
            if part.is_empty() {
                "any".to_owned()
            } else {
                part.to_owned()
            }
        };
        write!(f, "{}/{}", or_any(&self.os), or_any(&self.architecture))
    }
}

/// One spelling for an architecture that has two.
pub fn architecture(text: &str) -> &str {
    match text {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i686" | "i386" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::Platform;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Runs {
        Yes,
        No,
    }

    #[track_caller]
    fn check(image: (&str, &str), node: (&str, &str), expect: Runs) {
        let platform = |(os, architecture): (&str, &str)| Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
        };
        let runs = if platform(image).runs_on(&platform(node)) {
            Runs::Yes
        } else {
            Runs::No
        };
        assert_eq!(runs, expect, "{image:?} on {node:?}");
    }

    #[test]
    fn both_spellings_of_an_architecture_match() {
        check(("linux", "amd64"), ("linux", "x86_64"), Runs::Yes);
        check(("linux", "aarch64"), ("linux", "arm64"), Runs::Yes);
        check(("linux", "arm64"), ("linux", "x86_64"), Runs::No);
        check(("windows", "amd64"), ("linux", "x86_64"), Runs::No);
        check(("", ""), ("linux", "riscv64"), Runs::Yes);
        check(("linux", ""), ("linux", "riscv64"), Runs::Yes);
    }
}
