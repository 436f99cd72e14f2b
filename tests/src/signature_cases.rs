//! Signature headers of every kind, genuine and forged, with the verdict each deserves: ours, and those of Stripe's
//! official libraries for Python and Node, where they are known to differ. `.ci/signature-differential` asks them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fastrand::Rng;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

/// How often each kind is made, every time with another secret, body and time.
const OF_EACH_KIND: usize = 25;
const MUTATIONS: usize = 2_000;

/// One question, and the answers.
#[derive(Debug, Serialize)]
pub struct Case {
    pub kind: &'static str,
    pub header: String,
    /// Base64.
    pub body: String,
    pub secret: String,
    /// Seconds since 1970 at which it is judged.
    pub now: i64,
    /// Whether it is accepted by us.
    pub ours: bool,
    pub python: bool,
    pub node: bool,
    /// We may refuse what a library accepts.
    pub ours_may_be_stricter: bool,
}

impl Case {
    /// # Panics
    /// Never: the body was encoded by us.
    pub fn bytes(&self) -> Vec<u8> {
        BASE64.decode(&self.body).expect("our own base64")
    }
}

struct Ground {
    secret: String,
    body: Vec<u8>,
    now: i64,
}

impl Ground {
    fn tag(&self, time: &str) -> String {
        tag(&self.secret, time, &self.body)
    }

    fn at(&self, seconds: i64) -> String {
        let time = (self.now + seconds).to_string();
        format!("t={time},v1={}", self.tag(&time))
    }

    fn now_tag(&self) -> String {
        self.tag(&self.now.to_string())
    }
}

