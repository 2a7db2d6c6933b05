//! Asking before something that can't be taken back: on a terminal, or by `--yes`.

use std::io::{self, BufRead, IsTerminal};

use super::{error::Error, out, perform::interrupt};

/// True when there is a person to ask.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && out::stderr_is_terminal()
}

/// Asks on the terminal; anything but a yes is a no.
pub(super) async fn ask(what: &str) -> Result<(), Error> {
    if !can_ask() {
        return Err(Error::Unconfirmed {
            what: what.to_owned(),
        });
    }
    out::stderr(&format!("{what}\nGo on? [y/N] "));
    // Reading blocks until the line is there, which is no work for an async thread.
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let answer = tokio::select! {
        answer = line => answer,
        () = interrupt() => return Err(Error::Interrupted { operation_id: None }),
    };
    match answer {
        Ok(Ok(line)) if matches!(line.trim(), "y" | "Y" | "yes" | "Yes") => Ok(()),
        _ => Err(Error::Declined),
    }
}
