//! Opening, making and walking paths safely beneath a root.
