"""snncc: a compiler from trained CNNs in ONNX form to spiking networks.

`compile` and `load` give a `Network`; snncc.api says what one can do. They are imported at their first use:
what stands behind them takes longer than a command that only prints its help.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snncc.api import Network, compile, load

__version__ = "0.1.0"
__all__ = ["Network", "__version__", "compile", "load"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in __all__:
        raise AttributeError(f"module 'snncc' has no attribute {name!r}")
    return getattr(import_module("snncc.api"), name)
