"""The command as `python -m snncc`."""

from __future__ import annotations

from snncc.cli import main

if __name__ == "__main__":
    main()
