"""Download the npm packages that the page uses: those in package-lock.json, with verified checksums.

They are stored in the user's cache folder. `python -m apps.web` downloads them when they are missing, and then works
offline.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from keras_gen.cli.parsing import app
from keras_gen.errors import UserError
from keras_gen.files import cache_folder, filling_cache, replacing

HERE = Path(__file__).parent
_LISTS = ("package.json", "package-lock.json")


def vendor() -> Path:
    """Installs the packages if they are missing, in the versions of package-lock.json, and returns their folder.

    Raises:
        UserError: if npm is missing or cannot download the packages, or the cache folder cannot be written.
    """
    wanted = {name: (HERE / name).read_bytes() for name in _LISTS}
    kept = cache_folder() / "web"
    packages = kept / "node_modules"
    if packages.is_dir() and all((kept / name).read_bytes() == content for name, content in wanted.items()):
        return packages
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            "npm is not installed, but is needed once to download LiteRT for the page: install Node.js 18 or later."
        )
    with filling_cache(kept.parent), replacing(kept) as folder:
        folder.mkdir(parents=True)
        for name, content in wanted.items():
            (folder / name).write_bytes(content)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"]
        done = subprocess.run([*command, *patience], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            said = re.search(r"^npm error (?!code |errno |syscall )(.+?)\.?$", done.stderr, re.MULTILINE)
            raise UserError(
                f"npm could not download the packages in {HERE / _LISTS[1]} ({said[1] if said else done.returncode}); "
                "this needs an internet connection once."
            )
    return packages


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Download the packages and print their folder."""
    print(vendor())


if __name__ == "__main__":
    sys.exit(main())
