//! Go templates, with the functions that Docker adds to them. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{MissingKey, Template, TemplateError, Value};

use crate::failure::Failure;

/// A template that can be filled in many times.
pub(crate) struct Compiled(Template);

/// Reads a template.
pub(crate) fn compile(source: &str) -> Result<Compiled, Failure> {
    Template::new("")
        .missing_key(MissingKey::Error)
        .func("json", |values| Ok(text(json_text(one("json", values)?))))
        .func("lower", |values| {
            Ok(text(string(one("lower", values)?).to_lowercase()))
        })
        .func("upper", |values| {
            Ok(text(string(one("upper", values)?).to_uppercase()))
        })
        .func("title", |values| {
            Ok(text(title(&string(one("title", values)?))))
        })
        .func("split", split)
        .func("join", join)
        .func("pad", pad)
        .func("truncate", truncate)
        .func("label", label)
        .parse(&with_label_function(source))
        .map(Compiled)
        .map_err(|error| Failure::message(format!("template parsing error: {error}")))
}

impl Compiled {
    /// Fills it in.
    pub(crate) fn fill(&self, value: &Value) -> Result<String, TemplateError> {
        self.0.execute_to_string(value)
    }
}

/// What a template that cannot be filled in is told as.
pub(crate) fn failure(error: &TemplateError) -> Failure {
    match error {
        TemplateError::MissingKey { key } => {
            Failure::message(format!("template: there is no field {key:?}"))
                .with_hint("'--format json' shows the fields that there are")
        }
        error => Failure::message(format!("template: {error}")),
    }
}

/// JSON as a template sees it.
pub(crate) fn value_of(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => {
            if let Some(number) = number.as_i64() {
                Value::Int(number)
            } else if let Some(number) = number.as_u64() {
                Value::Uint(number)
            } else {
                Value::Float(number.as_f64().unwrap_or_default())
            }
        }
        serde_json::Value::String(content) => text(content.clone()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(value_of).collect()),
        serde_json::Value::Object(members) => Value::Map(Arc::new(
            members
                .iter()
                .map(|(name, member)| (Arc::from(name.as_str()), value_of(member)))
                .collect::<BTreeMap<Arc<str>, Value>>(),
        )),
    }
}

/// A text as a template sees it.
pub(crate) fn text(content: String) -> Value {
    Value::String(content.into())
}

/// `.Label "name"` is a call of a method, which a map cannot have: it becomes a call of a function on the row.
fn with_label_function(source: &str) -> String {
    let mut rest = source;
    let mut rewritten = String::with_capacity(source.len() + 8);
    while let Some(at) = rest.find(".Label") {
        let (before, after) = rest.split_at(at);
        let after = &after[".Label".len()..];
        rewritten.push_str(before);
        // Not `.Labels`, and not `.Config.Label` or `$x.Label`.
        let called = after.trim_start().starts_with(['"', '`']);
        let own =
            !before.ends_with(|character: char| character.is_alphanumeric() || character == '_');
        rewritten.push_str(if called && own { "label ." } else { ".Label" });
        rest = after;
    }
    rewritten.push_str(rest);
    rewritten
}

fn one<'values>(name: &str, values: &'values [Value]) -> Result<&'values Value, TemplateError> {
    match values {
        [value] => Ok(value),
        _ => Err(count(name, 1, values)),
    }
}

fn count(name: &str, expected: usize, values: &[Value]) -> TemplateError {
    TemplateError::ArgCount {
        name: name.to_owned(),
        expected,
        got: values.len(),
    }
}

fn string(value: &Value) -> String {
    value.to_string()
}

/// A value as JSON text.
pub(crate) fn json_text(value: &Value) -> String {
    json_of(value).to_string()
}

fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil | Value::Function(_) => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::Uint(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::String(content) => content.as_ref().into(),
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(members) => serde_json::Value::Object(
            members
                .iter()
                // The labels by their names are there for `.Label` only.
                .filter(|(name, _)| !name.starts_with('\0'))
                .map(|(name, member)| (name.to_string(), json_of(member)))
                .collect(),
        ),
    }
}

fn title(content: &str) -> String {
    let mut begins = true;
    content
        .chars()
        .map(|character| {
            let changed = if begins {
                character.to_ascii_uppercase()
            } else {
                character
            };
            begins = !character.is_alphanumeric();
            changed
        })
        .collect()
}