fn tag(secret: &str, time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// The verdicts of us, of Python, of Node.
const ACCEPTED: [bool; 3] = [true, true, true];
const REFUSED: [bool; 3] = [false, false, false];
const BY_THEM_ONLY: [bool; 3] = [false, true, true];
const BY_US_ONLY: [bool; 3] = [true, false, false];

type Kind = (&'static str, [bool; 3], fn(&Ground) -> String);

const KINDS: [Kind; 37] = [
    ("genuine", ACCEPTED, |g| g.at(0)),
    ("299 s old", ACCEPTED, |g| g.at(-299)),
    ("300 s old", ACCEPTED, |g| g.at(-300)),
    ("301 s old", REFUSED, |g| g.at(-301)),
    ("a year old", REFUSED, |g| g.at(-31_536_000)),
    ("300 s ahead", ACCEPTED, |g| g.at(300)),
    // Their check is of age alone.
    ("301 s ahead", BY_THEM_ONLY, |g| g.at(301)),
    ("a year ahead", BY_THEM_ONLY, |g| g.at(31_536_000)),
    ("v0 beside", ACCEPTED, |g| format!("{},v0={}", g.at(0), "a".repeat(64))),
    ("two secrets, ours second", ACCEPTED, |g| {
        format!("t={},v1={},v1={}", g.now, tag("whsec_other", &g.now.to_string(), &g.body), g.now_tag())
    }),
    ("v1 before t", ACCEPTED, |g| format!("v1={},t={}", g.now_tag(), g.now)),
    ("the same time twice", ACCEPTED, |g| format!("t={},{}", g.now, g.at(0))),
    ("an empty part", ACCEPTED, |g| format!("{},,", g.at(0))),
    ("an unknown part", ACCEPTED, |g| format!("{},v2=abc,x", g.at(0))),
    ("a short v1 beside", ACCEPTED, |g| format!("t={},v1=00,v1={}", g.now, g.now_tag())),
    ("by another secret", REFUSED, |g| format!("t={},v1={}", g.now, tag("whsec_other", &g.now.to_string(), &g.body))),
    ("of another body", REFUSED, |g| format!("t={},v1={}", g.now, tag(&g.secret, &g.now.to_string(), b"{}"))),
    ("of another time", REFUSED, |g| format!("t={},v1={}", g.now, g.tag(&(g.now - 1).to_string()))),
    ("of the body alone", REFUSED, |g| format!("t={},v1={}", g.now, g.tag(""))),
    ("v0 only", REFUSED, |g| format!("t={},v0={}", g.now, g.now_tag())),
    ("no time", REFUSED, |g| format!("v1={}", g.now_tag())),
    ("an empty time", REFUSED, |g| format!("t=,v1={}", g.now_tag())),
    ("nothing", REFUSED, |_| String::new()),
    ("odd length", REFUSED, |g| g.at(0)[..g.at(0).len() - 1].to_owned()),
    ("semicolons", REFUSED, |g| g.at(0).replace(',', ";")),
    ("capital names", REFUSED, |g| format!("T={},V1={}", g.now, g.now_tag())),
    ("a negative time", REFUSED, |g| format!("t=-1,v1={}", g.tag("-1"))),
    // Read as another number than is written, by them.
    ("a sign before the time", BY_THEM_ONLY, |g| format!("t=+{},v1={}", g.now, g.now_tag())),
    ("zeros before the time", BY_THEM_ONLY, |g| format!("t=00{},v1={}", g.now, g.now_tag())),
    ("zeros that were signed", BY_US_ONLY, |g| format!("t=00{},v1={}", g.now, g.tag(&format!("00{}", g.now)))),
    ("letters after the time", [false, false, true], |g| format!("t={}s,v1={}", g.now, g.now_tag())),
    ("underscores in the time", [false, true, false], |g| {
        let time = g.now.to_string();
        format!("t={}_{},v1={}", &time[..1], &time[1..], g.now_tag())
    }),
    ("two times, the signed one first", [false, true, false], |g| format!("{},t={}", g.at(0), g.now - 1)),
    ("two times, the signed one last", [false, false, true], |g| format!("t={},{}", g.now - 1, g.at(0))),
    // A hexadecimal number is the same in capitals, and a space is none of it.
    ("capital digits", BY_US_ONLY, |g| format!("t={},v1={}", g.now, g.now_tag().to_uppercase())),
    ("a space after the comma", BY_US_ONLY, |g| g.at(0).replace(',', ", ")),
    ("an equals sign at the end", BY_THEM_ONLY, |g| format!("{}=", g.at(0))),
];

/// The same every time.
pub fn all() -> Vec<Case> {
    let mut rng = Rng::with_seed(6);
    let mut cases = Vec::new();
    for (kind, verdicts, header) in KINDS {
        for _ in 0..OF_EACH_KIND {
            let ground = ground(&mut rng);
            // A kind that changes nothing, as capitals of digits alone, would be another kind.
            cases.push(case(kind, verdicts, header(&ground), &ground));
        }
    }
    for _ in 0..OF_EACH_KIND {
        cases.extend(of_strange_bodies(&mut rng));
        let ground = ground(&mut rng);
        let long = format!("{},v0={}", ground.at(0), "0".repeat(4096));
        cases.push(case("over 4 KB", BY_THEM_ONLY, long, &ground));
        let empty_beside = format!("t={},v1=,v1={}", ground.now, ground.now_tag());
        cases.push(case("an empty v1 beside", [true, true, false], empty_beside, &ground));
        let digits: String = ground.now.to_string().chars().filter_map(arabic).collect();
        cases.push(case("Arabic digits", [false, true, false], format!("t={digits},v1={}", ground.now_tag()), &ground));
        let far = "99999999999999999999";
        cases.push(case("beyond 64 bits", [false, true, false], format!("t={far},v1={}", ground.tag(far)), &ground));
    }
    for _ in 0..MUTATIONS {
        cases.push(mutation(&mut rng));
    }
    cases
}

/// What is signed is bytes to us and text to them.
fn of_strange_bodies(rng: &mut Rng) -> [Case; 5] {
    let usual = ground(rng);
    let with = |body: Vec<u8>| Ground { secret: usual.secret.clone(), body, now: usual.now };
    let bodies = [
        ("CRLF and NUL", ACCEPTED, b"{\r\n\0}".to_vec()),
        ("beyond ASCII", ACCEPTED, "{\"a\":\"ol\u{e1} \u{1f600} \u{2028}\"}".as_bytes().to_vec()),
        ("a byte order mark", [true, true, false], [b"\xef\xbb\xbf", &usual.body[..]].concat()),
        ("no UTF-8", BY_US_ONLY, [&usual.body[..], b"\xff"].concat()),
        ("no body", ACCEPTED, Vec::new()),
    ];
    bodies.map(|(kind, verdicts, body)| {
        let ground = with(body);
        case(kind, verdicts, ground.at(0), &ground)
    })
}

/// One character of a genuine header changed. Nobody may accept what the tag does not sign; that we refuse what a
/// library reads around is no harm.
fn mutation(rng: &mut Rng) -> Case {
    const LETTERS: &[u8] = b"0123456789abcdef,=tv1+-. ";
    let ground = ground(rng);
    let mut header = format!("{},v0={}", ground.at(0), "0".repeat(8)).into_bytes();
    let place = rng.usize(0..header.len());
    let letter = LETTERS[rng.usize(0..LETTERS.len())];
    match rng.u8(0..3) {
        0 => header[place] = letter,
        1 => header.insert(place, letter),
        _ => {
            header.remove(place);
        }
    }
    let header = String::from_utf8(header).expect("ASCII");
    let now = jiff::Timestamp::from_second(ground.now).expect("a time");
    let secret = ground.secret.clone().into();
    let ours = shared::stripe::signature::verify(Some(header.as_bytes()), &ground.body, [&secret], now).is_ok();
    let mut case = case("one character changed", [ours; 3], header, &ground);
    case.ours_may_be_stricter = true;
    case
}

fn case(kind: &'static str, [ours, python, node]: [bool; 3], header: String, ground: &Ground) -> Case {
    let (body, secret, now) = (BASE64.encode(&ground.body), ground.secret.clone(), ground.now);
    Case { kind, header, body, secret, now, ours, python, node, ours_may_be_stricter: false }
}

fn ground(rng: &mut Rng) -> Ground {
    let mut text = |length: usize| -> String { (0..length).map(|_| rng.alphanumeric()).collect() };
    let (secret, id) = (format!("whsec_{}", text(32)), text(24));
    let body = serde_json::json!({ "id": format!("evt_{id}"), "object": "event", "type": "invoice.paid" });
    Ground { secret, body: body.to_string().into_bytes(), now: rng.i64(1_700_000_000..1_999_999_999) }
}

fn arabic(digit: char) -> Option<char> {
    char::from_u32(0x0660 + digit.to_digit(10)?)
}
