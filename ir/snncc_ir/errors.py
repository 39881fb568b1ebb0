"""The exceptions that mean "the user can mend this"::

    SnnccError            printed as one message, exit 1
    |-- GraphError        an IR graph that breaks a rule of ir/SPEC.md
    |-- ModelError        an ONNX file that cannot be read or lowered
    |-- DataError         images or labels that do not fit
    |-- ArtefactError     a damaged, foreign or unwritable artefact
    |-- TargetError       a network that the chosen target cannot express
    `-- ToolError         an engine's external tool is missing or failed

Anything else that reaches the user is a bug of snncc and keeps its traceback.
"""

from __future__ import annotations


class SnnccError(Exception):
    """What is wrong, where, and what to do about it."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        """Keep the three parts; `str()` joins them into one message."""
        super().__init__(what, where, hint)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}; {self.hint}" if self.hint else head


class GraphError(SnnccError):
    """An IR graph breaks a rule."""


class ModelError(SnnccError):
    """An ONNX model cannot be read or lowered."""


class DataError(SnnccError):
    """Images or labels do not fit the network."""


class ArtefactError(SnnccError):
    """An artefact is damaged, foreign or cannot be written."""


class TargetError(SnnccError):
    """The target cannot express the network."""


class ToolError(SnnccError):
    """An external tool is missing or failed."""
