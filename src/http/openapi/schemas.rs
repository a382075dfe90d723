//! What is said of every schema by one rule, instead of once for each field.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// Names constants as such, and marks what every answer has as required.
pub(super) fn complete(document: &mut Value) {
    let answers = answers(document);
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
        return;
    };
    for (name, schema) in schemas {
        name_constants(schema);
        if answers.contains(name) {
            require_nullable(schema);
        }
    }
}

/// A text with one value is a constant. Of answers the description says so.
fn name_constants(schema: &mut Value) {
    match schema {
        Value::Object(parts) => {
            let only = match parts.get("enum").and_then(Value::as_array) {
                Some(values) if values.len() == 1 => values.first().cloned(),
                Some(_) => None,
                None => parts
                    .get("description")
                    .and_then(Value::as_str)
                    .and_then(|text| text.strip_prefix("Always `")?.strip_suffix("`."))
                    .map(|word| json!(word)),
            };
            if let Some(only) = only {
                parts.remove("enum");
                parts.remove("example");
                parts.insert("const".to_owned(), only);
            }
            parts.values_mut().for_each(name_constants);
        }
        Value::Array(items) => items.iter_mut().for_each(name_constants),
        _ => {}
    }
}

/// A field of an answer that may be null is there all the same.
fn require_nullable(schema: &mut Value) {
    let Some(fields) = schema["properties"].as_object() else {
        return;
    };
    let nullable = fields.iter().filter(|(_, field)| is_nullable(field));
    let nullable: Vec<_> = nullable.map(|(name, _)| json!(name)).collect();
    if nullable.is_empty() {
        return;
    }
    match &mut schema["required"] {
        Value::Array(required) => {
            required.extend(nullable);
        }
        none => *none = Value::Array(nullable),
    }
}

fn is_nullable(field: &Value) -> bool {
    let null = json!("null");
    let kinds = field["type"].as_array();
    let forms = field["oneOf"].as_array();
    kinds.is_some_and(|kinds| kinds.contains(&null))
        || forms.is_some_and(|forms| forms.iter().any(|form| form["type"] == null))
}

/// The schemas that answers are made of, and what webhooks are sent.
fn answers(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let calls = document["paths"].as_object().into_iter().flatten();
    let calls = calls.flat_map(|(_, item)| item.as_object().into_iter().flatten());
    for (_, call) in calls {
        collect(&call["responses"], document, &mut found);
    }
    collect(&document["webhooks"], document, &mut found);
    found
}

fn collect(value: &Value, document: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(parts) => {
            let name = parts.get("$ref").and_then(Value::as_str);
            let name = name.and_then(|path| path.strip_prefix("#/components/schemas/"));
            if let Some(name) = name
                && found.insert(name.to_owned())
            {
                let schema = &document["components"]["schemas"][name];
                collect(schema, document, found);
            }
            parts
                .values()
                .for_each(|part| collect(part, document, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, document, found)),
        _ => {}
    }
}
