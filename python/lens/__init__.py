"""See what a language model believes at every layer.

    import lens

    run = lens.run("The capital of France is", positions="all")
    run                    # in a notebook: the page to explore it
    run.to_pandas()        # a row for every position, layer and component
    run.trace              # everything, as a dictionary
"""

from ._binary import LensError
from ._run import Run, run
from ._version import __version__

__all__ = ["LensError", "Run", "__version__", "run"]
