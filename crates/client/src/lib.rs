//! The Docker API from outside: connection, attach and hijack, raw JSON.
