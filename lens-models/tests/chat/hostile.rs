//! Templates that are broken or made to do harm: an error each, soon, and without much memory.

use lens_models::ChatError;

use crate::{say, template};

fn fails(source: &str) -> ChatError {
    let result = template(source).and_then(|template| template.render(&say(&[("user", "hi")]), true));
    result.map(|rendered| rendered.text.chars().take(80).collect::<String>()).expect_err(source)
}

#[test]
fn what_goes_on_without_end_is_stopped() {
    let bombs = [
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% set c = a %}{% endfor %}{% endfor %}",
        "{{ 'a' * 2000000000 }}",
        "{{ 'a' * 100000 * 100000 }}",
        "{% set x = ['a'] * 2000000000 %}",
        "{% set ns = namespace(x='xxxxxxxxxxxxxxxx') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1, 2]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        "{{ range(100000) | join('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') | length }}{{ range(100000) | list * 1000 }}",
        "{{ ('a' * 100000) | replace('a', 'a' * 100000) }}",
        "{{ ('a' * 100000).replace('a', 'a' * 100000) }}",
        "{{ ('a,' * 100000).split(',') | list * 100 }}",
        "{{ 'a' | center(2000000000) }}",
        "{{ '%2000000000d' | format(1) }}",
        "{{ '{:>2000000000}'.format('a') }}",
        "{{ 'a' | indent(2000000000, true) }}",
        "{{ [1] | tojson(indent=2000000000) }}",
        "{% set x %}{% for i in range(9999) %}{% for i in range(9999) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}{% endfor %}{% endset %}",
        "{{ strftime_now('%9999999999d') }}",
        "{{ strftime_now('%Y' * 10000000) }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
    ];
    for source in bombs {
        let error = fails(source);
        assert!(!matches!(error, ChatError::Refused { .. }), "{source}: {error}");
        assert!(error.to_string().len() < 1000, "{source}: {error}");
    }
}

#[test]
fn what_nests_without_end_is_stopped() {
    let deep = |n: usize, open: &str, core: &str, close: &str| {
        format!("{}{core}{}", open.repeat(n), close.repeat(n))
    };
    let bombs = [
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}".to_owned(),
        "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}"
            .to_owned(),
        format!("{{{{ {} }}}}", deep(100_000, "(", "1", ")")),
        format!("{{{{ {} }}}}", deep(100_000, "[", "1", "]")),
        format!("{{{{ {}1 }}}}", "-".repeat(100_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(100_000)),
        deep(30_000, "{% if 1 %}", "", "{% endif %}"),
        deep(1_000, "{% for i in [1] %}", "", "{% endfor %}"),
    ];
    for source in &bombs {
        let error = fails(source);
        assert!(error.to_string().len() < 1000, "{error}");
    }
}

#[test]
fn values_that_nest_deeply_do_no_harm() {
    let nest = |n: usize, last: &str| {
        format!(
            "{{% set ns = namespace(x=[]) %}}{{% for i in range({n}) %}}{{% set ns.x = [ns.x] %}}{{% endfor %}}{last}"
        )
    };
    for last in
        ["{{ ns.x | tojson }}", "{{ ns.x }}", "{{ ns.x == [ns.x] }}", "{{ ns.x | string | length }}", "done"]
    {
        for n in [50, 5_000, 90_000] {
            let source = nest(n, last);
            let result =
                template(&source).and_then(|template| template.render(&say(&[("user", "hi")]), true));
            if let Err(error) = result {
                assert!(error.to_string().len() < 1000, "{error}");
            }
        }
    }
    let error = fails(&nest(5_000, "{{ ns.x | tojson }}"));
    assert!(error.to_string().contains("nested deeper than 100"), "{error}");
}

#[test]
fn nothing_outside_the_template_can_be_reached() {
    let cases = [
        ("{% include '/etc/passwd' %}", "include"),
        ("{% extends 'x' %}", "extends"),
        ("{% import 'os' as os %}", "import"),
        ("{{ open('/etc/passwd') }}", "open"),
        ("{{ ''.__class__.__mro__ }}", "undefined"),
        ("{{ messages.__class__.__base__.__subclasses__() }}", ""),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "undefined"),
        ("{{ self.__init__.__globals__ }}", ""),
        ("{{ messages[0].append('x') }}", "append"),
        ("{{ 'x' | nonsense }}", "nonsense"),
        ("{% if 'x' is nonsense %}{% endif %}", "nonsense"),
        ("{{ 'x'.nonsense() }}", "nonsense"),
        ("{{ nonsense() }}", "nonsense"),
    ];
    for (source, word) in cases {
        let error = fails(source).to_string();
        assert!(error.to_lowercase().contains(word), "{source}: {error}");
    }
}

#[test]
fn a_broken_template_is_an_error_with_its_line() {
    let error = template("a\n{% if %}").unwrap_err();
    assert!(matches!(error, ChatError::Syntax { line: Some(2), .. }), "{error:?}");
    let error = fails("a\nb\n{{ nonsense() }}");
    assert!(matches!(error, ChatError::Render { line: Some(3), .. }), "{error:?}");
    assert!(error.to_string().starts_with("the chat template fails in line 3: "), "{error}");
    let huge = template(&"x".repeat(2 << 20)).unwrap_err();
    assert!(matches!(huge, ChatError::Syntax { .. }), "{huge:?}");
    let stopped =
        fails("\n{% for i in range(99999) %}{% for i in range(99999) %}{% endfor %}{% endfor %}").to_string();
    assert!(stopped.starts_with("the chat template was stopped in line 2: it takes more steps"), "{stopped}");
}

#[test]
fn a_refusal_is_passed_on_from_wherever_it_is_and_not_at_any_length() {
    let refused = |source: &str| match fails(source) {
        ChatError::Refused { message } => message,
        error => panic!("{error:?}"),
    };
    assert_eq!(refused("{{ raise_exception('No: ' ~ messages[0].role) }}"), "No: user");
    assert_eq!(
        refused("{% macro m() %}{{ raise_exception('in here') }}{% endmacro %}{{ m() | upper }}"),
        "in here"
    );
    assert_eq!(refused("{{ raise_exception('x' * 10000) }}").chars().count(), 501);
}

#[test]
fn a_conversation_has_a_message() {
    assert_eq!(template("x").unwrap().render(&[], true), Err(ChatError::NoMessages));
}

#[test]
fn long_conversations_are_no_bombs() {
    let source = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content | trim }}\n{% endfor %}";
    let line = "word ".repeat(200);
    let many: Vec<(&str, &str)> = (0..2000).map(|_| ("user", line.as_str())).collect();
    let rendered = template(source).unwrap().render(&say(&many), true).unwrap();
    assert!(rendered.unplaced.is_empty(), "{:?}", rendered.unplaced);
    let book = "word ".repeat(2_000_000);
    let rendered = template(source).unwrap().render(&say(&[("user", &book)]), true).unwrap();
    assert_eq!(rendered.text.len(), book.len() - 1 + "<|user|>\n\n".len());
    assert_eq!(rendered.roles.len(), 3);
}
