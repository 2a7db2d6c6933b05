//! The TLS of checks: whom a client trusts, and by which name.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// How a client makes its TLS connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whom it trusts. It offers no protocol (ALPN) yet.
    pub(super) config: ClientConfig,
    /// The name for which certificates must be; None: the host that is asked.
    pub(super) name: Option<ServerName<'static>>,
}

/// The library is named: two of them in one program would make the default ambiguous.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder() -> io::Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)
}

impl Tls {
    /// The system's certificates are trusted: those in `SSL_CERT_FILE` and `SSL_CERT_DIR`, where the server has them set. A
    /// system without certificates trusts no server, and asks by plain HTTP all the same.
    ///
    /// # Errors
    /// If the library can't be set up.
    pub(super) fn of_system() -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::trusting(roots)
    }

    /// Only what these certificates vouch for is trusted.
    ///
    /// # Errors
    /// If the library can't be set up.
    pub(super) fn trusting(roots: RootCertStore) -> io::Result<Self> {
        let config = builder()?.with_root_certificates(roots);
        Ok(Self {
            config: config.with_no_client_auth(),
            name: None,
        })
    }

    /// Whatever certificate comes is trusted.
    ///
    /// # Errors
    /// If the library can't be set up.
    pub(super) fn trusting_any() -> io::Result<Self> {
        let config = builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())));
        Ok(Self {
            config: config.with_no_client_auth(),
            name: None,
        })
    }

    /// The same, offering to speak what is in `protocols` (ALPN).
    pub(super) fn speaking(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let mut config = self.config.clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

/// Trusts whatever certificate comes; that the server has its key is still verified.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
