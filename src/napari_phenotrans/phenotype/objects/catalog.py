"""What measurements are called: CellProfiler's names, and the words that a reader sees."""

from __future__ import annotations

from dataclasses import dataclass

INTENSITY = {
    "MeanIntensity": "mean intensity",
    "MedianIntensity": "median intensity",
    "IntegratedIntensity": "summed intensity",
    "StdIntensity": "spread of intensity (SD)",
    "MADIntensity": "spread of intensity (median deviation)",
    "MinIntensity": "darkest pixel",
    "LowerQuartileIntensity": "lower quartile of intensity",
    "UpperQuartileIntensity": "upper quartile of intensity",
    "MaxIntensity": "brightest pixel",
}
# Of nuclei only; with the power of the length in its unit, None where the unit is the range.
BORDER = {
    "MassDisplacement": ("distance from center of light to center of shape", 1),
    "MeanIntensityEdge": ("mean intensity at the border", None),
    "StdIntensityEdge": ("spread of intensity at the border (SD)", None),
}
TEXTURE = {
    "AngularSecondMoment": "texture: uniformity (angular second moment)",
    "Contrast": "texture: contrast",
    "Correlation": "texture: correlation",
    "Variance": "texture: variance",
    "InverseDifferenceMoment": "texture: smoothness (inverse difference moment)",
    "SumAverage": "texture: sum average",
    "SumVariance": "texture: sum variance",
    "SumEntropy": "texture: sum entropy",
    "Entropy": "texture: disorder (entropy)",
    "DifferenceVariance": "texture: difference variance",
    "DifferenceEntropy": "texture: difference entropy",
    "InfoMeas1": "texture: information measure 1",
    "InfoMeas2": "texture: information measure 2",
}
ZONES = {1: "center", 2: "inner", 3: "outer", 4: "border"}
RADIAL = {"MeanFrac": "relative brightness", "RadialCV": "unevenness around the center"}
# With the power of the length in its unit.
SHAPE = {
    "Area": ("area", 2),
    "Perimeter": ("perimeter", 1),
    "MajorAxisLength": ("length (major axis)", 1),
    "MinorAxisLength": ("width (minor axis)", 1),
    "MaximumRadius": ("largest distance from its border", 1),
    "MeanRadius": ("mean distance from its border", 1),
    "MinFeretDiameter": ("smallest caliper diameter", 1),
    "MaxFeretDiameter": ("largest caliper diameter", 1),
    "Eccentricity": ("elongation (eccentricity)", 0),
    "FormFactor": ("roundness (form factor)", 0),
    "Compactness": ("raggedness (compactness)", 0),
    "Extent": ("share of its bounding box", 0),
    "Solidity": ("share of its convex hull (solidity)", 0),
}
NEIGHBORS = {
    "NumberOfNeighbors": ("neighbors within one diameter", 0),
    "FirstClosestDistance": ("distance to the nearest neighbor", 1),
    "SecondClosestDistance": ("distance to the second nearest neighbor", 1),
    "AngleBetweenNeighbors": ("angle between the two nearest neighbors", 0),
    "PercentTouching": ("share of its border near a neighbor", 0),
}


@dataclass(frozen=True)
class Measurement:
    """One measurement.

    Parameters
    ----------
    key
        Its column in tables: CellProfiler's name where it is CellProfiler's, with channel and compartment.
    words
        What it is, for a reader: ``FKHR-EGFP: nucleus over ring``.
    family
        intensity, ratio, texture, granularity, radial, correlation, shape, neighbors or field.
    channel, compartment
        Of what; empty where it is of none in particular.
    unit
        As printed behind a value; "of range" is a share of the intensity limits.
    log
        Whether values are natural logarithms of ratios.
    per_field
        Whether there is one value per field and not per object.
    """

    key: str
    words: str
    family: str
    channel: str = ""
    compartment: str = ""
    unit: str = ""
    log: bool = False
    per_field: bool = False


def of_channel(
    group: str, name: str, words: str, family: str, channel: str, compartment: str, unit: str = ""
) -> Measurement:
    """Name a measurement of one channel (or of a pair) in one compartment, the way CellProfiler does."""
    key = f"{group}_{name}_{channel}_{compartment}"
    return Measurement(key, f"{channel}, {compartment}: {words}", family, channel, compartment, unit)


def ratio(channel: str) -> Measurement:
    """Name the ratio of a channel's mean intensities in nucleus and ring."""
    return Measurement(f"Ratio_NucleusOverRing_{channel}", f"{channel}: nucleus over ring", "ratio", channel, log=True)
