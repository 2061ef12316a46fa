"""``python -m napari_phenotrans`` is ``phenotrans``."""

from napari_phenotrans.cli.main import main

main()