fn split(values: &[Value]) -> Result<Value, TemplateError> {
    let [content, separator] = values else {
        return Err(count("split", 2, values));
    };
    let (content, separator) = (string(content), string(separator));
    Ok(Value::List(
        content
            .split(separator.as_str())
            .map(|part| text(part.to_owned()))
            .collect(),
    ))
}

fn join(values: &[Value]) -> Result<Value, TemplateError> {
    let [list, separator] = values else {
        return Err(count("join", 2, values));
    };
    match list {
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(string).collect();
            Ok(text(items.join(&string(separator))))
        }
        Value::Nil => Ok(text(String::new())),
        other => Err(TemplateError::TypeMismatch {
            expected: "list",
            got: other.type_name(),
        }),
    }
}

fn pad(values: &[Value]) -> Result<Value, TemplateError> {
    let [content, before, after] = values else {
        return Err(count("pad", 3, values));
    };
    let spaces = |value: &Value| {
        let width = value.as_int().unwrap_or_default().clamp(0, 1000);
        " ".repeat(usize::try_from(width).unwrap_or_default())
    };
    let content = string(content);
    if content.is_empty() {
        return Ok(text(content));
    }
    Ok(text(format!(
        "{}{content}{}",
        spaces(before),
        spaces(after)
    )))
}

fn truncate(values: &[Value]) -> Result<Value, TemplateError> {
    let [content, length] = values else {
        return Err(count("truncate", 2, values));
    };
    let length = usize::try_from(length.as_int().unwrap_or_default()).unwrap_or_default();
    Ok(text(string(content).chars().take(length).collect()))
}

/// The key of a row under which its labels are found by name.
pub(crate) const LABELS: &str = "\0labels";

fn label(values: &[Value]) -> Result<Value, TemplateError> {
    let [row, name] = values else {
        return Err(count("label", 2, values));
    };
    let name = string(name);
    Ok(match row.field(LABELS) {
        Some(Value::Map(labels)) => labels
            .get(name.as_str())
            .cloned()
            .unwrap_or_else(|| text(String::new())),
        // The row of headers: the last part of the label's name.
        _ => text(name.rsplit('.').next().unwrap_or(&name).replace('-', " ")),
    })
}

#[cfg(test)]
mod tests {
    use super::{compile, failure, value_of};

    #[track_caller]
    fn check(source: &str, expect: &str) {
        let value = value_of(&serde_json::json!({
            "Name": "/web", "State": {"Running": true, "Pid": 7}, "Args": ["a", "b"], "None": null,
            "Ports": {"80/tcp": [{"HostPort": "8080"}]}, "Size": 12_345_678_901_u64, "Part": 0.5,
        }));
        let found = compile(source)
            .and_then(|template| template.fill(&value).map_err(|error| failure(&error)));
        let found = found.unwrap_or_else(|failure| failure.text().unwrap());
        assert_eq!(found, expect, "{source}");
    }

    #[test]
    fn dockers_functions_are_there() {
        check("{{.Name}} {{.State.Running}}", "/web true");
        check("{{json .State}}", r#"{"Pid":7,"Running":true}"#);
        check(
            "{{json .None}} {{json .Size}} {{json .Part}}",
            "null 12345678901 0.5",
        );
        check("{{join .Args \", \"}}", "a, b");
        check(
            "{{upper .Name}} {{.Name | upper | lower}} {{title \"a b\"}}",
            "/WEB /web A B",
        );
        check("{{index (split \"a:b\" \":\") 1}}", "b");
        check("[{{pad .Name 1 2}}] {{truncate .Name 2}}", "[ /web  ] /w");
        check(
            "{{range $port, $to := .Ports}}{{$port}}={{(index $to 0).HostPort}}{{end}}",
            "80/tcp=8080",
        );
        check("{{(index (index .Ports \"80/tcp\") 0).HostPort}}", "8080");
        check(
            "{{if .State.Running}}up{{else}}down{{end}} {{println .Name}}",
            "up /web\n",
        );
        check(
            "{{len .Args}} {{printf \"%s-%d\" .Name .State.Pid}}",
            "2 /web-7",
        );
    }

    #[test]
    fn a_missing_field_is_named() {
        check(
            "{{.Nome}}",
            "template: there is no field \"Nome\"\nhint: '--format json' shows the fields that there are",
        );
    }
}
