//! Entry points. Nothing else.
