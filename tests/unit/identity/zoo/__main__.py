"""The ids of the zoo, as the versions here compute them, as JSON.

``{case: {group: [id, ...]}}``; a case that cannot be built has why in place of its groups.
"""

from __future__ import annotations

import json
import sys
import warnings

from zoo.cases import id_of
from zoo.collection import CASES


def main() -> None:
    warnings.simplefilter("ignore")
    found: dict[str, object] = {}
    for case in CASES:
        if not case.buildable():
            found[case.name] = f"needs {dict(case.needs)}"
            continue
        try:
            groups = case.make()
            found[case.name] = {
                group: [id_of(value) for value in values] for group, values in groups.items()
            }
        except Exception as error:
            found[case.name] = f"{type(error).__name__}: {error}"
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
