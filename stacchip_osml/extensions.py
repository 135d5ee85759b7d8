"""Modules of other packages that register steps, readers and formats, imported when a name is not known.

A package that brings such names says so in its ``pyproject.toml``, any name = its module::

    [project.entry-points.stacchip_osml]
    thermal = "thermal_steps"

Nothing is looked for before a name is asked for that this process does not
know. What is imported is what was installed, never what an index names.
"""

from __future__ import annotations

from functools import cache

__all__ = ["GROUP", "load_extensions"]

GROUP = "stacchip_osml"
"""Entry points of this group name the modules."""


@cache
def load_extensions() -> str:
    """Import the modules that installed packages name, once a process.

    Returns:
        Which of them failed, and why, to be put behind a message; empty where none did.
    """
    from importlib.metadata import entry_points

    failed = []
    for point in entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:  # whatever it raises, others may have what is asked for
            failed.append(f"{point.name} ({point.value}) failed with {type(error).__name__}: {error}")
    return f"; of the extensions installed, {', '.join(failed)}" if failed else ""
