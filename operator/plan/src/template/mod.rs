//! Templates as people know them from Go's `text/template`.
