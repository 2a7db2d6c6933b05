//! The TLS of checks: the system's roots, or what a check's `tls` says.

use std::{io, sync::Arc};

use async_trait::async_trait;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::{
    Check, Context,
    client::Client,
    data::{DataError, read_file},
};
use crate::model::check::{CheckTls, Measurement, Phase};

/// The longest file of certificates, in bytes: the whole bundle of a Linux distribution is a quarter of it.
const MAX_CERTIFICATES: usize = 1 << 20;

/// How a client makes its TLS connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whom it trusts. It offers no protocol (ALPN) yet.
    pub(super) config: ClientConfig,
    /// The name for which certificates must be; None: the host that is asked.
    pub(super) name: Option<ServerName<'static>>,
}

/// Why a check's TLS can't be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("tls.caFile: {0}")]
    File(#[from] DataError),
    #[error("tls.caFile: {0} holds no certificate (PEM) that can be trusted")]
    NoCertificate(String),
    #[error("tls.serverName: {0:?} is no name of a server")]
    Name(String),
    #[error("the TLS library can't be set up: {0}")]
    Library(#[from] io::Error),
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

fn trusting(roots: RootCertStore) -> io::Result<ClientConfig> {
    let builder = builder()?.with_root_certificates(roots);
    Ok(builder.with_no_client_auth())
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
        Ok(Self {
            config: trusting(roots)?,
            name: None,
        })
    }

    /// What a check declares.
    async fn of_check(declared: &CheckTls, context: &Context) -> Result<Self, TlsError> {
        let config = if declared.insecure_skip_verify {
            builder()?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
                .with_no_client_auth()
        } else if let Some(file) = &declared.ca_file {
            trusting(roots(file, context).await?)?
        } else {
            Self::of_system()?.config
        };
        let name = declared
            .server_name
            .clone()
            .map(|name| ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name)));
        Ok(Self {
            config,
            name: name.transpose()?,
        })
    }

    /// The same, offering to speak what is in `protocols` (ALPN).
    pub(super) fn speaking(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let mut config = self.config.clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

/// The certificates of a file below the folder of check data.
async fn roots(file: &str, context: &Context) -> Result<RootCertStore, TlsError> {
    let Some(folder) = context.files.clone() else {
        return Err(DataError::NoFolder(file.to_owned()).into());
    };
    let name = file.to_owned();
    let read = tokio::task::spawn_blocking(move || read_file(&folder, &name, MAX_CERTIFICATES));
    let text = read.await.map_err(io::Error::other)??;
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok);
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(TlsError::NoCertificate(file.to_owned()));
    }
    Ok(roots)
}

/// A check that makes its requests with a TLS of its own. The file of certificates is read for each measurement: certificates
/// are renewed.
pub(super) struct Secured {
    check: Arc<dyn Check>,
    tls: CheckTls,
}

impl Secured {
    pub(super) fn new(check: Arc<dyn Check>, tls: CheckTls) -> Self {
        Self { check, tls }
    }
}

#[async_trait]
impl Check for Secured {
    async fn measure(&self, context: &Context) -> Measurement {
        match Tls::of_check(&self.tls, context).await {
            Ok(tls) => {
                let mut context = context.clone();
                context.client = Client::with(tls);
                self.check.measure(&context).await
            }
            Err(error) => Measurement::new(context.now(), Phase::Error, error.to_string()),
        }
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

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
