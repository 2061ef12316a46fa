"""Other people's formats, to and from checkpoints."""

from napari_phenotrans.interop.cyclegan_pth import import_checkpoint

__all__ = ["import_checkpoint"]
