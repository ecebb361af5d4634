"""Settings for all tests: quiet TensorFlow, two logical CPUs (for replicas), and a temporary cache folder."""

import logging
import os
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser

from keras_gen.cli.start import import_tensorflow

import_tensorflow()  # without its notes

# Programs that tests start need not compile the same modules again and again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process per core with 2 GiB of memory each; a single one if files or tests are named."""
    named = config.invocation_params.args and any(not arg.startswith("-") for arg in config.invocation_params.args)
    return 0 if named else min(4, os.cpu_count() or 1)


def pytest_configure() -> None:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the full matrix always run for the families that represent a shape of step."""
    for item in items:
        if getattr(item.cls, "represents", "") and item.get_closest_marker("full"):
            item.add_marker("representative")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """The tests do not touch the user's cache folder; the processes of one test run share theirs."""
    before = os.environ.get("XDG_CACHE_HOME")
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of all processes
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(autouse=True)
def no_default_writer():
    """A summary writer that a test leaves as the default would break a later test in the same process."""
    import tensorflow as tf

    before = tf.summary.should_record_summaries()  # if so, the test that left it has failed already
    yield
    if tf.summary.should_record_summaries() and not before:
        pytest.fail("the test left a summary writer as the default: use `with writer.as_default()`")


class _Warned(logging.Handler):
    """Warnings that TensorFlow logs instead of raising, for example that AutoGraph could not convert a function."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "AutoGraph" in (message := record.getMessage()):
            self.messages.append(message)


@pytest.fixture(autouse=True)
def no_warnings_of_autograph():
    """Users would see these warnings at the first training step."""
    warned, logger = _Warned(), logging.getLogger("tensorflow")
    logger.addHandler(warned)
    yield
    logger.removeHandler(warned)
    assert not warned.messages, warned.messages[0]


@pytest.fixture
def shared() -> Path:
    """Folder of real data beside the project; skips the test if it does not exist."""
    if not SHARED.is_dir():
        pytest.skip("the real data sets are not beside this checkout (../shared)")
    return SHARED


@pytest.fixture
def browser(tmp_path):
    """Headless Chromium; skips the test if it is not installed."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with Browser(tmp_path / "profile") as started:
        yield started
