//! What changed from one view to the next, as Sentinel's messages.
//!
//! For: the channels that clients subscribe to, `+switch-master` above all. Leaves to others: who is subscribed
//! (`connection`). Invariants: every message is in the words and the order of Sentinel; a master's new address is told
//! by `+switch-master`, with all sets' names, after everything that led to it.

use std::sync::Arc;

use super::view::{Member, View};

/// A message to the subscribers of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) channel: &'static str,
    pub(super) text: Arc<str>,
}

/// The messages of a change, for each set.
pub(super) fn between(old: &View, new: &View, names: &[String]) -> Vec<Event> {
    let mut changes = Changes { events: Vec::new() };
    for name in names {
        changes.of_health(old, new, name);
    }
    if old.epoch != new.epoch && new.leader.is_some() && old.epoch > 0 {
        changes.push("+new-epoch", new.epoch.to_string());
    }
    for name in names {
        changes.of_master(old, new, name);
        changes.of_members(old, new, name);
    }
    changes.events
}

struct Changes {
    events: Vec<Event>,
}

impl Changes {
    fn push(&mut self, channel: &'static str, text: String) {
        self.events.push(Event { channel, text: text.into() });
    }

    /// The master is down, or back.
    fn of_health(&mut self, old: &View, new: &View, name: &str) {
        let Some(master) = old.master().or(new.master()) else { return };
        let master = of_master(name, master);
        match (old.down.is_some(), new.down.is_some()) {
            (false, true) => {
                self.push("+sdown", master.clone());
                self.push("+odown", format!("{master} #quorum {}/{}", new.quorum(), new.quorum()));
            }
            (true, false) => {
                self.push("-sdown", master.clone());
                self.push("-odown", master);
            }
            _ => {}
        }
    }

    fn of_master(&mut self, old: &View, new: &View, name: &str) {
        let (Some(before), Some(after)) = (old.master(), new.master()) else { return };
        if before.data == after.data {
            return;
        }
        let (was, is) = (of_master(name, before), of_replica(name, before, after));
        self.push("+try-failover", was.clone());
        self.push("+elected-leader", was.clone());
        self.push("+selected-slave", is.clone());
        self.push("+promoted-slave", is);
        self.push("+failover-end", was);
        let (old, new_address) = (&before.data, &after.data);
        let switch = format!("{name} {} {} {} {}", old.host, old.port, new_address.host, new_address.port);
        self.push("+switch-master", switch);
        for replica in new.replicas() {
            self.push("+slave", of_replica(name, after, replica));
        }
    }

    /// Nodes that came, went, or are not heard of any more.
    fn of_members(&mut self, old: &View, new: &View, name: &str) {
        let Some(master) = new.master() else { return };
        if old.members.is_empty() {
            return;
        }
        for replica in new.replicas() {
            match old.member(replica.id) {
                None => self.push("+slave", of_replica(name, master, replica)),
                Some(before) if before.alive != replica.alive => {
                    let channel = if replica.alive { "-sdown" } else { "+sdown" };
                    self.push(channel, of_replica(name, master, replica));
                }
                Some(_) => {}
            }
        }
        for (member, address) in new.sentinels() {
            if old.member(member.id).is_none_or(|before| before.sentinel.is_none()) {
                let id = new.sentinel_id(member.id);
                let of = &master.data;
                let text = format!(
                    "sentinel {id} {} {} @ {name} {} {}",
                    address.host, address.port, of.host, of.port
                );
                self.push("+sentinel", text);
            }
        }
    }
}

fn of_master(name: &str, master: &Member) -> String {
    format!("master {name} {} {}", master.data.host, master.data.port)
}

fn of_replica(name: &str, master: &Member, replica: &Member) -> String {
    let (own, of) = (&replica.data, &master.data);
    format!("slave {0}:{1} {0} {1} @ {name} {2} {3}", own.host, own.port, of.host, of.port)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quorate::session::{Admission, NodeFacts};

    use super::super::view::DOWN_AFTER;
    use super::super::view::tests::facts;
    use super::*;
    use crate::Roles;

    fn view(facts: &NodeFacts, roles: Roles, leaderless: Duration, last: Option<u64>) -> View {
        View::of(facts, Admission::Open, roles, leaderless, last)
    }

    fn lines(old: &View, new: &View) -> Vec<String> {
        let events = between(old, new, &["hsts".to_owned()]);
        events.iter().map(|event| format!("{} {}", event.channel, event.text)).collect()
    }

    #[test]
    fn a_new_leader_is_a_failover_where_the_leader_is_the_master() {
        let old = facts();
        let new = NodeFacts { leader: Some(3), term: 8, ..old.clone() };
        let roles = Roles::Leader;
        let (old, new) =
            (view(&old, roles, Duration::ZERO, None), view(&new, roles, Duration::ZERO, Some(1)));
        assert_eq!(
            lines(&old, &new),
            [
                "+new-epoch 8",
                "+try-failover master hsts 10.0.0.1 6379",
                "+elected-leader master hsts 10.0.0.1 6379",
                "+selected-slave slave 10.0.0.3:6379 10.0.0.3 6379 @ hsts 10.0.0.1 6379",
                "+promoted-slave slave 10.0.0.3:6379 10.0.0.3 6379 @ hsts 10.0.0.1 6379",
                "+failover-end master hsts 10.0.0.1 6379",
                "+switch-master hsts 10.0.0.1 6379 10.0.0.3 6379",
                "+slave slave 10.0.0.1:6379 10.0.0.1 6379 @ hsts 10.0.0.3 6379",
                "+slave slave 10.0.0.2:6379 10.0.0.2 6379 @ hsts 10.0.0.3 6379",
            ]
        );
        assert_eq!(lines(&new, &new), Vec::<String>::new());
    }

    #[test]
    fn a_new_leader_switches_nothing_where_every_node_is_the_master() {
        let old = facts();
        let new = NodeFacts { leader: Some(3), term: 8, ..old.clone() };
        let [old, new] = [old, new].map(|facts| view(&facts, Roles::Any, Duration::ZERO, None));
        assert_eq!(lines(&old, &new), ["+new-epoch 8"]);
    }

    #[test]
    fn a_node_without_leader_tells_that_it_is_down_and_back() {
        let facts = facts();
        let up = view(&facts, Roles::Any, Duration::ZERO, None);
        let lost = NodeFacts { leader: None, ..facts.clone() };
        let down = view(&lost, Roles::Any, DOWN_AFTER, None);
        let master = "master hsts 10.0.0.2 6379";
        assert_eq!(lines(&up, &down), [format!("+sdown {master}"), format!("+odown {master} #quorum 2/2")]);
        assert_eq!(lines(&down, &up), [format!("-sdown {master}"), format!("-odown {master}")]);
    }

    #[test]
    fn nodes_come_and_fall_silent() {
        let three = facts();
        let mut two = three.clone();
        two.members.pop();
        let mut silent = three.clone();
        silent.members[2].alive = false;
        let [two, three, silent] = [two, three, silent].map(|f| view(&f, Roles::Any, Duration::ZERO, None));
        let replica = "slave 10.0.0.3:6379 10.0.0.3 6379 @ hsts 10.0.0.2 6379";
        let id = three.sentinel_id(3);
        assert_eq!(
            lines(&two, &three),
            [
                format!("+slave {replica}"),
                format!("+sentinel sentinel {id} 10.0.0.3 26379 @ hsts 10.0.0.2 6379")
            ]
        );
        assert_eq!(lines(&three, &silent), [format!("+sdown {replica}")]);
        assert_eq!(lines(&silent, &three), [format!("-sdown {replica}")]);
    }
}
