//! The HTTP API: routes, versions, errors.
