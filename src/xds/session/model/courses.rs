//! Random courses of a stream whose client's names come and go, and what must hold through all of them.
//!
//! Named invariants: **what is called accepted is what the client has**; **what is good arrives, whatever comes with it**; **it
//! comes to rest**.

use std::time::Duration;

use super::{
    asking::{Asker, Habit, NAMES, Takes, Wish, is_bad},
    schedules::config,
    *,
};
use crate::{
    fleet::Record,
    snapshot::{Changes, References},
    xds::session::deadline::later,
};

#[derive(Clone, Debug)]
enum Move {
    Put(Vec<(usize, u32)>),
    Remove(usize),
    Wish(Wish),
    /// The server's oldest message arrives.
    ToClient,
    /// The client's oldest message arrives.
    ToServer,
    Wait(u64),
    /// To the same server, or to one that remembers nothing; from this one, or from another that counts otherwise.
    Reconnect(bool, bool),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let name = || 0..NAMES.len();
    let put = proptest::collection::vec((name(), 0..=POISON), 1..=2);
    let wish = prop_oneof![
        6 => name().prop_map(Wish::Ask),
        4 => name().prop_map(Wish::GiveUp),
        4 => (name(), any::<bool>()).prop_map(|(name, gives_up)| Wish::AskAgain(name, gives_up)),
        1 => any::<bool>().prop_map(Wish::Star),
    ];
    let step = prop_oneof![
        9 => put.prop_map(Move::Put),
        2 => name().prop_map(Move::Remove),
        15 => wish.prop_map(Move::Wish),
        14 => Just(Move::ToClient),
        14 => Just(Move::ToServer),
        2 => (1u64..25).prop_map(Move::Wait),
        1 => any::<(bool, bool)>().prop_map(|(same, other)| Move::Reconnect(same, other)),
    ];
    proptest::collection::vec(step, 1..80)
}

fn habits(mode: Mode) -> impl Strategy<Value = Habit> {
    let types = prop_oneof![Just(CDS), Just(EDS), Just(LDS), Just(RDS)];
    let takes = prop_oneof![
        Just(Takes::Good),
        Just(Takes::Nothing),
        Just(Takes::UpToTheBad)
    ];
    let habit = (types, any::<bool>(), takes, any::<bool>());
    habit.prop_map(move |(type_url, names, takes, star)| Habit {
        type_url,
        mode,
        names,
        takes,
        star,
    })
}

/// A stream with messages on their way in both directions.
struct Course {
    habit: Habit,
    cache: Arc<Cache>,
    session: Session,
    client: Asker,
    newest: Snapshot,
    to_client: VecDeque<Response>,
    now: Timestamp,
}

impl Course {
    fn new(habit: Habit) -> Self {
        let cache = Arc::<Cache>::default();
        let mut course = Self {
            habit,
            cache: cache.clone(),
            session: Session::new(habit.mode, Options::default(), cache),
            client: Asker::new(habit),
            newest: Fleet::new().0,
            to_client: VecDeque::new(),
            now: at(0),
        };
        course.client.connect();
        course
    }

    fn take(&mut self, output: Output) -> Result<(), TestCaseError> {
        self.to_client.extend(output.responses);
        // Of what is on its way there, and changes what is asked for, the server knows nothing.
        let is_heard = match self.habit.mode {
            Mode::Sotw => self.client.out.is_empty() && self.to_client.is_empty(),
            Mode::Delta => !self.client.out.iter().any(|(is_news, _)| *is_news),
        };
        let accepted = output.records.iter().any(|record| match record {
            Record::Accepted(type_url, _) => *type_url == self.habit.type_url,
            _ => false,
        });
        match accepted && is_heard {
            true => self.has_all("when it is called accepted", |newest| {
                !self.client.owed.contains_key(&*newest.name)
            }),
            false => Ok(()),
        }
    }

    /// The client has the newest of what it asks for, as far as that is `due`.
    fn has_all(&self, when: &str, due: impl Fn(&Resource) -> bool) -> Result<(), TestCaseError> {
        let set = self.newest.get(self.habit.type_url);
        let resources = set.into_iter().flat_map(|set| set.resources.values());
        for newest in resources.filter(|newest| self.client.wants(&newest.name) && due(newest)) {
            let has = self.client.has.get(&*newest.name);
            prop_assert_eq!(has, Some(&newest.digest), "{} {}", &newest.name, when);
        }
        Ok(())
    }

    /// It has nothing that is gone.
    fn has_no_more(&self) -> Result<(), TestCaseError> {
        let type_url = self.habit.type_url;
        // State of the world has no word for it. What a client took of a response that it rejected, and that is refused since,
        // nobody can know.
        let is_known = match self.habit.mode {
            Mode::Sotw => type_url.is_full_state(),
            Mode::Delta => self.habit.is_plain(),
        };
        for name in self.client.has.keys().filter(|_| is_known) {
            let exists = self.newest.resource(type_url, name).is_some();
            prop_assert!(exists, "{name} is gone");
        }
        Ok(())
    }

