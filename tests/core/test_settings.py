import pytest

from napari_phenotrans.core.errors import InputError
from napari_phenotrans.core.settings import flag
from napari_phenotrans.engines import ENGINES


@pytest.mark.parametrize("name", ENGINES)
def test_every_setting_has_help_and_a_default(name: str) -> None:
    declared = ENGINES[name].settings
    declared.make()
    for field, info in declared.model_fields.items():
        assert info.description, field
        assert info.description.endswith("."), field


def test_errors_name_every_setting_as_typed() -> None:
    with pytest.raises(InputError, match=r"--crop.*got 'big'; --save-every.*greater than or equal to 1, got 0"):
        ENGINES["cyclegan"].settings.make(save_every=0, crop="big")
    with pytest.raises(InputError, match="--speed"):
        ENGINES["cyclegan"].settings.make(speed=3)
    with pytest.raises(InputError, match="--device"):
        ENGINES["cyclegan"].settings.make(device="gpu")


def test_flag_is_what_the_user_types() -> None:
    assert flag("save_every") == "--save-every"


def test_settings_are_frozen() -> None:
    settings = ENGINES["shift"].settings.make()
    with pytest.raises(ValueError, match="frozen"):
        settings.steps = 3
