"""The only place that knows napari and Qt: reader, sample data and docks."""
