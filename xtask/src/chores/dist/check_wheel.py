"""Installs a wheel of lens into this Python and tries all of it.

    check_wheel.py WHEEL LIBTORCH NAME VERSION install|lend|quick

With `lend`, the folder LIBTORCH stands where pip would put torch: the same libraries, without a download of gigabytes;
with `quick`, nothing is fetched at all, and what needs pandas or a notebook is left out.
"""

import json
import pathlib
import shutil
import site
import subprocess
import sys
import tempfile

wheel, libtorch, name, version, torch = sys.argv[1:]
packages = pathlib.Path(site.getsitepackages()[0])


def pip(*words):
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words], check=True)


def lend():
    place = packages / "torch"
    assert not place.exists() or place.joinpath("lent").exists(), f"{place} is somebody's torch"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    place.joinpath("lent").touch()
    place.joinpath("__init__.py").write_text("raise ImportError('lens imports no torch')\n")
    place.joinpath("version.py").write_text("__version__ = '2.11.0'\n")
    place.joinpath("lib").symlink_to(pathlib.Path(libtorch) / "lib")
    described = packages / "torch-2.11.0.dist-info"
    described.mkdir(exist_ok=True)
    described.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.11.0\n")


if torch != "install":
    lend()
# With its dependencies: a torch of another version would be replaced, and a missing one fetched.
pip("install", "--force-reinstall", "--no-deps", wheel)
pip("install", *(["--no-index"] if torch == "quick" else []), wheel)
pip("check")

bin = pathlib.Path(sys.executable).parent
said = subprocess.run([bin / "lens", "run", "The capital of France is"], capture_output=True, text=True, check=True)
assert "Paris" in said.stdout, said
said = subprocess.run([bin / "lens", "--version"], capture_output=True, text=True, check=True)
assert version in said.stdout, said
wrong = subprocess.run([bin / "lens", "run", "x", "--layers", "99"], capture_output=True, text=True, check=False)
assert wrong.returncode == 1 and wrong.stderr.startswith("error: "), wrong

import lens  # noqa: E402 (there only now)

assert lens.__version__ == version
run = lens.run("The capital of France is", positions="all", top_k=3, target=[" Paris", " Rome"])
if torch == "quick":
    assert run.trace["final"][-1]["top"][0]["text"] == " Paris"
    assert run._repr_html_().startswith("<iframe sandbox=")
    sys.exit()
table = run.to_pandas()
last = table[(table.component == "resid_post") & (table.layer == table.layer.max())].iloc[-1]
assert last.top_text[0] == " Paris" and len(last.top_text) == 3, last
assert run.trace["final"][-1]["top"][0]["text"] == " Paris"
assert len(run.tokens()) == len(run.trace["tokens"])
assert "Paris" in str(run) and "demo" in repr(run)
page = run._repr_html_()
assert page.startswith("<iframe sandbox=") and "srcdoc=" in page and "allow-same-origin" not in page
with tempfile.TemporaryDirectory() as folder:
    run.save(folder)
    assert {"trace.json", "readouts.parquet", "lens.html"} <= {path.name for path in pathlib.Path(folder).iterdir()}

# Texts arrive as they are.
for text in ("two\n", "a\r", "\ufeffa", "-", "--format", "你好 🙂", "a\nb\r\n"):
    assert lens.run(text, layers=-1).trace["prompt"] == text, repr(text)
ids = run.trace["tokens"]
again = lens.run(token_ids=[token["id"] for token in ids])
assert again.trace["final"][-1]["top"][0]["text"] == " Paris"


def refused(error, part, *args, **options):
    try:
        lens.run(*args, **options)
    except error as said:
        assert part in str(said), said
        return said
    raise AssertionError(f"{part}: accepted")


said = refused(lens.LensError, "99", "x", layers=99)
assert said.status == 1 and not str(said).startswith("error")
assert refused(lens.LensError, "--no-such", "x", no_such=1).status == 2
refused(TypeError, "to_pandas", "x", format="json")
refused(TypeError, "one of", "x", token_ids=[1])
refused(TypeError, "int", 5)
refused(lens.LensError, "no-such-folder", "x", model="./no-such-folder", offline=True)

import nbformat  # noqa: E402
from nbconvert.preprocessors import ExecutePreprocessor  # noqa: E402

cells = ["import lens\nrun = lens.run('The capital of France is')", "run", "run.to_pandas().head()"]
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
ExecutePreprocessor(timeout=120, kernel_name="python3").preprocess(book, {})
shown = book.cells[1].outputs[0]["data"]["text/html"]
assert shown.startswith("<iframe sandbox="), shown[:200]
assert "resid_post" in json.dumps(book.cells[2].outputs[0]["data"])
nbformat.write(book, "notebook.ipynb")
