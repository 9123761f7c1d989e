//! Percent-encoding of path segments and query values.

/// Encodes `text` so that it is one path segment or one query value, whatever is in it.
pub fn encode_component(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::encode_component;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(encode_component(text), expect);
    }

    #[test]
    fn all_but_unreserved_characters_are_encoded() {
        check("web-1_a.b~c", "web-1_a.b~c");
        check("a/b?c&d=e#f", "a%2Fb%3Fc%26d%3De%23f");
        check("é \n", "%C3%A9%20%0A");
        check("../..", "..%2F..");
    }
}
