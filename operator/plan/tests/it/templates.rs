//! Templates give what Go gives, and whatever they are, they end.

use std::sync::LazyLock;

use axon_plan::template::{MAX_OUTPUT_BYTES, Value, parse, render};
use proptest::prelude::*;
use serde_json::json;

/// Templates with what Go 1.26 makes of them for the same data, with `missingkey=error`; `null`
/// where it refuses.
static CASES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("templates.json")).expect("JSON"));

#[test]
fn templates_give_what_go_gives() {
    let data = &CASES["data"];
    for case in CASES["cases"].as_array().expect("cases") {
        let template = case["template"].as_str().expect("a template");
        let given = render(template, data);
        match case["output"].as_str() {
            Some(output) => assert_eq!(given.as_deref(), Ok(output), "{template}"),
            None => assert!(given.is_err(), "{template} gave {given:?}"),
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (template, told) in [
        ("a\n  {{.Nope}}", "line 2, column 5: there is no `Nope` in `.`"),
        (
            "{{.Deps.scaffold.Results.branch}}",
            "line 1, column 3: there is no `branch` in `.Deps.scaffold.Results`",
        ),
        (
            "ü {{index .Deps \"x\" \"Results\"}}",
            "line 1, column 5: there is no `x`",
        ),
        (
            "{{index .Deps \"scaffold\" \"Results\" \"branch\"}}",
            "line 1, column 3: there is no `branch`",
        ),
        (
            "{{.Title.x}}",
            "line 1, column 3: `.Title` is a string and has no field `x`",
        ),
        ("x {{if .Yes}}a", "line 1, column 3: this block has no `end`"),
        ("{{.Title", "line 1, column 1: this `{{` has no `}}`"),
        ("{{trunc 3}}", "line 1, column 3: there is no function `trunc`"),
        (
            "{{define \"x\"}}a{{end}}",
            "line 1, column 1: `define` is not supported",
        ),
        (
            "{{printf \"%d\" .Title}}",
            "line 1, column 3: `printf` cannot write a string as `%d`",
        ),
        (
            "{{lt 1 .Title}}",
            "line 1, column 3: a number cannot be compared with a string",
        ),
    ] {
        let error = render(template, &CASES["data"]).expect_err(template);
        assert_eq!(error.to_string(), told, "{template}");
    }
}

#[test]
fn a_template_that_writes_or_works_without_end_is_stopped() {
    let data = json!({ "Text": "x".repeat(1000), "List": vec![0; 1000] });
    let nested =
        |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    for (template, told) in [
        ("{{range 2000}}{{$.Text}}{{end}}".to_owned(), "writes more than"),
        ("{{range 1000000000000}}{{end}}".to_owned(), "takes too long"),
        (
            "{{range .List}}{{range $.List}}{{range $.List}}{{end}}{{end}}{{end}}".to_owned(),
            "takes too long",
        ),
        (
            format!("{{{{$a := .Text}}}}{}", "{{$a = print $a $a}}".repeat(40)),
            "bytes",
        ),
        (nested("{{if true}}", "{{end}}", 5000), "nested deeper"),
        (
            format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000)),
            "nested deeper",
        ),
        ("{{printf \"%999999d\" 1}}".to_owned(), "characters wide"),
        ("{{$a := 1}}".repeat(2000), "variables"),
    ] {
        let error = render(&template, &data).expect_err(told);
        assert!(error.message.contains(told), "{error}");
    }
}

#[test]
fn a_long_chain_of_else_if_is_no_nesting() {
    let template = format!(
        "{{{{if false}}}}{}{{{{else}}}}end{{{{end}}}}",
        "{{else if false}}".repeat(10_000)
    );
    assert_eq!(render(&template, &Value::Null).as_deref(), Ok("end"));
}

#[test]
fn a_long_text_passes_unchanged() {
    let text = "all work and no play\n".repeat(MAX_OUTPUT_BYTES / 21);
    assert_eq!(render(&text, &Value::Null).as_deref(), Ok(text.as_str()));
}

#[test]
fn what_a_value_holds_is_never_a_template() {
    let data = json!({ "Body": "{{.Secret}}", "Secret": "s" });
    assert_eq!(render("{{.Body}}", &data).as_deref(), Ok("{{.Secret}}"));
}

fn piece() -> impl Strategy<Value = String> {
    let known = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        "\n",
        "(",
        ")",
        "|",
        ",",
        ".",
        "$",
        "$x",
        ":=",
        "=",
        "if ",
        "else ",
        "end",
        "range ",
        "with ",
        "break",
        "continue",
        ".Deps",
        ".Title",
        ".Labels",
        "index ",
        "len ",
        "printf ",
        "print ",
        "eq ",
        "lt ",
        "and ",
        "or ",
        "not ",
        "\"%v\"",
        "\"%5.2f\"",
        "\"x\"",
        "`r`",
        "'c'",
        "1",
        "-2",
        "1.5",
        "0x",
        "/*",
        "*/",
        "nil",
        "true",
        "ü",
        "\"",
        "`",
        "'",
        "\\",
        "\0",
    ];
    prop_oneof![
        20 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        3 => prop::sample::select(vec![
            "{{.Title}}", "{{if .Labels}}", "{{else}}", "{{end}}", "{{range $i, $v := .Labels}}",
            "{{with .Deps}}", "{{else if .Nope}}", "{{$x := .Title}}", "{{range 3}}",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn no_template_is_too_much(pieces in prop::collection::vec(piece(), 0..40)) {
        let template = pieces.concat();
        match render(&template, &CASES["data"]) {
            Ok(text) => prop_assert!(text.len() <= MAX_OUTPUT_BYTES),
            Err(error) => {
                let lines = template.matches('\n').count() + 1;
                prop_assert!((1..=lines).contains(&error.line), "{error}");
                prop_assert!(error.column >= 1);
                prop_assert!(!error.message.is_empty());
            }
        }
    }

    #[test]
    fn a_text_without_actions_is_left_alone(text in "[^{]{0,80}") {
        prop_assert_eq!(render(&text, &Value::Null), Ok(text));
    }

    #[test]
    fn a_template_that_is_read_is_read_the_same_again(pieces in prop::collection::vec(piece(), 0..20)) {
        let template = pieces.concat();
        prop_assert_eq!(parse(&template), parse(&template));
    }
}
