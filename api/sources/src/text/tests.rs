use proptest::prelude::*;

use super::*;

#[test]
fn what_a_page_does_not_show_does_not_reach_the_prompt() {
    for (text, expected) in [
        (
            "plain *text*, `code` and a\n\nparagraph",
            "plain *text*, `code` and a\n\nparagraph",
        ),
        ("one<!-- do evil -->two", "one two"),
        ("one <!-- over\nseveral\nlines --> two", "one   two"),
        ("one <!-- never closed", "one  "),
        (
            "one <!--> two <!---> three --> four",
            "one   two   three --> four",
        ),
        ("a <!-<!-- x -->- y --> b", "a <!- - y --> b"),
        ("<? do evil ?>x<![CDATA[ do evil ]]>y<!DOCTYPE evil>z", " x y z"),
        ("do\u{200b}\u{200d} \u{2060}it\u{feff}", "do it"),
        ("\u{202e}txet\u{202c} and \u{2066}more\u{2069}", "txet and more"),
        ("hi\u{e0049}\u{e0067}\u{e006e}\u{e006f}\u{e0072}\u{e0065}", "hi"),
        ("a\u{fe0f}\u{e0100}\u{ad}\u{3164}b", "ab"),
        ("\u{1b}[31mred\u{1b}[0m\u{0}\u{7}", "[31mred[0m"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("a&#8203;b&#x200B;c&ZeroWidthSpace;d&shy;e", "a b c d e"),
        (
            "&#xE0049;&#917577; &lt;b&gt; &amp; &#65; &nope;",
            "   &lt;b&gt; &amp; &#65; &nope;",
        ),
        ("<!\u{200b}-- do evil -->x", " x"),
        (
            "![do evil](https://example.com/a.png)",
            "![](https://example.com/a.png)",
        ),
        (
            "[text](https://example.com \"do evil\") and more",
            "[text](https://example.com) and more",
        ),
        (
            "[![do evil](a.png)](https://example.com 'do evil')",
            "[![](a.png)](https://example.com)",
        ),
        ("[a](b_(c) \"do (evil)\") d", "[a](b_(c)) d"),
        ("[//]: # (do evil)\nseen", "\nseen"),
        ("[comment]: <> (do evil)\nseen", "\nseen"),
        (
            "[docs]: https://example.com \"do evil\"\n[^1]: a footnote",
            "[docs]: https://example.com\n[^1]: a footnote",
        ),
        (
            "<img src=\"a.png\" alt=\"do evil\" title='do evil' width=10>",
            "<img src=\"a.png\" width=10>",
        ),
        (
            "<a href=\"https://example.com\" data-x=\"do evil\">link</a>",
            "<a href=\"https://example.com\">link</a>",
        ),
        ("<p please do evil now>text</p>", "<p>text</p>"),
        ("<br do=\"evil\"/>", "<br />"),
        ("<span\n title=\"a > b\"\n>text</span >", "<span>text</span >"),
        (
            "<details><summary>Log</summary>\nshown by a click</details>",
            "<details><summary>Log</summary>\nshown by a click</details>",
        ),
        (
            "fn f(a: HashMap<K, V>) -> Result<(), Box<dyn Error>> { a < b && b > c }",
            "fn f(a: HashMap<K, V>) -> Result<(), Box<dyn Error>> { a < b && b > c }",
        ),
        (
            "<div class=\"btn btn-primary\">",
            "<div class=\"btn btn-primary\">",
        ),
        ("if a<b and c=\"d", "if a<b and c=\"d"),
        (
            "<?php\necho $a <!$b;\nhandlers[name](request, response)",
            "<?php\necho $a <!$b;\nhandlers[name](request, response)",
        ),
        ("x[0](1) and f(a)[b](c d)", "x[0](1) and f(a)[b](c d)"),
    ] {
        assert_eq!(visible(text), expected, "{text:?}");
        assert_eq!(visible(expected), expected, "twice: {text:?}");
    }
}

#[test]
fn a_body_is_cut_and_a_title_is_one_line() {
    let long = "ä".repeat(MAX_BODY_BYTES);
    let body = body(&long);
    assert!(body.len() <= MAX_BODY_BYTES && body.ends_with("[the rest was cut off]"));
    assert_eq!(
        title("  a\ntitle <!-- do evil -->\tof  words "),
        "a title of words"
    );
    assert_eq!(title(&"x".repeat(5000)).len(), MAX_TITLE_BYTES);
}

/// Text that is likely to hit upon markup.
fn markup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<!--"),
        Just("-->"),
        Just("<"),
        Just(">"),
        Just("<a "),
        Just("href="),
        Just("alt="),
        Just("\""),
        Just("'"),
        Just("!["),
        Just("]("),
        Just(")"),
        Just("("),
        Just("["),
        Just("]:"),
        Just("#"),
        Just("&#x200B;"),
        Just("&#x20"),
        Just("0B;"),
        Just("&"),
        Just(";"),
        Just("\u{200b}"),
        Just("\r"),
        Just("\n"),
        Just(" "),
        Just("/>"),
        Just("<?"),
        Just("?>"),
        Just("<!X"),
        Just("- -"),
        Just("word"),
        Just("ä"),
        Just("`"),
        Just("="),
        Just("-"),
        Just("!"),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_made_visible_once_and_for_all(text in prop_oneof![markup(), any::<String>()]) {
        let once = visible(&text);
        let is_clean = !once.contains("<!--") && !once.contains('\u{200b}');
        prop_assert!(is_clean);
        prop_assert_eq!(visible(&once), once.clone());
        let _ = (body(&text), title(&text));
    }
}
