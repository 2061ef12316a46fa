from __future__ import annotations

from pathlib import Path

import npe2
import pytest
from napari.settings import get_plugin_settings

from napari_phenotrans.widgets.common.preferences import (
    FILE,
    PLUGIN,
    Choices,
    Preferences,
    last_choices,
    preferences,
    remember,
)


def test_preferences_are_the_manifests_until_the_user_sets_them(config_folder: Path) -> None:
    assert preferences() == Preferences("auto", "auto", None, "matrix", None)
    said = get_plugin_settings(PLUGIN).translate
    said.device, said.precision, said.tile, said.view, said.folder = "cpu", "fp32", 256, "curtain", "/data"
    assert preferences() == Preferences("cpu", "fp32", 256, "curtain", Path("/data"))
    assert "tile: 256" in (config_folder / f"{PLUGIN}.yaml").read_text()
    with pytest.raises(ValueError, match="xpu"):
        said.device = "xpu"


def test_the_manifest_offers_what_the_program_knows() -> None:
    """The manifest repeats lists that stand in code."""
    from typing import get_args

    from napari_phenotrans.core.settings import TrainingSettings

    (said,) = npe2.PluginManager.instance().get_manifest(PLUGIN).contributions.configurations.values()
    precisions = get_args(TrainingSettings.model_fields["precision"].annotation)
    assert said.properties["precision"].enum == list(precisions)
    assert {name: p.default for name, p in said.properties.items()} == {
        "device": "auto",
        "precision": "auto",
        "tile": 0,
        "view": "matrix",
        "folder": "",
    }


def test_choices_are_kept_and_added_to(config_folder: Path) -> None:
    assert last_choices() == Choices()
    remember(checkpoint="bbbc013-phendiff", how={"bbbc013-phendiff": {"strength": 0.4}})
    remember(scope="view", how={"other": {"strength": 0.6}}, open_sections={"engine": True})
    remember(open_sections={"device": False}, how={"other": {"strength": 0.7}})
    assert last_choices() == Choices(
        checkpoint="bbbc013-phendiff",
        scope="view",
        how={"bbbc013-phendiff": {"strength": 0.4}, "other": {"strength": 0.7}},
        open_sections={"engine": True, "device": False},
    )
    assert [path.name for path in config_folder.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[]", b'{"scope": 3}', b'{"how": {"a": 1}}', b"\xff\xfe\x00"], ids=range(6)
)
def test_a_broken_file_means_that_nothing_was_chosen(broken: bytes, config_folder: Path) -> None:
    config_folder.mkdir()
    (config_folder / FILE).write_bytes(broken)
    assert last_choices() == Choices()
    remember(scope="plane")
    assert last_choices() == Choices(scope="plane")


def test_what_another_version_kept_is_passed_over(config_folder: Path) -> None:
    config_folder.mkdir()
    (config_folder / FILE).write_text('{"scope": "stack", "of a later version": 1}')
    assert last_choices() == Choices(scope="stack")


def test_a_folder_that_cannot_be_written_to_is_nobodys_trouble(config_folder: Path) -> None:
    config_folder.write_text("a file where the folder should be")
    remember(scope="plane")
    assert last_choices() == Choices()


def test_without_the_plugin_nothing_is_set_and_nothing_kept(npe2pm: object, config_folder: Path) -> None:
    assert preferences() == Preferences()
    remember(scope="plane")
    assert last_choices() == Choices()
    assert not config_folder.exists()
