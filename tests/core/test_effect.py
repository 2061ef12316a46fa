from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from napari_phenotrans.core.effect import Effect

TABLE = {"sigmas": (0.01, 0.1, 1.0, 10.0), "shares": (0.0, 0.2, 0.9, 1.0), "sds": (0.2, 0.1)}


def test_noise_and_share_are_each_others_inverse() -> None:
    effect = Effect(**TABLE)
    assert effect.sigma(0.9) == 1.0
    assert effect.share(0.1) == 0.2
    # half of the way between two entries in the logarithm of the noise
    assert effect.sigma(0.55) == pytest.approx(math.sqrt(0.1))
    assert effect.share(math.sqrt(0.1)) == pytest.approx(0.55)
    assert effect.share(50.0) == 1.0
    for share in (0.01, 0.3, 0.77, 0.99):
        assert effect.share(effect.sigma(share)) == pytest.approx(share)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": (0.0, 0.9, 0.2, 1.0)},
        {"shares": (0.0, 0.2, 0.9)},
        {"shares": (0.1, 0.2, 0.9, 1.0)},
        {"shares": (0.0, 0.2, 0.9, 0.95)},
        {"sigmas": (0.01, 0.1, 0.1, 10.0)},
        {"sigmas": (0.01, 0.1, 1.0, math.inf)},
        {"sds": (0.2, 0.0)},
    ],
)
def test_a_table_that_does_not_rise_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="rise together"):
        Effect(**(TABLE | wrong))
