"""Images and checkpoints in words, as ``phenotrans info`` and the dock show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_phenotrans.checkpoint import Card, Score
    from napari_phenotrans.image import Image

# of an engine's settings, what tells its networks apart
SHOWN = ("width", "blocks", "levels", "layers", "output", "upsampling", "objective")


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
    return _table(rows)


def describe_card(name: str, card: Card) -> str:
    """Return a checkpoint's card, a line each."""
    limits = ", ".join(
        f"{channel} {low:.4g} to {high:.4g}"
        for channel, low, high in zip(card.channels, card.low, card.high, strict=True)
    )
    unit = "µm per pixel" if card.pixel_unit == "um" else "pixels of the file per working pixel"
    rows = [
        ("checkpoint", name),
        ("about", card.about or "nothing said"),
        ("engine", f"{card.engine} ({', '.join(f'{k} {v}' for k, v in _shown(card).items())})"),
        ("conditions", ", ".join(card.conditions)),
        ("translates to", ", ".join(card.targets)),
        ("channels", ", ".join(card.channels)),
        ("limits", limits),
        ("pixel size", f"{card.pixel_size:.4g} {unit}" if card.pixel_size else "not recorded"),
        ("crop", f"{card.crop} pixels"),
        ("statistics", "stored" if card.statistics == "fixed" else "of each plane (imported network)"),
        *([("translates with", _plain(card.translation))] if card.translation else []),
        *([("synthetic", "trained on synthetic images: means nothing on any other")] if card.synthetic else []),
        *((str(key), _plain(value)) for key, value in card.training.items()),
        *(("held-out", describe_score(score)) for score in card.scores),
        *([] if card.scores else [("held-out", "no score on record: nobody knows how good this is")]),
        *([("cite", card.attribution)] if card.attribution else []),
    ]
    return _table(rows)


def describe_score(score: Score) -> str:
    """Return one score in words, with its interval, floor and what copying the source scores."""
    interval = f" [{score.low:.3g}, {score.high:.3g}]" if score.low is not None and score.high is not None else ""
    beside = [
        f"{word} {value:.3g}"
        for word, value in (("copy source", score.copy_source), ("floor", score.floor))
        if value is not None
    ]
    what = f" of {score.what}" if score.what else ""
    rest = f" ({', '.join([*beside, f'{score.groups} groups'])})"
    return f"{score.metric}{what}, {score.direction}: {score.value:.3g}{interval}{rest}"


def _shown(card: Card) -> dict[str, object]:
    return {key: card.settings[key] for key in SHOWN if card.settings.get(key) is not None}


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) or "none"
    return "; ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def _table(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
