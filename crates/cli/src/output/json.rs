//! JSON as an engine wrote it, only laid out: members keep their order, numbers their digits. Pure.

/// Lays JSON out over lines, four spaces a level, without changing anything else. What is no JSON comes out as it
/// went in, more or less: the caller has parsed it before.
pub(crate) fn indent(json: &[u8], width: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut depth = 0;
    let mut bytes = compact(json).into_iter().peekable();
    let new_line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + depth * width, b' ');
    };
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                out.push(byte);
                while let Some(inner) = bytes.next() {
                    out.push(inner);
                    match inner {
                        b'\\' => out.extend(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => {
                out.push(byte);
                if let Some(b'}' | b']') = bytes.peek() {
                    out.extend(bytes.next());
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend(b": "),
            _ => out.push(byte),
        }
    }
    out
}

/// Takes the white space between tokens away.
pub(crate) fn compact(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut bytes = json.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'"' => {
                out.push(byte);
                while let Some(inner) = bytes.next() {
                    out.push(inner);
                    match inner {
                        b'\\' => out.extend(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{compact, indent};

    #[test]
    fn layout_changes_nothing_else() {
        let text = br#"{"b": [1, 2.50, {}],"a":"x\": {","c":[]}"#;
        let laid_out = indent(text, 4);
        assert_eq!(
            String::from_utf8(laid_out.clone()).unwrap(),
            "{\n    \"b\": [\n        1,\n        2.50,\n        {}\n    ],\n    \"a\": \"x\\\": {\",\n    \"c\": []\n}"
        );
        assert_eq!(compact(&laid_out), compact(text));
    }
}
