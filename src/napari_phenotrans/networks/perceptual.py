"""Perceptual distance: how different two images are to VGG16, trained on photographs."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_phenotrans.core.errors import InputError

# where torchvision itself puts the weights after a download
DOWNLOADED = "vgg16-397923af.pth"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# places in VGG16 after the last activation of each of its five stages
STAGES = (3, 8, 15, 22, 29)


class PerceptualDistance(nn.Module):
    """Squared difference of VGG16 features of unit length, averaged over places and summed over five stages.

    Zhang et al. 2018, eq. 1, all weights 1. Each channel of the images is shown by itself, as a gray picture.

    Parameters
    ----------
    weights
        File with torchvision's VGG16 weights; where None, the one that torchvision has downloaded before. Nothing is
        downloaded here.

    Raises
    ------
    InputError
        If there is no such file, or it holds something else; if torchvision is not installed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        try:
            from torchvision.models import vgg16
        except ImportError as error:
            raise InputError(
                "The perceptual reconstruction takes VGG16 from torchvision, which is not installed. Install it with "
                "'pip install napari-phenotrans[fidelity]', or choose --reconstruction l1."
            ) from error
        path = Path(weights) if weights else Path(torch.hub.get_dir()) / "checkpoints" / DOWNLOADED
        if not path.is_file():
            raise InputError(
                f"The perceptual reconstruction needs torchvision's VGG16 weights (528 MB), but {path} is no file. "
                f"Nothing is downloaded by itself: get {DOWNLOADED} from torchvision and name it with --vgg, "
                f"or choose --reconstruction l1."
            )
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            features = {key.removeprefix("features."): value for key, value in state.items() if "features." in key}
            # its 138 million random weights are never made: only the features are needed, and loaded
            with torch.device("meta"):
                network = vgg16(weights=None).features
            network.load_state_dict(features, assign=True)
        except (RuntimeError, pickle.UnpicklingError, AttributeError, EOFError) as error:
            raise InputError(
                f"{path} does not hold torchvision's VGG16 weights ({type(error).__name__}). "
                f"Name a file that does with --vgg, or choose --reconstruction l1."
            ) from error
        self.network = network.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean distance of images (N, C, H, W) in about [-1, 1]; H and W at least 32."""
        h = torch.cat([self._gray(x), self._gray(y)])
        total = h.new_zeros(())
        for number, layer in enumerate(self.network):
            h = layer(h)
            if number in STAGES:
                of_x, of_y = F.normalize(h.float(), dim=1, eps=1e-6).chunk(2)
                total = total + (of_x - of_y).pow(2).sum(dim=1).mean()
        return total

    def _gray(self, x: Tensor) -> Tensor:
        pictures = x.flatten(0, 1)[:, None].expand(-1, 3, -1, -1)
        return ((pictures + 1) / 2 - self.mean) / self.std
