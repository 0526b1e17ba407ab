//! Linearizability of what clients saw: the checker of Wing and Gong with Lowe's memory of visited states.
//!
//! A history is a list of operations on *one* key, each with the moments of its call and its return. It is
//! linearizable if every operation can be given one moment between the two, so that the operations done in
//! that order by a single Redis give the replies that were seen. Keys are independent of each other, so a
//! history of many keys is checked key by key.
//!
//! An operation whose outcome is unknown never returns: it may take effect at any time after its call, or
//! never. One that was refused must not be in the history at all; if it took effect after all, somebody saw
//! a value that nothing wrote.
//!
//! Called by: simulations and tests of clusters.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

/// What a client asked for, of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `SET`: any reply means that it is done.
    Set(Vec<u8>),
    /// `GET`.
    Get,
    /// `INCR`.
    Increment,
    /// `APPEND`.
    Append(Vec<u8>),
}

/// What a client was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `+OK`.
    Done,
    /// A string, or none.
    Value(Option<Vec<u8>>),
    /// A number.
    Integer(i64),
}

/// An operation in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who asked; for people who read a violation.
    pub client: u32,
    /// What was asked for.
    pub action: Action,
    /// When it was asked: a position in the order of all calls and returns.
    pub called: u64,
    /// When which answer came; `None` if the outcome is unknown.
    pub returned: Option<(u64, Answer)>,
}

/// Why a history is not linearizable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The longest order that explains a part of the history, newest last: its last few operations.
    pub explained: Vec<Operation>,
    /// The key's value after them.
    pub value: Option<Vec<u8>>,
    /// The operations that might come next, none of which fits.
    pub stuck: Vec<Operation>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "no order of the operations gives the replies that were seen; the longest ends with")?;
        for operation in &self.explained {
            writeln!(f, "      {operation}")?;
        }
        let value = self.value.as_deref().map(String::from_utf8_lossy);
        writeln!(f, "    then the value is {value:?}, and none of these can follow:")?;
        for operation in &self.stuck {
            writeln!(f, "      {operation}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        write!(f, "client {} ", self.client)?;
        match &self.action {
            Action::Set(value) => write!(f, "set {}", text(value))?,
            Action::Get => write!(f, "get")?,
            Action::Increment => write!(f, "increment")?,
            Action::Append(tail) => write!(f, "append {}", text(tail))?,
        }
        match &self.returned {
            None => write!(f, ", called at {}, outcome unknown", self.called),
            Some((at, Answer::Done)) => write!(f, " done, {}..{at}", self.called),
            Some((at, Answer::Integer(number))) => write!(f, " = {number}, {}..{at}", self.called),
            Some((at, Answer::Value(value))) => {
                write!(f, " = {:?}, {}..{at}", value.as_deref().map(text), self.called)
            }
        }
    }
}

type State = Option<Vec<u8>>;

/// Checks the history of one key, which does not exist at its beginning.
///
/// # Errors
/// The history is not linearizable.
pub fn check(history: &[Operation]) -> Result<(), Violation> {
    let mut operations: Vec<Operation> = drop_unseen(history);
    operations.sort_by_key(|operation| operation.called);
    let mut search = Search::new(&operations);
    if search.run() { Ok(()) } else { Err(search.violation()) }
}

/// A `SET` of unknown outcome whose value nobody ever saw can be taken as never done: every order with it is
/// one without it. Leaving such operations out keeps the search short.
fn drop_unseen(history: &[Operation]) -> Vec<Operation> {
    let changes_in_place =
        history.iter().any(|operation| matches!(operation.action, Action::Append(_) | Action::Increment));
    if changes_in_place {
        return history.to_vec();
    }
    let seen: BTreeSet<&[u8]> = history
        .iter()
        .filter_map(|operation| match &operation.returned {
            Some((_, Answer::Value(Some(value)))) => Some(value.as_slice()),
            _ => None,
        })
        .collect();
    let unseen = |operation: &Operation| match &operation.action {
        Action::Set(value) => operation.returned.is_none() && !seen.contains(value.as_slice()),
        _ => false,
    };
    history.iter().filter(|operation| !unseen(operation)).cloned().collect()
}

