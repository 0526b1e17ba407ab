//! `SUBSCRIBE PSUBSCRIBE SSUBSCRIBE` and their counterparts.
//!
//! ```text
//!  SUBSCRIBE a ─► counted in the log ─► at that place: entered in the hub, and said so in the mailbox
//! ```
//!
//! For: what a connection is subscribed to, and the answers. Leaves to others: counting and sending
//! (`crate::messages`). Invariants: an answer stands in the mailbox among the messages, at the place where the
//! subscription begins or ends; a connection that ends takes its subscriptions with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use quorate_commands::{
    Args, Command, Error, Route, SUBSCRIPTION_BYTES_MAX, SessionCommand, SubscriptionKind,
};
use quorate_resp::{Protocol, Reply};

use super::backend::Backend;
use super::{Flow, Session};
use crate::group::{Act, Failure, Slot};
use crate::messages::{Action, Effect, Post, report};

/// Subscriptions of one connection at most, of all kinds together.
const SUBSCRIPTIONS_MAX: usize = 1024 * 1024;

const TOO_LONG: &str = "ERR The name of the channel or pattern is too long";
const TOO_MANY: &str = "ERR Too many subscriptions of one connection";

/// What a connection is subscribed to. Its end is the end of that.
#[derive(Debug)]
pub(super) struct Subscriber {
    names: [BTreeSet<Bytes>; 3],
    client: u64,
    post: Arc<Post>,
}

impl Subscriber {
    fn new(client: u64, post: &Arc<Post>) -> Subscriber {
        post.enter();
        Subscriber { names: Default::default(), client, post: Arc::clone(post) }
    }

    fn len(&self) -> usize {
        self.names.iter().map(BTreeSet::len).sum()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.post.leave(self.client);
    }
}

/// Sees to it that the log's counts are looked at if nobody comes to enter what it has counted.
struct Entering(Option<Arc<Post>>);

impl Entering {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        if let Some(post) = self.0.take() {
            post.doubt();
        }
    }
}

/// The kind that a command is about, whether it adds, and the word in its answers.
fn kind_of(command: SessionCommand) -> Option<(SubscriptionKind, bool, &'static str)> {
    use SubscriptionKind::{Channel, Pattern, Shard};
    Some(match command {
        SessionCommand::Subscribe => (Channel, true, "subscribe"),
        SessionCommand::Unsubscribe => (Channel, false, "unsubscribe"),
        SessionCommand::Psubscribe => (Pattern, true, "psubscribe"),
        SessionCommand::Punsubscribe => (Pattern, false, "punsubscribe"),
        SessionCommand::Ssubscribe => (Shard, true, "ssubscribe"),
        SessionCommand::Sunsubscribe => (Shard, false, "sunsubscribe"),
        _ => return None,
    })
}

/// Whether a command's answers are mail.
pub(super) fn is_answered_by_mail(command: SessionCommand) -> bool {
    kind_of(command).is_some()
}

impl<B: Backend> Session<B> {
    /// Whether only commands about subscriptions may run.
    pub(super) fn only_listens(&self) -> bool {
        self.protocol() == Protocol::Resp2 && self.subscriber.is_some()
    }

