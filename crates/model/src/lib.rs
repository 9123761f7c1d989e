//! The nouns that every part of Essaim shares: ids, names, times, sizes, ports and platforms.
//!
//! A value of one of these types is already valid: text is parsed into it once, where it enters the program,
//! and nothing further in has to look again. Nothing here does input or output, reads a clock or makes an id
//! up; those come from the callers.

pub mod api;
pub mod digest;
pub mod hex_id;
pub mod id;
pub mod name;
pub mod platform;
pub mod port;
pub mod reference;
pub mod size;
pub mod time;
pub mod version;