/// A depth-first search for an order. Its stack is the order so far.
struct Search<'a> {
    operations: &'a [Operation],
    /// Bit by operation: whether it is in the order.
    ordered: Vec<u64>,
    state: State,
    /// Each operation of the order, with the state before it.
    order: Vec<(usize, State)>,
    /// What was tried already: the same operations in another order with the same result lead nowhere new.
    tried: HashSet<(Vec<u64>, State)>,
    /// Operations with an answer that are not in the order yet.
    open: usize,
    longest: (Vec<usize>, Vec<u64>, State),
}

impl<'a> Search<'a> {
    fn new(operations: &'a [Operation]) -> Self {
        let ordered = vec![0; operations.len().div_ceil(64)];
        Self {
            operations,
            longest: (Vec::new(), ordered.clone(), None),
            ordered,
            state: None,
            order: Vec::new(),
            tried: HashSet::new(),
            open: operations.iter().filter(|operation| operation.returned.is_some()).count(),
        }
    }

    fn run(&mut self) -> bool {
        let mut from = 0;
        while self.open > 0 {
            if let Some((index, after)) = self.next_from(from) {
                self.flip(index);
                if self.tried.insert((self.ordered.clone(), after.clone())) {
                    let before = std::mem::replace(&mut self.state, after);
                    self.order.push((index, before));
                    self.remember();
                    from = 0;
                } else {
                    self.flip(index);
                    from = index + 1;
                }
            } else if let Some((index, before)) = self.order.pop() {
                self.flip(index);
                self.state = before;
                from = index + 1;
            } else {
                return false;
            }
        }
        true
    }

    /// The first operation from an index on that may come next, and the state after it.
    fn next_from(&self, from: usize) -> Option<(usize, State)> {
        self.candidates()
            .filter(|index| *index >= from)
            .find_map(|index| step(&self.state, &self.operations[index]).map(|after| (index, after)))
    }

    /// The operations that were called before any other that is not in the order returned.
    fn candidates(&self) -> impl Iterator<Item = usize> + '_ {
        let mut first_return = u64::MAX;
        for (_, operation) in self.unordered() {
            if operation.called > first_return {
                break;
            }
            first_return = first_return.min(returned_at(operation));
        }
        self.unordered()
            .take_while(move |(_, operation)| operation.called < first_return)
            .map(|(index, _)| index)
    }

    fn unordered(&self) -> impl Iterator<Item = (usize, &'a Operation)> + '_ {
        let is_ordered = |index: usize| self.ordered[index / 64] >> (index % 64) & 1 == 1;
        self.operations.iter().enumerate().filter(move |(index, _)| !is_ordered(*index))
    }

    /// Puts an operation into the order or takes it out.
    fn flip(&mut self, index: usize) {
        self.ordered[index / 64] ^= 1 << (index % 64);
        let is_ordered = self.ordered[index / 64] >> (index % 64) & 1 == 1;
        if self.operations[index].returned.is_some() {
            if is_ordered { self.open -= 1 } else { self.open += 1 }
        }
    }

    fn remember(&mut self) {
        if self.order.len() > self.longest.0.len() {
            let order = self.order.iter().map(|(index, _)| *index).collect();
            self.longest = (order, self.ordered.clone(), self.state.clone());
        }
    }

    fn violation(mut self) -> Violation {
        let (order, ordered, state) = std::mem::take(&mut self.longest);
        self.ordered = ordered;
        let last = order.len().saturating_sub(12);
        Violation {
            explained: order[last..].iter().map(|index| self.operations[*index].clone()).collect(),
            value: state,
            stuck: self.candidates().map(|index| self.operations[index].clone()).collect(),
        }
    }
}

fn returned_at(operation: &Operation) -> u64 {
    operation.returned.as_ref().map_or(u64::MAX, |(at, _)| *at)
}

