//! A client of one type whose names come and go: it drops what it has and asks for it again, gives up and asks in one message, asks
//! for everything and takes that back; what it rejects it names or not, and takes good parts of it, or nothing.

use super::*;

pub const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    pub type_url: TypeUrl,
    pub mode: Mode,
    /// Its errors name what they are about.
    pub names: bool,
    /// What it takes of a response that it rejects.
    pub takes: Takes,
    /// Its first list is empty, which may mean everything.
    pub star: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Good,
    Nothing,
    UpToTheBad,
}

impl Habit {
    /// Whether an error tells what was taken of the rest.
    pub fn is_plain(&self) -> bool {
        match self.takes {
            Takes::Good => self.names,
            Takes::Nothing => true,
            Takes::UpToTheBad => false,
        }
    }
}

/// What a client may do of itself.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    Ask(usize),
    GiveUp(usize),
    /// Delta only: with or without giving it up in the same message.
    AskAgain(usize, bool),
    Star(bool),
}

pub fn is_bad(resource: &Resource) -> bool {
    resource.bytes.ends_with(format!(" {POISON}").as_bytes())
}

pub struct Asker {
    habit: Habit,
    implicit: bool,
    pub star: bool,
    pub names: BTreeSet<String>,
    pub has: BTreeMap<String, Digest>,
    versions: BTreeMap<String, String>,
    version: String,
    nonce: String,
    /// What it has is not what its versions say: it shows none of that on its next stream.
    pub unsaid: bool,
    /// Asked for again, and since which nonce of the server, once that has heard of it.
    pub owed: BTreeMap<String, Option<u64>>,
    /// Requests on their way, and whether they ask for something else.
    pub out: VecDeque<(bool, Said)>,
}

impl Asker {
    pub fn new(habit: Habit) -> Self {
        Self {
            habit,
            implicit: habit.star && habit.type_url.is_full_state(),
            star: false,
            names: BTreeSet::new(),
            has: BTreeMap::new(),
            versions: BTreeMap::new(),
            version: String::new(),
            nonce: String::new(),
            unsaid: false,
            owed: BTreeMap::new(),
            out: VecDeque::new(),
        }
    }

    pub fn asks(&self) -> bool {
        self.implicit || self.star || !self.names.is_empty()
    }

    pub fn wants(&self, name: &str) -> bool {
        self.implicit || self.star || self.names.contains(name)
    }

    fn list(&self) -> Vec<String> {
        let star = self.star.then(|| "*".to_owned());
        star.into_iter().chain(self.names.iter().cloned()).collect()
    }

    /// What it has it has of another control plane, whose versions say nothing here.
    pub fn comes_from_elsewhere(&mut self) {
        self.version = "v7".to_owned();
        self.versions
            .values_mut()
            .for_each(|version| *version = "v7".to_owned());
    }

    fn say(&mut self, error: Option<String>, is_news: bool) {
        let request = Request {
            version: self.version.clone(),
            nonce: self.nonce.clone(),
            names: self.list(),
            error,
        };
        self.out.push_back((is_news, Said::Sotw(request)));
    }

    /// On a new stream.
    pub fn connect(&mut self) {
        self.out.clear();
        self.nonce.clear();
        self.owed.clear();
        if !self.asks() {
            return;
        }
        if self.habit.mode == Mode::Sotw {
            return self.say(None, true);
        }
        // Beside names everything is asked for by its own.
        if self.implicit && !self.names.is_empty() {
            (self.implicit, self.star) = (false, true);
        }
        let request = DeltaRequest {
            subscribe: self.list(),
            versions: self.versions.clone(),
            ..DeltaRequest::default()
        };
        self.out.push_back((true, Said::Delta(request)));
    }

    fn change(&mut self, subscribe: &[&str], unsubscribe: &[&str]) {
        if self.habit.mode == Mode::Sotw {
            self.unsaid = true;
            return self.say(None, true);
        }
        let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        let request = DeltaRequest {
            subscribe: owned(subscribe),
            unsubscribe: owned(unsubscribe),
            ..DeltaRequest::default()
        };
        match self.out.back_mut() {
            // One message says both, as Envoy does.
            Some((is_news, Said::Delta(answer))) if self.habit.star && !*is_news => {
                *is_news = true;
                answer.subscribe = request.subscribe;
                answer.unsubscribe = request.unsubscribe;
            }
            _ => self.out.push_back((true, Said::Delta(request))),
        }
    }

    fn forget(&mut self, name: &str) {
        self.has.remove(name);
        self.versions.remove(name);
    }

    fn forget_unwanted(&mut self) {
        let names: Vec<String> = self.has.keys().cloned().collect();
        for name in names {
            if !self.wants(&name) {
                self.forget(&name);
            }
        }
    }

