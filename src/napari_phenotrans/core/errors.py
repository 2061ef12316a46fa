"""The error that users can correct themselves."""

from __future__ import annotations


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
