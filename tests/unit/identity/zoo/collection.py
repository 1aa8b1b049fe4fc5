"""The whole zoo."""

from __future__ import annotations

from zoo import arrays, cells, columns, files, frames, peers, values
from zoo.cases import CASES

__all__ = ["CASES", "arrays", "cells", "columns", "files", "frames", "peers", "values"]
