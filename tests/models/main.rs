//! The checks of models against the examples: two versions of the fraud model, two of a stand-in for a language model,
//! and a real embedding model. The checks are those that the pages in docs/ show.

mod embedding;
mod fraud;
mod llm;
mod proxies;
mod release;
#[path = "../support/mod.rs"]
mod support;
