"""A package in words: its name, its description and its documentation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from napari_phenotrans.checkpoints.describe import card_warnings, picture_words, score_words
from napari_phenotrans.core.text import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_phenotrans.checkpoints.checkpoint import Card
    from napari_phenotrans.checkpoints.interop.zoo.example import Example

#: By engine: what to call it, and the paper that describes it.
PAPERS: dict[str, tuple[str, str, str]] = {
    "cyclegan": (
        "CycleGAN",
        "Zhu et al. 2017: Unpaired image-to-image translation using cycle-consistent adversarial networks",
        "10.1109/ICCV.2017.244",
    ),
    "scgan": (
        "SCGAN",
        "Bourou et al. 2023: Unpaired image-to-image translation with limited data to reveal subtle phenotypes",
        "10.48550/arXiv.2302.08503",
    ),
    "phendiff": (
        "PhenDiff",
        "Bourou et al. 2024: PhenDiff, revealing subtle phenotypes with diffusion models in real images",
        "10.48550/arXiv.2312.08290",
    ),
    "flow": (
        "a flow with kept channels",
        "Lipman et al. 2023: Flow matching for generative modeling",
        "10.48550/arXiv.2210.02747",
    ),
}
LONGEST_NAME, LONGEST_DESCRIPTION = 64, 512
PROMISE = (
    "A translated image shows what an engine learned that a condition does to cells like these. It is a hypothesis, no "
    "measurement: nothing may be counted in it that is not checked in real images of the target."
)


def name_of(checkpoint: str, source: str, target: str) -> str:
    """Return a name of the letters that the zoo allows."""
    plain = re.sub(r"[^A-Za-z0-9_+\- ()]", "-", f"{checkpoint} {source} to {target}")
    return plain[:LONGEST_NAME].strip().ljust(5, "-")


def description_of(card: Card, source: str, target: str) -> str:
    """Return in two sentences what the package does."""
    about = f" {card.about.rstrip('.')}." if card.about else ""
    invented = " Trained on synthetic images: it means nothing on any other." if card.synthetic else ""
    channels = f"{len(card.channels)} channel{'s' if len(card.channels) > 1 else ''}"
    return (
        f"Translates images of {source} to what they might be as {target} ({channels}: {', '.join(card.channels)}), "
        f"by {PAPERS[card.engine][0]}, trained on unpaired images.{about}{invented}"
    )[:LONGEST_DESCRIPTION]


def documentation_of(
    card: Card,
    direction: tuple[str, str],
    how: Mapping[str, Any],
    example: Example,
    formats: Sequence[str],
    takes: str,
) -> str:
    """Return the package's documentation, Markdown.

    Parameters
    ----------
    card, direction
        The checkpoint's, source and target.
    how
        What the engine was told.
    example
        The image that the package is tested with.
    formats
        Of the weights, in words.
    takes
        Which heights and widths, in sentences.
    """
    source, target = direction
    settings = ", ".join(f"{name} {_plain(value)}" for name, value in how.items() if value is not None)
    kept = card.settings.get("kept") or how.get("kept") or ()
    stay = f"\n{listed(list(kept))} comes back as it came, within rounding.\n" if kept else ""
    return f"""# {card.about or PAPERS[card.engine][0]}: {source} → {target}

{description_of(card, source, target)}

{PROMISE}
{"".join(f"{chr(10)}**Synthetic**: {text}{chr(10)}" for text in _synthetic(card))}
## Input and output

One plane with the channels below, in this order and in the units of the images; axes batch, channel, y, x. The
preprocessing maps these intensities, which belong to the training images together and to no single one, to -1 and 1;
the postprocessing maps back. Do not stretch an image by its own brightness: it is often what the condition changes.

| channel | is -1 | is 1 |
|---|---|---|
{_limits(card)}

{_pixel_size(card)} Trained on crops of {card.crop} × {card.crop} of these pixels.
{takes}
{stay}
Translated by {PAPERS[card.engine][0]}, fixed in this package ({settings or "nothing to set"}). Weights:
{listed(list(formats))}.

The test image: {example.shows}

{_validation(card, source, target)}
## Training data

{_training(card, source, target)}

## Use

```python
from bioimageio.core import predict

sample = predict(model="PACKAGE.zip", inputs={{"real": plane}})  # (1, channels, height, width), NumPy
translated = sample.members["translated"].data.to_numpy()
```

`phenotrans import PACKAGE.zip --out mine.safetensors` (napari-phenotrans) restores the checkpoint, with tiles for
images of any size, resampling to the working pixel size, difference maps and checks of a translation.
"""


def _validation(card: Card, source: str, target: str) -> str:
    direction = f"{source} → {target}"
    scores = [score for score in card.scores if score.direction == direction]
    rows = "\n".join(
        f"| {score_words(score.metric, score.what)} | {score.value:.3g} | {_number(score.copy_source)} | "
        f"{_number(score.floor)} | {score.groups} |"
        for score in scores
    )
    table = (
        f"""| score | value | unchanged image | best possible here | groups |
|---|---|---|---|---|
{rows}

*Unchanged image* is what copying the source scores, *best possible here* what one half of real target images scores
against the other half."""
        if scores
        else "No held-out score is stated: nobody has written down how good it is on images that training never saw."
    )
    pictures = "\n".join(f"- {text}" for text in picture_words(card, source, target))
    # that there is no score the table says
    warnings = [text for text in card_warnings(card) if scores or "no held-out score" not in text]
    care = "\n".join(["Take care:\n", *(f"- {text}" for text in warnings)]) + "\n" if warnings else ""
    return f"""## Validation

On held-out images ({direction}):

{table}

What the gate of pictures said of rings, halos, lattices, half-gone and hollow objects, scars and spectra:

{pictures}

To validate it on your own images, translate held-out images of {source}, and compare what you measure in them with real
images of {target}: the distributions should meet, and in source → source nothing should change.

{care}"""


def _training_of(card: Card) -> str:
    """Return in a line what the card says of its training."""
    said = {name: value for name, value in card.training.items() if not isinstance(value, list | tuple)}
    return "; ".join(f"{name}: {_plain(value)}" for name, value in said.items())


def _training(card: Card, source: str, target: str) -> str:
    kind = "Synthetic images of" if card.synthetic else "Unpaired real images of"
    lines = [f"{kind} {source} and {target}.", _training_of(card), card.attribution]
    return "\n\n".join(line for line in lines if line)


def _synthetic(card: Card) -> list[str]:
    return ["trained on images that a program invented; on any other image it means nothing."] if card.synthetic else []


def _limits(card: Card) -> str:
    return "\n".join(
        f"| {name} | {low:.6g} | {high:.6g} |"
        for name, low, high in zip(card.channels, card.low, card.high, strict=True)
    )


def _pixel_size(card: Card) -> str:
    if card.pixel_size is None:
        return "The training images state no pixel size: give images of the same magnification."
    if card.pixel_unit == "um":
        return f"One pixel is {card.pixel_size:.4g} µm: resample images of other pixel sizes first."
    if card.pixel_size == 1:
        return "The training images state no pixel size, and are taken as they are: give the same magnification."
    return (
        f"The training images state no pixel size; one pixel here is {card.pixel_size:.4g} × {card.pixel_size:.4g} of "
        f"theirs: average as many first."
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) or "none"
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)
