//! Checks that make their requests with a TLS of their own, as their `tls` says.

use std::{io, sync::Arc};

use async_trait::async_trait;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::{
    Check, Context,
    client::Client,
    data::{DataError, read_file},
    outside::FILES,
    tls::Tls,
};
use crate::model::check::{CheckTls, Measurement, Phase};

/// The longest file of certificates, in bytes: the whole bundle of a Linux distribution is a quarter of it.
const MAX_CERTIFICATES: usize = 1 << 20;

/// Why a check's TLS can't be made.
#[derive(Debug, thiserror::Error)]
enum TlsError {
    #[error("tls.caFile: {0}")]
    File(#[from] DataError),
    #[error("tls.caFile: {0} holds no certificate (PEM) that can be trusted")]
    NoCertificate(String),
    #[error("tls.serverName: {0:?} is no name of a server")]
    Name(String),
    #[error("the TLS library can't be set up: {0}")]
    Library(#[from] io::Error),
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
        match declared(&self.tls, context).await {
            Ok(tls) => {
                let mut context = context.clone();
                context.client = Client::with(tls);
                self.check.measure(&context).await
            }
            Err(error) => Measurement::new(context.now(), Phase::Error, error.to_string()),
        }
    }
}

/// What a check declares.
async fn declared(tls: &CheckTls, context: &Context) -> Result<Tls, TlsError> {
    let mut made = if tls.insecure_skip_verify {
        Tls::trusting_any()?
    } else if let Some(file) = &tls.ca_file {
        Tls::trusting(roots(file, context).await?)?
    } else {
        Tls::of_system()?
    };
    if let Some(name) = &tls.server_name {
        let valid = ServerName::try_from(name.clone());
        made.name = Some(valid.map_err(|_| TlsError::Name(name.clone()))?);
    }
    Ok(made)
}

/// The certificates of a file below the folder of check data.
async fn roots(file: &str, context: &Context) -> Result<RootCertStore, TlsError> {
    let Some(folder) = context.files.clone() else {
        return Err(DataError::NoFolder(file.to_owned()).into());
    };
    let name = file.to_owned();
    let read = FILES.run(move || read_file(&folder, &name, MAX_CERTIFICATES));
    let text = read.await.map_err(io::Error::other)??;
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok);
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(TlsError::NoCertificate(file.to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
#[path = "secured_tests.rs"]
mod tests;