/// What a single Redis would hold after the operation, if it would have answered as was seen.
fn step(state: &State, operation: &Operation) -> Option<State> {
    let seen = operation.returned.as_ref().map(|(_, answer)| answer);
    let fits = |would: Answer| seen.is_none_or(|answer| *answer == would);
    match &operation.action {
        Action::Set(value) => fits(Answer::Done).then(|| Some(value.clone())),
        Action::Get => fits(Answer::Value(state.clone())).then(|| state.clone()),
        Action::Increment => {
            let text = state.as_deref().map_or(Some("0"), |bytes| std::str::from_utf8(bytes).ok())?;
            let after = text.parse::<i64>().ok()?.checked_add(1)?;
            fits(Answer::Integer(after)).then(|| Some(after.to_string().into_bytes()))
        }
        Action::Append(tail) => {
            let mut value = state.clone().unwrap_or_default();
            value.extend_from_slice(tail);
            fits(Answer::Integer(value.len() as i64)).then_some(Some(value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(called: u64, returned: Option<(u64, Answer)>, action: Action) -> Operation {
        Operation { client: 1, action, called, returned }
    }

    fn set(value: &str, called: u64, returned: Option<u64>) -> Operation {
        let returned = returned.map(|at| (at, Answer::Done));
        operation(called, returned, Action::Set(value.into()))
    }

    fn get(value: Option<&str>, called: u64, returned: u64) -> Operation {
        let value = value.map(|text| text.as_bytes().to_vec());
        operation(called, Some((returned, Answer::Value(value))), Action::Get)
    }

    fn increment(sum: Option<i64>, called: u64, returned: u64) -> Operation {
        operation(called, sum.map(|sum| (returned, Answer::Integer(sum))), Action::Increment)
    }

    fn append(tail: &str, len: Option<i64>, called: u64, returned: u64) -> Operation {
        operation(called, len.map(|len| (returned, Answer::Integer(len))), Action::Append(tail.into()))
    }

    #[test]
    fn what_one_redis_can_answer_passes() {
        let histories: [&[Operation]; 7] = [
            &[],
            &[set("a", 1, Some(2)), get(Some("a"), 3, 4), set("b", 5, Some(6)), get(Some("b"), 7, 8)],
            // Concurrent with the write, a read may see the old or the new value.
            &[set("a", 1, Some(10)), get(None, 2, 3), get(Some("a"), 4, 5)],
            // A write of unknown outcome takes effect late, or never.
            &[set("a", 1, None), get(None, 2, 3), get(Some("a"), 4, 5)],
            &[set("a", 1, None), get(None, 2, 3), set("b", 4, Some(5)), get(Some("b"), 6, 7)],
            &[increment(Some(1), 1, 5), increment(None, 2, 0), increment(Some(3), 3, 6)],
            &[append("x", None, 1, 0), append("yy", Some(3), 2, 3), get(Some("xyy"), 4, 5)],
        ];
        for history in histories {
            assert_eq!(check(history), Ok(()), "{history:?}");
        }
    }

    #[test]
    fn what_no_redis_answers_is_caught() {
        let histories: [(&str, &[Operation]); 7] = [
            ("a stale read", &[set("a", 1, Some(2)), set("b", 3, Some(4)), get(Some("a"), 5, 6)]),
            ("a lost write", &[set("a", 1, Some(2)), get(None, 3, 4)]),
            ("a read that goes back", &[set("a", 1, Some(10)), get(Some("a"), 2, 3), get(None, 4, 5)]),
            ("a refused write that took effect", &[get(Some("never written"), 1, 2)]),
            ("an increment done twice", &[increment(Some(1), 1, 2), increment(Some(3), 3, 4)]),
            ("an increment lost", &[increment(Some(1), 1, 2), increment(Some(1), 3, 4)]),
            ("an append lost", &[append("x", Some(1), 1, 2), append("y", Some(1), 3, 4)]),
        ];
        for (what, history) in histories {
            let violation = check(history).expect_err(what);
            assert!(!violation.stuck.is_empty(), "{what}: {violation}");
        }
    }

    /// A long history of one Redis with many callers at a time, in which one reply is then falsified.
    #[test]
    fn one_false_reply_in_a_long_history_is_found() {
        let mut history = Vec::new();
        for round in 0..200_u64 {
            let base = round * 100;
            let name = |which: u64| format!("{round}.{which}");
            // Four writers overlap; the reader afterwards sees the third.
            for which in 0..4 {
                history.push(set(&name(which), base + which, Some(base + 50 + which)));
            }
            history.push(set(&name(9), base + 10, None));
            history.push(get(Some(&name(2)), base + 60, base + 70));
        }
        assert_eq!(check(&history), Ok(()));
        let last = history.len() - 1;
        history[last] = get(Some("198.2"), 19_960, 19_970);
        assert!(check(&history).is_err());
    }
}
