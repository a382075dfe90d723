//! Whom a connection trusts: the machine's authorities and those of a file.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::error::{Error, Result};

/// A connector that verifies every certificate.
pub(super) fn connector(extra_authorities: Option<&Path>) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    // A machine without authorities verifies nobody but those of the file.
    let own = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(own.certs);
    if let Some(path) = extra_authorities {
        add(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<()> {
    let unreadable = |cause: &dyn std::fmt::Display| {
        let path = path.display();
        Error::internal(format!(
            "outbound_ca_file: {path} is no PEM file of certificates: {cause}"
        ))
    };
    let mut found = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|cause| unreadable(&cause))? {
        let certificate = certificate.map_err(|cause| unreadable(&cause))?;
        roots.add(certificate).map_err(|cause| unreadable(&cause))?;
        found += 1;
    }
    match found {
        0 => Err(unreadable(&"there is none in it")),
        _ => Ok(()),
    }
}