    pub fn wish(&mut self, wish: Wish) {
        let delta = self.habit.mode == Mode::Delta;
        // No client is known that begins with everything in state of the world, and then asks for less.
        if !delta && (self.implicit || matches!(wish, Wish::AskAgain(..))) {
            return;
        }
        match wish {
            Wish::Ask(at) => {
                if self.names.insert(NAMES[at].to_owned()) {
                    self.owed.insert(NAMES[at].to_owned(), None);
                    self.change(&[NAMES[at]], &[]);
                }
            }
            Wish::GiveUp(at) => {
                if self.names.remove(NAMES[at]) {
                    let is_still_wanted = self.wants(NAMES[at]);
                    // Beside everything it is told again; in state of the world nothing was given up then.
                    if delta || !is_still_wanted {
                        self.forget(NAMES[at]);
                        self.owed.remove(NAMES[at]);
                    }
                    if delta && is_still_wanted {
                        self.owed.insert(NAMES[at].to_owned(), None);
                    }
                    self.change(&[], &[NAMES[at]]);
                }
            }
            Wish::AskAgain(at, gives_up) => {
                if self.names.contains(NAMES[at]) {
                    self.forget(NAMES[at]);
                    self.owed.insert(NAMES[at].to_owned(), None);
                    let name = [NAMES[at]];
                    self.change(&name, if gives_up { &name } else { &[] });
                }
            }
            Wish::Star(true) => {
                if !self.star && !self.implicit {
                    self.star = true;
                    self.owed.extend(NAMES.map(|name| (name.to_owned(), None)));
                    self.change(&["*"], &[]);
                }
            }
            Wish::Star(false) => {
                if self.star || self.implicit {
                    (self.star, self.implicit) = (false, false);
                    self.forget_unwanted();
                    self.change(&[], &["*"]);
                }
            }
        }
    }

    /// The server, whose last nonce is that, hears that these are asked for.
    pub fn is_heard(&mut self, request: &DeltaRequest, last_nonce: u64) {
        for name in request.subscribe.iter().chain(&request.unsubscribe) {
            for (owed, since) in &mut self.owed {
                if name == "*" || name == owed {
                    *since = Some(last_nonce);
                }
            }
        }
    }

    fn is_answered(&mut self, name: &str, nonce: u64) {
        let since = self.owed.get(name).copied().flatten();
        if since.is_some_and(|since| nonce > since) {
            self.owed.remove(name);
        }
    }

    fn error(&self, bad: &[&str]) -> Option<String> {
        let first = bad.first()?;
        Some(match (self.habit.names, self.habit.takes) {
            (false, _) => "nonsense".to_owned(),
            (true, Takes::Good) => {
                format!(
                    "Error adding/updating cluster(s) {}: nonsense",
                    bad.join(", ")
                )
            }
            (true, _) => format!("{first}: nonsense"),
        })
    }

    pub fn receive(&mut self, response: &Response) {
        let wanted = response
            .resources()
            .filter(|resource| self.wants(&resource.name));
        let resources: Vec<Arc<Resource>> = wanted.cloned().collect();
        let bad = resources.iter().filter(|resource| is_bad(resource));
        let bad: Vec<&str> = bad.map(|resource| &*resource.name).collect();
        let error = self.error(&bad);
        let whole = self.habit.mode.is_whole(self.habit.type_url);
        let takes = match error {
            None => Takes::Good,
            Some(_) => self.habit.takes,
        };
        let nonce = response.nonce.parse().unwrap();
        if takes == Takes::Good {
            if whole {
                let listed: BTreeSet<&str> = resources.iter().map(|one| &*one.name).collect();
                self.has.retain(|name, _| listed.contains(&**name));
            }
            for name in &response.message.removed {
                self.has.remove(&**name);
                self.is_answered(name, nonce);
            }
        }
        let until = match takes {
            Takes::Good => resources.len(),
            Takes::Nothing => 0,
            Takes::UpToTheBad => resources.iter().position(|one| is_bad(one)).unwrap_or(0),
        };
        for one in resources[..until].iter().filter(|one| !is_bad(one)) {
            self.has.insert(one.name.to_string(), one.digest);
            self.is_answered(&one.name, nonce);
        }
        self.nonce = response.nonce.clone();
        if error.is_none() {
            self.version = response.version();
            let versions: Vec<_> = response.versions().collect();
            let wanted = versions.into_iter().filter(|(name, _)| self.wants(name));
            let wanted: Vec<_> = wanted.collect();
            self.versions.extend(wanted);
            for name in &response.message.removed {
                self.versions.remove(&**name);
            }
        }
        self.unsaid |= error.is_some();
        if self.habit.mode == Mode::Sotw {
            return self.say(error, false);
        }
        let request = DeltaRequest {
            nonce: response.nonce.clone(),
            error,
            ..DeltaRequest::default()
        };
        self.out.push_back((false, Said::Delta(request)));
    }
}
