"""What setup.cfg cannot say.

The apps of a checkout are the package keras_gen.apps of an installation: as `apps` they would meet the package of that
name that many projects have.

On the page of a package index the README's pictures and links need addresses. They are those of git's remote `origin`,
if it is a public one; a distribution that is built elsewhere goes without pictures, and its links are plain words.
"""

import re
import subprocess
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def home() -> str:
    """The https address of the repository, "" if it has none."""
    try:
        asked = subprocess.run(["git", "remote", "get-url", "origin"], cwd=HERE, capture_output=True, text=True)
    except OSError:
        return ""
    remote = re.sub(r"^git@([^:/]+):", r"https://\1/", asked.stdout.strip())
    return remote.removesuffix(".git") if re.match(r"https://[^@]+$", remote) else ""


def long_description(address: str) -> str:
    """README.md with absolute addresses of pictures and documents, or without them."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    if not address:
        return re.sub(
            r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", re.sub(r"!\[[^]]*\]\((?!https?:)[^)]*\)\n*", "", readme)
        )
    readme = re.sub(r"(!\[[^]]*\]\()(?!https?:)", rf"\1{address}/raw/HEAD/", readme)
    return re.sub(r"(?<!!)(\[[^]]*\]\()(?!https?:)", rf"\1{address}/blob/HEAD/", readme)


def project_urls(address: str) -> dict[str, str]:
    """Where a package index sends readers."""
    places = {"Source": "", "Documentation": "/tree/HEAD/docs", "Changelog": "/blob/HEAD/CHANGELOG.md"}
    return {name: address + place for name, place in places.items()} if address else {}


apps = find_packages(include=["apps", "apps.*"])
setup(
    packages=[*find_packages(include=["keras_gen", "keras_gen.*"]), *(f"keras_gen.{name}" for name in apps)],
    package_dir={"keras_gen.apps": "apps"},
    long_description=long_description(home()),
    long_description_content_type="text/markdown",
    project_urls=project_urls(home()),
)
