import pytest

from napari_phenotrans.io.ome_xml import OmeXml, _color, ome_color

TEXT = """<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Image ID="Image:0" Name="first"><Description> Synthetic &amp; small </Description>
<Pixels PhysicalSizeX="325" PhysicalSizeXUnit="nm" PhysicalSizeY="0.325" PhysicalSizeZ="2" TimeIncrement="1.5"
 TimeIncrementUnit="min"><Channel Name="DAPI" Color="65535"/><Channel Fluor="GFP" Color="-1"/><Channel/></Pixels>
</Image>
<Image ID="Image:1"><Pixels><Channel SamplesPerPixel="3"/><Channel Name="x" Color="blue"/></Pixels></Image>
<Image ID="Image:2"/></OME>"""


def test_facts_of_each_image() -> None:
    ome = OmeXml.parse(TEXT)
    assert ome is not None
    assert ome.names == ["first", "Image:1", "Image:2"]
    facts = ome.facts(0)
    assert facts.channels == ("DAPI", "GFP", None)
    assert facts.colors == ("#0000ff", "#ffffff", None)
    assert (facts.x, facts.y, facts.z) == ((325, "nm"), (0.325, "µm"), (2, "µm"))
    assert facts.interval == (1.5, "min")
    assert facts.description == "Synthetic & small"
    colored = ome.facts(1)
    assert colored.channels == ("red", "green", "blue", "x")
    assert colored.colors == ("#ff0000", "#00ff00", "#0000ff", None)
    assert ome.facts(2).channels == ()
    assert ome.facts(7).channels == ()


@pytest.mark.parametrize("text", ["", "<OME", "<Image/>", "no xml"])
def test_what_is_no_ome_xml_is_none(text: str) -> None:
    assert OmeXml.parse(text) is None


@pytest.mark.parametrize("color", ["#000000", "#ffffff", "#ff0000", "#00ff00", "#7f8001"])
def test_colors_are_signed_rgba_and_come_back(color: str) -> None:
    value = ome_color(color)
    assert -(2**31) <= value < 2**31
    assert value & 0xFF == 0xFF
    assert _color(str(value)) == color
    assert ome_color("#ff0000") == -16776961
