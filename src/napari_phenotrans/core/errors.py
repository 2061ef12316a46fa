"""The error that users can correct themselves, and what is said of those that come from elsewhere."""

from __future__ import annotations

# Of the processor's and Apple's memory only the text tells; the last is said where there is no room for a thread.
_NO_MEMORY = (
    *("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "alloc_failed"),
    "can't start new thread",
)


class InputError(ValueError):
    """An input that cannot be used; the message says what came, what was expected and what to do.

    The command line prints it without a traceback and exits with code 2, a dock shows it as a notification.
    Everything else that is raised is our own mistake.

    Parameters
    ----------
    *args
        The message.

    Examples
    --------
    >>> import napari_phenotrans as pt
    >>> try:
    ...     pt.read("nowhere.tif")
    ... except pt.InputError as error:
    ...     print(error)
    There is no file nowhere.tif. Check the path.
    """


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's or NumPy's own, or torch's or the system's by its text."""
    text = str(error).casefold()
    said = isinstance(error, RuntimeError | OSError) and any(words in text for words in _NO_MEMORY)
    # torch's own class need not say a word
    return said or isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def why_stopped(error: BaseException) -> str:
    """Return why a computation stopped and what to do, in sentences; for errors that are no `InputError`."""
    # torch's messages go on for pages after the first line
    first = next(iter(str(error).splitlines()), "")
    if ran_out_of_memory(error):
        said = f" ({first[:300].rstrip('.')})" if first else ""
        return (
            f"Memory ran out{said}. Close other programs, or do less at a time: a smaller tile, batch or crop, or a "
            f"part of the image."
        )
    return (
        f"The computation stopped: {first or type(error).__name__} Choose another device, or translate less at a time."
    )
