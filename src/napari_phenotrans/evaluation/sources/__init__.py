"""Where scored images come from: a run's held-out fields or a data set's, translated for it, or folders of images."""

from napari_phenotrans.evaluation.sources.checkpoint import from_checkpoint
from napari_phenotrans.evaluation.sources.folders import from_folders
from napari_phenotrans.evaluation.sources.run import from_run

__all__ = ["from_checkpoint", "from_folders", "from_run"]
