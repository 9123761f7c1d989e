//! The docker-like command line: arguments, commands, output.
