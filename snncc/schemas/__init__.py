"""What `--json` prints of every command: types, and the JSON Schemas that follow from them."""

VERSION = 1
"""Changes where a key of an answer goes, or means something else."""


def schema_name(command: str) -> str:
    """What an answer of a command says under `schema`."""
    return f"snncc/{command}/{VERSION}"
