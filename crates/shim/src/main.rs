//! The program that stays beside one container.

fn main() {}
