//! Something that is called: keeps what it got, and answers each path as it is told, when it is told.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// Nothing is called later than this, even on a machine that compiles beside it.
const PATIENCE: Duration = Duration::from_secs(60);

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    pub headers: HeaderMap,
    pub raw: Bytes,
    /// The body, where it is JSON.
    pub body: Value,
}

impl Call {
    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("text"))
    }
}

/// The calls before this number are answered so.
#[derive(Clone)]
struct Answer {
    before: usize,
    status: u16,
    body: String,
}

/// What was got and what is answered, by path.
type Calls = BTreeMap<String, Vec<Call>>;
type Answers = BTreeMap<String, Vec<Answer>>;

/// A server over a real socket. Dropped, it is gone.
pub struct Receiver {
    addr: SocketAddr,
    calls: watch::Receiver<Calls>,
    answers: watch::Sender<Answers>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Every call waits until the test says what is answered.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (got, calls) = watch::channel(Calls::new());
        let answers = watch::Sender::new(Answers::new());
        let task = tokio::spawn(serve(listener, got, answers.subscribe()));
        Self {
            addr,
            calls,
            answers,
            task,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where that path is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Answers the next `count` calls of a path so, after those that it answers already.
    pub fn answer_next(&self, count: usize, path: &str, status: u16, body: &str) {
        self.answers.send_modify(|all| {
            let answers = all.entry(path.to_owned()).or_default();
            let from = answers.last().map_or(0, |last| last.before);
            answers.push(Answer {
                before: from.saturating_add(count),
                status,
                body: body.to_owned(),
            });
        });
    }

    /// Answers all other calls of a path so, those that wait and those to come.
    pub fn answer(&self, path: &str, status: u16, body: &str) {
        self.answer_next(usize::MAX, path, status, body);
    }

    /// Answers the calls of a path that wait; those to come wait again.
    pub fn let_go(&self, path: &str, status: u16) {
        let waiting = self.calls.borrow().get(path).map_or(0, Vec::len);
        self.answers.send_modify(|all| {
            let answers = all.entry(path.to_owned()).or_default();
            answers.push(Answer {
                before: waiting,
                status,
                body: String::new(),
            });
        });
    }

    /// The calls of a path so far.
    pub fn so_far(&self, path: &str) -> Vec<Call> {
        self.calls.borrow().get(path).cloned().unwrap_or_default()
    }

    /// The calls of a path, once there are so many.
    pub async fn calls(&self, path: &str, count: usize) -> Vec<Call> {
        let mut calls = self.calls.clone();
        let enough = calls.wait_for(|all| all.get(path).is_some_and(|it| it.len() >= count));
        match tokio::time::timeout(PATIENCE, enough).await {
            Ok(all) => all.unwrap()[path].clone(),
            Err(_) => panic!(
                "{path} was called {} times, not {count}",
                self.so_far(path).len()
            ),
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    got: watch::Sender<Calls>,
    answers: watch::Receiver<Answers>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (got, answers) = (got.clone(), answers.clone());
        let service = service_fn(move |request| one(request, got.clone(), answers.clone()));
        tokio::spawn(
            auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .into_owned(),
        );
    }
}

async fn one(
    request: Request<Incoming>,
    got: watch::Sender<Calls>,
    mut answers: watch::Receiver<Answers>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let headers = request.headers().clone();
    let raw = request.into_body().collect().await?.to_bytes();
    let call = Call {
        headers,
        body: serde_json::from_slice(&raw).unwrap_or_default(),
        raw,
    };
    let mut at = 0;
    got.send_modify(|all| {
        let calls = all.entry(path.clone()).or_default();
        at = calls.len();
        calls.push(call);
    });
    let mine = |all: &Answers| {
        let answers = all.get(&path)?;
        answers.iter().find(|answer| at < answer.before).cloned()
    };
    // An error: the test is over.
    let answer = match answers.wait_for(|all| mine(all).is_some()).await {
        Ok(all) => mine(&all),
        Err(_) => None,
    };
    let (status, body) = answer.map_or((503, String::new()), |it| (it.status, it.body));
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}
