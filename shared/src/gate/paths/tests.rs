use std::collections::VecDeque;

use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;

fn exempt(path: &CheckedPath) -> bool {
    ExemptPrefixes::new(&["/api/auth/".to_owned()]).cover(path)
}

fn sent(raw: &str) -> Result<CheckedPath, BadPath> {
    CheckedPath::parse(raw, Spelling::AsSent)
}

#[test]
fn a_prefix_covers_whole_segments_of_just_that_spelling() {
    for (raw, expected) in [
        ("/api/auth", true),
        ("/api/auth/", true),
        ("/api/auth/login/", true),
        ("/api/auth/verify/ana%40example.com", true),
        ("/api/authx", false),
        ("/api/auth-admin/", false),
        ("/API/auth/", false),
        ("/api/Auth/", false),
        ("/api", false),
        ("/api/%61uth/login", false),
        ("/banking/api/auth/", false),
    ] {
        let path = sent(raw).unwrap();
        assert_eq!(exempt(&path), expected, "{raw}");
    }
}

#[test]
fn a_prefix_without_its_slash_means_the_same() {
    let prefixes = ExemptPrefixes::new(&["/api/auth".to_owned()]);
    assert!(prefixes.cover(&sent("/api/auth/login").unwrap()));
    assert!(!prefixes.cover(&sent("/api/authx").unwrap()));
}

#[test]
fn what_servers_read_differently_is_refused_however_often_it_was_encoded() {
    for raw in [
        "",
        "api/banking",
        "http://evil.example/api/auth/",
        "@evil.example/",
        "//evil.example/api/auth/",
        "/api//banking",
        "/api/banking//",
        "/api/auth/../banking",
        "/api/auth/..",
        "/api/auth/./login",
        "/api/auth/%2e%2e/banking",
        "/api/auth/%2E./banking",
        "/api/auth/.%2e/banking",
        "/api/auth/%252e%252e/banking",
        "/api/auth/%25252e%25252E/banking",
        "/api/auth%2fx",
        "/api/auth/..%2fbanking",
        "/api/auth%252F..%252Fbanking",
        "/api/auth/..%5cbanking",
        "/api/auth\\..\\banking",
        "/api/auth/%5C",
        "/api/auth/..;/banking",
        "/api/auth/..;a=b/banking",
        "/api/auth/%2e%2e%3bx/banking",
        "/api/auth/;/banking",
        "/api/auth/%20/banking",
        "/api/auth/..%20/banking",
        "/api/auth/.../banking",
        "/api/auth/%00",
        "/api/auth/\u{0}",
        "/api/auth/a%0d%0aX-User-Id:%201",
        "/api/auth/\t/x",
        "/api/auth/%7f",
        "/api/auth/%c2%85",
        "/api/auth/%c0%ae%c0%ae/banking",
        "/api/auth/%ff",
        "/api/auth/\u{fffd}",
        "/api/auth/%2525252525",
    ] {
        assert!(sent(raw).is_err(), "{raw:?} as it was sent");
        assert!(CheckedPath::parse(raw, Spelling::Decoded).is_err(), "{raw:?} decoded");
    }
}

#[test]
fn what_might_not_mean_itself_needs_a_token() {
    for raw in [
        "/api/auth/a;b",
        "/api/auth/é",
        "/api/auth/%EF%BC%8E%EF%BC%8E/x",
        "/api/auth/a%3Fb",
        "/api/auth/a%23",
        "/api/auth/a%20b",
    ] {
        let path = sent(raw).unwrap();
        assert!(!exempt(&path), "{raw}");
    }
}

#[test]
fn a_path_as_it_was_sent_goes_on_to_the_letter() {
    for raw in
        ["/api/x", "/api/caf%C3%a9/%7Euser/a+b", "/api/o'hara/(1)/[2]/{3}/a|b/\"q\"", "/api/a;b=c/x@y:z/", "/api/50%25"]
    {
        assert_eq!(sent(raw).unwrap().encoded(), raw);
    }
}

#[test]
fn what_no_url_can_hold_is_escaped() {
    assert_eq!(sent("/api/a b/é/50%/%zz/x?y#z").unwrap().encoded(), "/api/a%20b/%C3%A9/50%25/%25zz/x%3Fy%23z");
}

#[test]
fn a_path_that_came_decoded_is_encoded_again() {
    let path = CheckedPath::parse("/api/a b/é/50%/%41/[x]/a@b:c;d", Spelling::Decoded).unwrap();
    assert_eq!(path.encoded(), "/api/a%20b/%C3%A9/50%25/%2541/%5Bx%5D/a@b:c;d");
}

/// Pieces that attacks are made of, glued together at random.
fn any_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "/", "/", "api", "auth", "banking", ".", "..", "%2e", "%2E", "%252e", "%2f", "%252F", "%5c", "\\", ";", "x", "%61",
            "%", "%25", "25", "2e", "@", ":", "//", "http:", "evil.example", "?", "#", " ", "%20", "é", "．", "．．", "／", "%c0%ae", "%00",
        ]).prop_map(str::to_owned),
        1 => "\\PC{1,3}",
    ];
    (any::<bool>(), prop::collection::vec(piece, 0..10)).prop_map(|(is_under_auth, pieces)| {
        let start = if is_under_auth { "/api/auth" } else { "" };
        format!("{start}{}", pieces.concat())
    })
}

fn any_spelling() -> impl Strategy<Value = Spelling> {
    prop::sample::select(vec![Spelling::AsSent, Spelling::Decoded])
}

/// What the most helpful server makes of a path: Unicode's other dots and slashes are taken for ours, either slash parts
/// it, parameters go, dot segments are walked.
fn walked(path: &str) -> Vec<String> {
    let path = path.replace('．', ".").replace('／', "/");
    let mut segments = VecDeque::new();
    for segment in path.split(['/', '\\']) {
        match segment.split([';', '?', '#']).next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => {
                segments.pop_back();
            }
            name => segments.push_back(name.to_owned()),
        }
    }
    segments.into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_exempt_stays_exempt_however_often_it_is_decoded_and_walked(raw in any_path(), spelling in any_spelling()) {
        let Ok(path) = CheckedPath::parse(&raw, spelling) else { return Ok(()) };
        prop_assume!(exempt(&path));
        let mut layer = path.encoded().to_owned();
        for _ in 0..6 {
            prop_assert!(walked(&layer).starts_with(&["api".to_owned(), "auth".to_owned()]), "{} shows {}", raw, layer);
            layer = percent_decode_str(&layer).decode_utf8_lossy().into_owned();
        }
    }

    #[test]
    fn a_path_that_goes_on_is_one_that_a_url_holds(raw in any_path(), spelling in any_spelling()) {
        let Ok(path) = CheckedPath::parse(&raw, spelling) else { return Ok(()) };
        let uri: http::Uri = format!("http://upstream.example{}", path.encoded()).parse().unwrap();
        prop_assert_eq!(uri.host(), Some("upstream.example"));
        prop_assert_eq!(uri.path(), path.encoded());
        prop_assert_eq!(uri.query(), None);
    }

    #[test]
    fn a_path_that_came_decoded_is_the_same_path_after_one_decoding(raw in any_path()) {
        let Ok(path) = CheckedPath::parse(&raw, Spelling::Decoded) else { return Ok(()) };
        prop_assert_eq!(percent_decode_str(path.encoded()).decode_utf8().unwrap(), raw);
    }
}
