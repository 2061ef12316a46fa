"""Images and checkpoints in words, as ``phenotrans info`` and the dock show them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from napari_phenotrans.core.text import table

if TYPE_CHECKING:
    from napari_phenotrans.checkpoints.checkpoint import Card, Score
    from napari_phenotrans.core.effect import Effect
    from napari_phenotrans.core.image import Image

NONE_PASSED = (
    "These pictures do not pass. Where this is the best checkpoint of its run, none of them passed, and it was chosen "
    "by its gap alone."
)
NOT_JUDGED = "The checkpoint's card does not say what its pictures are like: they were not judged on held-out fields."
# Metrics in words; others are called by their names.
SCORES = {
    "gap closed": "Share of the way to the target",
    "IoU": "Overlap",
    "kid": "Distance to real images (KID)",
    "picture faults": "Faults of the pictures",
    "round trip": "Round trip",
    "identity": "Error where nothing should change",
}
# The settings that tell the networks of an engine apart.
SHOWN = ("width", "blocks", "levels", "layers", "output", "upsampling", "objective", "kept", "separate")

IS_LOOK = (
    "This checkpoint is a look: it was trained for minutes, no longer than the preset look trains. It shows whether "
    "the conditions can be told apart and what training longer may bring; it is nothing to draw conclusions from."
)


def describe_image(image: Image) -> str:
    """Return what is known about an image, a line each."""
    sizes = " × ".join(f"{letter} {size}" for letter, size in image.sizes.items())
    known = [
        ("pixel size", f"{image.pixel_size_um:.4g} µm" if image.pixel_size_um else "unknown"),
        ("Z step", f"{image.z_step_um:.4g} µm" if image.z_step_um else None),
        ("interval", f"{image.frame_interval_s:.4g} s" if image.frame_interval_s else None),
        ("levels", str(1 + len(image.pyramid)) if image.pyramid else None),
        ("about", image.description or None),
    ]
    channels = [
        f"{name} ({color})" if color else name for name, color in zip(image.channels, image.colors, strict=True)
    ]
    rows = [
        ("image", str(image.path or "")),
        ("axes", f"{image.axes} ({sizes})"),
        ("dtype", str(image.dtype)),
        ("channels", ", ".join(channels)),
        *((name, value) for name, value in known if value),
        *(("note", note) for note in image.notes),
    ]
    return "\n".join(table(rows))


def describe_card(name: str, card: Card) -> str:
    """Return a checkpoint's card, a line each."""
    limits = ", ".join(
        f"{channel} {low:.4g} to {high:.4g}"
        for channel, low, high in zip(card.channels, card.low, card.high, strict=True)
    )
    facts = _facts(card)
    settings = ", ".join(f"{key} {_plain(value)}" for key, value in _network_settings(card).items())
    rows = [
        ("checkpoint", name),
        ("about", card.about or "nothing said"),
        ("engine", f"{card.engine} ({settings})"),
        ("conditions", facts["conditions"]),
        ("translates to", facts["translates to"]),
        ("channels", facts["channels"]),
        ("limits", limits),
        ("pixel size", facts["pixel size"]),
        ("crop", f"{card.crop} pixels"),
        ("statistics", "stored" if card.statistics == "fixed" else "of each plane (imported network)"),
        *([("translates with", _plain(card.translation))] if card.translation else []),
        *([("at noise of", describe_effect(card.effect))] if card.effect else []),
        ("trained on", facts["trained on"]),
        *((str(key), _plain(value)) for key, value in card.training.items()),
        *(("held-out", describe_score(score)) for score in card.scores),
        *(("pictures", text) for text in describe_pictures(card)),
        *(("warning", text) for text in card_warnings(card)),
        *([("cite", card.attribution)] if card.attribution else []),
    ]
    return "\n".join(table(rows))


def card_lines(card: Card) -> list[str]:
    """Return the most important facts of a checkpoint, in lines."""
    facts = {"engine": card.engine} | _facts(card)
    return [
        *([card.about] if card.about else []),
        *(f"{name.capitalize()}: {value}" for name, value in facts.items()),
        *(f"Held-out: {describe_score(score)}" for score in card.scores),
        *(f"Pictures: {text}" for text in describe_pictures(card)),
    ]


