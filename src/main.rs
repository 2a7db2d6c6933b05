//! Arguments to `cli` or `app`.

fn main() {}
