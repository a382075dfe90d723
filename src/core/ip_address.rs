//! The address a customer came from. Write-only: no answer or message shows it.

use std::net::IpAddr;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::personal::Personal;
use crate::error::{FieldCode, Invalid};

/// Characters of the longest address.
const LONGEST: usize = 45;

/// An IPv4 or IPv6 address, in its canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpAddress(Personal);

impl IpAddress {
    /// Reads an address without port, prefix length or zone.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Self(Personal::new(address.to_string()))),
            Err(_) => Err(Invalid::new(
                FieldCode::IpAddressInvalid,
                "must be an IPv4 or IPv6 address, like 203.0.113.7 or 2001:db8::7, without a port",
            )),
        }
    }

    /// Takes what was stored, which was parsed once.
    pub(super) fn trusted(text: Box<str>) -> Self {
        Self(Personal::new(text))
    }

    /// Shows the address.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl PartialSchema for IpAddress {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("The IPv4 or IPv6 address the customer came from."))
            .max_length(Some(LONGEST))
            .examples(["203.0.113.7", "2001:db8::7"])
            .into()
    }
}

impl ToSchema for IpAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_accepted_and_spelled_canonically() {
        for (text, kept) in [
            ("203.0.113.7", "203.0.113.7"),
            ("2001:DB8:0::7", "2001:db8::7"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ] {
            assert_eq!(IpAddress::parse(text).expect("an address").expose(), kept);
        }
        for text in [
            "",
            "1.2.3",
            "1.2.3.4:80",
            "1.2.3.4/8",
            "fe80::1%eth0",
            "01.2.3.4",
            "localhost",
            " 1.2.3.4",
        ] {
            let wrong = IpAddress::parse(text).unwrap_err();
            assert_eq!(wrong.code, FieldCode::IpAddressInvalid, "{text}");
        }
    }
}
