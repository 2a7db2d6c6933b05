//! One command at a time: what it needs is found, then it has its turn, which ends with a flushed commit.

mod answer;
mod claim;
mod commit;
mod execute;
mod preconditions;
mod prepare;
mod queue;
mod recall;
mod writer;

pub(in crate::controller) use queue::run;
