//! The program: dispatch and wiring.

fn main() {}
