//! Section 5: names, email, phone, birth date, nationality, IP address, external id.

use serde_json::{Value, json};

use crate::support::InProcess;
use crate::validation::{accepts, refuses, texts, with};

const NAMES: [&str; 3] = ["firstName", "middleName", "lastName"];

#[test]
fn a_name_has_1_to_100_characters_after_trimming() {
    for field in NAMES {
        let pointer = format!("/{field}");
        refuses(field, &pointer, "tooShort", texts(["", "   ", "\u{a0}"]));
        refuses(
            field,
            &pointer,
            "tooLong",
            [json!("x".repeat(101)), json!("é".repeat(101))],
        );
        let long = [
            json!("x"),
            json!("x".repeat(100)),
            json!("é".repeat(100)),
            json!("e\u{301}".repeat(100)),
        ];
        let padded = json!(format!("  {}  ", "x".repeat(100)));
        let made = accepts(field, long.into_iter().chain([padded]));
        assert_eq!(made[3].json()[field], "é".repeat(100));
        assert_eq!(made[4].json()[field], "x".repeat(100));
    }
}

#[test]
fn a_name_is_in_letters_of_any_script() {
    for field in NAMES {
        let names = [
            "Ada",
            "王小明",
            "محمد",
            "Αθηνά",
            "Дмитрий",
            "สมชาย",
            "अनिता",
            "José-María",
            "D'Arcy",
            "O\u{2019}Neil",
            "van der Berg",
            "Jr.",
        ];
        for (made, name) in accepts(field, texts(names)).iter().zip(names) {
            assert_eq!(made.json()[field], name, "{made}");
        }
    }
}

#[test]
fn a_name_has_no_control_characters() {
    for field in NAMES {
        let values = texts([
            "a\u{0}b",
            "a\nb",
            "a\tb",
            "a\u{7f}b",
            "a\u{85}b",
            "a\u{1b}[31mb",
        ]);
        refuses(field, &format!("/{field}"), "characterInvalid", values);
    }
}

/// An address of so many characters.
fn email_of(length: usize) -> String {
    let (local, labels) = (
        "l".repeat(64),
        format!("{}.{}", "d".repeat(63), "d".repeat(63)),
    );
    let rest = length - local.len() - labels.len() - "@..com".len();
    format!("{local}@{labels}.{}.com", "d".repeat(rest))
}

#[test]
fn an_email_is_a_mailbox_address_of_at_most_254_characters() {
    let longest = email_of(254);
    assert_eq!(longest.len(), 254);
    let good = [
        "ada@example.com",
        "a.b+tag@sub.example.co.uk",
        "o'brien@example.org",
        &longest,
    ];
    for (made, email) in accepts("email", texts(good)).iter().zip(good) {
        assert_eq!(made.json()["email"], email, "{made}");
    }
    let local = format!("{}@example.com", "l".repeat(65));
    let bad = [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada example@example.com",
        "ada@exam ple.com",
        "ada@@example.com",
        "ada@b@example.com",
        "ada@example..com",
        "ada@.example.com",
        ".ada@example.com",
        "ada..b@example.com",
        "Ada Lovelace <ada@example.com>",
        "ada@example.com, eve@example.com",
        "mailto:ada@exam ple",
        "ada@-example.com",
        "ada@exa\u{0}mple.com",
        "ada\n@example.com",
        &local,
    ];
    refuses("email", "/email", "emailInvalid", [json!(email_of(255))]);
    refuses("email", "/email", "emailInvalid", texts(bad));
}

#[test]
fn a_phone_is_e_164_and_a_number_that_its_plan_allows() {
    let good = [
        "+14155552671",
        "+442071838750",
        "+33142685300",
        "+61412345678",
        "+5511987654321",
        "+81312345678",
    ];
    for (made, phone) in accepts("phone", texts(good)).iter().zip(good) {
        assert_eq!(made.json()["phone"], phone, "{made}");
    }
    let bad = [
        "",
        "+",
        "4155552671",
        "14155552671",
        "0014155552671",
        "+1 415 555 2671",
        "+1-415-555-2671",
        "+1(415)5552671",
        "+1415555267",
        "+141555526711",
        "+11234567890",
        "+999123456789",
        "+0123456789",
        "+1415555CALL",
        "tel:+14155552671",
        "+14155552671;ext=5",
        "+14155552671 ",
        "+44 20",
        "+4420718387500000000",
    ];
    for message in refuses("phone", "/phone", "phoneInvalid", texts(bad)) {
        assert!(message.contains("+1"), "an example helps: {message}");
    }
}

