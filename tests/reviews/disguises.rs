//! Listed people who write their names otherwise: nobody who is meant gets by, and a hit that
//! stands is not shaken off.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::rescreening::listed_person;
use crate::support::{Api, Folder, Mode, Server, eventually, full_customer};
use crate::{ok, review, statuses};

const LIST: &str = "7,\"KARZHENKOV, Timofey Arkadyevich\",\"individual\",\"SDGT\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"DOB 05 Mar 1962; nationality Russia.\"\r\n8,\"SANTOSO\",\"individual\",\"SDGT\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"DOB 02 Jan 1970; nationality Indonesia.\"\r\n\u{1a}";

/// A server whose list names two people.
fn listing() -> (Server, Api) {
    let folder = Folder::new();
    let file = folder.path().join("SDN.CSV");
    fs::write(&file, LIST).expect("written");
    let server = Server::start(&[]);
    let api = server.project(Mode::Live);
    ok(&server.run(&["watchlist", "import", file.to_str().expect("plain")]));
    eventually(Duration::from_secs(30), "screened by the list", || {
        std::thread::sleep(Duration::from_millis(100));
        let made = api.create(&full_customer()).json();
        (pending(&made) == json!(["geoCheck"])).then_some(())
    });
    (server, api)
}

fn pending(customer: &Value) -> Value {
    customer["endorsements"][0]["requirements"]["pending"].clone()
}

#[track_caller]
fn is_hit(customer: &Value, what: &str) {
    let issues = &customer["endorsements"][0]["requirements"]["issues"];
    assert_eq!(issues, &json!(["sanctionsScreening"]), "{what}: {customer}");
}

fn unseen(text: &str, between: char) -> Value {
    let chars = text.chars().flat_map(|one| [one, between]);
    json!(chars.collect::<String>())
}

#[test]
fn a_disguise_is_a_hit_and_shakes_none_off() {
    let (server, api) = listing();
    let mut disguises: Vec<Value> = Vec::new();
    for between in ['\u{fe00}', '\u{200d}', '\u{336}', '\u{e0100}'] {
        disguises.push(json!({ "firstName": unseen("Timofey", between),
            "lastName": unseen("Karzhenkov", between), "middleName": null }));
    }
    for middle in [
        "A B C D E F G H I J K L",
        "Maria Jose Juan Luis Carlos Ana",
        "N/A",
        "Timofey",
    ] {
        disguises.push(json!({ "middleName": middle }));
    }
    let pairs: Vec<_> = ('a'..='z').map(|one| format!("{one}{one}")).collect();
    let many = pairs.join(" ");
    disguises.push(json!({ "middleName": many, "firstName": "T", "lastName": "K" }));
    for (first, middle, last) in [
        // No space, or another one.
        ("FNU", None, "TimofeyKarzhenkov"),
        ("FNU", None, "KarzhenkovTimofeyArkadyevich"),
        ("TimofeyKar", None, "zhenkov"),
        ("TimofeyKar", Some("Peter"), "zhenkov"),
        ("zhenkov", None, "TimofeyKar"),
        ("Ti mo fey", None, "Ka rzh en kov"),
        (
            "T.i.m.o.f.e.y A.r.k.a.d.y.e.v.i.c.h",
            None,
            "K.a.r.z.h.e.n.k.o.v",
        ),
        ("Tim.o-fey", None, "Karzh-en.kov"),
        // Digits for letters.
        ("Timofey", None, "K4rzh3nk0v"),
        ("T1m0fey", None, "Karzhenkov"),
        ("Timofey1", None, "Karzhenkov2"),
        // Letters that stand small, or as a stroke, between others, or are parts of one.
        ("Tʰiʰmʰoʰfʰeʰyʰ", None, "Kʰaʰrʰzʰhʰeʰnʰkʰoʰvʰ"),
        ("Tǀimofey", None, "Karǃzhenkov"),
        ("Tªiªmªoªfªey", None, "Karzºhenkov"),
        ("Tᑧimoᑧfey", None, "Karzhㆍenkov"),
        ("ᴛɪᴍᴏꜰᴇʏ", None, "ᴋᴀʀᴢʜᴇɴᴋᴏᴠ"),
        // Letters that look like others, and doubled ones.
        ("ꓔꓲꓟꓳꓝꓰꓬ", None, "ꓗꓮꓣꓜꓧꓰꓠꓗꓳꓦ"),
        ("Тіmоfеу", None, "Каrzhеnkоv"),
        ("ТІМОҒЕУ", None, "КАЯЗНЕИКОѴ"),
        ("Ttiimmooffeeyy", None, "Kkaarrzzhheennkkoovv"),
    ] {
        disguises.push(json!({ "firstName": first, "middleName": middle, "lastName": last }));
    }
    disguises.push(json!({ "firstName": "FNU", "middleName": null, "lastName": "LNU" }));
    disguises.push(json!({ "firstName": "Pаvel", "middleName": null, "lastName": "Ivаnov" }));
    let plain = api.create(&listed_person()).id();
    is_hit(&api.read(&plain).json(), "as listed");
    for disguise in &disguises {
        let mut body = listed_person();
        for (name, value) in disguise.as_object().expect("an object") {
            body[name] = value.clone();
        }
        is_hit(&api.create(&body).json(), &disguise.to_string());
        let id = api.create(&listed_person()).id();
        let patched = api.change(&id, disguise).wants(200).json();
        is_hit(&patched, &format!("by PATCH: {disguise}"));
        assert_eq!(statuses(&api, &id)[0], "ISSUES");
    }
    // Another person's name clears it; a person does, too, and then the same name is no news.
    let other = json!({ "firstName": "Ada", "middleName": null, "lastName": "Lovelace" });
    let cleared = api.change(&plain, &other).wants(200).json();
    assert_eq!(pending(&cleared), json!(["geoCheck"]), "{cleared}");
    let born = api.create(&listed_person()).id();
    let later = json!({ "birthDate": "1991-07-19" });
    let cleared = api.change(&born, &later).wants(200).json();
    assert_eq!(pending(&cleared), json!(["geoCheck"]), "{cleared}");
    let id = api.create(&listed_person()).id();
    ok(&review(&server, "ada", &["approve", &id, "basic"]));
    assert_eq!(statuses(&api, &id)[0], "ACTIVE");
    let email = json!({ "email": "timofey@example.com" });
    api.change(&id, &email).wants(200);
    assert_eq!(statuses(&api, &id)[0], "ACTIVE");
}

