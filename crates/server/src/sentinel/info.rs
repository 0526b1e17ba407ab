//! `INFO` of the façade: the sections that a Sentinel has.
//!
//! For: tools that look at a Sentinel's health. Leaves to others: figures of the data (the Redis port's `INFO`).

use std::fmt::Write as _;

use super::Shared;
use super::client::REDIS_VERSION;
use super::view::View;

type Section = fn(&Shared, &View, &mut String);

const SECTIONS: [(&str, Section); 5] = [
    ("server", server),
    ("clients", clients),
    ("cpu", |_, _, _| ()),
    ("stats", stats),
    ("sentinel", sentinel),
];

pub(super) fn text(shared: &Shared, asked: &[&[u8]]) -> String {
    let view = shared.view();
    let is_asked = |word: &str| asked.iter().any(|asked| asked.eq_ignore_ascii_case(word.as_bytes()));
    let all = asked.is_empty() || ["all", "default", "everything"].into_iter().any(is_asked);
    let mut text = String::new();
    for (name, section) in SECTIONS.iter().filter(|(name, _)| all || is_asked(name)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let heading = if *name == "cpu" { "CPU".to_owned() } else { capitalised(name) };
        line(&mut text, format_args!("# {heading}"));
        section(shared, &view, &mut text);
    }
    text
}

fn capitalised(name: &str) -> String {
    name[..1].to_ascii_uppercase() + &name[1..]
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let written = write!(text, "{line}\r\n");
    debug_assert!(written.is_ok(), "a string takes all text");
}

fn server(shared: &Shared, view: &View, text: &mut String) {
    let uptime = shared.started.elapsed().as_secs();
    let own = view.member(view.me).and_then(|member| member.sentinel.as_ref());
    line(text, format_args!("redis_version:{REDIS_VERSION}"));
    line(text, format_args!("redis_mode:sentinel"));
    line(text, format_args!("server_name:quorate"));
    line(text, format_args!("quorate_version:{}", env!("CARGO_PKG_VERSION")));
    line(text, format_args!("arch_bits:{}", usize::BITS));
    line(text, format_args!("process_id:{}", std::process::id()));
    line(text, format_args!("run_id:{}", view.sentinel_id(view.me)));
    line(text, format_args!("tcp_port:{}", own.map_or(0, |address| address.port)));
    line(text, format_args!("uptime_in_seconds:{uptime}"));
    line(text, format_args!("uptime_in_days:{}", uptime / 86_400));
}

fn clients(shared: &Shared, _: &View, text: &mut String) {
    line(text, format_args!("connected_clients:{}", shared.peers().len()));
    line(text, format_args!("maxclients:{}", super::CLIENTS_MAX));
}

fn stats(shared: &Shared, _: &View, text: &mut String) {
    line(text, format_args!("total_connections_received:{}", shared.connections()));
}

fn sentinel(shared: &Shared, view: &View, text: &mut String) {
    let master = view.master();
    line(text, format_args!("sentinel_masters:{}", if master.is_some() { shared.names().len() } else { 0 }));
    line(text, format_args!("sentinel_tilt:0"));
    line(text, format_args!("sentinel_tilt_since_seconds:-1"));
    line(text, format_args!("sentinel_running_scripts:0"));
    line(text, format_args!("sentinel_scripts_queue_length:0"));
    line(text, format_args!("sentinel_simulate_failure_flags:0"));
    let Some(master) = master else { return };
    let status = if view.down.is_some() { "odown" } else { "ok" };
    let (slaves, sentinels) = (view.replicas().count(), view.sentinels().count() + 1);
    for (i, name) in shared.names().iter().enumerate() {
        line(
            text,
            format_args!(
                "master{i}:name={name},status={status},address={}:{},slaves={slaves},sentinels={sentinels}",
                master.data.host, master.data.port
            ),
        );
    }
}
