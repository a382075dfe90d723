//! A mailbox address. Kept as it was sent; never rewritten, never resolved.

use email_address::{EmailAddress, Options};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::domain_name::{is_domain_name, is_virama};
use super::personal::Personal;
use super::text::{SPACE, is_ignorable, is_in};
use crate::error::{FieldCode, Invalid};

/// The most characters of an address (RFC 5321, erratum 1690).
pub const MAX_LENGTH: usize = 254;

/// A mailbox address without a display name, at most 254 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(Personal);

impl Email {
    /// Reads an address such as `ada@example.com`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = |message: &'static str| Err(Invalid::new(FieldCode::EmailInvalid, message));
        if text.chars().count() > MAX_LENGTH {
            return Err(Invalid::new(
                FieldCode::EmailInvalid,
                format!("must have at most {MAX_LENGTH} characters"),
            ));
        }
        if text.trim() != text {
            return wrong("must be an address like ada@example.com, without spaces around it");
        }
        if text.ends_with('>') {
            return wrong(
                "must be the address alone, like ada@example.com, without a display name",
            );
        }
        let options = Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_required_tld();
        // Letters of any script stand where ASCII letters may (RFC 6531).
        let plain: String = text
            .chars()
            .map(|character| if character.is_ascii() { character } else { 'a' })
            .collect();
        let (local, domain) = text.rsplit_once('@').unwrap_or_default();
        let accepted = EmailAddress::parse_with_options(&plain, options).is_ok()
            && local.len() <= MAX_LOCAL_BYTES
            && !holds_unseen(text)
            && is_domain_name(domain);
        if accepted {
            Ok(Self(Personal::new(text)))
        } else {
            wrong("must be an address like ada@example.com")
        }
    }

    /// Takes what was stored, which was parsed once.
    pub(super) fn trusted(text: Box<str>) -> Self {
        Self(Personal::new(text))
    }

    /// Shows the address as it was sent.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The address in lower case, for look-up.
    #[must_use]
    pub fn folded(&self) -> Personal {
        Self::fold(self.expose())
    }

    /// Folds any text as [`Email::folded`] does, to look it up.
    #[must_use]
    pub fn fold(text: &str) -> Personal {
        Personal::new(text.to_lowercase())
    }
}

/// The most bytes before the `@` (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;

/// Whether a character takes no ink, save a joiner where Indian scripts need it.
fn holds_unseen(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|character| {
        let joins = matches!(character, '\u{200c}' | '\u{200d}') && is_virama(before);
        before = character;
        let unseen = is_ignorable(character)
            || character.is_control()
            || is_in(SPACE, character) && character != ' ';
        unseen && !joins
    })
}

impl PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
            .description(Some(
                "A mailbox address without a display name, in a domain of at least two labels. Kept as sent; looked up without regard to case.",
            ))
            .max_length(Some(MAX_LENGTH))
            .examples(["ada@example.com"])
            .into()
    }
}

impl ToSchema for Email {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_as_sent_and_folded_for_look_up() {
        let email = Email::parse("Ada.Lovelace+oms@Example.COM").expect("an address");
        assert_eq!(email.expose(), "Ada.Lovelace+oms@Example.COM");
        assert_eq!(email.folded().expose(), "ada.lovelace+oms@example.com");
        assert_eq!(format!("{email:?}"), "Email(…)");
    }

    #[test]
    fn addresses_of_any_script_are_addresses() {
        for text in [
            "राजेन्द्र@डाटामेल.भारत",
            "квіточка@пошта.укр",
            "θσερ@εχαμπλε.ψομ",
            "user@example.भारत",
            "ada@क्\u{200d}ष.भारत",
            "josé@bücher.example",
            "ada@xn--bcher-kva.example",
            "用户@例子.广告",
            "ada!#$%&'*+/=?^_`{|}~x@example.com",
            "\"ada l\"@example.com",
            "a@3com.com",
        ] {
            let email = Email::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            assert_eq!(email.expose(), text);
        }
        let local = "é".repeat(33);
        assert!(Email::parse(&format!("{local}@example.com")).is_err());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "Ada <ada@example.com>",
            " ada@example.com",
            "ada@example.com\n",
            "a b@example.com",
            "ada@exa mple.com",
            "ada@@example.com",
            "ada@[127.0.0.1]",
            "ada@example..com",
            "ada@.example.com",
            ".ada@example.com",
            "ada..b@example.com",
            "ada@b@example.com",
            "ada@-example.com",
            "ada@example.com, eve@example.com",
            "a\0@example.com",
            "mailto:ada@example.com,",
            "ada@exa!mple.com",
            "ada@exa_mple.com",
            "ada@exa&mple.com",
            "ada@example.com.",
            "ada@1.2.3.4",
            "ada@0x7f.1",
            "ada@example.42",
            "ada@example。com",
            "ada@ｅxample.com",
            "ada@xn--a.com",
            "ada@☃.net",
            "ada@ＥＸＡＭＰＬＥ.com",
            "ada@ex\u{200d}ample.com",
            "a\u{200b}da@example.com",
            "a\u{202e}da@example.com",
            "ada@example-.com",
        ] {
            assert_eq!(
                Email::parse(text).unwrap_err().code,
                FieldCode::EmailInvalid,
                "{text:?}"
            );
        }
        let local = format!("{}@example.com", "l".repeat(65));
        assert!(Email::parse(&local).is_err());
        let labels = format!("{0}.{0}.{1}.com", "d".repeat(63), "d".repeat(57));
        assert!(Email::parse(&format!("{}@{labels}", "l".repeat(64))).is_ok());
        let long = format!("{}@{}.com", "a".repeat(60), "b.".repeat(100));
        assert_eq!(
            Email::parse(&long).unwrap_err().code,
            FieldCode::EmailInvalid
        );
    }
}
