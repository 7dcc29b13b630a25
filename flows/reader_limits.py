"""What the reading process may use of the machine, whatever the file in it does.

Processes and threads are not limited: the kernel counts those of a user all over the machine.
"""

from __future__ import annotations

import re
import resource

ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(1024 * 1024 * 1024),
}
"""With these the process is started. Threads that nothing here needs reserve 30 MB each, one for every core
of the machine, so the memory limit would mean something else on each; OpenCV's wait in loops for work that is
too small for them, at 6 to 10 % of the CPU time.

The last two (mallopt(3); the first as large as it may be) have glibc keep what one layer of a model gives
back for the next, instead of returning it to the kernel, which would zero it again, at 6 to 9 %."""

CPU_SECONDS = 180
"""Of all threads together. The flow's time limit comes first; this one holds when the flow is gone."""
MEMORY_BYTES = 1_040 * 1024 * 1024
"""Writable memory of its own, 0.3 GB for the engine included. Some 75 MB of code, mapped from files, are not
counted, so that the process stays below 1.2 GB resident."""


def confine() -> None:
    """Set the limits, for good. Call it with the engine loaded and before the file is looked at.

    Beyond the memory the kernel gives no more, and beyond the time it ends the process. No file can be
    written, and a crash leaves no core dump, which would hold the document.
    """
    _at_most(resource.RLIMIT_CORE, 0)
    _at_most(resource.RLIMIT_FSIZE, 0)
    # At the first the kernel sends SIGXCPU, which tells why; at the second SIGKILL.
    _at_most(resource.RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 5)
    _at_most(resource.RLIMIT_DATA, MEMORY_BYTES)


_NO_MORE = re.compile(r"bad_alloc|bad allocation|OutOfMemory|Insufficient memory|Failed to allocate")
"""How ONNX Runtime and OpenCV put it, whose errors are no MemoryErrors."""


def ran_out_of_memory(error: Exception) -> bool:
    """Whether the error says that there was no more memory."""
    return isinstance(error, MemoryError) or _NO_MORE.search(str(error)) is not None


def _at_most(what: int, soft: int, hard: int | None = None) -> None:
    """A lower limit that whoever started the process has set stays."""
    _, ceiling = resource.getrlimit(what)
    limits = soft, soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        limits = min(limits[0], ceiling), min(limits[1], ceiling)
    resource.setrlimit(what, limits)
