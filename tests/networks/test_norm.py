import pytest
import torch
from torch.nn import functional as F

from napari_phenotrans.networks.norm import CropNorm, PositionNorm, fix_statistics, make_sets, select_set


def test_instance_mode_is_instance_normalization() -> None:
    x = torch.randn(3, 4, 8, 9)
    torch.testing.assert_close(CropNorm(4)(x), F.instance_norm(x))


def test_fixed_statistics_are_the_average_over_crops() -> None:
    x = torch.randn(6, 4, 8, 8) * torch.tensor([1.0, 2, 3, 4])[:, None, None] + 5
    layer = CropNorm(4)
    fix_statistics(layer, [x[:4], x[4:]])
    assert layer.mode == "fixed"
    torch.testing.assert_close(layer.mean[0], x.mean(dim=(2, 3)).mean(0))
    torch.testing.assert_close(layer.var[0], x.var(dim=(2, 3), correction=0).mean(0))
    y = torch.randn(1, 4, 3, 3)
    expected = (y - layer.mean[0][:, None, None]) / (layer.var[0][:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(layer(y), expected)


def test_measuring_again_forgets_the_first_time() -> None:
    layer = CropNorm(1)
    fix_statistics(layer, [torch.full((1, 1, 4, 4), 9.0)])
    fix_statistics(layer, [torch.full((1, 1, 4, 4), 2.0)])
    assert float(layer.mean) == pytest.approx(2)


def test_a_single_pixel_has_no_spread() -> None:
    assert CropNorm(2)(torch.randn(1, 2, 1, 1)).abs().max() == 0


def test_each_set_holds_the_statistics_of_its_own_crops() -> None:
    layer = CropNorm(1)
    make_sets(layer, 3)
    for index, value in enumerate((5.0, 6.0, 7.0)):
        fix_statistics(layer, [torch.full((1, 1, 4, 4), value)], index)
    assert layer.mean[:, 0].tolist() == [5, 6, 7]
    select_set(layer, 1)
    assert layer(torch.full((1, 1, 4, 4), 6.0)).abs().max() < 1e-3
    select_set(layer, 2)
    assert layer(torch.full((1, 1, 4, 4), 6.0)).abs().max() > 1


def test_statistics_without_a_set_serve_every_input() -> None:
    layer = CropNorm(1)
    make_sets(layer, 2)
    fix_statistics(layer, [torch.full((1, 1, 4, 4), 5.0)])
    assert layer.mean[:, 0].tolist() == [5, 5]


def test_the_one_set_of_an_earlier_file_serves_every_input() -> None:
    layer = CropNorm(2)
    make_sets(layer, 3)
    layer.load_state_dict({"mean": torch.tensor([1.0, 2.0]), "var": torch.tensor([3.0, 4.0])})
    assert layer.mean.tolist() == [[1, 2]] * 3
    assert layer.var.tolist() == [[3, 4]] * 3
    with pytest.raises(RuntimeError, match="size mismatch for mean"):
        layer.load_state_dict({"mean": torch.ones(5), "var": torch.ones(5)})


def test_position_norm_looks_at_one_position_alone() -> None:
    x, layer = torch.randn(2, 6, 8, 9), PositionNorm(6)
    made = layer(x)
    torch.testing.assert_close(made.mean(1), torch.zeros(2, 8, 9), atol=1e-6, rtol=0)
    torch.testing.assert_close(made.var(1, correction=0), torch.ones(2, 8, 9), atol=1e-3, rtol=0)
    torch.testing.assert_close(layer(x[:, :, 2:5, 3:7]), made[:, :, 2:5, 3:7])


def test_position_norm_learns_a_gain_and_an_offset_of_each_channel() -> None:
    layer, x = PositionNorm(3), torch.randn(1, 3, 4, 4)
    plain = layer(x).detach()
    layer.load_state_dict({"gain": torch.tensor([1.0, 2, 3]), "offset": torch.tensor([0.0, 5, 9])})
    expected = plain * torch.tensor([1.0, 2, 3])[:, None, None] + torch.tensor([0.0, 5, 9])[:, None, None]
    torch.testing.assert_close(layer(x), expected)
