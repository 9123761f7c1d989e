//! What the daemon refuses to start on, and how it says so.

use std::time::Duration;

use blackbox::{command::run, essaim_engine::EssaimEngine, sandbox::Sandbox};

/// Inside a container the default data root lies on an overlay, on which no other can be written.
#[test]
fn a_data_root_on_an_overlay_is_refused_with_the_remedy() {
    let sandbox = Sandbox::new("overlay");
    let script = r#"
        set -e
        cd "$1" && mkdir below above seen && mount -t tmpfs none above && mkdir above/changes above/work
        mount -t overlay -o lowerdir=below,upperdir=above/changes,workdir=above/work overlay seen
        exec "$2" daemon --host unix://$1/essaim.sock --data-root $1/seen/data --exec-root $1/run --pidfile $1/pid"#;
    let mut daemon = sandbox.enter("bash");
    daemon
        .args(["-c", script, "bash"])
        .arg(sandbox.folder())
        .arg(EssaimEngine::program());
    let answer = run(&mut daemon, Duration::from_mins(1));
    assert_eq!(answer.status.code(), Some(1), "{}", answer.stderr);
    for part in ["seen/data: it lies on overlayfs", "--data-root"] {
        assert!(answer.stderr.contains(part), "{}", answer.stderr);
    }
}
