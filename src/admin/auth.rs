//! The bearer token, where the server has one.

use std::sync::Arc;

use tonic::{Request, Status, service::Interceptor};

use super::errors::refused;
use crate::release::{Reason, Refusal};

/// Lets calls pass that carry the server's token; all of them, if it has none (the admin port is on loopback then).
#[derive(Clone)]
pub struct Token(Option<Arc<[u8; 32]>>);

impl Token {
    /// `None`: every call may pass.
    pub fn new(token: Option<String>) -> Self {
        Self(token.map(|token| Arc::new(digest(token.as_bytes()))))
    }
}

impl Interceptor for Token {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(expected) = &self.0 else {
            return Ok(request);
        };
        let given = request
            .metadata()
            .get("authorization")
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        match given {
            Some(given) if same(&digest(given), expected) => Ok(request),
            Some(_) => Err(denied("the token is not the server's")),
            None => Err(denied("the server wants a token")),
        }
    }
}

fn denied(message: &str) -> Status {
    refused(&Refusal::new(
        Reason::NotAllowed,
        message,
        "set BLUEGREEN_TOKEN to the content of the server's --admin-token-file",
    ))
}

fn digest(token: &[u8]) -> [u8; 32] {
    *blake3::hash(token).as_bytes()
}

/// Compares in a time that depends on nothing that the caller can choose: the tokens' digests, all bytes of them.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn call(token: Option<&str>, header: Option<&str>) -> Result<(), Code> {
        let mut request = Request::new(());
        if let Some(header) = header {
            let value = header.parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        Token::new(token.map(str::to_owned))
            .call(request)
            .map(|_| ())
            .map_err(|status| status.code())
    }

    #[test]
    fn only_the_servers_token_passes() {
        assert_eq!(call(None, None), Ok(()));
        assert_eq!(call(Some("secret"), Some("Bearer secret")), Ok(()));
        for wrong in [
            None,
            Some("Bearer "),
            Some("Bearer secret2"),
            Some("Bearer Secret"),
            Some("secret"),
            Some("Basic secret"),
        ] {
            assert_eq!(call(Some("secret"), wrong), Err(Code::Unauthenticated));
        }
    }
}