    fn push(&mut self, changes: &[(usize, Option<u32>)]) -> Result<(), TestCaseError> {
        let type_url = self.habit.type_url;
        let mut all = Changes::new();
        for (at, content) in changes {
            let name = NAMES[*at];
            let resource = content.map(|content| {
                let bytes = format!("{name} {content}").into();
                Arc::new(Resource::new(type_url, name, bytes, References::default()))
            });
            all.entry(type_url)
                .or_default()
                .insert(name.into(), resource);
        }
        self.newest = self.newest.with(self.newest.revision.next(), all);
        let newest = Arc::new(self.newest.clone());
        let output = self.session.snapshot(newest, self.now);
        self.take(output)
    }

    fn deliver_response(&mut self) {
        if let Some(response) = self.to_client.pop_front() {
            self.client.receive(&response);
        }
    }

    fn deliver_request(&mut self) -> Result<(), TestCaseError> {
        let Some((_, said)) = self.client.out.pop_front() else {
            return Ok(());
        };
        let type_url = self.habit.type_url;
        let output = match said {
            Said::Sotw(request) => self.session.request(type_url, request, self.now),
            Said::Delta(request) => {
                self.client.is_heard(&request, self.session.last_nonce);
                self.session.delta_request(type_url, request, self.now)
            }
        };
        self.take(output)
    }

    fn wait(&mut self, seconds: u64) -> Result<(), TestCaseError> {
        self.now = later(self.now, Duration::from_secs(seconds));
        let output = self.session.tick(self.now);
        self.take(output)
    }

    fn step(&mut self, step: Move) -> Result<(), TestCaseError> {
        match step {
            Move::Put(puts) => {
                let puts: Vec<_> = puts.iter().map(|(at, to)| (*at, Some(*to))).collect();
                self.push(&puts)
            }
            Move::Remove(at) => self.push(&[(at, None)]),
            Move::ToClient => {
                self.deliver_response();
                Ok(())
            }
            Move::ToServer => self.deliver_request(),
            Move::Wait(seconds) => self.wait(seconds),
            Move::Wish(wish) => {
                self.client.wish(wish);
                Ok(())
            }
            Move::Reconnect(..) if self.client.unsaid => Ok(()),
            Move::Reconnect(same_server, from_elsewhere) => {
                if from_elsewhere {
                    self.client.comes_from_elsewhere();
                }
                if !same_server {
                    self.cache = Arc::default();
                }
                let cache = self.cache.clone();
                self.session = Session::new(self.habit.mode, Options::default(), cache);
                self.to_client.clear();
                self.client.connect();
                let newest = Arc::new(self.newest.clone());
                let output = self.session.snapshot(newest, self.now);
                self.take(output)
            }
        }
    }

    /// Every message arrives.
    fn come_to_rest(&mut self) -> Result<(), TestCaseError> {
        let mut messages = 0;
        // Each round is a minute: far more than anything has to wait for.
        for _ in 0..12 {
            while !self.to_client.is_empty() || !self.client.out.is_empty() {
                messages += 1;
                prop_assert!(messages < 100, "it never comes to rest");
                self.deliver_response();
                self.deliver_request()?;
            }
            self.wait(60)?;
        }
        Ok(())
    }

    /// Every message arrives; then everything is good.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        self.come_to_rest()?;
        if self.habit.names && self.habit.takes == Takes::Good {
            self.has_all("while something else is bad", |newest| !is_bad(newest))?;
        }
        let names = self.newest.get(self.habit.type_url).cloned();
        let names = names.iter().flat_map(|set| set.resources.keys());
        let good = names.filter_map(|name| NAMES.iter().position(|one| **one == **name));
        let good: Vec<_> = good.map(|at| (at, Some(0))).collect();
        self.push(&good)?;
        self.come_to_rest()?;
        self.has_all("in the end", |_| true)?;
        self.has_no_more()?;
        if let Some(set) = self.newest.get(self.habit.type_url)
            && self.client.asks()
        {
            let reported = self.session.reported.get(&self.habit.type_url);
            let reported = reported.map(|(content, _)| *content);
            prop_assert_eq!(reported, Some(set.changed_in), "accepted");
        }
        prop_assert_eq!(self.session.next_deadline(), None);
        Ok(())
    }
}

fn holds(habit: Habit, steps: Vec<Move>) -> Result<(), TestCaseError> {
    let mut course = Course::new(habit);
    for step in steps {
        course.step(step)?;
    }
    course.settle()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn names_that_come_and_go_in_delta(habit in habits(Mode::Delta), steps in moves()) {
        holds(habit, steps)?;
    }

    #[test]
    fn names_that_come_and_go_in_state_of_the_world(habit in habits(Mode::Sotw), steps in moves()) {
        holds(habit, steps)?;
    }
}