#[test]
fn one_name_with_what_stands_for_none_is_a_hit() {
    let (_server, api) = listing();
    for (first, last) in [
        ("FNU", "Santoso"),
        ("Santoso", "LNU"),
        ("N/A", "Santoso"),
        ("Unknown", "Santoso"),
        ("Santoso", "Santoso"),
        ("Haji", "Santoso"),
        ("Mr.", "Santoso"),
        ("S A N T O S O", "FNU"),
        ("San", "toso"),
        ("Sa nto", "so"),
        ("S4nt0s0", "FNU"),
        ("ЅАИТОЅО", "FNU"),
    ] {
        let mut body = full_customer();
        body["firstName"] = json!(first);
        body["lastName"] = json!(last);
        body["middleName"] = Value::Null;
        body["birthDate"] = json!("1970-01-02");
        body["nationality"] = json!("ID");
        is_hit(&api.create(&body).json(), &format!("{first} {last}"));
    }
}

/// Names of real people, with signs and letters that a disguise may have, too.
#[test]
fn real_names_are_disturbed_by_nothing() {
    let (_server, api) = listing();
    for (first, last) in [
        ("María José", "O'Brien-Smith"),
        ("Nguyễn Thị", "Ánh"),
        ("Søren", "Ångström"),
        ("John", "Smith III"),
        ("Mary", "Jones 2nd"),
        ("Ḥasan", "ʿAlī"),
        ("Kaʻiulani", "Kealoha"),
        ("Jürgen", "Müller-Lüdenscheidt"),
        ("Анна", "Маркова"),
        ("Νίκος", "Παπαδόπουλος"),
        ("小明", "王"),
        ("민수", "김"),
        ("さくら", "佐々木"),
        ("Mª José", "Pérez"),
        ("مُحَمَّد", "الخُوري"),
        ("שָׂרָה", "כֹּהֵן"),
        ("Յարութիւն", "Պետրոսյան"),
        ("Ƙasim", "Ɓala"),
        ("J. R. R.", "Tolkien"),
    ] {
        let mut body = full_customer();
        body["firstName"] = json!(first);
        body["middleName"] = Value::Null;
        body["lastName"] = json!(last);
        let made = api.create(&body).json();
        assert_eq!(
            pending(&made),
            json!(["geoCheck"]),
            "{first} {last}: {made}"
        );
    }
}
