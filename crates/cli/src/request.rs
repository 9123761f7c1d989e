//! What to ask an engine, made from raw arguments. Pure: files, environment and the working directory are handed
//! in.

pub(crate) mod create;
pub(crate) mod filters;
pub(crate) mod network;
