//! Addresses, bridges, published ports, names.
