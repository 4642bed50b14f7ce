"""`python -m tools.images [name …]`: builds what changed and loads it into the cluster, if one runs."""

import argparse
import os
import sys

from rich.table import Table

from tools.cluster import settings, up
from tools.cluster.progress import console
from tools.images.build import Built, build, load, provide


def _table(built: list[Built]) -> Table:
    table = Table("image", "tag", "size", "seconds", "cached")
    for each in built:
        cached = "yes" if each.cached else ""
        table.add_row(each.recipe.name, each.image.rsplit(":", 1)[1], each.size, f"{each.seconds:.1f}", cached)
    return table


def main() -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="images", description=__doc__)
    parser.add_argument("names", nargs="*", help="images to build; all if none is given")
    parser.add_argument("--with-cluster", action="store_true", help="bring the local cluster up at the same time")
    chosen = parser.parse_args()
    try:
        cluster = settings.load()
        if chosen.with_cluster:
            built = provide(cluster)
        else:
            built = build(cluster, chosen.names)
            if not os.environ.get("REGISTRY") and up.running(cluster):
                load(cluster, [each.image for each in built])
    except settings.UserError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    console.print(_table(built))
    return 0


if __name__ == "__main__":
    sys.exit(main())
