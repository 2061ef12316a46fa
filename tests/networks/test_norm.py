import pytest
import torch
from torch.nn import functional as F

from napari_phenotrans.networks.norm import CropNorm, fix_statistics


def test_instance_mode_is_instance_normalization() -> None:
    x = torch.randn(3, 4, 8, 9)
    torch.testing.assert_close(CropNorm(4)(x), F.instance_norm(x))


def test_fixed_statistics_are_the_average_over_crops() -> None:
    x = torch.randn(6, 4, 8, 8) * torch.tensor([1.0, 2, 3, 4])[:, None, None] + 5
    layer = CropNorm(4)
    fix_statistics(layer, [x[:4], x[4:]])
    assert layer.mode == "fixed"
    torch.testing.assert_close(layer.mean, x.mean(dim=(2, 3)).mean(0))
    torch.testing.assert_close(layer.var, x.var(dim=(2, 3), correction=0).mean(0))
    y = torch.randn(1, 4, 3, 3)
    expected = (y - layer.mean[:, None, None]) / (layer.var[:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(layer(y), expected)


def test_measuring_again_forgets_the_first_time() -> None:
    layer = CropNorm(1)
    fix_statistics(layer, [torch.full((1, 1, 4, 4), 9.0)])
    fix_statistics(layer, [torch.full((1, 1, 4, 4), 2.0)])
    assert float(layer.mean) == pytest.approx(2)


def test_a_single_pixel_has_no_spread() -> None:
    assert CropNorm(2)(torch.randn(1, 2, 1, 1)).abs().max() == 0
