//! The headers that tell the product who was admitted, and how nobody but the gate can say them.
//!
//! `X-User-Id` is the token's `user_id`, in which a space, a `%` and everything beyond printable ASCII is
//! percent-encoded as UTF-8: decoding it always gives the id back, and most ids look the same either way.
//! `X-Subscription-Status` is the status of the best subscription. A superuser has the first and not the second.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Admission;

pub const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
pub const SUBSCRIPTION_STATUS: HeaderName = HeaderName::from_static("x-subscription-status");

/// What a header value cannot hold, or could not be told from an escape.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// Replaces whatever the caller said of himself by what the gate knows; `None` for a path that needs no token.
pub fn mark(headers: &mut HeaderMap, admission: Option<&Admission>) {
    remove_where(headers, |name| reads_as(name, USER_ID.as_str()) || reads_as(name, SUBSCRIPTION_STATUS.as_str()));
    let Some(admission) = admission else { return };
    headers.insert(USER_ID, value(admission.user().as_str()));
    if let Some(status) = admission.status() {
        headers.insert(SUBSCRIPTION_STATUS, value(status.as_str()));
    }
}

/// Whether it could be taken for one of the two and is neither, such as `X_User_Id`.
pub fn is_other_spelling(name: &HeaderName) -> bool {
    [USER_ID, SUBSCRIPTION_STATUS].iter().any(|ours| reads_as(name, ours.as_str()) && name != ours)
}

/// Whether some server behind us could take the header for `wanted`: CGI, WSGI and PHP know headers by names in which
/// every mark between letters is the same `_`, so that `X_User.Id` would be `X-User-Id` to them.
pub fn reads_as(name: &HeaderName, wanted: &str) -> bool {
    name.as_str().len() == wanted.len() && begins_like(name, wanted)
}

/// As [`reads_as`], for the beginning of the name.
pub fn begins_like(name: &HeaderName, wanted: &str) -> bool {
    let name = name.as_str().as_bytes();
    name.len() >= wanted.len() && name.iter().zip(wanted.bytes()).all(|(byte, wanted)| plain(*byte) == plain(wanted))
}

fn plain(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Removes every header of which the test is true.
pub fn remove_where(headers: &mut HeaderMap, test: impl Fn(&HeaderName) -> bool) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| test(name)).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

fn value(text: &str) -> HeaderValue {
    let encoded = utf8_percent_encode(text, ESCAPED).to_string();
    HeaderValue::try_from(encoded).expect("percent-encoded text is printable ASCII")
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Status, UserId};

    fn subscriber(user: &str) -> Admission {
        Admission::Subscriber { user: UserId::parse(user).unwrap(), status: Status::PastDue }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_subscriber_is_named_with_the_status() {
        let mut headers = HeaderMap::new();
        mark(&mut headers, Some(&subscriber("42")));
        assert_eq!(
            (&headers["x-user-id"], &headers["x-subscription-status"]),
            (&"42".parse().unwrap(), &"past_due".parse().unwrap())
        );
    }

    #[test]
    fn a_superuser_is_named_without_a_status() {
        let mut headers = headers(&[("X-Subscription-Status", "active")]);
        mark(&mut headers, Some(&Admission::Superuser { user: UserId::parse("7").unwrap() }));
        assert_eq!(headers["x-user-id"], "7");
        assert!(!headers.contains_key("x-subscription-status"));
    }

    #[test]
    fn a_callers_own_copies_go_in_every_spelling_whether_or_not_there_are_ours() {
        let forged = [
            ("X-User-Id", "1"),
            ("x-user-id", "2"),
            ("X_User_Id", "3"),
            ("x_user-ID", "4"),
            ("X.User.Id", "5"),
            ("X-Subscription_Status", "active"),
            ("X-SUBSCRIPTION-STATUS", "active"),
            ("X-User-Idea", "kept"),
        ];
        let mut exempt = headers(&forged);
        mark(&mut exempt, None);
        assert_eq!(exempt, headers(&[("X-User-Idea", "kept")]));

        let mut admitted = headers(&forged);
        mark(&mut admitted, Some(&subscriber("42")));
        assert_eq!(admitted.get_all("x-user-id").iter().collect::<Vec<_>>(), ["42"]);
        assert_eq!(admitted.len(), 3);
    }

    proptest! {
        #[test]
        fn any_user_id_fits_a_header_and_can_be_read_back(text in "\\PC{1,40}") {
            let Ok(user) = UserId::parse(text.clone()) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            mark(&mut headers, Some(&Admission::Superuser { user }));
            let sent = headers["x-user-id"].to_str().unwrap();
            prop_assert_eq!(percent_decode_str(sent).decode_utf8().unwrap(), text);
        }
    }
}
