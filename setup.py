"""What setup.cfg cannot say: the apps of a checkout are the package keras_gen.apps of an installation.

Installed as `apps` they would meet the package of that name that many projects have.
"""

from setuptools import find_packages, setup

apps = find_packages(include=["apps", "apps.*"])
setup(
    packages=[*find_packages(include=["keras_gen", "keras_gen.*"]), *(f"keras_gen.{name}" for name in apps)],
    package_dir={"keras_gen.apps": "apps"},
)
