"""The other process of ``python -m bench gui``: translates an image again and again, as the dock's background does."""

from __future__ import annotations

import sys

from napari_phenotrans.io import read
from napari_phenotrans.widgets.common.worker import background, load_torch


def translate_on(checkpoint: str, path: str, source: str, target: str) -> None:
    """Translate until the process is ended; says on stdout when the first results came."""
    load_torch()
    from napari_phenotrans.core.events import Notice
    from napari_phenotrans.translation.request import TranslationRequest
    from napari_phenotrans.translation.translator import Translator

    translator, image = Translator(checkpoint), read(path)
    said = False
    while True:
        for event in translator.translate(image, TranslationRequest(source, target)):
            if not said and not isinstance(event, Notice):
                said = True
                print("translating", flush=True)


if __name__ == "__main__":
    # the dock's own background thread: its niceness, its number of threads
    background().submit(translate_on, *sys.argv[1:]).result()
