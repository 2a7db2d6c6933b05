//! The composition root: the only place that knows every room; builds and runs the server. Tests use it too.
