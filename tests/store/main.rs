//! What the store promises: one contract for every kind, and what sled alone would not keep.

mod contract;
mod crash;
mod damage;
mod disk_full;
mod fixture;
mod newer;
mod retention;
mod sequences;
