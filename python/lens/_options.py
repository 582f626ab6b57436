"""From keyword arguments to the options of the command line."""

import json
import os

# Options that may be given several times; other lists are one option with commas.
REPEATED = {"adapter", "lens", "steer", "stop", "target", "template_var"}

# What decides where results go is this module's business.
TAKEN = {
    "color": "what is printed is not shown",
    "compare": "call run a second time without steer",
    "compare_prompts": "call run once for each prompt",
    "format": "trace and to_pandas() have the results",
    "grid": "show the run in a notebook, or print it",
    "help": "lens run --help lists the options",
    "h": "lens run --help lists the options",
    "o": "save() writes all results into a folder",
    "out": "save() writes all results into a folder",
    "prompt_file": "give the text itself",
    "prompts": "call run once for each prompt",
    "prompts_column": "call run once for each prompt",
    "prompts_format": "call run once for each prompt",
    "tables": "trace and to_pandas() have the results",
    "trials": "call run once for each seed",
}


def arguments(options):
    """The words for `options`, in their order: top_k=5 is --top-k=5, True an option without a value, None and False none."""
    words = []
    for name, value in options.items():
        if name in TAKEN:
            raise TypeError(f"run() takes no {name}: {TAKEN[name]}")
        for value in values(name, value):
            words.extend(word(name, value))
    return words


def values(name, value):
    if name == "template_var" and isinstance(value, dict):
        return [f"{key}={json.dumps(said)}" for key, said in value.items()]
    if name in REPEATED and isinstance(value, (list, tuple)):
        return list(value)
    return [value]


def word(name, value):
    if value is None or value is False:
        return []
    short = len(name) == 1
    option = f"-{name}" if short else "--" + name.replace("_", "-")
    if value is True:
        return [option]
    if isinstance(value, range):
        value = list(value)
    if isinstance(value, (list, tuple)):
        value = ",".join(str(part) for part in value)
    elif isinstance(value, os.PathLike):
        value = os.fspath(value)
    return [option, str(value)] if short else [f"{option}={value}"]
