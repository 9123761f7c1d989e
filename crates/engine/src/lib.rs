//! One host: containers, exec, logs, events, volumes, build.