#[test]
fn a_birth_date_is_a_real_date_in_the_one_form() {
    let made = accepts(
        "birthDate",
        texts(["1990-05-15", "2000-02-29", "1996-02-29", "1950-12-31"]),
    );
    assert_eq!(made[0].json().get("birthDate"), None, "{}", made[0]);
    let bad = [
        "",
        "1990-02-30",
        "1990-13-01",
        "1990-00-10",
        "1990-01-00",
        "1900-02-29",
        "2001-02-29",
        "19900515",
        "1990-5-15",
        "90-05-15",
        "1990-05-15T00:00:00Z",
        "May 15, 1990",
        " 1990-05-15",
        "1990-05-15 ",
        "+1990-05-15",
        "-1990-05-15",
        "１９９０-05-15",
    ];
    refuses("birthDate", "/birthDate", "dateInvalid", texts(bad));
}

#[test]
fn a_date_with_slashes_is_told_the_form() {
    for message in refuses(
        "birthDate",
        "/birthDate",
        "dateInvalid",
        texts(["05/15/1990", "15/05/1990", "1990/05/15"]),
    ) {
        assert!(message.contains("1990-05-15"), "{message}");
    }
}

#[test]
fn a_birth_date_is_not_in_the_future_and_not_over_130_years_ago() {
    let server = InProcess::start(|_| ());
    assert_eq!(&server.now()[..10], "2027-01-15");
    let api = server.sandbox();
    for date in ["2027-01-15", "2027-01-14", "1897-01-15"] {
        api.create(&with("birthDate", &json!(date)));
    }
    for date in [
        "2027-01-16",
        "2999-01-01",
        "1897-01-14",
        "1800-01-01",
        "0001-01-01",
    ] {
        let answer = api.post("/customers", &with("birthDate", &json!(date)));
        answer.field_error("/birthDate", "dateInvalid");
    }
}

#[test]
fn a_nationality_is_an_assigned_alpha_2_code_in_upper_case() {
    let good = ["US", "DE", "BR", "ZA", "GB", "TW", "AQ", "XK"];
    for (made, code) in accepts("nationality", texts(good)).iter().zip(good) {
        assert_eq!(made.json()["nationality"], code, "{made}");
    }
    let bad = [
        "", "us", "Us", "XX", "ZZ", "AA", "EU", "UK", "AN", "SU", "840", " US", "U",
    ];
    refuses("nationality", "/nationality", "countryInvalid", texts(bad));
}

#[test]
fn a_nationality_in_words_or_alpha_3_is_told_the_code() {
    for (value, code) in [
        ("American", "US"),
        ("United States", "US"),
        ("USA", "US"),
        ("France", "FR"),
        ("FRA", "FR"),
        ("Germany", "DE"),
        ("fr", "FR"),
    ] {
        for message in refuses(
            "nationality",
            "/nationality",
            "countryInvalid",
            [json!(value)],
        ) {
            assert!(
                message.contains(code) || message.contains("US"),
                "{value}: {message}"
            );
        }
    }
}

#[test]
fn an_ip_address_is_of_version_4_or_6() {
    let good = [
        "203.0.113.7",
        "0.0.0.0",
        "255.255.255.255",
        "2001:db8::1",
        "::1",
        "::ffff:203.0.113.7",
        "2001:DB8:0:0:0:0:0:1",
    ];
    let made = accepts("ipAddress", texts(good));
    assert_eq!(made[0].json().get("ipAddress"), None, "{}", made[0]);
    let bad = [
        "",
        "1.2.3",
        "256.1.1.1",
        "1.2.3.4/24",
        "1.2.3.4:80",
        "[::1]",
        "2001:db8::g",
        "localhost",
        "fe80::1%eth0",
        "01.2.3.4",
        "0x7f.1",
        "1.2.3.4 ",
        ":::",
    ];
    refuses("ipAddress", "/ipAddress", "ipAddressInvalid", texts(bad));
}

#[test]
fn an_external_id_has_1_to_255_visible_characters() {
    let longest = "x".repeat(255);
    let good = ["x", "user-1842", "a/b:c?d=e&f#g", "{\"a\":1}", &longest];
    for (made, id) in accepts("externalId", texts(good)).iter().zip(good) {
        assert_eq!(made.json()["externalId"], id, "{made}");
    }
    refuses("externalId", "/externalId", "tooShort", texts([""]));
    refuses(
        "externalId",
        "/externalId",
        "tooLong",
        [Value::from("x".repeat(256))],
    );
    refuses(
        "externalId",
        "/externalId",
        "characterInvalid",
        texts(["a\nb", "a\u{0}b", "a\u{7f}", "a\u{200b}b"]),
    );
}
