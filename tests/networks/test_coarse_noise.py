import torch

from napari_phenotrans.networks.coarse_noise import GRAIN, REACH, coarse


def test_coarse_noise_is_standard_normal_and_the_same_all_over_an_object() -> None:
    made = coarse(torch.randn(2, 3, 320, 320, generator=torch.Generator().manual_seed(0)))
    assert made.shape == (2, 3, 320, 320)
    assert abs(float(made.mean())) < 0.1
    assert 0.9 < float(made.std()) < 1.1
    inside, apart = round(GRAIN / 2), 8 * round(GRAIN)
    near = torch.corrcoef(torch.stack([made[..., inside:].flatten(), made[..., :-inside].flatten()]))[0, 1]
    far = torch.corrcoef(torch.stack([made[..., apart:].flatten(), made[..., :-apart].flatten()]))[0, 1]
    assert near > 0.9
    assert abs(far) < 0.1


def test_a_part_is_that_of_the_whole_but_for_the_border() -> None:
    noise = torch.randn(1, 2, 96, 96, generator=torch.Generator().manual_seed(1))
    part = coarse(noise[..., 16:80, 16:80])[..., REACH:-REACH, REACH:-REACH]
    torch.testing.assert_close(part, coarse(noise)[..., 16 + REACH : 80 - REACH, 16 + REACH : 80 - REACH])
