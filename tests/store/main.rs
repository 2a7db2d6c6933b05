//! What the store promises: one contract for every kind, and what sled alone would not keep.

mod contract;
mod fixture;
