//! The steps of a commit at which a server can be made to die, by `BLUEGREEN_FAULT_POINT`.

/// All of them, in their order.
pub const POINTS: [&str; 8] = [
    "controller-before-commit",
    "store-before-write",
    "store-before-flush",
    "store-after-flush",
    "store-before-rename",
    "store-after-rename",
    "store-after-head",
    "controller-after-commit",
];
