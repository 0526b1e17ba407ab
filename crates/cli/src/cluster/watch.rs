//! `quorate cluster status --watch`: the status again and again, until Ctrl-C.

use std::io::IsTerminal;
use std::time::Duration;

use super::{Trouble, print_json, table};
use crate::exit::Failure;
use crate::http::AdminClient;
use crate::output;

/// Shows the status every `pause`. A node that does not answer is shown too and asked again.
pub(super) fn run(client: &AdminClient, pause: Duration, json: bool) -> Result<(), Trouble> {
    let terminal = std::io::stdout().is_terminal();
    loop {
        let status = client.status();
        match status {
            Ok(status) if json => print_json(&status),
            Err(error) if json => {
                output::line(&serde_json::json!({ "detail": Failure::from(error).to_string() }).to_string());
            }
            status => {
                let text = match status {
                    Ok(status) => table::render(&status),
                    Err(error) => format!("{}\n", Failure::from(error)),
                };
                // From the top left, and the rest of the screen cleared after, so that it does not flicker.
                let lines = text.replace('\n', "\x1b[K\n");
                output::text(&if terminal { format!("\x1b[H{lines}\x1b[J") } else { format!("{text}\n") });
            }
        }
        std::thread::sleep(pause);
    }
}
