"""Latency and memory of .tflite files, measured in separate processes.

In the process that converts the files, TensorFlow's own threads and memory would distort every figure.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

_CALLS_PER_TURN = 10  # calls of one file before it is the next file's turn
_WARM_UP = 2  # calls that are not timed: the first allocates, packs weights and reads the file


def measure(paths: Sequence[Path], *, threads: Sequence[int], runs: int) -> dict[Path, dict[str, Any]]:
    """Measure latency and memory with random inputs.

    The files take turns, so that a temporarily slow machine is slow for all of them.

    Args:
        paths: the .tflite files.
        threads: numbers of CPU threads to measure with.
        runs: timed calls for each file and number of threads.

    Returns:
        file -> {"latency": {number of threads, as text -> {"median_ms", "p95_ms"} of a call},
        "peak_megabytes": increase of the resident set over the interpreter without a model, including mapped weights;
        None on systems without /proc}.

    Raises:
        RuntimeError: if a file cannot be run.
    """
    milliseconds: dict[tuple[Path, int], list[float]] = {(path, number): [] for path in paths for number in threads}
    peaks: dict[Path, list[float | None]] = {path: [] for path in paths}
    for start in range(0, runs, _CALLS_PER_TURN):
        for (path, number), taken in milliseconds.items():
            figures = _measure_in_subprocess(path, number, min(_CALLS_PER_TURN, runs - start))
            taken += figures["milliseconds"]
            peaks[path].append(figures["peak_megabytes"])
    return {
        path: {
            "latency": {str(number): _summary(milliseconds[path, number]) for number in threads},
            "peak_megabytes": None if None in peaks[path] else max(peaks[path]),
        }
        for path in paths
    }


def _summary(milliseconds: list[float]) -> dict[str, float]:
    median, p95 = np.percentile(milliseconds, [50, 95])
    return {"median_ms": round(float(median), 2), "p95_ms": round(float(p95), 2)}


def _measure_in_subprocess(path: Path, threads: int, runs: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(path), str(threads), str(runs)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{path} could not be measured: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> str:
    """Name of this machine's processor and its number of cores, such as "AMD EPYC 7B13, 2 cores"."""
    listed = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", listed.read_text(), re.MULTILINE) if listed.exists() else []
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def _measure_here(path: str, threads: int, runs: int) -> dict[str, Any]:
    before = _memory("VmRSS")
    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    generator = np.random.default_rng(0)
    inputs = {tensor["index"]: _random_input(tensor, generator) for tensor in interpreter.get_input_details()}
    outputs = [tensor["index"] for tensor in interpreter.get_output_details()]
    seconds = []
    for _ in range(_WARM_UP + runs):
        start = time.perf_counter()
        for index, values in inputs.items():
            interpreter.set_tensor(index, values)
        interpreter.invoke()
        for index in outputs:
            interpreter.get_tensor(index)
        seconds.append(time.perf_counter() - start)
    peak = None if before is None else round(_memory("VmHWM") - before, 1)
    return {"milliseconds": [1e3 * second for second in seconds[_WARM_UP:]], "peak_megabytes": peak}


def _random_input(tensor: dict[str, Any], generator: np.random.Generator) -> np.ndarray:
    """Random values for an input."""
    if tensor["dtype"] == np.float32:
        return generator.uniform(-1, 1, tensor["shape"]).astype(np.float32)
    values = 1 if tensor["dtype"] == np.int32 else 256  # int32 are indices, and only 0 is certainly a valid one
    return generator.integers(0, values, tensor["shape"]).astype(tensor["dtype"])


def _memory(field: str) -> float | None:
    """A field of /proc/self/status [MB]; None without /proc."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    (line,) = (line for line in status.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    file, *numbers = sys.argv[1:]
    print(json.dumps(_measure_here(file, *map(int, numbers))))