    /// Refuses a command that does not go with subscriptions in RESP2.
    pub(super) fn check_listening(&self, command: &Command) -> Result<(), Error> {
        use SessionCommand::{Ping, Quit, Reset};
        let fits = match command.route {
            Route::Session(Ping | Quit | Reset) => true,
            Route::Session(kind) => is_answered_by_mail(kind),
            _ => false,
        };
        if fits || !self.only_listens() {
            return Ok(());
        }
        let name = command.full_name();
        Err(Error::text(format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        )))
    }

    /// Subscribes or unsubscribes; the answers come as mail.
    pub(super) async fn subscription(
        &mut self,
        command: SessionCommand,
        args: Args<'_>,
    ) -> Result<Flow, Error> {
        let (kind, adds, word) = kind_of(command).expect("the caller has asked");
        let post = Arc::clone(&self.backend.front().post);
        let mut own = match self.subscriber.take() {
            Some(subscriber) => subscriber,
            None => Subscriber::new(self.client.id, &post),
        };
        let (changed, answer) = change(&mut own, kind, adds, word, args, self.protocol());
        let names = changed.clone();
        let error =
            changed.iter().any(|name| name.len() > SUBSCRIPTION_BYTES_MAX && adds).then_some(TOO_LONG);
        let error = error.or((own.len() > SUBSCRIPTIONS_MAX).then_some(TOO_MANY)).map(Error::text);
        let result = match error {
            Some(error) => Err(error),
            None => self.tell(kind, adds, changed, answer).await,
        };
        if !matches!(result, Ok(Flow::Continue)) {
            let set = &mut own.names[kind.place()];
            for name in names {
                if adds {
                    set.remove(&name);
                } else {
                    set.insert(name);
                }
            }
        }
        self.subscriber = (own.len() > 0).then_some(own);
        result
    }

    /// Has the change counted and entered.
    async fn tell(
        &self,
        kind: SubscriptionKind,
        adds: bool,
        changed: Vec<Bytes>,
        answer: Bytes,
    ) -> Result<Flow, Error> {
        let front = self.backend.front();
        let post = Arc::clone(&front.post);
        let client = self.client.handle();
        if changed.is_empty() {
            let enter = move |hub: &mut crate::messages::Hub, limits: &_| {
                hub.change(&client, kind, adds, Vec::new(), answer, limits);
            };
            post.deliver(vec![Effect::Hub(Box::new(enter))], || front.tunables().output_limits);
        } else {
            let counts: Vec<_> =
                changed.iter().map(|name| (kind, name.clone(), if adds { 1 } else { -1 })).collect();
            let entering = Entering(Some(Arc::clone(&post)));
            let action = Action::new(move |effects| {
                entering.done();
                effects.push(Effect::Hub(Box::new(move |hub, limits| {
                    hub.change(&client, kind, adds, changed, answer, limits);
                })));
            });
            let group = vec![Slot::Internal(report::count(&counts)), Slot::Act(Act(action))];
            match self.backend.write(group.into()).await {
                Ok(_) => {}
                Err(Failure::Refused(text)) => return Err(Error::text(text)),
                Err(Failure::Unknown) => return Ok(Flow::Close),
            }
        }
        // What apply has left is done by whoever comes first; the answer is in the mailbox after that.
        while post.work(&front.tunables().output_limits) {}
        Ok(Flow::Continue)
    }
}

/// Changes what a connection is subscribed to; the names that this is news for, and the answers.
fn change(
    own: &mut Subscriber,
    kind: SubscriptionKind,
    adds: bool,
    word: &str,
    args: Args<'_>,
    protocol: Protocol,
) -> (Vec<Bytes>, Bytes) {
    let mut reply = Reply::new(protocol);
    let mut changed = Vec::new();
    let mut names: Vec<Bytes> = args.from(1).iter().map(|name| Bytes::copy_from_slice(name)).collect();
    if names.is_empty() {
        names.extend(own.names[kind.place()].iter().cloned());
    }
    let none = names.is_empty();
    let mut answer = |own: &Subscriber, name: Option<&[u8]>| {
        let [channels, patterns, shards] = own.names.each_ref().map(BTreeSet::len);
        let count = if kind == SubscriptionKind::Shard { shards } else { channels + patterns };
        reply.push(3);
        reply.bulk(word.as_bytes());
        reply.bulk_or_null(name);
        reply.count(count);
    };
    for name in names {
        let set = &mut own.names[kind.place()];
        let is_news = if adds { set.insert(name.clone()) } else { set.remove(&name) };
        answer(own, Some(&name));
        if is_news {
            changed.push(name);
        }
    }
    if none {
        answer(own, None);
    }
    (changed, reply.take())
}
