//! Templates that are broken or made to do harm: an error each, soon, and without much memory.

use lens_checkpoint::ChatError;

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
        "{% set ns = namespace(x=[1]) %}{% for i in range(90) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson(indent='x' * 1000000) }}",
        "{{ range(50000) | list | tojson(separators=('x' * 1000000, ':')) }}",
        "{{ {'a': 1, 'b': 2, 'c': 3} | tojson(separators=(',', 'x' * 10000000)) }}",
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
fn what_calls_itself_without_end_is_stopped() {
    let bombs = [
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% macro m() %}{{ caller() }}{% endmacro %}\
         {% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}",
        "{% for a in [messages] recursive %}{{ loop([a]) }}{% endfor %}",
    ];
    for source in bombs {
        assert!(fails(source).to_string().contains("recursion limit"), "{source}");
    }
}

#[test]
fn the_longest_template_may_be_one_chain_of_anything() {
    const LONGEST: usize = 128 << 10;
    // Begin, what is repeated, middle, what is repeated as often, end.
    let chains = [
        ("{{ ", "(", "1", ")", " }}"),
        ("{{ ", "[", "1", "]", " }}"),
        ("{{ ", "{1:", "1", "}", " }}"),
        ("{{ ", "(1,", "", ")", " }}"),
        ("{{ ", "-", "1", "", " }}"),
        ("{{ ", "not ", "1", "", " }}"),
        ("{{ ", "1+", "1", "", " }}"),
        ("{{ ", "1~", "1", "", " }}"),
        ("{{ ", "1**", "1", "", " }}"),
        ("{{ ", "1<", "1", "", " }}"),
        ("{{ ", "0 or ", "1", "", " }}"),
        ("{{ ", "1 and ", "1", "", " }}"),
        ("{{ ", "1if 1else ", "1", "", " }}"),
        ("{{ a", ".b", "", "", " }}"),
        ("{{ a", "[0]", "", "", " }}"),
        ("{{ a", "[:]", "", "", " }}"),
        ("{{ a", "()", "", "", " }}"),
        ("{{ a", "|e", "", "", " }}"),
        ("{{ 1", " in[]", "", "", " }}"),
        ("{{ 1", " is e", "", "", " }}"),
        ("{%if 0%}", "{%elif 0%}", "", "", "{%endif%}"),
        ("", "{%if 1%}", "", "{%endif%}", ""),
        ("", "{%for i in [1]%}", "", "{%endfor%}", ""),
        ("", "{%filter e%}", "", "{%endfilter%}", ""),
        ("", "{%with%}", "", "{%endwith%}", ""),
        ("{{ ", "-", "", "", ""),
        ("{%", "-", "", "", ""),
        ("", "{#", "", "#}", ""),
        ("", "{%raw%}", "", "{%endraw%}", ""),
    ];
    for (begin, open, middle, close, end) in chains {
        let n = (LONGEST - begin.len() - middle.len() - end.len()) / (open.len() + close.len());
        let source = format!("{begin}{}{middle}{}{end}", open.repeat(n), close.repeat(n));
        let result = template(&source).and_then(|template| template.render(&say(&[("user", "hi")]), true));
        if let Err(error) = result {
            assert!(error.to_string().len() < 1000, "{open}: {error}");
        }
    }
    assert!(matches!(template(&"x".repeat(LONGEST + 1)).unwrap_err(), ChatError::Syntax { line: None, .. }));
}

#[test]
fn values_that_nest_as_deeply_as_fuel_allows_do_no_harm() {
    let literals = ["[[[[[[[[[[x]]]]]]]]]]", "{1: {1: {1: x}}}", "namespace(a=x)", "[x] + []"];
    let uses = ["{{ ns.x }}", "{{ ns.x < ns.y }}", "{{ {ns.x: 1} }}", "{{ ns.x ~ '' }}", "done"];
    // A long message gives more fuel.
    let messages = say(&[("user", &"x".repeat(1 << 16))]);
    for literal in literals {
        for last in uses {
            for n in [6_000, 99_999] {
                let set = |name: &str| {
                    format!("{{% set ns.{name} = {} %}}", literal.replace('x', &format!("ns.{name}")))
                };
                let source = format!(
                    "{{% set ns = namespace(x=[], y=[]) %}}{{% for i in range({n}) %}}{}{}{{% endfor %}}{last}",
                    set("x"),
                    set("y").repeat(usize::from(last.contains("ns.y"))),
                );
                let result = template(&source).and_then(|template| template.render(&messages, true));
                if let Err(error) = result {
                    assert!(error.to_string().len() < 1000, "{error}");
                }
            }
        }
    }
    let deep = "{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}";
    for last in ["{{ ns.x | tojson }}", "{{ ns.x }}", "{{ raise_exception(ns.x) }}"] {
        let error = fails(&format!("{deep}{last}"));
        assert!(error.to_string().contains("nested deeper than 100 times"), "{error}");
    }
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
    let book = "word ".repeat(1_000_000);
    let rendered = template(source).unwrap().render(&say(&[("user", &book)]), true).unwrap();
    assert_eq!(rendered.text.len(), book.len() - 1 + "<|user|>\n\n".len());
    assert_eq!(rendered.roles.len(), 3);
    let error =
        template(source).unwrap().render(&say(&[("user", &book), ("user", &book)]), true).unwrap_err();
    assert_eq!(error, ChatError::TooLong { bytes: 10_000_008, limit: 8 << 20 });
}