def card_warnings(card: Card) -> list[str]:
    """Return what makes a checkpoint doubtful, whatever it translates."""
    warnings = [IS_LOOK] if card.is_look else []
    if not card.scores:
        warnings.append(
            "This checkpoint states no held-out score: nobody has written down how good it is on images that training "
            "never saw. What it shows may be right or invented; judge it by real images of the target."
        )
    return warnings


def describe_effect(effect: Effect) -> str:
    """Return at which noise, in SDs of the images, an engine that inverts has which share of its greatest effect."""
    sd = math.prod(effect.sds) ** (1 / len(effect.sds))
    each = ", ".join(f"{effect.sigma(share) / sd:.3g} SDs at {share:g}" for share in (0.25, 0.5, 0.75, 1.0))
    return f"{each} of the greatest change"


def describe_pictures(card: Card) -> list[str]:
    """Return what the gate of pictures said on held-out fields, in sentences; none where it was not asked."""
    lines = [f"{each.direction}, {text}" for each in card.pictures for text in each.sentences]
    return [*lines, *_none_passed(card)]


def picture_words(card: Card, source: str | None = None, target: str | None = None) -> list[str]:
    """Return what is known of a checkpoint's pictures before it translates anything; says so where nothing is known.

    All of a direction together; of one direction where source and target are said.
    """
    asked = f"{source} → {target}" if source and target else None
    lines = [
        f"On held-out fields, {each.direction}: {' '.join(each.sentences)}"
        for each in card.pictures
        if asked in (None, each.direction)
    ]
    return [*lines, *_none_passed(card)] or [NOT_JUDGED]


def _none_passed(card: Card) -> list[str]:
    return [] if all(each.passed for each in card.pictures) else [NONE_PASSED]


def describe_score(score: Score) -> str:
    """Return one score in words, with its interval, what the unchanged image scores, and the best possible."""
    interval = f" [{score.low:.3g}, {score.high:.3g}]" if score.low is not None and score.high is not None else ""
    beside = [
        f"{word} {value:.3g}"
        for word, value in (("unchanged image", score.copy_source), ("best possible here", score.floor))
        if value is not None
    ]
    rest = f" ({', '.join([*beside, f'{score.groups} groups'])})"
    return f"{score_words(score.metric, score.what)}, {score.direction}: {score.value:.3g}{interval}{rest}"


def _median(found: re.Match[str]) -> str:
    return f"Median of {measured_words(f'log {found[1]}')}"


def measured_words(what: str) -> str:
    """Return what was measured in words."""
    return re.sub(r"^log (.+) nucleus over ring$", r"\1 in the nucleus over the ring around it", what)


def score_words(metric: str, what: str) -> str:
    """Return what a score is of in words that need no key: what was measured is a ratio, not its logarithm."""
    measured = measured_words(what)
    name = SCORES.get(metric) or re.sub(r"^median (.+ nucleus over ring)$", _median, metric)
    return f"{name}: {measured}" if measured else name


def _facts(card: Card) -> dict[str, str]:
    pixel_size = f"{card.pixel_size or 0:.4g}"
    if card.pixel_size is None:
        pixel_size = "not recorded"
    elif card.pixel_unit == "um":
        pixel_size += " µm per pixel"
    else:
        pixel_size += " pixels of the file per working pixel"
    return {
        "conditions": ", ".join(card.conditions),
        "translates to": ", ".join(card.targets),
        "channels": ", ".join(card.channels),
        "pixel size": pixel_size,
        "trained on": "synthetic images; means nothing on any other" if card.synthetic else "real images",
        **({"trained for": "a look: minutes, nothing to draw conclusions from"} if card.is_look else {}),
    }


def _network_settings(card: Card) -> dict[str, object]:
    return {key: card.settings[key] for key in SHOWN if card.settings.get(key) not in (None, False)}


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) or "none"
    return "; ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)
