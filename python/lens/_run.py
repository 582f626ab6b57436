"""Reading a prompt, and what comes of it."""

import html
import json
import pathlib
import shutil
import sys
import tempfile

from ._binary import call
from ._options import arguments


def run(prompt=None, *, model=None, token_ids=None, messages=None, **options):
    """Reads every layer of `model` for a prompt, as `lens run` does, and returns a `Run`.

    The prompt is a text, a list of `token_ids`, or a list of `messages` ({"role": ..., "content": ...}) for the model's
    chat template. `model` is a name on the hub, a folder or a GGUF file; without it, the demo model that is part of lens.

    Every other option of `lens run` is an argument with underscores: layers="0..4", positions="all", top_k=5,
    target=[" Paris", " Rome"], lens="logit,tuned=PATH", max_new_tokens=8, chat=True, device="cpu".

    What lens notes (what was assumed, dropped or left out) is printed to stderr, and is in `trace["notes"]`.
    Raises LensError with the message of lens where it fails, and TypeError for arguments that make no sense here.
    """
    given = [what is not None for what in (prompt, token_ids, messages)]
    if sum(given) != 1:
        raise TypeError("run() takes one of a prompt, token_ids and messages")
    words = ["run", *arguments({"model": model, **options})]
    text = ""
    folder = tempfile.TemporaryDirectory(prefix="lens-")
    inputs = pathlib.Path(folder.name)
    try:
        if token_ids is not None:
            words.append("--token-ids=" + ",".join(str(int(token)) for token in token_ids))
        elif messages is not None:
            (inputs / "messages.json").write_text(json.dumps(messages), encoding="utf-8")
            words.append(f"--messages={inputs / 'messages.json'}")
        else:
            if not isinstance(prompt, str):
                raise TypeError(f"a prompt is a text, not {type(prompt).__name__}")
            # Of what stands on stdin, one end of a line is not part of the prompt, nor one byte order mark at the beginning.
            words.append("-")
            text = ("\ufeff" if prompt.startswith("\ufeff") else "") + prompt + "\r\n"
        out = inputs / "results"
        words += [f"--out={out}", "--pictures=none"]
        table, said = call(words, text)
        # Where the results are, is this object's business.
        notes = [line for line in said.splitlines() if not line.startswith(f"note: results in {out}")]
        if notes:
            print("\n".join(notes), file=sys.stderr)
        return Run(folder, out, table)
    except BaseException:
        folder.cleanup()
        raise


class Run:
    """What was read of a prompt. In a notebook it shows itself as a page; printed, it is a table."""

    def __init__(self, folder, results, table):
        self._folder = folder  # Removed with this object.
        self._results = results
        self._table = table
        self.trace = json.loads((results / "trace.json").read_text(encoding="utf-8"))

    def to_pandas(self):
        """The readouts as a DataFrame: a row for every position, layer and component (docs/tables.md has the columns)."""
        return self._frame("readouts")

    def tokens(self):
        """The tokens of the prompt and of the continuation as a DataFrame."""
        return self._frame("tokens")

    def _frame(self, name):
        try:
            import pandas
            import pyarrow  # noqa: F401 (what reads Parquet)
        except ImportError as error:
            raise ImportError("tables need pandas and pyarrow: pip install pandas pyarrow") from error
        return pandas.read_parquet(self._results / f"{name}.parquet", engine="pyarrow")

    @property
    def page(self):
        """The page to explore it, as one HTML document that needs no network."""
        return (self._results / "lens.html").read_text(encoding="utf-8")

    def save(self, folder):
        """Writes trace, tables and page into a folder, which is made if it is not there."""
        shutil.copytree(self._results, folder, dirs_exist_ok=True)

    def __str__(self):
        return self._table

    def __repr__(self):
        positions = len(self.trace["tokens"])
        return f"<lens.Run of {self.trace['model']['id']!r}, {positions} tokens>"

    def _repr_html_(self):
        # Sandboxed: scripts of the page run, and reach neither the notebook nor its cookies.
        page = html.escape(self.page, quote=True)
        return (
            '<iframe sandbox="allow-scripts allow-downloads" title="lens" loading="lazy" '
            f'style="width: 100%; height: 720px; border: 0" srcdoc="{page}"></iframe>'
        )
