//! Lists: rows of named fields, shown as a table, by a template or as JSON. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::Value;

use super::{json, table, template};
use crate::failure::Failure;

/// A field that rows have and the header of its column.
pub(crate) type Field = (&'static str, &'static str);

/// One row: each field's text, and the labels of what it stands for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) fields: BTreeMap<&'static str, String>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Row {
    /// A row of these fields.
    pub(crate) fn new<const N: usize>(fields: [(&'static str, String); N]) -> Self {
        Self {
            fields: fields.into(),
            labels: BTreeMap::new(),
        }
    }

    fn value(&self) -> Value {
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| (Arc::from(name.as_str()), template::text(value.clone())))
            .collect();
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| (Arc::from(*name), template::text(value.clone())));
        let labels = (Arc::from(template::LABELS), Value::Map(Arc::new(labels)));
        Value::Map(Arc::new(fields.chain([labels]).collect()))
    }
}

/// How a list is asked for and what it looks like where nothing is asked.
#[derive(Debug, Clone)]
pub(crate) struct Listing<'a> {
    /// `--format`, or else what the configuration file says.
    pub(crate) format: Option<&'a str>,
    /// The template of the table.
    pub(crate) table: &'a str,
    /// The headers of fields.
    pub(crate) headers: &'a [Field],
    /// Set for `-q`: the template of a line.
    pub(crate) quiet: Option<&'a str>,
}

/// Shows the rows.
pub(crate) fn render(listing: &Listing<'_>, rows: &[Row]) -> Result<String, Failure> {
    let format = listing.format.unwrap_or_default().trim();
    match (format, listing.quiet) {
        ("" | "table", Some(line)) => lines(line, rows),
        ("" | "table", None) => in_columns(listing.table, listing.headers, rows),
        ("json", _) => Ok(rows.iter().map(|row| as_json(row) + "\n").collect()),
        (format, quiet) => match format.strip_prefix("table") {
            Some(columns) if columns.starts_with([' ', '\t', '\\']) => match quiet {
                Some(line) => lines(line, rows),
                None => in_columns(&unescape(columns.trim()), listing.headers, rows),
            },
            _ => lines(&unescape(format), rows),
        },
    }
}

fn in_columns(source: &str, headers: &[Field], rows: &[Row]) -> Result<String, Failure> {
    let heading = Value::Map(Arc::new(
        headers
            .iter()
            .map(|(name, header)| (Arc::from(*name), template::text((*header).to_owned())))
            .collect(),
    ));
    let compiled = template::compile(source)?;
    let fill = |value: &Value| {
        compiled
            .fill(value)
            .map_err(|error| template::failure(&error))
    };
    let mut text = fill(&heading)? + "\n";
    for row in rows {
        // A cell is one line.
        text.push_str(&fill(&row.value())?.replace('\n', " "));
        text.push('\n');
    }
    Ok(table::align(&text))
}

fn lines(source: &str, rows: &[Row]) -> Result<String, Failure> {
    let compiled = template::compile(source)?;
    let mut text = String::new();
    for row in rows {
        text.push_str(
            &compiled
                .fill(&row.value())
                .map_err(|error| template::failure(&error))?,
        );
        text.push('\n');
    }
    Ok(text)
}

fn as_json(row: &Row) -> String {
    template::json_text(&row.value())
}

/// Docker takes `\t` and `\n` in a format for what they stand for.
fn unescape(format: &str) -> String {
    format.replace("\\t", "\t").replace("\\n", "\n")
}

/// Shows one object by `--format`: JSON as it came, or a template. `raw` is what the engine wrote.
pub(crate) fn object(
    format: &str,
    raw: &[u8],
    value: &serde_json::Value,
) -> Result<String, Failure> {
    let whole = || String::from_utf8_lossy(&json::compact(raw)).into_owned();
    // Both show the object as it is, so its members keep their order.
    if matches!(format.trim(), "json" | "{{json .}}" | "{{ json . }}") {
        return Ok(whole());
    }
    let compiled = template::compile(format)?;
    match compiled.fill(&template::value_of(value)) {
        Ok(text) => Ok(text),
        // Docker's own types say ID where the API says Id.
        Err(error) => {
            let mut with_alias = value.clone();
            if let Some(members) = with_alias.as_object_mut()
                && let Some(id) = members.get("Id").cloned()
            {
                members.insert("ID".to_owned(), id);
            }
            compiled
                .fill(&template::value_of(&with_alias))
                .map_err(|_| template::failure(&error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Listing, Row, object, render};

    fn rows() -> Vec<Row> {
        let mut row = Row::new([("ID", "1".to_owned()), ("Name", "web".to_owned())]);
        row.labels
            .insert("com.example.tier".to_owned(), "front".to_owned());
        vec![row]
    }

    #[track_caller]
    fn check(format: Option<&str>, quiet: Option<&str>, expect: &str) {
        let listing = Listing {
            format,
            table: "{{.ID}}\t{{.Name}}",
            headers: &[("ID", "ID"), ("Name", "NAMES")],
            quiet,
        };
        let found = render(&listing, &rows()).unwrap_or_else(|failure| failure.text().unwrap());
        assert_eq!(found, expect);
    }

    #[test]
    fn a_list_is_a_table_lines_or_json() {
        check(None, None, "ID        NAMES\n1         web\n");
        check(Some("table {{.Name}}"), None, "NAMES\nweb\n");
        check(
            Some("table {{.Name}}\\t{{.ID}}"),
            None,
            "NAMES     ID\nweb       1\n",
        );
        check(Some("{{.Name}}:{{.ID}}"), None, "web:1\n");
        check(Some("json"), None, "{\"ID\":\"1\",\"Name\":\"web\"}\n");
        check(
            Some("{{json .}}"),
            None,
            "{\"ID\":\"1\",\"Name\":\"web\"}\n",
        );
        check(None, Some("{{.ID}}"), "1\n");
        check(Some("table"), Some("{{.ID}}"), "1\n");
        check(Some("{{.Label \"com.example.tier\"}}"), None, "front\n");
        check(
            Some("table {{.ID}}\\t{{.Label \"com.example.tier\"}}"),
            None,
            "ID        tier\n1         front\n",
        );
        check(
            Some("{{.Nome}}"),
            None,
            "template: there is no field \"Nome\"\nhint: '--format json' shows the fields that there are",
        );
    }

    #[test]
    fn an_object_keeps_the_order_of_its_members() {
        let raw = br#"{"Id": "1", "A": 1.50}"#;
        let value = serde_json::from_slice(raw).unwrap();
        let shown = |format| object(format, raw, &value).unwrap();
        assert_eq!(shown("json"), r#"{"Id":"1","A":1.50}"#);
        assert_eq!(shown("{{json .}}"), r#"{"Id":"1","A":1.50}"#);
        assert_eq!(shown("{{.ID}} {{.A}}"), "1 1.5");
    }
}
