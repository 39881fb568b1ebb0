"""What a shell may complete behind an option: names of targets, chips, engines and devices.

The modules that know them load when a shell asks: a command that only prints its help stays quick.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import typer


def targets(incomplete: str) -> Iterator[str]:
    """Targets that are installed."""
    from snncc.targets import target_names

    return _beginning(target_names(), incomplete)


def chips(context: typer.Context, incomplete: str) -> Iterator[str]:
    """Chips of the target that was named before, or of all."""
    from snncc.targets import load_target, target_names

    named = context.params.get("target")
    known = target_names()
    chosen = [named] if named in known else known
    return _beginning((chip for name in chosen for chip in load_target(name).machines), incomplete)


def engines(incomplete: str) -> Iterator[str]:
    """Engines that run images: those of every artefact, then those of the targets."""
    from snncc.simulate import OWN_ENGINES

    return _beginning((*OWN_ENGINES, *_of_targets()), incomplete)


def target_engines(incomplete: str) -> Iterator[str]:
    """Engines of the targets."""
    return _beginning(_of_targets(), incomplete)


def devices(incomplete: str) -> Iterator[str]:
    """Devices that hardware is built for."""
    from snncc.targets import load_target, target_names

    builders = (load_target(name).builder for name in target_names())
    return _beginning((name for found in builders if found is not None for name in found.devices), incomplete)


def core_chips(incomplete: str) -> Iterator[str]:
    """Chips of cores that are described; a `.toml` file is completed by the shell."""
    from snncc_backends.chips import CORE_CHIPS

    return _beginning(CORE_CHIPS, incomplete)


def _of_targets() -> Iterator[str]:
    from snncc.targets import load_target, target_names

    return (engine.name for name in target_names() for engine in load_target(name).engines)


def _beginning(names: Iterable[str], incomplete: str) -> Iterator[str]:
    return (name for name in names if name.startswith(incomplete))
