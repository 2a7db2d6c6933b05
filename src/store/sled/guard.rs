//! sled panics on some damaged files, in the calling thread or in one of its own. Here a panic becomes an error.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use super::fault::{Fault, one_line};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs something that uses sled. A panic in it is reported as damage, and not printed with a backtrace as if
/// bluegreen had a bug.
///
/// What `work` was changing may be half changed after a panic: the caller must not use it again.
pub(super) fn guard<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    HOOK.call_once(quieten);
    let before = GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    outcome.unwrap_or_else(|payload| Err(Fault::Damaged(message(payload.as_ref()))))
}

/// Whatever hook is there stays in force for every panic that is not sled's.
fn quieten() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let of_sled = std::thread::current()
            .name()
            .is_some_and(|name| name.starts_with("sled"));
        if !of_sled && !GUARDED.get() {
            previous(info);
        }
    }));
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    // sled's own messages can hold whole pages of the file.
    let short: String = one_line(text).chars().take(200).collect();
    format!("sled gave up: {short}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_damage() {
        let outcome: Result<(), Fault> = guard(|| panic!("page {} is\n gone", 7));
        assert!(
            matches!(outcome, Err(Fault::Damaged(text)) if text == "sled gave up: page 7 is gone")
        );
        assert_eq!(guard(|| Ok(1)).ok(), Some(1), "and the next call works");
    }
}
