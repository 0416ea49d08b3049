//! Which server is asked, and as whom.

use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

/// The address of a server, such as `http://127.0.0.1:8689`, and the token that agents need there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    host: String,
    port: u16,
    /// The host and port as the `Host` header has them.
    authority: String,
    /// What is before every path, without a slash at its end.
    prefix: String,
    token: Option<SecretString>,
}

/// What is no address of a server that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an address at all.
    #[error("{0} is no address of a server: use one such as http://127.0.0.1:8689")]
    NoAddress(String),
    /// Encrypted: the client would be measured rather than the server.
    #[error(
        "https is not spoken here, for encrypting would be measured with it: use the http address of the server itself, \
         behind its proxy"
    )]
    Encrypted,
    /// Another protocol.
    #[error("{0} is no protocol of the server: use an address such as http://127.0.0.1:8689")]
    OtherProtocol(String),
    /// More than an address: a user, a query or a fragment.
    #[error(
        "an address of a server has no user, no ? and no #: use one such as http://127.0.0.1:8689"
    )]
    MoreThanAddress,
    /// A token that does not fit into a header.
    #[error("the agent token has characters that no header can carry")]
    Token,
}

impl Endpoint {
    /// The same server, asked by agents with this token.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Token`] if no header can carry it.
    pub fn with_token(mut self, token: SecretString) -> Result<Self, EndpointError> {
        if !token.expose_secret().bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
            return Err(EndpointError::Token);
        }
        self.token = Some(token);
        Ok(self)
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The lines of a request's head that are the same in each.
    pub(crate) fn header_lines(&self) -> String {
        let host = format!("host: {}\r\n", self.authority);
        match &self.token {
            Some(token) => format!("{host}x-pm-agent-token: {}\r\n", token.expose_secret()),
            None => host,
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let no_address = || EndpointError::NoAddress(raw.to_owned());
        let url = Url::parse(raw.trim()).map_err(|_| no_address())?;
        match url.scheme() {
            "http" => {}
            "https" => return Err(EndpointError::Encrypted),
            // `localhost:8689` reads as the protocol `localhost`.
            _ if !raw.contains("://") => return Err(no_address()),
            other => return Err(EndpointError::OtherProtocol(other.to_owned())),
        }
        let is_plain = url.username().is_empty() && url.password().is_none();
        if !is_plain || url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::MoreThanAddress);
        }
        let host = url.host().ok_or_else(no_address)?;
        let port = url.port_or_known_default().ok_or_else(no_address)?;
        Ok(Self {
            authority: url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}")),
            host: match host {
                Host::Ipv6(address) => address.to_string(),
                other => other.to_string(),
            },
            port,
            prefix: url.path().trim_end_matches('/').to_owned(),
            token: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_port_and_what_is_before_every_path() {
        let endpoint: Endpoint = "http://127.0.0.1:8689/".parse().unwrap();
        assert_eq!(endpoint.address(), ("127.0.0.1", 8689));
        assert_eq!(
            (endpoint.prefix(), &*endpoint.header_lines()),
            ("", "host: 127.0.0.1:8689\r\n")
        );

        let endpoint: Endpoint = "http://[::1]/deck/".parse().unwrap();
        assert_eq!(endpoint.address(), ("::1", 80));
        assert_eq!((endpoint.prefix(), &*endpoint.header_lines()), ("/deck", "host: [::1]\r\n"));
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_its_reason() {
        let refusal = |raw: &str| raw.parse::<Endpoint>().unwrap_err();

        assert_eq!(refusal("https://example.org"), EndpointError::Encrypted);
        assert_eq!(refusal("ftp://example.org"), EndpointError::OtherProtocol("ftp".to_owned()));
        assert_eq!(refusal("http://a:b@localhost"), EndpointError::MoreThanAddress);
        assert_eq!(refusal("http://localhost?x=1"), EndpointError::MoreThanAddress);
        for raw in ["", "localhost:8689", "127.0.0.1", "http://"] {
            assert_eq!(refusal(raw), EndpointError::NoAddress(raw.to_owned()));
        }
    }

    #[test]
    fn a_token_is_sent_and_never_shown() {
        let endpoint: Endpoint = "http://localhost".parse().unwrap();
        let with_token = endpoint.clone().with_token("secret word".into()).unwrap();

        assert!(with_token.header_lines().contains("x-pm-agent-token: secret word\r\n"));
        assert!(!format!("{with_token:?}").contains("secret word"));
        assert!(endpoint.with_token("a\r\nb: c".into()).is_err());
    }
}
